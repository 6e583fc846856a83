"""What the feed is told after a broker has lost its topics: from when to send again."""

from typing import Any

from redis.exceptions import RedisError

from infra.problems import Problem
from streams.detection.gaps import close_gap, gaps


class Resend:
    """Answers from the gaps that detection has noted.

    Args:
        redis_url: where detection keeps its state.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url

    async def advice(self) -> dict[str, Any]:
        """The earliest moment from which everything is to be sent again (null: nothing), and each partition's gap.

        Raises:
            Problem: 503, Redis is away.
        """
        try:
            found = await gaps(self._redis_url)
        except RedisError as error:
            raise _away() from error
        since = min((gap.resend_from for gap in found), default=None)
        return {
            "from": since.isoformat() if since else None,
            "gaps": [
                {
                    "partition": gap.partition,
                    "resend_from": gap.resend_from.isoformat(),
                    "lost_at": gap.lost_at.isoformat(),
                }
                for gap in found
            ],
        }

    async def done(self, partition: int) -> None:
        """Notes that a partition's gap is closed.

        Raises:
            Problem: 404 for a partition that detection has never had; 503, Redis is away.
        """
        try:
            known = await close_gap(self._redis_url, partition)
        except RedisError as error:
            raise _away() from error
        if not known:
            raise Problem(404, "no-such-partition", "There is no such partition")


def _away() -> Problem:
    return Problem(503, "redis-away", "What is to be sent again is not known now", headers={"Retry-After": "5"})
