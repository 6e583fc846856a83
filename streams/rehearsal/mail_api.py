"""The rehearsal's mail over HTTP, for tests and onlookers."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter
from pydantic import BaseModel, Field

from streams.rehearsal.mail_server import TEMPORARY, Mailboxes


class RefusalWanted(BaseModel):
    """The next ``count`` mails are answered so (a reply of SMTP: ``451 …`` may be tried again, ``550 …`` not)."""

    answer: Annotated[str, Field(pattern=r"^[45]\d\d [\x20-\x7e]+$")] = TEMPORARY
    count: Annotated[int, Field(ge=1)] = 1


def mails_router(mailboxes: Mailboxes) -> APIRouter:
    """What is in the mailboxes; open to whoever reaches the rehearsal."""
    router = APIRouter(prefix="/rehearsal", tags=["rehearsal"])

    @router.get("/mails")
    async def mails(to: str | None = None) -> list[dict[str, Any]]:
        """Every mail, oldest first; of one address if ``to`` is given."""
        found = mailboxes.all() if to is None else mailboxes.of(to)
        return [msgspec.to_builtins(mail) for mail in found]

    @router.post("/mail-faults", status_code=201)
    async def refuse(wanted: RefusalWanted) -> RefusalWanted:
        """Refuses mails from now on."""
        mailboxes.refuse(wanted.answer, wanted.count)
        return wanted

    return router
