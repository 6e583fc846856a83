"""From transactions to alerts: the worker that runs the rules at the rate of a card network."""
