"""Errors for people: a page for whoever asks for one, problem+json for everybody else."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from litestar import Response

from domains.accounts.cookies import SESSION, read_cookie
from domains.accounts.csrf import VISIT, CsrfFailed
from domains.web import navigation, pages
from domains.web.pages import AnyRequest
from lib import problems
from lib.docs import DOCS_PATH
from lib.errors import AppError, NotFound

# Programs talk here, whatever their Accept says.
PROGRAMS = ("/api/", "/auth/", "/health/", "/ws/", "/metrics/")
DOCS = {f"{DOCS_PATH}/", f"{DOCS_PATH}/redoc/"}
HEADINGS = {
    400: "That did not work",
    403: "This is not yours to open",
    404: "There is nothing here",
    405: "This cannot be done here",
    413: "That is too large",
    429: "A moment, please",
    500: "Sorry, this failed",
    503: "Not available at the moment",
}

OUT_OF_DATE = "This form is out of date"
NO_COOKIE = "Your browser has not kept the cookie of this site. Allow its cookies, and open it by https://."
NO_PAGE = "The address may be mistyped, or what stood here is gone."


def to_response(request: AnyRequest, error: Exception) -> Response[Any]:
    """The one exception handler of the application."""
    if not wants_page(request):
        return problems.to_response(request, error)
    known = problems.tell(request, error)
    if known.status == HTTPStatus.UNAUTHORIZED:
        return _to_sign_in(request)
    return _page(request, known)


def wants_page(request: AnyRequest) -> bool:
    path = f"{request.scope['path'].rstrip('/')}/"
    is_page = path in DOCS or not path.startswith(PROGRAMS)
    return is_page and "text/html" in request.headers.get("accept", "")


def _to_sign_in(request: AnyRequest) -> Response[Any]:
    """And from there back to where they wanted to go. What a form held is lost: they begin on the first page."""
    asked = navigation.local_path(request.scope["raw_path"].partition(b"?")[0].decode("latin-1"))
    wanted = asked if request.method == "GET" else navigation.HOME
    query = "" if wanted == navigation.HOME else f"?{urlencode({'next': wanted})}"
    return pages.redirect(navigation.SIGN_IN + query)


def _page(request: AnyRequest, known: AppError) -> Response[Any]:
    is_old = isinstance(known, CsrfFailed)
    heading = OUT_OF_DATE if is_old else HEADINGS.get(known.status, known.title)
    sentence = NO_PAGE if type(known) is NotFound else known.detail
    if is_old and not any(read_cookie(request, name) for name in (SESSION, VISIT)):
        # On plain HTTP browsers keep no cookie of production: the same page again would help nobody.
        sentence = NO_COOKIE
    facts = {"heading": heading, "sentence": sentence, "code": known.status, "is_old": is_old}
    return pages.show(request, "error.html", status=known.status, headers=problems.headers_of(known), **facts)
