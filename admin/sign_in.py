"""Signing in and out: e-mail or username and password, then the authenticator's code of who has one.

Piccolo's own form keeps the reason of a refusal to itself. Who was sent here from a page is led back to it.
"""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from cryptography.fernet import InvalidToken
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from admin import authenticator, sessions
from admin.pages import Form, device_of, read_form, redirect, render, root_of
from domains.accounts.csrf import SAFE_METHODS
from domains.accounts.sessions import check_credentials
from lib.errors import AppError, BadInput
from lib.signing import make_box
from settings import settings

STEP_SECONDS = 5 * 60
BOX = make_box("admin sign-in")
LONGEST_SECONDS = int(sessions.LONGEST.total_seconds())
# Pages of ours, below the site's own path: whatever follows, it is no other host.
PAGE = re.compile(r"pages/[!-\[\]-~]{0,2000}")


class Halfway(msgspec.Struct, frozen=True):
    """Whose password was right, and which: it must still be theirs when the code comes."""

    user_id: int
    password: bytes


class TooSlow(BadInput):
    """This took too long. Begin again."""


def path_from(request: Request) -> str:
    """Of the sign-in, for somebody who asked for something else; what a form sent is lost, and told to be."""
    page = quote(request.scope["path"].removeprefix(f"{root_of(request)}/"))
    if query := request.scope["query_string"].decode("latin-1"):
        page = f"{page}?{query}"
    facts = {"next": _page(page), "lost": "" if request.method in SAFE_METHODS else "yes"}
    known = urlencode({name: text for name, text in facts.items() if text})
    return f"sign-in/?{known}" if known else "sign-in/"


def _page(text: str) -> str:
    """Where to go on to; "" is the site's own first page."""
    return text if PAGE.fullmatch(text) else ""


async def sign_in(request: Request) -> Response:
    if request.method == "GET":
        asked = dict(request.query_params)
        known = await sessions.find(request.cookies.get(sessions.COOKIE, ""))
        return redirect(request, _page(asked.get("next", ""))) if known else _show(request, asked)
    form = await read_form(request)
    return await (_second_step(request, form) if form.get("halfway") else _first_step(request, form))


async def _first_step(request: Request, form: Form) -> Response:
    try:
        proven = await check_credentials(form.get("username", ""), form.get("password", ""), device_of(request))
        if await authenticator.is_enrolled(proven.user_id):
            return _ask_for_code(request, form, Halfway(proven.user_id, sessions.fingerprint(proven.stored)))
        return _let_in(request, form, await sessions.start(proven))
    except AppError as error:
        return _show(request, form, error, username=form.get("username", ""))


async def _second_step(request: Request, form: Form) -> Response:
    try:
        halfway = _unseal(form["halfway"])
    except TooSlow as error:
        return _show(request, form, error)
    try:
        await authenticator.check(halfway.user_id, form.get("code", ""), device_of(request).ip)
        return _let_in(request, form, await sessions.start_for(halfway.user_id, halfway.password))
    except AppError as error:
        return _ask_for_code(request, form, halfway, error)


def _ask_for_code(request: Request, form: Form, halfway: Halfway, error: AppError | None = None) -> Response:
    return _show(request, form, error, halfway=BOX.encrypt(msgspec.json.encode(halfway)).decode())


def _show(
    request: Request, form: Form, error: AppError | None = None, *, halfway: str = "", username: str = ""
) -> Response:
    facts: dict[str, Any] = {
        "halfway": halfway,
        "username": username,
        "next": _page(form.get("next", "")),
        "lost": "lost" in form,
    }
    return render(request, "sign_in.html", error=error, **facts)


def _unseal(sealed: str) -> Halfway:
    try:
        return msgspec.json.decode(BOX.decrypt(sealed, ttl=STEP_SECONDS), type=Halfway)
    except (InvalidToken, ValueError):
        raise TooSlow from None


def _let_in(request: Request, form: Form, token: str) -> Response:
    response = redirect(request, _page(form.get("next", "")))
    _set_cookie(response, token, LONGEST_SECONDS)
    return response


async def sign_out(request: Request) -> Response:
    """Piccolo's menu asks for this and then loads the site anew; a page of ours is led back to signing in."""
    await sessions.end(request.cookies.get(sessions.COOKIE, ""))
    is_page = "page" in await read_form(request)
    told = PlainTextResponse("Signed out", status_code=HTTPStatus.OK)
    response = redirect(request, "sign-in/") if is_page else told
    _set_cookie(response, "", 0)
    return response


def _set_cookie(response: Response, token: str, seconds: int) -> None:
    response.set_cookie(
        sessions.COOKIE, token, max_age=seconds, path="/", secure=not settings.debug, httponly=True, samesite="lax"
    )
