"""The role `detection`: transactions in, alerts and refusals out, state and position together in Redis."""

import contextlib
import logging
import sys
from typing import Any, Final

from faust.types import StreamT
from mode import Service

from infra.clock import Clock, utc_now
from infra.metrics import DETECTION_LET_GO
from infra.settings import Settings
from rules.gazetteer import world
from streams.detection.custody import Batch, Custody
from streams.detection.errors import LetGo
from streams.detection.heap import keep_heap
from streams.detection.intake import Intake
from streams.detection.outbox import Outbox
from streams.producer import Producer
from streams.runner import App, faust_app
from streams.runner import run as run_app

logger = logging.getLogger(__name__)

_LOOK_EVERY_S: Final = 1.0
_TURN_S: Final = 0.001
"""So long a thread may keep the interpreter from others: the intake and the broker's driver, which wait for judging,
and an alert for them, several times over. Python's own 5 ms are that many each time."""


class Detection(Service):
    """Everything of the role that lives beside the agent: producer, outbox, flushes by time, and the intake."""

    def __init__(self, settings: Settings, channel: Any, clock: Clock, **options: Any) -> None:
        super().__init__(**options)
        servers = settings.kafka_servers or ""
        self._producer = Producer(servers, client_id="ringback-detection")
        self._outbox = Outbox(self._producer, settings, clock)
        self.custody = Custody(settings, self._outbox, clock, dropped=self._let_go)
        self.intake = Intake(settings, channel, self.custody)

    async def on_start(self) -> None:
        """Begins to read."""
        await self._producer.start()
        await self.intake.maybe_start()

    async def on_stop(self) -> None:
        """Flushes what was judged, then ends the connections."""
        await self.intake.stop()
        await self._producer.stop()
        await self._outbox.close()
        await self.custody.close()

    @Service.task
    async def _say(self) -> None:
        await self._outbox.run()

    @Service.task
    async def _read(self) -> None:
        await self.intake.ended()  # what it raises ends the process

    @Service.task
    async def _flush(self) -> None:
        while not self.should_stop:
            await self.sleep(await self.custody.flush_next())

    @Service.task
    async def _look(self) -> None:
        while not self.should_stop:
            await self.sleep(_LOOK_EVERY_S)
            await self.custody.hear()
            await self.custody.look_for_replacement()
            await self.custody.look_for_loss()
            await self.custody.sweep()

    def _let_go(self, error: LetGo) -> None:
        DETECTION_LET_GO.labels(type(error).__name__).inc()
        self.intake.join_anew()


class Settled(Service):
    """Starts only when the partitions are claimed: what starts after it, and the word that the role is ready, wait."""

    def __init__(self, custody: Custody, **options: Any) -> None:
        super().__init__(**options)
        self._custody = custody

    async def on_start(self) -> None:
        """Waits for the claim, or for the end."""
        await self.wait(self._custody.settled.wait())


def detection_app(settings: Settings, *, clock: Clock = utc_now) -> App:
    """The app of the role, ready to run."""
    app = faust_app("detection", settings)
    batches = app.channel()
    detection = Detection(settings, batches, clock, beacon=app.beacon)
    app.add_dependency(detection)  # at once: `app.service` would wait until the control topic's group is formed
    app.add_dependency(Settled(detection.custody, beacon=app.beacon))

    @app.agent(batches, name="detection")
    async def judge(stream: StreamT[Batch]) -> None:
        detection.custody.judging.set()
        async for batch in stream:
            try:
                await detection.custody.judge(batch)
            except Exception as error:  # Faust would go on with the next batch, behind a gap
                logger.critical("a batch could not be judged; the process ends", exc_info=error)
                detection.custody.let_go(LetGo(repr(error)))
                await app.crash(error)
            finally:
                detection.intake.judged()

    return app


def run(settings: Settings) -> None:
    """Runs until SIGTERM or SIGINT; the settings name Redis and the broker."""
    app = detection_app(settings)
    world()  # half a second to read, which no payment shall wait for
    keep_heap()
    sys.setswitchinterval(_TURN_S)
    with contextlib.suppress(KeyboardInterrupt):
        run_app(app)
