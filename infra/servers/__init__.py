"""PostgreSQL, Redis and a Kafka-compatible broker out of their wheels: real servers that need no installing."""
