"""One call to IT Glue: what is sent, and what each answer means.

Bodies of errors are not shown beyond their titles: what was sent may stand in them. `show_password` is always said,
because its default differs from call to call (true when one record is shown, false when one is changed).
"""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from bot.errors import NoAnswer, NotFound, OutsideError, Refused, RightMissing, SignInRefused, Throttled, Unreachable
from bot.http_session import HttpSession, Reply
from bot.vaults.itglue.settings import ITGlueSettings
from bot.vaults.itglue.share import Share, share_of

MEDIA_TYPE = "application/vnd.api+json"
_NOTHING = "Nothing was changed."
_AT_ONCE = 3.0
"""Seconds. Whatever took longer is not tried again here: a lane is given to another worker when its own is silent."""

Document = dict[str, Any]


def no_key() -> SignInRefused:
    """IT Glue does not know the key, or not at present."""
    return SignInRefused(
        f"IT Glue does not take Rekey's API key. {_NOTHING}",
        cause="itglue-key",
        mend="See Account → Settings → API Keys in IT Glue: the key may be paused or deleted, or belong to another "
        "region.",
    )


def forbidden() -> SignInRefused:
    """Turned away at the gate."""
    return SignInRefused(
        f"IT Glue turns this machine away before it looks at anything. {_NOTHING}",
        cause="itglue-forbidden",
        mend="Most likely IT Glue's IP Access Control does not list this machine's public address: add it there. If it "
        "does, make a new API key.",
    )


def no_password_access() -> RightMissing:
    """The key sees records, but not their passwords."""
    return RightMissing(
        f"Rekey's API key has no access to passwords in IT Glue. {_NOTHING}",
        cause="itglue-password-access",
        mend="Switch Password Access on for the key, in Account → Settings → API Keys; then try again.",
    )


def no_write() -> RightMissing:
    """The key reads passwords, and may not change them."""
    return RightMissing(
        f"IT Glue lets Rekey's API key read, but not change a password. {_NOTHING}",
        cause="itglue-write",
        mend="Give the key Password Access and the rights of somebody who may edit passwords (Account → Settings → API "
        "Keys); then try again.",
    )


class Wire:
    """Kept connections to one account; a context manager. Safe to use from several threads."""

    def __init__(self, settings: ITGlueSettings, key: SecretStr, share: Share | None = None) -> None:
        self._settings = settings
        self._share = share or share_of(settings.base_url, key)
        self._http = HttpSession(settings.base_url, headers={"x-api-key": key, "Accept": MEDIA_TYPE}, tries=1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, params: Mapping[str, str | int] | None = None) -> Document:
        """Read. What broke at once is read once more: a connection may have been closed while it lay idle."""
        began = time.monotonic()
        try:
            return self._get(path, params)
        except Unreachable:
            if time.monotonic() - began > _AT_ONCE:
                raise
        return self._get(path, params)

    def _get(self, path: str, params: Mapping[str, str | int] | None) -> Document:
        self._share.take(self._settings.share)
        try:
            return self._answer(self._http.get(path, params), writes=False)
        except Throttled as error:
            raise self._throttled(error) from None

    def write(self, method: str, path: str, attributes: Mapping[str, object], requests: int) -> Document:
        """Change something, once. `requests` is how many the caller needs in all, this one and those that prove it: it
        begins only when our share has room for them.
        """
        self._share.take(self._settings.share, requests)
        unwrapped = {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in attributes.items()
        }
        body = {"data": {"type": "passwords", "attributes": unwrapped}}
        try:
            reply = self._http.send(method, path, json=body, headers={"Content-Type": MEDIA_TYPE})
            return self._answer(reply, writes=True)
        except Throttled as error:
            raise self._throttled(error) from None

    def prove(self, path: str, params: Mapping[str, str | int]) -> Document:
        """Read what was just written, on the room `write` took; whatever goes wrong leaves open what is there."""
        try:
            return self._answer(self._http.get(path, params), writes=False)
        except Throttled as error:
            self._share.complained(error.retry_after)
            raise _unproved(error) from None
        except OutsideError as error:
            raise _unproved(error) from None

    def _throttled(self, error: Throttled) -> Throttled:
        pause = self._share.complained(error.retry_after)
        return Throttled(
            f"IT Glue says that its account makes too many requests, all its tools together. Rekey waits {pause:.0f} "
            f"seconds. {_NOTHING}",
            retry_after=pause,
            cause="itglue-throttled",
            mend="Where this goes on, give Rekey a smaller share in the world file, or the other tools less to do.",
        )

    def _answer(self, reply: Reply, *, writes: bool) -> Document:
        self._share.answered()
        if reply.status >= 500:
            kind = NoAnswer if writes else Unreachable
            open_ = "It is not known whether it was done." if writes else _NOTHING
            raise kind(f"IT Glue is out of order (status {reply.status}). {open_}", cause="itglue-down")
        if reply.status in (200, 201):
            document = reply.json()
            if isinstance(document, dict) and "data" in document:
                return document
            raise _odd(reply, writes=writes)
        raise _refusal(reply)


def _refusal(reply: Reply) -> Refused:
    titles = _titles(reply)
    match reply.status:
        case 401:
            return no_key()
        case 403 if titles:
            return Refused(f"IT Glue does not allow this: {titles}. {_NOTHING}", cause="itglue-403")
        case 403:
            return forbidden()
        case 404:
            return NotFound(f"IT Glue has no such record (any more). {_NOTHING}", cause="itglue-gone")
    said = f": {titles}" if titles else ""
    return Refused(f"IT Glue refuses this (status {reply.status}){said}. {_NOTHING}", cause=f"itglue-{reply.status}")


def _titles(reply: Reply) -> str:
    """What the errors of an answer are about: titles and places, which IT Glue words itself, and nothing we sent."""
    errors = _errors(reply)
    told = []
    for each in errors[:3]:
        source = each.get("source")
        pointer = str(source.get("pointer", "")) if isinstance(source, dict) else ""
        told.append(" ".join(filter(None, (str(each.get("title") or "")[:120], pointer.rpartition("/")[2][:60]))))
    return "; ".join(filter(None, told))


def is_about(refusal: Refused, attribute: str) -> bool:
    """Whether IT Glue refused what was sent because of this attribute."""
    return refusal.cause == "itglue-422" and attribute in str(refusal)


def _errors(reply: Reply) -> list[Document]:
    try:
        document = reply.json()
    except OutsideError:
        return []  # a page of HTML, or nothing
    errors = document.get("errors") if isinstance(document, dict) else None
    return [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []


def _odd(reply: Reply, *, writes: bool) -> OutsideError:
    kind = NoAnswer if writes else Unreachable
    return kind(f"{reply.host} answered something that IT Glue would not.", cause="itglue-answer")


def _unproved(error: OutsideError) -> NoAnswer:
    return NoAnswer(
        f"IT Glue took the new password, and then could not be asked whether it holds it: {error}",
        cause=error.cause,
        mend=error.mend,
    )
