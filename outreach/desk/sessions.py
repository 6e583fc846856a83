"""Sessions as signed cookies, and the proof that a form was ours: each under a key derived from the installation's."""

import hashlib
import hmac

import msgspec
from fastapi import Request, Response
from itsdangerous import BadSignature, URLSafeTimedSerializer

from infra.problems import Problem
from outreach.desk.accounts import Account

SESSION_S = 12 * 3600
"""A working day; then one signs in again."""

LOOK_S = 600
"""A page that follows a case counts as one look for so long; whoever looks on is recorded again."""

COOKIE = "ringback_session"
CSRF_HEADER = "x-csrf-token"
CSRF_FIELD = "csrf"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Who is at the desk: the account's name, its epoch when it signed in, and a random id of this session."""

    name: str
    epoch: int
    session_id: str


class Sessions:
    """Seals and opens sessions. Holds no state: an account ends its sessions by its epoch.

    Args:
        key: the installation's own, the same in every web process and under every master key.
        secure: whether the desk is reached by HTTPS; then the cookie never travels otherwise.
    """

    def __init__(self, key: bytes, *, secure: bool) -> None:
        self._serializer = URLSafeTimedSerializer(hmac.digest(key, b"desk session", "sha256"), salt="desk")
        self._looks = URLSafeTimedSerializer(hmac.digest(key, b"desk look", "sha256"), salt="look")
        self._csrf_key = hmac.digest(key, b"desk form", "sha256")
        self._secure = secure
        self.cookie = f"__Host-{COOKIE}" if secure else COOKIE

    def start(self, response: Response, account: Account, session_id: str) -> None:
        """Puts the session's cookie on the answer."""
        sealed = self._serializer.dumps([account.name, account.session_epoch, session_id])
        response.set_cookie(
            self.cookie,
            sealed,
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=self._secure,
            path="/",
        )

    def end(self, response: Response) -> None:
        """Takes the cookie away."""
        response.delete_cookie(self.cookie, httponly=True, samesite="strict", secure=self._secure, path="/")

    def read(self, request: Request) -> Session | None:
        """The session that the request carries, if its signature holds and it is not too old."""
        sealed = request.cookies.get(self.cookie, "")
        try:
            name, epoch, session_id = self._serializer.loads(sealed, max_age=SESSION_S)
        except (BadSignature, ValueError, TypeError):
            return None
        return Session(name=str(name), epoch=int(epoch), session_id=str(session_id))

    def csrf(self, session: Session) -> str:
        """What every form of this session carries."""
        return hmac.new(self._csrf_key, session.session_id.encode(), hashlib.sha256).hexdigest()

    def check_csrf(self, session: Session, token: str) -> None:
        """Refuses a form that is not of this session.

        Raises:
            Problem: 403.
        """
        # As bytes: characters beyond ASCII are no error of the comparison, and no proof either.
        if not hmac.compare_digest(self.csrf(session).encode(), token.encode(errors="replace")):
            raise Problem(403, "foreign-form", "This form was not made for this session; open the page again")

    def looked(self, session: Session, case_id: str, *, unmasked: bool) -> str:
        """The proof that a look at the case is recorded, for the page that follows it."""
        return self._looks.dumps([session.session_id, case_id, unmasked])

    def look(self, proof: str, session: Session, case_id: str) -> bool | None:
        """Whether the recorded look was unmasked; None without a proof of this session for this case."""
        try:
            session_id, case, unmasked = self._looks.loads(proof, max_age=LOOK_S)
        except (BadSignature, ValueError, TypeError):
            return None
        return bool(unmasked) if (session_id, case) == (session.session_id, case_id) else None


def refuse_foreign_origin(request: Request) -> None:
    """Refuses a form that another site sent; programs, which name no origin, pass.

    Raises:
        Problem: 403.
    """
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise Problem(403, "foreign-form", "This form was sent by another site")
