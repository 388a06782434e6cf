"""Every route of the application says who may come in."""

from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from app import app
from domains.accounts.auth import ACCESS, PUBLIC
from domains.accounts.scopes import Scope


def documented_handlers() -> dict[str, HTTPRouteHandler]:
    routes = [route for route in app.routes if isinstance(route, HTTPRoute)]
    handlers = [(route.path, handler) for route in routes for handler in route.route_handlers]
    return {
        f"{sorted(handler.http_methods)} {path}": handler
        for path, handler in handlers
        if handler.resolve_include_in_schema()
    }


def test_every_route_names_its_scope_or_is_public() -> None:
    without = [name for name, handler in documented_handlers().items() if ACCESS not in handler.opt]
    assert without == []


def test_access_is_a_scope_or_public() -> None:
    assert {handler.opt[ACCESS] for handler in documented_handlers().values()} <= {PUBLIC, *Scope}
