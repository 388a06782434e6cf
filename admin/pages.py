"""What the pages of our own share: templates, forms, and what stands in every page."""

from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from admin.sessions import Person
from domains.accounts.schemas import Device
from lib.errors import AppError, NotFound
from lib.integers import LARGEST_INTEGER

Form: TypeAlias = dict[str, str]

HERE = Path(__file__).parent
TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
SCRIPTLESS = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def render(
    request: Request, template: str, *, status: int = HTTPStatus.OK, error: AppError | None = None, **facts: Any
) -> Response:
    """`error` is shown at the top, and gives the answer its status and headers."""
    known: dict[str, Any] = {
        "root": root_of(request),
        "csrf": request.scope.get("csrftoken", ""),
        "person": person_of(request),
        "error": error,
    }
    headers = {"content-security-policy": SCRIPTLESS, **(error.headers if error else {})}
    page = TEMPLATES.get_template(template).render(known | facts)
    return HTMLResponse(page, status_code=error.status if error else status, headers=headers)


def redirect(request: Request, path: str) -> Response:
    """To a path below the site's own, by GET."""
    return RedirectResponse(f"{root_of(request)}/{path}", status_code=HTTPStatus.SEE_OTHER)


def root_of(request: Request) -> str:
    """Where the whole site stands, wherever inside of it the request has arrived."""
    root: str = request.scope.get("app_root_path", request.scope["root_path"])
    return root


async def read_form(request: Request) -> Form:
    """Text fields; of a name that comes more than once the last."""
    form = request.scope.get("form") or await request.form()
    return {name: _storable(value) for name, value in form.items() if isinstance(value, str)}


def read_number(text: str, largest: int = LARGEST_INTEGER) -> int:
    """Of an address; raises NotFound for what is none, or too large for its column."""
    if not text.isdecimal() or len(text) > len(str(largest)) or int(text) > largest:
        raise NotFound
    return int(text)


def _storable(text: str) -> str:
    """Without what neither PostgreSQL nor an answer can hold: NUL, and half a surrogate pair from an odd charset."""
    return text.replace("\0", "").encode(errors="replace").decode()


def person_of(request: Request) -> Person | None:
    """None before they have signed in: whoever came with an API token is nobody here."""
    user = request.scope.get("user")
    return user if isinstance(user, Person) else None


def device_of(request: Request) -> Device:
    return Device(request.headers.get("user-agent", ""), request.client.host if request.client else "")
