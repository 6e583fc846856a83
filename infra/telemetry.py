"""Logs: one line an event, JSON or for the eye, with the ids of what it is about and without personal data.

Every process calls ``configure`` once. After it both ``structlog.get_logger()`` and the standard library's loggers
(Faust, uvicorn, drivers) write the same lines to the stream that was the standard error at that moment, so that a
library that redirects the standard streams into the log (Faust may) cannot send it round in circles.

A log line says *what* with a fixed sentence and *about what* with fields; ids go into the context::

    with about(case_id=case_id, correlation_id=correlation):
        log.info("contact accepted", channel="sms")
"""

import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from infra.settings import Settings

MaskNumbers = Callable[[str], str]
"""Replaces what looks like a card number in a text (``rules.card_number.mask_card_numbers``)."""

READY_FILE = "RINGBACK_READY_FILE"
"""Environment variable: the file that a role touches when it does its work, for whoever started it."""

PHONE = "[phone]"
EMAIL = "[email]"
SECRET = "[secret]"  # noqa: S105 - stands where a secret stood

_PHONE = re.compile(r"(?<!\w)(?:\+|%2[Bb])[1-9](?:[ ().-]{0,2}[0-9]){6,14}(?![0-9])")
_EMAIL = re.compile(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~.-]+(?:@|%40)(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}")
_URL_PASSWORD = re.compile(r"(?<=://)([^/@:\s]*):[^/@\s]+@")
_PASSWORD = re.compile(r"(?i)((?<![\w-])(?:ssl)?password ?= ?)(?:'(?:[^'\\]|\\.)*'|[^\s&'\"]+)")
"""As a connection string of PostgreSQL has it, in words or behind a URL's question mark."""
_SECRET_KEYS = frozenset({"authorization", "password", "secret", "token", "auth_token", "master_key", "feed_key"})
_DEPTH = 6
_QUIET = ("httpx", "httpcore", "aiokafka", "faust", "mode", "uvicorn.access", "twilio", "asyncio")


def configure(settings: Settings, *, role: str, mask_numbers: MaskNumbers, stream: TextIO | None = None) -> None:
    """Sends every log of this process through our lines.

    Args:
        settings: ``log_level`` and ``log_format``.
        role: What this process is; on every line.
        mask_numbers: Masks card numbers; handed in because what looks like one is a rule, and rules stand above.
        stream: Where the lines go; the standard error if not given.
    """

    def add_role(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        line["role"] = role  # not through the context: threads begin with an empty one
        return line

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        add_role,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.UnicodeDecoder(),
        Redaction(mask_numbers),
    ]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        if settings.log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    for name in _QUIET:  # they tell of every request; what goes wrong is still told
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(capture=True)


def to_standard_error(*, mask_numbers: MaskNumbers) -> None:
    """Sends every warning of a command that is no role to the standard error: what it prints is for others to read.

    The stream is looked up at each line. No handler of the standard library's is put in or taken away; where there is
    one, its loggers go on writing there. ``configure`` takes precedence, before or after.

    Args:
        mask_numbers: As in ``configure``.
    """
    if structlog.is_configured():
        return
    redaction = Redaction(mask_numbers)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redaction,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=False,
    )
    logging.lastResort = _Unhandled(redaction)


class _Unhandled(logging.Handler):
    """Writes what no handler of the standard library's takes."""

    def __init__(self, redaction: "Redaction") -> None:
        super().__init__(logging.WARNING)
        self._redaction = redaction

    def emit(self, record: logging.LogRecord) -> None:
        """As the standard library writes it, redacted, to the standard error of the moment."""
        try:
            sys.stderr.write(self._redaction.text(self.format(record)) + "\n")
        except Exception:  # noqa: BLE001 -- a line that cannot be written stops nothing: logging's own rule
            self.handleError(record)


def about(**ids: str) -> AbstractContextManager[None]:
    """Puts ids (``case_id``, ``correlation_id``, …) on every line that is logged inside the block, by this task."""
    return structlog.contextvars.bound_contextvars(**ids)


def ready() -> None:
    """Tells whoever started this process that it does its work now: consumes, listens, answers.

    Each role calls it once it does; calling it again, or where nobody waits, does nothing.
    """
    if path := os.environ.get(READY_FILE):
        Path(path).touch()


def not_ready() -> None:
    """Takes ``ready`` back: the process lives, and does not do its work."""
    if path := os.environ.get(READY_FILE):
        Path(path).unlink(missing_ok=True)


def without_password(url: str) -> str:
    """The URL, or the connection string, as it may be shown: with its password masked."""
    return _PASSWORD.sub(rf"\1{SECRET}", _URL_PASSWORD.sub(rf"\1:{SECRET}@", url))


class Redaction:
    """A processor that leaves no card number, phone number, email address or secret in any value of a line.

    It errs on the side of masking. Numbers of 13 digits and more are looked at as well; names of people cannot be
    recognised, so they are never logged.
    """

    def __init__(self, mask_numbers: MaskNumbers) -> None:
        self._mask_numbers = mask_numbers

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        """The line with every value masked where it must be; structlog's own fields stay."""
        for key, value in line.items():
            if not key.startswith("_") and key not in ("timestamp", "level"):
                line[key] = self._value(key, value, _DEPTH)
        return line

    def text(self, text: str) -> str:
        """The text with everything masked that must not be kept."""
        masked = _EMAIL.sub(EMAIL, without_password(text))
        masked = _PHONE.sub(PHONE, masked)
        return self._mask_numbers(masked)

    def _value(self, key: object, value: Any, depth: int) -> Any:
        if isinstance(key, str) and key.lower() in _SECRET_KEYS and value is not None:
            return SECRET
        match value:
            case None | bool() | float():
                kept: Any = value
            case int():
                shown = self._mask_numbers(str(value))
                kept = value if shown == str(value) else shown
            case str():
                kept = self.text(value)
            case bytes():
                kept = self.text(value.decode(errors="replace"))
            case dict() if depth:
                kept = {self._name(name): self._value(name, inner, depth - 1) for name, inner in value.items()}
            case list() | tuple() | set() | frozenset() if depth:
                kept = [self._value(None, inner, depth - 1) for inner in value]
            case _:
                kept = self.text(repr(value))
        return kept

    def _name(self, name: object) -> str:
        return self.text(str(name))
