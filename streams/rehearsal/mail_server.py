"""A mail server that keeps what it gets in memory, shows a Message-ID once as mail systems do, and can refuse."""

import asyncio
import email
import email.policy
from datetime import datetime
from email.message import EmailMessage
from typing import Final

from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec import Struct

from infra.clock import Clock

TEMPORARY: Final = "451 Requested action aborted: try again later"
PERMANENT: Final = "550 No such mailbox here"


class Mail(Struct, frozen=True, kw_only=True):
    """An email as its reader sees it. ``html``: the same words for a reader that prefers it."""

    message_id: str
    sender: str
    to: str
    subject: str
    text: str
    html: str
    language: str
    at: datetime


class Mailboxes:
    """Every mail that arrived, by address; and how the server misbehaves.

    Attributes:
        repeats: mails that came again under a Message-ID that was there already, and were not shown twice.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._mails: dict[tuple[str, str], Mail] = {}
        self._refusals: list[str] = []
        self.repeats = 0

    def addresses(self) -> list[str]:
        """Every address that has got mail, the one with the newest first."""
        newest = {mail.to: mail.at for mail in self._mails.values()}
        return sorted(newest, key=lambda address: (newest[address], address), reverse=True)

    def of(self, address: str) -> list[Mail]:
        """The mails of an address, oldest first."""
        return [mail for mail in self._mails.values() if mail.to == address]

    def all(self) -> list[Mail]:
        """Every mail, oldest first."""
        return list(self._mails.values())

    def refuse(self, answer: str = TEMPORARY, count: int = 1) -> None:
        """Answers the next so many mails with this reply of SMTP (RFC 5321, 4.2)."""
        self._refusals += [answer] * count

    def refusal(self) -> str | None:
        """The refusal for the mail at hand, used up by it."""
        return self._refusals.pop(0) if self._refusals else None

    def take(self, content: bytes, recipients: list[str]) -> None:
        """Puts a mail into the boxes of its recipients."""
        message = email.message_from_bytes(content, policy=email.policy.default)
        message_id = str(message["Message-ID"] or "")
        for to in recipients:
            if message_id and (message_id, to) in self._mails:
                self.repeats += 1
                continue
            self._mails[message_id or f"<none-{len(self._mails)}>", to] = Mail(
                message_id=message_id,
                sender=str(message["From"] or ""),
                to=to,
                subject=str(message["Subject"] or ""),
                text=_part(message, "plain"),
                html=_part(message, "html"),
                language=str(message["Content-Language"] or ""),
                at=self._clock(),
            )


class _Handler:
    def __init__(self, mailboxes: Mailboxes) -> None:
        self._mailboxes = mailboxes

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        refusal = self._mailboxes.refusal()
        if refusal is not None:
            return refusal
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self._mailboxes.take(content, list(envelope.rcpt_tos))
        return "250 Message accepted for delivery"


class MailServer:
    """The server, on the running loop."""

    def __init__(self, mailboxes: Mailboxes, host: str, port: int) -> None:
        self._handler = _Handler(mailboxes)
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens.

        Raises:
            OSError: the port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self._handler, enable_SMTPUTF8=True, loop=loop), self._host, self._port
        )

    async def stop(self) -> None:
        """Stops listening; what is under way may end by itself."""
        if self._server is not None:
            self._server.close()
            self._server = None


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return str(body.get_content()) if body is not None else ""
