"""What this worker has heard of the rule sets in force; it is looked for every second."""

import logging
from typing import Final

import msgspec
from redis.exceptions import RedisError

from infra.redis_client import redis_client
from streams.rulesets.announced import Announcement, heard, read

logger = logging.getLogger(__name__)

_TIMEOUT_S: Final = 2.0


class News:
    """The newest announcement. A Redis that is away, or that forgot it, takes nothing back.

    Attributes:
        announcement: None until the first was heard: the built-in rule set is in force.
    """

    def __init__(self, redis_url: str) -> None:
        self._redis_url = redis_url
        self._content = b""
        self.announcement: Announcement | None = None

    async def look(self) -> None:
        """Hears what is announced now; returns within seconds, whatever Redis does."""
        try:
            async with redis_client(
                self._redis_url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
            ) as client:
                content = await heard(client)
        except (RedisError, OSError) as error:
            logger.debug("no news of the rule sets: %s", error)
            return
        if content is None or content == self._content:
            return
        self._content = content
        try:
            self.announcement = read(content)
        except msgspec.DecodeError as error:
            logger.error("the rule sets in force cannot be read, the ones before stay: %s", error)  # noqa: TRY400 - no defect of ours
            return
        shadow = self.announcement.shadow
        logger.info(
            "heard that rule set %s is live, and %s in the shadow",
            self.announcement.live.version,
            shadow.version if shadow else "none",
        )
