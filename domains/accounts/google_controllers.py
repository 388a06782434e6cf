"""Signing in with Google over HTTP."""

from litestar import Controller, post
from litestar.datastructures import ResponseHeader
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK

from domains.accounts import google
from domains.accounts.auth import IGNORES_TOKEN, CallerRequest, device_of, public
from domains.accounts.google import GoogleIn
from domains.accounts.schemas import TokensOut


class GoogleController(Controller):
    path = "/auth/google"
    tags = ("Accounts",)
    guards = (public,)
    response_headers = (ResponseHeader(name="Cache-Control", value="no-store"),)

    @post("/", status_code=HTTP_200_OK, opt={IGNORES_TOKEN: True}, summary="Sign in with Google")
    async def create(self, data: JSONBody[GoogleIn], request: CallerRequest) -> TokensOut:
        """By an `id_token` or an `access_token` of Google's. 404 unless GOOGLE_CLIENT_IDS is set."""
        return await google.sign_in(data, device_of(request))
