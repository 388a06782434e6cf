"""Pages of one's own account: names and picture, password and address, leaving."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from litestar import Controller, Response, get, post

from domains.accounts import avatars, cookies, profiles, reauthentication, resets, sessions
from domains.accounts.account_schemas import ProfilePatch
from domains.accounts.auth import CallerRequest, device_of, requires
from domains.accounts.csrf import IN_FORM
from domains.accounts.scopes import Scope
from domains.accounts.sessions import Proven
from domains.mail.jobs import send_waiting_mail
from domains.web import pages
from domains.web.flashes import Flash, Mood
from domains.web.forms import Form, Telling, read_file, read_form
from domains.web.navigation import CONFIRM_EMAIL, HOME, PROFILE, SECURITY, SIGN_IN
from domains.web.pages import redirect, show
from lib.errors import TooLarge, field_error

# More than is taken, so that the form itself can tell of a photo that is too large.
LARGEST_UPLOAD_BYTES = 32 << 20


class ProfilePages(Controller):
    path = "/accounts/profile"
    guards = (requires(Scope.ACCOUNT_OWN),)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_profile(self, request: CallerRequest) -> Response[str]:
        return await _show_profile(request)

    @post()
    async def change(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            patch = ProfilePatch(username=form["username"], first_name=form["first_name"], last_name=form["last_name"])
            await profiles.update_profile(request.user.known_id, patch)
            return redirect(PROFILE.path, Flash("Your profile is saved."))
        return await _show_profile(request, form)

    @get("/picture")
    async def show_picture(self) -> Response[Any]:
        return redirect(PROFILE.path)

    @post("/picture", request_max_body_size=LARGEST_UPLOAD_BYTES)
    async def set_picture(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        form.values["file"] = ""
        with Telling(form):
            if form["remove"]:
                await avatars.remove_avatar(request.user.known_id)
                return redirect(PROFILE.path, Flash("Your picture is gone."))
            await avatars.set_avatar(request.user.known_id, await _read_picture(request))
            return redirect(PROFILE.path, Flash("Your picture is saved."))
        return await _show_profile(request, picture=form)

    @get("/deletion")
    async def show_deletion(self, request: CallerRequest) -> Response[str]:
        return show(request, "deletion.html", form=Form())

    @post("/deletion")
    async def delete_account(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            form.require("current_password")
            await profiles.leave(request.user.known_id, form["current_password"])
            return pages.end_session(redirect(HOME, Flash("Your account is closed.", Mood.INFO)))
        return show(request, "deletion.html", status=form.status, headers=form.headers, form=form)


class SecurityPages(Controller):
    path = "/accounts/profile/security"
    guards = (requires(Scope.ACCOUNT_OWN),)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_security(self, request: CallerRequest) -> Response[str]:
        return await _show_security(request)

    @get(["/password", "/email", "/sessions"])
    async def show_again(self) -> Response[Any]:
        """Where a form was refused: its address alone shows the whole page."""
        return redirect(SECURITY.path)

    @post("/password")
    async def change_password(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            form.require("current_password", "new_password", "re_new_password")
            passwords = form["current_password"], form["new_password"], form["re_new_password"]
            await resets.set_password(request.user, *passwords)
            await send_waiting_mail.later()
            return await _stay_signed_in(request, form["new_password"])
        return await _show_security(request, password=form)

    @post("/email")
    async def change_email(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            form.require("new_email", "current_password")
            user_id, device = request.user.known_id, device_of(request)
            await profiles.request_email_change(user_id, form["current_password"], form["new_email"], device)
            await send_waiting_mail.later()
            sentence = f"We have sent a mail to {form['new_email'].strip()}. Your address stays as it is until then."
            return redirect(CONFIRM_EMAIL, Flash(sentence, Mood.INFO))
        return await _show_security(request, email=form)

    @post("/sessions")
    async def sign_out_everywhere(self, request: CallerRequest) -> Response[Any]:
        await read_form(request)
        await sessions.end_sessions(request.user.known_id)
        return pages.end_session(redirect(SIGN_IN, Flash("You are signed out everywhere.")))


async def _show_profile(
    request: CallerRequest, form: Form | None = None, *, picture: Form | None = None
) -> Response[str]:
    profile = await profiles.get_profile(request.user.known_id)
    stored = {name: getattr(profile, name) or "" for name in ("username", "first_name", "last_name")}
    refused = form or picture or Form()
    facts: Mapping[str, Any] = {"profile": profile, "form": form or Form(stored), "picture": picture or Form()}
    return show(request, "profile.html", status=refused.status, headers=refused.headers, **facts)


async def _show_security(
    request: CallerRequest, *, password: Form | None = None, email: Form | None = None
) -> Response[str]:
    profile = await profiles.get_profile(request.user.known_id)
    refused = password or email or Form()
    facts: Mapping[str, Any] = {"profile": profile, "password": password or Form(), "email": email or Form()}
    return show(request, "security.html", status=refused.status, headers=refused.headers, **facts)


async def _read_picture(request: CallerRequest) -> bytes:
    data = await read_file(request, "file", avatars.LARGEST_BYTES + 1)
    if not data:
        raise field_error("file", "is required")
    if len(data) > avatars.LARGEST_BYTES:
        raise TooLarge(f"The picture is larger than {avatars.LARGEST_BYTES >> 20} MB.")
    return data


async def _stay_signed_in(request: CallerRequest, password: str) -> Response[Any]:
    """Here, where the present password was known a moment ago; everywhere else they are signed out."""
    # Not by signing in: strangers may have used up the attempts, and the password is changed already.
    user_id = request.user.known_id
    stored = await reauthentication.confirm_password(user_id, password)
    token = await cookies.start(Proven(user_id, stored), device_of(request))
    flash = Flash("Your password is changed. Everywhere else you are signed out.")
    return pages.keep_session(redirect(SECURITY.path, flash), token)
