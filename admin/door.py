"""From Litestar's mount to the site: its exact path, whole bodies of bounded size, headers, and what is open at all."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import unquote

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lib.errors import NotFound, TooLarge

# Of a product with a long description, or of ten thousand ids.
LARGEST_BODY_BYTES = 1024 * 1024
# Of the four style elements that the script of Piccolo's page makes; a browser tells them for another release of it.
BUNDLE = "index-BEwzAl-o.js"
STYLES = (
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=' 'sha256-U2kEcnngcrfdto6sFJKrtW80odoJ5yOgdz80DpMDrWA=' "
    "'sha256-36E+CbvABov6CENfak/CBFxx0LsZtt+fKdRCtVFGtkw=' 'sha256-t4I2teZN5ZH+VM+XOiWlaPbsjQHe+k9d6viXPpKpNWA='"
)
POLICY = (
    f"default-src 'none'; script-src 'self'; style-src 'self' {STYLES}; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
).encode()
KEPT_FOREVER = b"public, max-age=31536000, immutable"


class Door:
    """From Litestar's mount, which takes whatever begins with its path, to the site."""

    def __init__(self, app: ASGIApp, path: str, *, is_secure: bool) -> None:
        self.app = app
        self.path = path
        self.cookie_ending = b"; Secure" if is_secure else b""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Litestar cuts its own part off, and puts a slash where there was none.
        scope["path"] = path = unquote(scope["raw_path"].decode("latin-1"))
        if scope["type"] == "http" and path == self.path:
            response = RedirectResponse(f"{self.path}/", status_code=HTTPStatus.PERMANENT_REDIRECT)
            await response(scope, receive, send)
        elif scope["type"] == "http" and path.startswith(f"{self.path}/"):
            inside = {**scope, "root_path": self.path}
            if (body := await _read(receive)) is not None:
                await self.app(inside, _replay(body, receive), self._with_headers(inside, send))
        else:
            raise NotFound

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = self._headers(scope, message["status"], message.get("headers", []))
            await send(message)

        return send_with_headers

    def _headers(self, scope: Scope, status: int, given: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = [(name, self._cookie(value) if name == b"set-cookie" else value) for name, value in given]
        known = {name for name, _value in headers}
        if b"content-security-policy" not in known:
            headers.append((b"content-security-policy", POLICY))
        # What is not there today may come with the next release.
        kept = status < HTTPStatus.BAD_REQUEST and scope["path"].startswith(f"{self.path}/assets/")
        return [*headers, (b"cache-control", KEPT_FOREVER if kept else b"no-store")]

    def _cookie(self, value: bytes) -> bytes:
        """Piccolo's CSRF cookie is made without a thought of HTTPS."""
        return value + self.cookie_ending if value.startswith(b"csrftoken=") else value


async def _read(receive: Receive) -> bytes | None:
    """All of it, before anything looks at it: what checks the forms would take any size. Raises TooLarge.

    None when the browser went away in the middle: half a form may mean something else than the whole.
    """
    parts, size, is_more = [], 0, True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY_BYTES:
            raise TooLarge
        parts.append(part)
        is_more = message.get("more_body", False)
    return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting = [body]

    async def receive_again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return receive_again


class Only:
    """Lets through the paths that match."""

    def __init__(self, app: ASGIApp, pattern: re.Pattern[str]) -> None:
        self.app = app
        self.pattern = pattern

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        below = scope["path"].removeprefix(scope["app_root_path"])
        if not self.pattern.fullmatch(below):
            raise NotFound
        await self.app(scope, receive, send)
