"""Who calls, and may they: ASGI middleware, guards that name a scope, and their place in OpenAPI.

Every request passes here. An access token is recognised without PostgreSQL and Redis, except when this process's copy
of ended sessions is too old; an API key asks PostgreSQL once a second, a browser's cookie for each of its pages.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityRequirement, SecurityScheme
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, Message, Receive, Send
from litestar.types import Scope as Connection

from domains.accounts import api_keys, cookies, csrf, revocations, tokens
from domains.accounts.schemas import Caller, Device, anonymous
from domains.accounts.scopes import Scope, scopes_of
from lib import actor
from lib.actor import Actor, Source
from lib.errors import NotAllowed, NotSignedIn

CallerRequest: TypeAlias = Request[Caller, Any, State]

SCHEMES = {"bearer", "jwt", "token"}
MOST_KNOWN = 10_000
ANYBODY = Actor(name="anonymous", source=Source.API)
# Handlers that take their tokens from the body set this: a client may send its expired access token along.
IGNORES_TOKEN = "ignores_token"  # noqa: S105 - The name of an option, not a secret.
# Handlers that answer everybody alike set this: no cookie is looked up for them.
IGNORES_COOKIE = "ignores_cookie"
ACCESS = "access"
PUBLIC = "public"
COOKIE_NAME = cookies.SESSION.encode()
SECURITY_SCHEME = "bearerAuth"
COMPONENTS = Components(
    security_schemes={
        SECURITY_SCHEME: SecurityScheme(
            type="http",
            scheme="bearer",
            bearer_format="JWT",
            description="An access token of /auth/jwt/create, or an API key (sk_…).",
        )
    }
)


class MissingScope(NotAllowed):
    """Your role does not allow this."""


class Known(msgspec.Struct, frozen=True):
    """What a genuine token says, kept so that its signature is checked once."""

    caller: Caller
    actor: Actor
    family: str
    expires: int


class Access(msgspec.Struct, frozen=True):
    """A guard: who may come in here. Without a scope everybody may; whoever has a wider one may too."""

    scope: Scope | None
    wider: tuple[Scope, ...] = ()

    async def __call__(self, connection: ASGIConnection[Any, Caller, Any, Any], _handler: BaseRouteHandler) -> None:
        caller = connection.user
        if self.scope is None or self.scope in caller.scopes or not caller.scopes.isdisjoint(self.wider):
            return
        if caller.user_id is None:
            raise NotSignedIn
        raise MissingScope(f"This needs the scope {self.scope}.")


public = Access(None)


def requires(scope: Scope, *wider: Scope) -> Access:
    """Guard: 401 for somebody who is not signed in, 403 for somebody without the scope or a wider one.

    Every role that has a wider scope has the scope too; an API key may have the wider one alone.
    """
    return Access(scope, wider)


class AccessPlugin(ReceiveRoutePlugin):
    """Writes each route's guard into its `opt["access"]` (a Scope or "public") and into OpenAPI."""

    def receive_route(self, route: BaseRoute) -> None:
        handlers = route.route_handlers if isinstance(route, HTTPRoute) else []
        for handler in handlers:
            if guards := [guard for guard in handler.resolve_guards() if isinstance(guard, Access)]:
                handler.opt[ACCESS] = guards[0].scope or PUBLIC
                handler.security = _security_of(guards)


def _security_of(guards: Sequence[Access]) -> list[SecurityRequirement] | None:
    """Either a guard's scope or a wider one; what several guards ask for, all together."""
    if len(guards) > 1:
        return [{SECURITY_SCHEME: [guard.scope for guard in guards if guard.scope]}]
    scopes = [scope for guard in guards for scope in (guard.scope, *guard.wider) if scope]
    return [{SECURITY_SCHEME: [scope]} for scope in scopes] or None


def device_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Device:
    """Where a request comes from; the frame has put the real address there when a trusted proxy stands between."""
    client = connection.client
    return Device(connection.headers.get("user-agent", ""), client.host if client is not None else "")


async def is_still_in(connection: ASGIConnection[Any, Caller, Any, Any]) -> bool:
    """For answers that go on for long: False once the session has ended that asked for it, or the key was revoked."""
    caller = connection.user
    if caller.session_id is not None:
        return not await revocations.has_ended(caller.session_id)
    if caller.api_key_id is None:
        return True
    try:
        now = await api_keys.recognise(_token_in(connection.headers["authorization"].encode("latin-1")))
    except tokens.BadToken:
        return False
    # Its owner may have lost a role since.
    return caller.scopes <= now.scopes


def authentication(app: ASGIApp) -> ASGIApp:
    """Middleware: `request.user` becomes a Caller, in whose name the request acts. A bad token ends in 401.

    `request.auth` is the token of the browser's session that spoke for the caller, and None for every other way.
    """

    async def authenticated(scope: Connection, receive: Receive, send: Send) -> None:
        caller, acts, has_cookie, is_settled = None, ANYBODY, False, False
        scope["auth"] = None
        for name, value in scope["headers"]:
            if name == b"authorization":
                caller, acts = await _by_header(scope, value)
                is_settled = caller is not None or csrf.IN_FORM not in scope["route_handler"].opt
            elif name == b"cookie":
                has_cookie = has_cookie or COOKIE_NAME in value
        if has_cookie and not is_settled and (found := await _by_cookie(scope)) is not None:
            caller, acts = found.caller, _browsing(found.caller)
            send = _uncached(_keeping_cookie(send, scope["auth"]) if found.is_extended else send)
        scope["user"] = caller or anonymous()
        actor.become(acts)
        await app(scope, receive, send)

    return authenticated


async def _by_header(scope: Connection, header: bytes) -> tuple[Caller | None, Actor]:
    try:
        token = _token_in(header)
        if token.startswith(api_keys.PREFIX):
            return _machine(await api_keys.recognise(token))
        known = await recognise(token)
    except tokens.BadToken:
        # Pages are opened by cookie: behind a proxy that asks for a password of its own, browsers send that along.
        if not {IGNORES_TOKEN, csrf.IN_FORM} & scope["route_handler"].opt.keys():
            raise
        return None, ANYBODY
    return known.caller, known.actor


def _machine(caller: Caller) -> tuple[Caller, Actor]:
    reference = f"api_key:{caller.api_key_id}"
    return caller, Actor(user_id=caller.user_id, name=caller.username, source=Source.API, reference=reference)


def _browsing(caller: Caller) -> Actor:
    return Actor(user_id=caller.user_id, name=caller.username, source=Source.WEB)


async def _by_cookie(scope: Connection) -> cookies.Found | None:
    """Raises CsrfFailed where a page of ours would have sent its proof. A cookie that is no good is none at all."""
    connection = ASGIConnection[Any, Any, Any, Any](scope)
    token = cookies.read_cookie(connection, cookies.SESSION)
    options = scope["route_handler"].opt
    if IGNORES_COOKIE in options or not _may_use_cookie(connection):
        return None
    if (found := await cookies.find(token)) is None:
        return None
    scope["auth"] = token
    if not _is_proven(connection):
        scope["auth"] = None
        if IGNORES_TOKEN not in options:
            raise csrf.CsrfFailed
        return None
    return found


def _may_use_cookie(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Browsers let any page open a WebSocket, cookies included, and only tell whose page it was."""
    if connection.scope["type"] != ScopeType.WEBSOCKET:
        return True
    return csrf.is_our_origin(connection.headers.get("origin", ""), connection.headers.get("host", ""))


def _is_proven(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    if connection.scope.get("method", "GET") in csrf.SAFE_METHODS:
        return True
    if csrf.IN_FORM in connection.scope["route_handler"].opt:
        return csrf.comes_from_us(connection)
    return csrf.is_proven(connection)


def _keeping_cookie(send: Send, token: str) -> Send:
    """Before the answer's own cookies: one that ends this session or begins another has the last word."""

    async def send_with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            cookie = cookies.session_cookie(token).to_encoded_header()
            message["headers"] = [cookie, *message.get("headers", [])]
        await send(message)

    return send_with_cookie


def _uncached(send: Send) -> Send:
    """Shared caches keep nothing that came by a token (RFC 9111, section 3.5), but of cookies they know nothing."""

    async def send_uncached(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", []))
            if all(name != b"cache-control" for name, _value in headers):
                message["headers"] = [*headers, (b"cache-control", b"private, no-cache")]
        await send(message)

    return send_uncached


def _token_in(header: bytes) -> str:
    scheme, _, token = header.decode("latin-1").partition(" ")
    if scheme.lower() not in SCHEMES:
        raise tokens.BadToken
    return token.lstrip(" ")


_known: dict[str, Known] = {}


async def recognise(token: str) -> Known:
    """Whose access token this is; raises BadToken when it is forged, expired or its session has ended."""
    known = _known.get(token) or _remember(token)
    if not tokens.is_in_time(known.expires) or await revocations.has_ended(known.family):
        _known.pop(token, None)
        raise tokens.BadToken
    return known


def _remember(token: str) -> Known:
    claims = tokens.read(token)
    user_id = int(claims.sub)
    family = str(claims.sid)
    caller = Caller(user_id, claims.name, claims.role, scopes_of(claims.role), family)
    acts = Actor(user_id=user_id, name=claims.name, source=Source.API)
    while len(_known) >= MOST_KNOWN:
        del _known[next(iter(_known))]
    known = _known[token] = Known(caller, acts, family, claims.exp)
    return known
