"""How good a rule set is: labelled history through the production core, and what comes out of it as figures.

- ``rules.backtest.judging``: one partition of cards under several rule sets and others' rules at once.
- ``rules.backtest.truth``: which payments were fraud, and which cases they make.
- ``rules.backtest.score``: precision, recall, their intervals, what a day of alerts looks like.
- ``rules.backtest.strategies``: others' published rules, each with its source.
- ``rules.backtest.columns``: a bank's own columns as the transaction contract has them.
- ``rules.backtest.mistakes``: the worst false alarms and misses, each with its evidence.
- ``rules.backtest.report``: all of it as one page of HTML.

Files are opened and processes are run by the command line; nothing here does.
"""
