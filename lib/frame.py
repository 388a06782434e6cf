"""Around the whole application, 404s and errors included: request id, proxies, allowed hosts, security headers, HEAD.

One plain ASGI function, because each layer of middleware would cost more than all that it does.
"""

import functools
import re
import secrets
from collections.abc import Callable, Sequence
from http import HTTPStatus

import structlog
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from lib import problems
from lib.errors import AppError, BadInput
from lib.proxies import Proxies

SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
HOST = re.compile(r"(?P<name>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{0,5})?")
# A name of 253 characters, and a port.
LONGEST_HOST = 260
# Litestar and `lib.http` remember the last 1,024 queries, parsed: what is remembered of a stranger's has to be small.
LONGEST_QUERY = 8 * 1024
MOST_PARAMETERS = 200
# Probes know an instance by its address, not by its name.
OPEN_TO_ANY_HOST = "/health/"
RESPONSE_HEADERS = [
    (b"server", b"stockroom"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
]
# For a year browsers come back by HTTPS only.
SECURE_HEADERS = [*RESPONSE_HEADERS, (b"strict-transport-security", b"max-age=31536000")]
POLICY_VIOLATION = 1008


class HostNotAllowed(AppError):
    """This host is not served here."""

    status = 400
    title = "Unknown host"


class AddressTooLong(AppError):
    """The address is too long, or has too many parameters."""

    status = 414
    title = "Address too long"


class Frame:
    """Wrap it around an application's `asgi_handler`: the outermost place that still knows the application."""

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str], trusted_proxies: Sequence[str] = ()) -> None:
        self.app = app
        self.is_allowed = host_check(allowed_hosts)
        self.proxies = Proxies(trusted_proxies) if trusted_proxies else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.proxies is not None:
            self.proxies.uncover(scope)
        host, request_id = b"", b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"x-request-id":
                request_id = value
        if not SANE_REQUEST_ID.fullmatch(request_id):
            request_id = secrets.token_hex(8).encode()
        scope["state"]["request_id"] = text = request_id.decode()
        structlog.contextvars.bind_contextvars(request_id=text)
        refusal = self._refuse(scope, host)
        if scope["type"] == ScopeType.HTTP:
            headers = SECURE_HEADERS if scope["scheme"] == "https" else RESPONSE_HEADERS
            await self._answer(scope, receive, _with_headers(send, headers, request_id), refusal)
        elif refusal is None:
            await self.app(scope, receive, send)
        else:
            await _close(send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send, refusal: AppError | None) -> None:
        if refusal is not None:
            await _send_problem(refusal, scope, send)
        elif scope["method"] == "HEAD":
            # As GET; the body is dropped.
            await self.app({**scope, "method": "GET"}, receive, _only_head(send))
        elif scope["method"] == "OPTIONS":
            await self.app(scope, receive, _naming_methods(scope, send))
        else:
            await self.app(scope, receive, send)

    def _refuse(self, scope: Scope, host: bytes) -> AppError | None:
        path = scope["path"]
        # Only short ones reach the check, which remembers what it has seen.
        is_served = len(host) <= LONGEST_HOST and self.is_allowed(host)
        if not is_served and not path.startswith(OPEN_TO_ANY_HOST):
            return HostNotAllowed()
        query = scope["query_string"]
        if len(query) > LONGEST_QUERY or query.count(b"&") >= MOST_PARAMETERS:
            return AddressTooLong()
        # PostgreSQL stores no U+0000, so no path and no parameter can mean anything with one.
        if b"%00" in query or b"\0" in query or "\0" in path:
            return BadInput("The address must not contain a NUL character.")
        return None


def host_check(allowed_hosts: Sequence[str]) -> Callable[[bytes], bool]:
    """ "shop.example.com" is that name, ".example.com" also every name below it, "*" any; ports do not matter."""
    allowed = [host.lower() for host in allowed_hosts]
    names = set(allowed) | {host.removeprefix(".") for host in allowed}
    endings = tuple(host for host in allowed if host.startswith("."))

    @functools.lru_cache(1024)
    def is_allowed(header: bytes) -> bool:
        found = HOST.fullmatch(header.decode("latin-1").lower())
        if found is None:
            return False
        name = found["name"].rstrip(".")
        return "*" in names or name in names or name.endswith(endings)

    return is_allowed


def _with_headers(send: Send, ours: list[tuple[bytes, bytes]], request_id: bytes) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message.get("headers", [])
            message["headers"] = [*headers, *ours, (b"x-request-id", request_id)]
        await send(message)

    return send_with_headers


def _only_head(send: Send) -> Send:
    """Ends the response after its headers: a stream behind it then sees the client leave."""

    async def send_only_head(message: Message) -> None:
        if message["type"] == "http.response.start":
            await send(message)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_only_head


def _naming_methods(scope: HTTPScope, send: Send) -> Send:
    """Litestar's own answer forgets the methods of handlers that were registered after the path's first."""

    async def send_naming_methods(message: Message) -> None:
        if message["type"] == "http.response.start" and "path_template" in scope:
            others = [header for header in message["headers"] if header[0] != b"allow"]
            message["headers"] = [*others, (b"allow", _methods_of(scope).encode())]
        await send(message)

    return send_naming_methods


def _methods_of(scope: HTTPScope) -> str:
    routes = [route for route in scope["litestar_app"].routes if isinstance(route, HTTPRoute)]
    here = [route for route in routes if (route.path_format or "/") == scope["path_template"]]
    return problems.with_head(", ".join(method for route in here for method in route.route_handler_map))


async def _send_problem(error: AppError, scope: Scope, send: Send) -> None:
    body, _headers = problems.render(error, scope["path"])
    headers = [(b"content-type", problems.MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": HTTPStatus(error.status), "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _close(send: Send) -> None:
    """Before it is accepted: the server answers 403."""
    await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
