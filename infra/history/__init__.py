"""The history: an append-only event store on PostgreSQL, and what is derived from it."""
