"""Labelled card transactions out of a seed: people who live, shop and travel, and thieves who do not ask them.

The truth is made first (where everybody is, and who pays what where), then what a bank would be told of it: points
that are missing or a head office's, clocks that are wrong, messages that come late or twice. Nothing here knows a
threshold of ``rules.ruleset``; what a journey takes is drawn from what journeys take (``rules.simulate.journeys``).

``simulate_block(plan, number)`` gives one block of cards from nothing but the plan and the block's number, so that
blocks can be made in any order, by any number of processes, and are the same bytes; ``frame_of(rows, world)`` gives
rows as the transaction contract has them.
"""
