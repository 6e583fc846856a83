"""The life of rule sets: drafted, run in the shadow, published, released, retired; and how detection hears of it."""
