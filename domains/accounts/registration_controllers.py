"""Confirming a new account over HTTP."""

from litestar import Controller, post
from litestar.datastructures import ResponseHeader
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from domains.accounts import registration
from domains.accounts.account_schemas import EmailIn, ProofIn
from domains.accounts.auth import IGNORES_TOKEN, CallerRequest, device_of, public
from domains.accounts.schemas import Profile
from domains.mail.jobs import send_waiting_mail


class RegistrationController(Controller):
    path = "/auth/users"
    tags = ("Sign-up",)
    guards = (public,)
    response_headers = (ResponseHeader(name="Cache-Control", value="no-store"),)

    @post("/activation", status_code=HTTP_200_OK, opt={IGNORES_TOKEN: True}, summary="Confirm the e-mail address")
    async def activate(self, data: JSONBody[ProofIn], request: CallerRequest) -> Profile:
        """By `uid` and `token` of the mailed link, or by e-mail address and code."""
        profile = await registration.activate(data, device_of(request))
        await send_waiting_mail.later()
        return profile

    @post(
        "/resend_activation",
        status_code=HTTP_204_NO_CONTENT,
        opt={IGNORES_TOKEN: True},
        summary="Send the mail of sign-up again",
    )
    async def resend(self, data: JSONBody[EmailIn], request: CallerRequest) -> None:
        """Its link and code replace those before. An unknown address gets the same answer; a confirmed one 409."""
        await registration.resend(data.email, device_of(request))
        await send_waiting_mail.later()
