"""Pages behind mailed links: confirming an address, and setting a forgotten password.

A link only opens a page, and its button does the work: programs that read mail follow links before people do.
"""

from types import MappingProxyType
from typing import Any

from litestar import Controller, Response, get, post
from litestar.params import FromQuery

from domains.accounts import profiles, registration, resets
from domains.accounts.account_schemas import ConfirmResetIn, EmailIn, EmailProofIn, ProofIn
from domains.accounts.auth import CallerRequest, device_of, public
from domains.accounts.csrf import IN_FORM
from domains.mail.jobs import send_waiting_mail
from domains.web import pages
from domains.web.flashes import Flash, Mood
from domains.web.forms import Form, Telling, read_form
from domains.web.navigation import CONFIRM_RESET, SIGN_IN, VERIFY
from domains.web.pages import redirect, show


class VerifyPages(Controller):
    path = "/accounts/verify"
    guards = (public,)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_verify(
        self, request: CallerRequest, uid: FromQuery[str] = "", token: FromQuery[str] = ""
    ) -> Response[str]:
        form = Form({"uid": uid, "token": token, "email": pages.flashed_email(request)})
        return show(request, "verify.html", form=form, resending=Form(form.values))

    @post()
    async def verify(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            _require_proof(form)
            profile = await registration.activate(form.into(ProofIn), device_of(request))
            await send_waiting_mail.later()
            return redirect(
                SIGN_IN, Flash("Your e-mail address is confirmed. You can sign in now.", email=profile.email)
            )
        # A link that is no good leaves the code, or another mail.
        form.values |= {"uid": "", "token": ""}
        return show(request, "verify.html", status=form.status, headers=form.headers, form=form, resending=Form())

    @get("/resend")
    async def show_again(self) -> Response[Any]:
        return redirect(VERIFY)

    @post("/resend")
    async def resend(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            form.require("email")
            await registration.resend(form.into(EmailIn).email, device_of(request))
            await send_waiting_mail.later()
            sentence = "If an account waits for this address to be confirmed, another mail is on its way."
            return redirect(VERIFY, Flash(sentence, Mood.INFO, form["email"]))
        return show(request, "verify.html", status=form.status, headers=form.headers, form=Form(), resending=form)


class ResetPages(Controller):
    path = "/accounts/reset"
    guards = (public,)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_request(self, request: CallerRequest) -> Response[str]:
        return show(request, "reset.html", form=Form())

    @post()
    async def request_reset(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            form.require("email")
            await resets.request_reset(form.into(EmailIn).email, device_of(request))
            await send_waiting_mail.later()
            sentence = "If there is an account with this address, a mail with a code is on its way."
            return redirect(CONFIRM_RESET, Flash(sentence, Mood.INFO, form["email"]))
        return show(request, "reset.html", status=form.status, headers=form.headers, form=form)

    @get("/confirm")
    async def show_confirm(
        self, request: CallerRequest, uid: FromQuery[str] = "", token: FromQuery[str] = ""
    ) -> Response[str]:
        form = Form({"uid": uid, "token": token, "email": pages.flashed_email(request)})
        return show(request, "reset_confirm.html", form=form)

    @post("/confirm")
    async def confirm(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            _require_proof(form, "new_password", "re_new_password")
            profile = await resets.confirm_reset(form.into(ConfirmResetIn), device_of(request))
            await send_waiting_mail.later()
            return redirect(SIGN_IN, Flash("Your password is set. Sign in with it.", email=profile.email))
        return show(request, "reset_confirm.html", status=form.status, headers=form.headers, form=form)


class EmailPages(Controller):
    path = "/accounts/email"
    guards = (public,)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_confirm(
        self, request: CallerRequest, uid: FromQuery[str] = "", token: FromQuery[str] = ""
    ) -> Response[str]:
        return show(request, "email.html", form=Form({"uid": uid, "token": token}))

    @post()
    async def confirm(self, request: CallerRequest) -> Response[Any]:
        form = await read_form(request)
        with Telling(form):
            form.require("uid" if form["token"] else "code")
            profile = await profiles.confirm_email_change(form.into(EmailProofIn), request.user, device_of(request))
            await send_waiting_mail.later()
            flash = Flash(f"Your e-mail address is now {profile.email}. Please sign in again.", email=profile.email)
            return pages.end_session(redirect(SIGN_IN, flash))
        return show(request, "email.html", status=form.status, headers=form.headers, form=form)


def _require_proof(form: Form, *others: str) -> None:
    """From the link both came hidden; without it the code is typed."""
    form.require(*(["uid"] if form["token"] else ["email", "code"]), *others)
