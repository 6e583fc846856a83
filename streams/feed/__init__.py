"""The entrances of the transaction feed: HTTP batches and files."""
