"""The admin site: Piccolo Admin's tables and our own pages behind our own sign-in, mounted where ADMIN_PATH says."""

import html
import re
from http import HTTPStatus
from pathlib import Path

import msgspec
from fastapi.exceptions import RequestValidationError
from litestar import asgi
from litestar.handlers import ASGIRouteHandler
from litestar.types import Receive as LitestarReceive
from litestar.types import Scope as LitestarScope
from litestar.types import Send as LitestarSend
from piccolo_admin import endpoints
from piccolo_admin.endpoints import ASSET_PATH, AdminRouter, create_admin
from piccolo_api.csrf.middleware import CSRFMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Mount, Route, Router
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from admin import (
    actions,
    adjusting,
    authenticator_page,
    dates,
    history,
    moves,
    orders,
    overview,
    purchases,
    reprocessing,
    resending,
    schedules,
    status,
    transferring,
)
from admin.catalogue import LINKS, MAKERS, ROW_PAGES, SIDEBAR, TABLES
from admin.door import Door, Only
from admin.editors import EDITORS, make_crud
from admin.hooks import OneTransaction, SignedIn, tell_what_is_wrong
from admin.pages import HERE, redirect
from admin.sign_in import path_from, sign_in, sign_out
from domains.accounts.auth import IGNORES_COOKIE, IGNORES_TOKEN
from domains.accounts.tables import AdminSession, User
from lib.errors import NotFound
from lib.frame import host_check
from settings import Settings

# What of Piccolo's own is open. The rest we have in another way, or it loads scripts from elsewhere.
PRIVATE = re.compile(r"/api/(tables/.*|links/|forms/|forms/grouped/|user/)")
PUBLIC = re.compile(r"/public/(meta/|translations/.*)")
STATIC = {"site.js": "text/javascript", "site.css": "text/css", "pages.css": "text/css"}

PAGES = [
    Route("/products/", actions.find),
    Route("/products/list/", actions.list_found),
    Route("/products/{action}/", actions.act, methods=["GET", "POST"]),
    Route("/changes/{change_id:uuid}/", actions.show_change),
    Route("/history/{product_id}/", history.show),
    Route("/stock/", overview.show, methods=["GET", "POST"]),
    Route("/stock/adjust/", adjusting.show, methods=["GET", "POST"]),
    Route("/stock/transfer/", transferring.show, methods=["GET", "POST"]),
    Route("/moves/{reference}/", moves.show),
    Route("/orders/{order_id}/", orders.show, methods=["GET", "POST"]),
    Route("/purchases/{purchase_id}/", purchases.show, methods=["GET", "POST"]),
    Route("/schedules/", schedules.list_all),
    Route("/schedules/{schedule_id}/", schedules.show, methods=["GET", "POST"]),
    Route("/webhooks/", resending.PAGE.show, methods=["GET", "POST"]),
    Route("/shopify/", reprocessing.PAGE.show, methods=["GET", "POST"]),
    Route("/dates/{calendar}/", dates.show),
    Route("/queues/", status.show),
    Route("/authenticator/", authenticator_page.show, methods=["GET", "POST"]),
]

# create_admin takes no other CRUD.
endpoints.PiccoloCRUD = make_crud  # type: ignore[assignment,attr-defined]


def mounts(chosen: Settings) -> list[ASGIRouteHandler]:
    """The site as a route of the application; none when it is switched off."""
    if not chosen.admin_enabled:
        return []
    path = chosen.admin_path.rstrip("/")
    door = Door(_assemble(chosen), path, is_secure=not chosen.debug)

    @asgi(path, is_mount=True, copy_scope=False, opt={IGNORES_TOKEN: True, IGNORES_COOKIE: True})
    async def admin(scope: LitestarScope, receive: LitestarReceive, send: LitestarSend) -> None:
        await door(scope, receive, send)  # type: ignore[arg-type] # The same messages by other names.

    return [admin]


class Hosts(tuple[str, ...]):
    """ALLOWED_HOSTS as they are meant, wherever Piccolo asks whether it holds a name."""

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        return host_check(self)(str(name).encode())


def _assemble(chosen: Settings) -> ASGIApp:
    piccolo = create_admin(
        TABLES,
        auth_table=User,
        session_table=AdminSession,
        production=not chosen.debug,
        site_name="Stockroom",
        auto_include_related=False,
        sidebar_links=SIDEBAR,
    )
    routes = [
        Route("/", SignedIn(Home(piccolo.template), to_sign_in)),
        Route("/sign-in/", sign_in, methods=["GET", "POST"]),
        Route("/public/logout/", sign_out, methods=["POST"]),
        Mount("/public", Only(_mounted(piccolo, "/public"), PUBLIC)),
        # Piccolo's menu points there.
        Route("/api/mfa-setup/", SignedIn(to_authenticator, to_sign_in)),
        Mount("/api", SignedIn(Only(OneTransaction(_tables(piccolo)), PRIVATE), not_signed_in)),
        Mount("/pages", SignedIn(Router(PAGES, default=not_found), to_sign_in)),
    ]
    site = CSRFMiddleware(
        Router(routes, default=not_found), allowed_hosts=Hosts(chosen.allowed_hosts), allow_form_param=True
    )
    files = [Mount("/assets", StaticFiles(directory=Path(ASSET_PATH) / "assets")), Route("/static/{name}", static)]
    return ExceptionMiddleware(Router([*files, Mount("/", site)]))


def _mounted(piccolo: AdminRouter, path: str) -> ASGIApp:
    return next(route.app for route in piccolo.routes if isinstance(route, Mount) and route.path == path)


def _tables(piccolo: AdminRouter) -> ASGIApp:
    """Its application behind its own authentication, with errors left to ours."""
    tables = _mounted(piccolo, "/api").app  # type: ignore[attr-defined]
    tables.exception_handlers.pop(HTTPStatus.INTERNAL_SERVER_ERROR, None)
    tables.exception_handlers[RequestValidationError] = tell_what_is_wrong
    return tables  # type: ignore[no-any-return]


class Home:
    """Piccolo's page, told what is read-only and of which rows there are pages, with a script that shows it."""

    def __init__(self, template: str) -> None:
        facts = {
            "editable": [table._meta.tablename for table, editor in EDITORS.items() if not editor.is_only_deleted],
            "deletable": [table._meta.tablename for table, editor in EDITORS.items() if editor.is_only_deleted],
            "links": LINKS,
            "pages": ROW_PAGES,
            "makers": MAKERS,
            "locked": {table._meta.tablename: sorted(editor.locked) for table, editor in EDITORS.items()},
        }
        told = html.escape(msgspec.json.encode(facts).decode())
        ours = (
            f'<meta name="stockroom" content="{told}"><link rel="stylesheet" href="./static/site.css">'
            '<link rel="icon" href="data:,"><script src="./static/site.js" defer></script></head>'
        )
        self.page = HTMLResponse(template.replace("</head>", ours))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.page(scope, receive, send)


async def static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise NotFound
    return FileResponse(HERE / "static" / name, media_type=STATIC[name])


async def not_signed_in(scope: Scope, receive: Receive, send: Send) -> None:
    """Piccolo's page then asks to sign in."""
    response = JSONResponse({"error": "Auth failed"}, status_code=HTTPStatus.UNAUTHORIZED)
    await response(scope, receive, send)


async def to_sign_in(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope)
    await redirect(request, path_from(request))(scope, receive, send)


async def to_authenticator(scope: Scope, receive: Receive, send: Send) -> None:
    await redirect(Request(scope), "pages/authenticator/")(scope, receive, send)


async def not_found(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise NotFound
