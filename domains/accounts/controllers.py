"""Signing in and out over HTTP."""

from litestar import Controller, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from domains.accounts import auth, sessions
from domains.accounts.auth import IGNORES_TOKEN, CallerRequest, device_of, public
from domains.accounts.schemas import CredentialsIn, RefreshIn, SignOutIn, TokenIn, TokensOut, ValidOut, WhoOut
from lib import clock
from lib.errors import NotAllowed


class KeyHasNoSession(NotAllowed):
    """An API key has no session that could end: revoke the key instead."""


class SignInController(Controller):
    path = "/auth"
    tags = ("Accounts",)
    guards = (public,)
    response_headers = (ResponseHeader(name="Cache-Control", value="no-store"),)

    @post("/jwt/create", status_code=HTTP_200_OK, opt={IGNORES_TOKEN: True}, summary="Sign in")
    async def create(self, data: JSONBody[CredentialsIn], request: CallerRequest) -> TokensOut:
        return await sessions.sign_in(data.identifier, data.password, device_of(request))

    @post("/jwt/refresh", status_code=HTTP_200_OK, opt={IGNORES_TOKEN: True}, summary="Get new tokens")
    async def refresh(self, data: JSONBody[RefreshIn], request: CallerRequest) -> TokensOut:
        return await sessions.refresh_session(data.refresh, device_of(request))

    @post("/jwt/verify", status_code=HTTP_200_OK, opt={IGNORES_TOKEN: True}, summary="Check a token")
    async def verify(self, data: JSONBody[TokenIn]) -> ValidOut:
        known = await auth.recognise(data.token)
        return ValidOut(expires_in=known.expires - int(clock.now().timestamp()))

    @post("/logout", status_code=HTTP_204_NO_CONTENT, opt={IGNORES_TOKEN: True}, summary="Sign out")
    async def sign_out(self, request: CallerRequest, data: JSONBody[SignOutIn | None] = None) -> None:
        if request.user.api_key_id is not None:
            raise KeyHasNoSession
        wish = data or SignOutIn()
        await sessions.sign_out(request.user, wish.refresh, everywhere=wish.everywhere)

    @get("/check", summary="Who am I")
    async def check(self, request: CallerRequest) -> WhoOut:
        caller = request.user
        if caller.user_id is None:
            return WhoOut(authenticated=False)
        scopes = sorted(caller.scopes)
        return WhoOut(True, caller.user_id, caller.username, caller.role, scopes, caller.api_key_id)
