"""What is counted of judged records, for whoever watches the worker."""

from collections import Counter
from collections.abc import Sequence

from infra.metrics import SIGHTINGS, TRANSACTIONS
from streams.detection.rows import Outcome, SetAside


def count(reasons: Counter[str], rows: int, outcomes: Sequence[Outcome], *, was_said: bool) -> None:
    """Adds so many judged rows, what came of them, and the rules' reasons, which begin at nothing again."""
    if was_said:
        TRANSACTIONS.labels("read_back").inc(rows)
        reasons.clear()
        return
    refused = sum(isinstance(one, SetAside) for one in outcomes)
    TRANSACTIONS.labels("judged").inc(rows - refused)
    if refused:
        TRANSACTIONS.labels("refused").inc(refused)
    for reason, times in reasons.items():
        SIGHTINGS.labels(reason).inc(times)
    reasons.clear()
