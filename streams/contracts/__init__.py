"""What crosses a boundary, one file a topic."""
