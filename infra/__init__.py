"""What Ringback stands on: the history, servers, settings, metrics, logs and the command line."""
