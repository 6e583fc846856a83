"""What is suspicious: pure functions from card transactions to verdicts."""
