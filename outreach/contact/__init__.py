"""Contact: what may be sent to whom, in which words, over which channel, and what came of it."""
