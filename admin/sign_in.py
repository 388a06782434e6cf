"""Signing in and out: e-mail or username and password, then the authenticator's code of who has one.

Piccolo's own form keeps the reason of a refusal to itself.
"""

from http import HTTPStatus

import msgspec
from cryptography.fernet import InvalidToken
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from admin import authenticator, sessions
from admin.pages import device_of, read_form, redirect, render
from domains.accounts.sessions import check_credentials
from lib.errors import AppError, BadInput
from lib.signing import make_box
from settings import settings

STEP_SECONDS = 5 * 60
BOX = make_box("admin sign-in")
LONGEST_SECONDS = int(sessions.LONGEST.total_seconds())


class Halfway(msgspec.Struct, frozen=True):
    """Whose password was right, and which: it must still be theirs when the code comes."""

    user_id: int
    password: bytes


class TooSlow(BadInput):
    """This took too long. Begin again."""


async def sign_in(request: Request) -> Response:
    if request.method == "GET":
        known = await sessions.find(request.cookies.get(sessions.COOKIE, ""))
        return redirect(request, "") if known else render(request, "sign_in.html", halfway="", username="")
    form = await read_form(request)
    if form.get("halfway"):
        return await _second_step(request, form["halfway"], form.get("code", ""))
    return await _first_step(request, form.get("username", ""), form.get("password", ""))


async def _first_step(request: Request, username: str, password: str) -> Response:
    try:
        proven = await check_credentials(username, password, device_of(request))
        if await authenticator.is_enrolled(proven.user_id):
            return _ask_for_code(request, Halfway(proven.user_id, sessions.fingerprint(proven.stored)))
        return _let_in(request, await sessions.start(proven))
    except AppError as error:
        return render(request, "sign_in.html", error=error, halfway="", username=username)


async def _second_step(request: Request, sealed: str, code: str) -> Response:
    try:
        halfway = _unseal(sealed)
    except TooSlow as error:
        return render(request, "sign_in.html", error=error, halfway="", username="")
    try:
        await authenticator.check(halfway.user_id, code, device_of(request).ip)
        return _let_in(request, await sessions.start_for(halfway.user_id, halfway.password))
    except AppError as error:
        return _ask_for_code(request, halfway, error)


def _ask_for_code(request: Request, halfway: Halfway, error: AppError | None = None) -> Response:
    sealed = BOX.encrypt(msgspec.json.encode(halfway)).decode()
    return render(request, "sign_in.html", error=error, halfway=sealed, username="")


def _unseal(sealed: str) -> Halfway:
    try:
        return msgspec.json.decode(BOX.decrypt(sealed, ttl=STEP_SECONDS), type=Halfway)
    except (InvalidToken, ValueError):
        raise TooSlow from None


def _let_in(request: Request, token: str) -> Response:
    response = redirect(request, "")
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
