"""Email through SMTP. A repeat carries the same Message-ID, by which mail systems show a message once."""

from collections.abc import Collection
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from html import escape
from typing import Final

import aiosmtplib

from infra.clock import Clock
from infra.settings import Settings
from outreach.contact.channel import Accepted, Busy, Delivery, Failed, Outcome, Outgoing, Unknown

TIMEOUT_S: Final = 10.0
_PERMANENT: Final = 500


class SmtpEmail:
    """The email channel.

    Raises:
        ValueError: no mail server is set.
    """

    recognises_repeats = True

    def __init__(self, settings: Settings, clock: Clock, *, timeout_s: float = TIMEOUT_S) -> None:
        if not settings.smtp_host:
            raise ValueError("email needs smtp_host")
        self._settings = settings
        self._clock = clock
        self._timeout_s = timeout_s

    async def send(self, message: Outgoing) -> Outcome:
        """Hands the message to the mail server.

        Until its text is sent nothing can have gone out: every trouble before that is `Busy` or `Failed`.
        """
        sender = self._settings.mail_from
        try:
            written = write(message, sender=sender, name=self._settings.bank_name, clock=self._clock)
            content = written.as_bytes(policy=SMTP_POLICY)
        except (ValueError, LookupError) as error:
            return Failed(code="", reason=f"the message cannot be written ({type(error).__name__})")
        password = self._settings.smtp_password
        smtp = aiosmtplib.SMTP(
            hostname=self._settings.smtp_host,
            port=self._settings.smtp_port,
            start_tls=self._settings.smtp_starttls,
            username=self._settings.smtp_user,
            password=password.get_secret_value() if password else None,
            timeout=self._timeout_s,
        )
        data_begun = False
        try:
            await smtp.connect()
            await smtp.ehlo()
            await smtp.mail(sender)
            await smtp.rcpt(message.to)
            data_begun = True
            await smtp.data(content)
        except (aiosmtplib.SMTPException, OSError) as error:
            return _outcome(error, data_begun=data_begun)
        finally:
            smtp.close()
        return Accepted(provider_id=message_id(message.contact_id, sender))

    async def find(self, message: Outgoing, taken: Collection[str]) -> str | None:  # noqa: ARG002 - the channel's shape
        """Nothing: a mail server cannot be asked; a repeat is recognised by its Message-ID instead."""
        return None

    async def delivery(self, provider_id: str) -> Delivery | None:  # noqa: ARG002 - the channel's shape
        """Nothing: a mail server does not say."""
        return None


def _outcome(error: Exception, *, data_begun: bool) -> Outcome:
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return Busy(reason=f"the mail server refuses our account ({error.code})")
        case aiosmtplib.SMTPResponseException() if error.code >= _PERMANENT:
            return Failed(code=str(error.code), reason="refused by the mail server")
        case aiosmtplib.SMTPResponseException():
            return Busy(reason=f"the mail server says {error.code}")
        case _ if data_begun:
            return Unknown(reason=type(error).__name__)
        case _:
            return Busy(reason=f"the mail server cannot be reached ({type(error).__name__})")


def write(message: Outgoing, *, sender: str, name: str, clock: Clock) -> EmailMessage:
    """The message as it goes out: plain text first, and the same words as plain HTML without any link or picture."""
    written = EmailMessage(policy=SMTP_POLICY)
    written["From"] = f'"{_quoted(name)}" <{sender}>'
    written["To"] = message.to
    written["Subject"] = " ".join(message.heading.split())
    written["Date"] = format_datetime(clock())
    written["Message-ID"] = message_id(message.contact_id, sender)
    # RFC 3834: no out-of-office answers to this.
    written["Auto-Submitted"] = "auto-generated"
    written.set_content(message.body + "\n")
    written.add_alternative(_html(message), subtype="html")
    # Last: what was set before would have moved into the first part.
    written["Content-Language"] = message.language
    return written


def message_id(contact_id: str, sender: str) -> str:
    """The same for every attempt at the same contact (RFC 5322, 3.6.4: globally unique)."""
    return f"<{contact_id}@{sender.rpartition('@')[2]}>"


def _quoted(name: str) -> str:
    return " ".join(name.replace("\\", "").replace('"', "").split())


def _html(message: Outgoing) -> str:
    paragraphs = "\n".join(f"<p>{escape(part.strip())}</p>" for part in message.body.split("\n\n") if part.strip())
    title = escape(message.heading)
    head = f'<html lang="{escape(message.language)}"><head><meta charset="utf-8"><title>{title}</title></head>'
    body = f'<body style="font-family:sans-serif;line-height:1.5;max-width:36em">\n{paragraphs}\n</body></html>'
    return f"<!doctype html>\n{head}\n{body}\n"
