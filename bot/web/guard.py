"""What holds for every request and every answer, whichever page it is."""

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LARGEST = 16_000
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "clipboard-write=(self), camera=(), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


class Guard:
    """What holds for every request and answer: the right host, https, our own pages' posts only, small, our headers."""

    def __init__(self, app: ASGIApp, base_url: str, mounted: Collection[str]) -> None:
        self._app = app
        self._mounted = mounted
        base = urlsplit(base_url)
        self._https = base.scheme == "https"
        self._origin = base_url
        self._hosts = {base.netloc}
        self._headers = dict(_HEADERS)
        if self._https:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, with_headers)
            return
        if scope["path"] in self._mounted:
            await self._app(scope, receive, with_headers)
            return
        body = await _whole_body(receive, _LARGEST)
        if body is None:
            await wrong("That is more than any page of Rekey's sends. Nothing was done.", 413)(
                scope, receive, with_headers
            )
            return

        async def once_read() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, once_read, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        path, headers = scope["path"], Headers(scope=scope)
        host = headers.get("host", "")
        if path in ("/health", "/metrics"):
            return None
        if host not in self._hosts:
            return wrong(f"Rekey's pages are at {self._origin} and nowhere else.", 421)
        if self._https and scope["scheme"] != "https":
            return wrong(
                "Rekey's pages are for https only. If the proxy before Rekey speaks https, have it pass "
                "X-Forwarded-Proto on.",
                403,
            )
        if scope["method"] != "POST" or path in self._mounted:
            return None
        if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return wrong("Rekey's pages send JSON.", 415)
        if headers.get("origin", self._origin) != self._origin or headers.get("sec-fetch-site") not in (
            None,
            "same-origin",
        ):
            return wrong("This did not come from Rekey's own page. Nothing was done.", 403)
        return None


def wrong(reason: str, status: int, *, again: bool = False) -> JSONResponse:
    """A refusal in words; `again` when typing something else may do."""
    return JSONResponse({"reason": reason, "again": again}, status)


async def _whole_body(receive: Receive, limit: int) -> bytes | None:
    """The request's body; None when it is longer than `limit`."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body += message.get("body", b"")
        if len(body) > limit:
            return None
        if not message.get("more_body", False):
            return bytes(body)
