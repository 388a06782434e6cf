"""The API's documentation: OpenAPI at /api/schema, Swagger UI and ReDoc at /api/docs, all served by this process."""

import functools
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import openapi_ui_bundles
from litestar import MediaType, Request, Response, Router, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Components
from litestar.params import FromPath
from litestar.types import Guard

from lib import openapi
from lib.errors import NotFound, NotSignedIn
from settings import DocsAccess

DOCUMENT_PATH = "/api/schema"
DOCUMENT_PATHS = {DOCUMENT_PATH, f"{DOCUMENT_PATH}/openapi.json"}
DOCS_PATH = "/api/docs"
BUNDLES = Path(openapi_ui_bundles.__file__).parent
JAVASCRIPT = "text/javascript"
ASSETS = {
    "swagger-ui.css": (BUNDLES / "swagger_ui" / "vendor" / "swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": (BUNDLES / "swagger_ui" / "vendor" / "swagger-ui-bundle.js", JAVASCRIPT),
    "redoc.standalone.js": (BUNDLES / "redoc" / "vendor" / "redoc.standalone.js", JAVASCRIPT),
}
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="#2b6cb0" d="M1 5l7-4 7 4v7l-7 4-7-4z"/>'
    '<path fill="none" stroke="#fff" d="M1 5l7 4 7-4M8 9v7"/></svg>'
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Stockroom API</title>
<link rel="icon" href="data:image/svg+xml,{icon}">
{head}
</head>
<body style="margin: 0">
{body}
</body>
</html>
"""
SWAGGER = PAGE.format(
    icon=quote(ICON),
    head=f'<link rel="stylesheet" href="{DOCS_PATH}/assets/swagger-ui.css">',
    body=f"""<div id="swagger-ui"></div>
<script src="{DOCS_PATH}/assets/swagger-ui-bundle.js"></script>
<script src="{DOCS_PATH}/assets/start.js"></script>""",
)
REDOC = PAGE.format(
    icon=quote(ICON),
    head="",
    body=f"""<redoc spec-url="{DOCUMENT_PATH}"></redoc>
<script src="{DOCS_PATH}/assets/redoc.standalone.js"></script>""",
)
# Without validatorUrl Swagger UI sends the document's address to a server of its makers.
START = f"""window.ui = SwaggerUIBundle({{
  url: "{DOCUMENT_PATH}", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: null, persistAuthorization: true
}});
"""
PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:; frame-ancestors 'none'"
}
ASSET_HEADERS = {"cache-control": "public, max-age=86400"}


class Document(OpenAPIRenderPlugin):
    """Litestar's document, completed once."""

    def __init__(self, hook: openapi.SchemaHook) -> None:
        super().__init__(path=["/", "/openapi.json"], media_type=MediaType.JSON)
        self.hook = hook
        self.rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self.rendered is None:
            completed = openapi.complete(openapi_schema, request.app, self.hook)
            self.rendered = self.render_json(request, completed)
        return self.rendered


def openapi_config(
    version: str, access: DocsAccess, components: Sequence[Components] = (), hook: openapi.SchemaHook = None
) -> OpenAPIConfig:
    """`hook` tells the JSON schema of types that msgspec does not know."""
    return OpenAPIConfig(
        title="Stockroom",
        version=version,
        description="Products, stock and imports. Errors are application/problem+json (RFC 9457).",
        components=list(components),
        use_handler_docstrings=True,
        render_plugins=[Document(hook)],
        openapi_router=Router(
            DOCUMENT_PATH, route_handlers=[], include_in_schema=False, guards=[_only_the_document, may_read(access)]
        ),
    )


def pages(access: DocsAccess) -> Router:
    """Scripts and styles are open to all who may know of the pages: a browser sends no token along for them."""
    assets_access = DocsAccess.OFF if access is DocsAccess.OFF else DocsAccess.PUBLIC
    return Router(
        DOCS_PATH,
        include_in_schema=False,
        route_handlers=[
            Router("/", route_handlers=[show_swagger, show_redoc], guards=[may_read(access)]),
            Router("/assets", route_handlers=[start, asset], guards=[may_read(assets_access)]),
        ],
    )


def may_read(access: DocsAccess) -> Guard:
    def guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
        if access is DocsAccess.OFF:
            raise NotFound
        if access is DocsAccess.SIGNED_IN and getattr(connection.scope.get("user"), "user_id", None) is None:
            raise NotSignedIn

    return guard


def _only_the_document(connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler) -> None:
    """Litestar answers every other path below the document's with an HTML page."""
    if connection.scope["path"].rstrip("/") not in DOCUMENT_PATHS:
        raise NotFound


@get("/", media_type=MediaType.HTML, response_headers=PAGE_HEADERS, sync_to_thread=False)
def show_swagger() -> str:
    return SWAGGER


@get("/redoc", media_type=MediaType.HTML, response_headers=PAGE_HEADERS, sync_to_thread=False)
def show_redoc() -> str:
    return REDOC


@get("/start.js", media_type=JAVASCRIPT, sync_to_thread=False)
def start() -> str:
    return START


@get("/{name:str}", sync_to_thread=True)
def asset(name: FromPath[str]) -> Response[bytes]:
    if name not in ASSETS:
        raise NotFound
    path, media_type = ASSETS[name]
    return Response(_read(path), status_code=HTTPStatus.OK, media_type=media_type, headers=ASSET_HEADERS)


@functools.cache
def _read(path: Path) -> bytes:
    return path.read_bytes()
