"""Pages: templates filled with what all of them need, sent with a policy that lets nothing in from elsewhere."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

import jinja2
from litestar import MediaType, Request, Response
from litestar.response import Redirect

from domains.accounts import cookies, csrf
from domains.accounts.cookies import make_cookie, no_cookie, read_cookie
from domains.accounts.schemas import Caller
from domains.web import assets, flashes, navigation
from domains.web.flashes import Flash
from lib.signing import new_token
from settings import settings

AnyRequest: TypeAlias = Request[Any, Any, Any]

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Pages hold proofs and what belongs to one person: no cache keeps them, also not the browser's after signing out.
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
}


NO_HEADERS: Mapping[str, str] = {}


class Proof:
    """Gives a page's forms their CSRF token; a first visit gets its secret when a form asks for one."""

    def __init__(self, request: AnyRequest) -> None:
        self.secret = csrf.secret_of(request)
        self.is_new = False

    def token(self) -> str:
        if not self.secret:
            self.secret, self.is_new = new_token(), True
        return csrf.make_token(self.secret)


def show(
    request: AnyRequest, template: str, *, status: int = 200, headers: Mapping[str, str] = NO_HEADERS, **facts: Any
) -> Response[str]:
    """A page; `facts` are the template's own."""
    proof, sealed = Proof(request), read_cookie(request, flashes.COOKIE)
    flash = flashes.unseal(sealed)
    common = {"csrf_token": proof.token, "flash": flash, "path": request.url.path, **_caller_facts(caller_of(request))}
    html = ENVIRONMENT.get_template(template).render(common | facts)
    response = Response(html, media_type=MediaType.HTML, status_code=status, headers={**HEADERS, **headers})
    if proof.is_new:
        response.set_cookie(make_cookie(csrf.VISIT, proof.secret))
    if sealed:
        response.set_cookie(no_cookie(flashes.COOKIE))
    return response


def redirect(path: str, flash: Flash | None = None) -> Response[Any]:
    """To another page of ours, by GET."""
    response = Redirect(path, status_code=303, headers={"Cache-Control": "no-store"})
    if flash is not None:
        response.set_cookie(make_cookie(flashes.COOKIE, flashes.seal(flash), flashes.SECONDS))
    return response


def keep_session(response: Response[Any], token: str) -> Response[Any]:
    """The browser is signed in from here on; forms of its visit before are out of date."""
    response.set_cookie(cookies.session_cookie(token))
    response.set_cookie(no_cookie(csrf.VISIT))
    return response


def end_session(response: Response[Any]) -> Response[Any]:
    response.set_cookie(no_cookie(cookies.SESSION))
    return response


def caller_of(request: AnyRequest) -> Caller | None:
    """None where a request was refused before anybody asked who it is."""
    caller: Caller | None = request.scope.get("user")
    return caller


def flashed_email(request: AnyRequest) -> str:
    """Whom the sentence on this page is about, to fill a form in."""
    flash = flashes.unseal(read_cookie(request, flashes.COOKIE))
    return flash.email if flash else ""


def _caller_facts(caller: Caller | None) -> dict[str, Any]:
    """`is_known`: whether the page knows who sees it; one that was not found does not."""
    return {
        "me": caller,
        "is_known": caller is not None,
        "is_signed_in": navigation.is_signed_in(caller),
        "places": navigation.places_for(caller),
    }


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=settings.debug,
    )
    made.globals |= {"static": assets.address_of, "account_places": navigation.ACCOUNT}
    made.filters["day"] = _day
    return made


def _day(moment: datetime) -> str:
    """ "20 November 2026"."""
    return f"{moment.day} {moment:%B %Y}"


ENVIRONMENT = _environment()
