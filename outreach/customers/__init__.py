"""Customers: who owns which card, how each may be reached, and which case of theirs is open."""
