"""A rehearsal world for demos, training and tests: a bank, a phone network and a mail server."""
