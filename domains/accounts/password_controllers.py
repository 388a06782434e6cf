"""Passwords and the e-mail address over HTTP."""

from litestar import Controller, post
from litestar.datastructures import ResponseHeader
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from domains.accounts import profiles, resets
from domains.accounts.account_schemas import ConfirmResetIn, EmailIn, EmailProofIn, SetEmailIn, SetPasswordIn
from domains.accounts.auth import IGNORES_TOKEN, CallerRequest, device_of, public, requires
from domains.accounts.schemas import Profile
from domains.accounts.scopes import Scope
from domains.mail.jobs import send_waiting_mail


class PasswordController(Controller):
    path = "/auth/users"
    tags = ("Passwords and e-mail",)
    response_headers = (ResponseHeader(name="Cache-Control", value="no-store"),)

    @post(
        "/set_password",
        status_code=HTTP_204_NO_CONTENT,
        guards=[requires(Scope.ACCOUNT_OWN)],
        summary="Change my password",
    )
    async def set_password(self, data: JSONBody[SetPasswordIn], request: CallerRequest) -> None:
        """Ends every session, this one too."""
        await resets.set_password(request.user, data.current_password, data.new_password, data.re_new_password)
        await send_waiting_mail.later()

    @post(
        "/reset_password",
        status_code=HTTP_204_NO_CONTENT,
        guards=[public],
        opt={IGNORES_TOKEN: True},
        summary="Forgotten password: ask for a mail",
    )
    async def request_reset(self, data: JSONBody[EmailIn], request: CallerRequest) -> None:
        """The answer is the same whether there is an account with this address or not."""
        await resets.request_reset(data.email, device_of(request))
        await send_waiting_mail.later()

    @post(
        "/reset_password_confirm",
        status_code=HTTP_204_NO_CONTENT,
        guards=[public],
        opt={IGNORES_TOKEN: True},
        summary="Forgotten password: set a new one",
    )
    async def confirm_reset(self, data: JSONBody[ConfirmResetIn], request: CallerRequest) -> None:
        """By `uid` and `token` of the mailed link, or by e-mail address and code. Ends every session and API key.

        It proves the address too, so an account that was never confirmed is confirmed by it.
        """
        await resets.confirm_reset(data, device_of(request))
        await send_waiting_mail.later()

    @post(
        "/set_email",
        status_code=HTTP_204_NO_CONTENT,
        guards=[requires(Scope.ACCOUNT_OWN)],
        summary="Change my e-mail address",
    )
    async def request_email_change(self, data: JSONBody[SetEmailIn], request: CallerRequest) -> None:
        """A mail goes to the new address. Until it is answered the old one stays."""
        await profiles.request_email_change(
            request.user.known_id, data.current_password, data.new_email, device_of(request)
        )
        await send_waiting_mail.later()

    @post("/set_email_confirm", status_code=HTTP_200_OK, guards=[public], summary="Confirm the new e-mail address")
    async def confirm_email_change(self, data: JSONBody[EmailProofIn], request: CallerRequest) -> Profile:
        """By `uid` and `token` of the mailed link, or, signed in, by the code. Ends every session."""
        profile = await profiles.confirm_email_change(data, request.user, device_of(request))
        await send_waiting_mail.later()
        return profile
