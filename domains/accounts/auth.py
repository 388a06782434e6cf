"""Who calls, and may they: ASGI middleware for bearer tokens, guards that name a scope, and their place in OpenAPI.

Every request passes here: neither PostgreSQL nor Redis is asked, except when this process's copy of ended sessions is
too old.
"""

from typing import Any, TypeAlias

import msgspec
from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins import ReceiveRoutePlugin
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, Receive, Send
from litestar.types import Scope as Connection

from domains.accounts import revocations, tokens
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
ACCESS = "access"
PUBLIC = "public"
SECURITY_SCHEME = "bearerAuth"
COMPONENTS = Components(
    security_schemes={SECURITY_SCHEME: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
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
    """A guard: who may come in here. Without a scope everybody may."""

    scope: Scope | None

    async def __call__(self, connection: ASGIConnection[Any, Caller, Any, Any], _handler: BaseRouteHandler) -> None:
        caller = connection.user
        if self.scope is None or self.scope in caller.scopes:
            return
        if caller.user_id is None:
            raise NotSignedIn
        raise MissingScope(f"This needs the scope {self.scope}.")


public = Access(None)


def requires(scope: Scope) -> Access:
    """Guard: 401 for somebody who is not signed in, 403 for somebody without the scope."""
    return Access(scope)


class AccessPlugin(ReceiveRoutePlugin):
    """Writes each route's guard into its `opt["access"]` (a Scope or "public") and into OpenAPI."""

    def receive_route(self, route: BaseRoute) -> None:
        handlers = route.route_handlers if isinstance(route, HTTPRoute) else []
        for handler in handlers:
            for guard in handler.resolve_guards():
                if isinstance(guard, Access):
                    handler.opt[ACCESS] = guard.scope or PUBLIC
                    handler.security = [{SECURITY_SCHEME: [guard.scope]}] if guard.scope else None


def device_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Device:
    """Where a request comes from; the frame has put the real address there when a trusted proxy stands between."""
    client = connection.client
    return Device(connection.headers.get("user-agent", ""), client.host if client is not None else "")


def authentication(app: ASGIApp) -> ASGIApp:
    """Middleware: `request.user` becomes a Caller, in whose name the request acts. A bad token ends in 401."""

    async def authenticated(scope: Connection, receive: Receive, send: Send) -> None:
        caller, acts = None, ANYBODY
        if (header := _authorization(scope)) is not None:
            try:
                known = await recognise(_token_in(header))
                caller, acts = known.caller, known.actor
            except tokens.BadToken:
                if not scope["route_handler"].opt.get(IGNORES_TOKEN):
                    raise
        scope["user"] = caller or anonymous()
        actor.become(acts)
        await app(scope, receive, send)

    return authenticated


def _authorization(scope: Connection) -> bytes | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return value
    return None


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
