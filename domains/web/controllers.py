"""The first page, signing up, in and out, and what pages are made of."""

from types import MappingProxyType
from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromPath, FromQuery

from domains.accounts import cookies, profiles, registration, sessions
from domains.accounts.account_schemas import SignUpIn
from domains.accounts.auth import IGNORES_COOKIE, IGNORES_TOKEN, CallerRequest, device_of, public
from domains.accounts.csrf import IN_FORM
from domains.mail.jobs import send_waiting_mail
from domains.web import assets, flashes, pages
from domains.web.flashes import Flash
from domains.web.forms import Form, Telling, read_form
from domains.web.navigation import HOME, VERIFY, is_signed_in, local_path
from domains.web.pages import redirect, show
from lib.errors import NotFound

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable"}


class AssetController(Controller):
    path = assets.PATH
    guards = (public,)
    opt = MappingProxyType({IGNORES_COOKIE: True, IGNORES_TOKEN: True})
    include_in_schema = False

    @get("/{name:str}", sync_to_thread=False)
    def read(self, name: FromPath[str]) -> Response[bytes]:
        """Only under the address of its content: an old page gets no new stylesheet."""
        if (asset := assets.BY_ADDRESS.get(f"{assets.PATH}/{name}")) is None:
            raise NotFound
        return Response(asset.content, media_type=asset.media_type, headers=FOREVER)


class HomeController(Controller):
    guards = (public,)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get(HOME)
    async def show_home(self, request: CallerRequest) -> Response[str]:
        """What this is, or for somebody who is signed in where they can go."""
        if not is_signed_in(request.user):
            return show(request, "welcome.html")
        profile = await profiles.get_profile(request.user.known_id)
        return show(request, "home.html", profile=profile)


class SignInPages(Controller):
    path = "/accounts"
    guards = (public,)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get("/login")
    async def show_sign_in(self, request: CallerRequest, next: FromQuery[str] = "") -> Response[Any]:  # noqa: A002
        """`next` is where to go behind it; the name is the one that everybody uses."""
        if is_signed_in(request.user):
            return redirect(local_path(next))
        values = {"next": local_path(next), "identifier": pages.flashed_email(request)}
        return show(request, "sign_in.html", form=Form(values))

    @post("/login")
    async def sign_in(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            form.require("identifier", "password")
            device = device_of(request)
            proven = await sessions.check_credentials(form["identifier"], form["password"], device)
            token = await cookies.start(proven, device)
            await _leave_session(request)
            return pages.keep_session(redirect(local_path(form["next"])), token)
        return show(request, "sign_in.html", status=form.status, headers=form.headers, form=form)

    @get("/logout")
    async def show_sign_out(self, request: CallerRequest) -> Response[Any]:
        return show(request, "sign_out.html") if is_signed_in(request.user) else redirect(HOME)

    @post("/logout")
    async def sign_out(self, request: CallerRequest) -> Response[Any]:
        await read_form(request)
        await _leave_session(request)
        return pages.end_session(redirect(HOME, Flash("You are signed out.")))

    @get("/register")
    async def show_sign_up(self, request: CallerRequest) -> Response[Any]:
        return redirect(HOME) if is_signed_in(request.user) else show(request, "sign_up.html", form=Form())

    @post("/register")
    async def sign_up(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            form.require("email", "password", "re_password")
            profile = await registration.sign_up(form.into(SignUpIn), device_of(request))
            await send_waiting_mail.later()
            return redirect(VERIFY, Flash(f"We have sent a mail to {profile.email}.", flashes.Mood.INFO, profile.email))
        return show(request, "sign_up.html", status=form.status, headers=form.headers, form=form)


async def _leave_session(request: CallerRequest) -> None:
    """Who signs in as somebody else leaves no session of their own behind."""
    caller = request.user
    if caller.user_id is not None and caller.session_id is not None:
        await sessions.end_session(caller.user_id, caller.session_id)
