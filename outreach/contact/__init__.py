"""How the customer is told, and what she says: policy, templates, channels, replies."""
