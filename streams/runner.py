"""How a role runs: one Faust app, started and stopped as a process of its own.

Faust gives agents, channels, services, supervision and timers. Everything about it that bites is dealt with here once,
so that a role only declares its services and agents:

- an app that subscribes to no topic does not start: each has a small control topic;
- its transport waits up to 1.5 s for a fetch, which costs 400 ms a hop on the embedded broker: ours waits 20 ms;
- its web server would serve the tables: it is off, the project has an API of its own;
- its worker would redirect standard output, take the logging over and sleep a second on the way out: ours does not.
"""

import asyncio
import contextlib
import logging
import os
import socket
import threading
from collections.abc import AsyncIterator
from functools import cached_property
from typing import Any, ClassVar, Final

import faust
import uvloop
from faust.transport.drivers import aiokafka as driver
from faust.types import StreamT
from faust.worker import Worker
from mode.utils.queues import FlowControlEvent, ThrowableQueue

from infra.settings import Settings
from infra.telemetry import ready
from streams.topics import control_topic

FETCH_WAIT_MS: Final = 2_000
SESSION_TIMEOUT_S: Final = 6.0
HEARTBEAT_S: Final = 2.0
STOP_WITHIN_S: Final = 15.0
LEAVE_WITHIN_S: Final = 2.0


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS  # noqa: SLF001 - Faust passes a constant; read when the consumer starts
        return consumer

    async def on_thread_stop(self) -> None:
        """Ends the consumer, quickly: everything else of the role, its last flush too, is ended after it.

        With the broker away, aiokafka lets its own cancelled fetch out, and Faust would hang; so it would where a join
        of the control topic's group is under way, which aiokafka waits for.
        """
        with contextlib.suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(LEAVE_WITHIN_S):
                await super().on_thread_stop()


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> Any:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer: ClassVar[Any] = _Consumer


class App(faust.App):
    """A Faust app with our transport, whose channels keep what is in them.

    Faust empties and stops every channel whenever the control topic's group is balanced anew (a broker that bounced is
    enough). Nothing of ours comes through that group, so our channels stay open.
    """

    @cached_property
    def _open(self) -> FlowControlEvent:
        flow = FlowControlEvent(initially_suspended=False)
        flow.resume()
        return flow

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> Any:  # noqa: ARG002, N802 - Faust's
        """A channel's queue, which no rebalance of the control topic stops or empties."""
        return ThrowableQueue(maxsize=maxsize, flow_control=self._open, clear_on_resume=False)

    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)

    def _create_directories(self) -> None:
        """Makes no folder: only tables would lie in it, and it would stay behind whoever is killed."""

    def _new_producer_transport(self) -> Any:
        return _Transport(self.conf.broker_producer, self)


class _Worker(Worker):
    def _setproctitle(self, info: str, *, ident: str = "") -> None:
        """Leaves the process its name, by which operators know it."""

    def say(self, msg: str) -> None:
        """Says nothing on standard output; the log does."""

    def carp(self, msg: str) -> None:
        """Says nothing on standard error; the log does."""

    def _schedule_shutdown(self, signal: Any) -> None:
        """Stops in good order, or, where something that is away is waited for, without: nothing is lost by that."""
        last_resort = threading.Timer(STOP_WITHIN_S, os._exit, (1,))
        last_resort.daemon = True
        last_resort.start()
        super()._schedule_shutdown(signal)

    def _on_startup_end_spinner(self) -> None:
        ready()

    async def _sentinel_task(self) -> None:
        await asyncio.sleep(0)


def faust_app(role: str, settings: Settings) -> App:
    """The app of a role: nothing kept in Faust's tables, effects at least once.

    The control topic's group is the process's own: in a shared one, every worker that comes or goes would stall the
    agents of all others for seconds, and nothing of ours is divided by that topic.

    The caller adds its services (`app.service`), channels and agents, then hands it to `run`.
    """
    servers = (settings.kafka_servers or "").split(",")
    app = App(
        f"ringback-{role}-{socket.gethostname()}-{os.getpid()}",
        broker=[f"kafka://{server.strip()}" for server in servers],
        store="memory://",
        web_enabled=False,
        autodiscover=False,
        processing_guarantee="at_least_once",
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=HEARTBEAT_S,
        broker_request_timeout=30.0,
        consumer_auto_offset_reset="latest",
        topic_partitions=1,
        topic_replication_factor=settings.replication_factor,
        topic_disable_leader=True,
        worker_redirect_stdouts=False,
        stream_wait_empty=False,
    )
    control = app.topic(control_topic(role), value_type=bytes, value_serializer="raw", partitions=1)

    @app.agent(control, name=f"{role}-control")
    async def _control(commands: StreamT[bytes]) -> AsyncIterator[None]:
        async for _ in commands:
            yield  # nothing is steered through it; its being there is the point

    return app


def run(app: App) -> None:
    """Runs the app on uvloop until SIGTERM or SIGINT; returns when it has stopped in good order.

    Raises:
        SystemExit: the app ended because of something that it did not understand (status 1); whoever started the
            process starts it again, and it goes on where its stored position is.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it says ten times a second that a broker is away
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = _Worker(app, loop=loop, quiet=True, redirect_stdouts=False, override_logging=False)
    with contextlib.suppress(asyncio.CancelledError):
        try:
            worker.execute_from_commandline()
        except SystemExit as ended:
            if ended.code:
                raise
        finally:
            asyncio.set_event_loop_policy(None)
