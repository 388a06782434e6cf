"""One's own API keys over HTTP."""

from litestar import Controller, delete, get, post
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody

from domains.accounts import api_keys
from domains.accounts.auth import CallerRequest, requires
from domains.accounts.schemas import ApiKeyIn, ApiKeyMadeOut, ApiKeyOut
from domains.accounts.scopes import Scope
from lib.errors import field_error
from lib.http import NO_COUNT, Page, Paging, Style, Total, here, make_page, provide_paging


class ApiKeyController(Controller):
    """For people: no API key makes, sees or revokes keys."""

    path = "/auth/api-keys"
    tags = ("API keys",)
    guards = (requires(Scope.ACCOUNT_OWN),)
    response_headers = (ResponseHeader(name="Cache-Control", value="no-store"),)

    @get(dependencies={"paging": Provide(provide_paging, sync_to_thread=False)}, summary="My API keys, newest first")
    async def list_keys(self, paging: NamedDependency[Paging], request: CallerRequest) -> Page[ApiKeyOut]:
        """By page or offset; there is no cursor here. Never the secret."""
        if paging.style is Style.CURSOR:
            raise field_error("after", "is not offered here: use page or offset")
        owner = request.user.known_id
        keys = await api_keys.list_keys(owner, limit=paging.limit + 1, offset=paging.offset)
        total = Total(await api_keys.count_keys(owner), is_exact=True) if paging.wants_count else NO_COUNT
        more = "more" if len(keys) > paging.limit else None
        return make_page(keys[: paging.limit], paging, total, here(request), more)

    @post(summary="Make an API key")
    async def create_key(self, data: JSONBody[ApiKeyIn], request: CallerRequest) -> ApiKeyMadeOut:
        """`secret` is shown here and never again. Scopes are some of your own, without account:own."""
        return await api_keys.create_key(request.user.known_id, data, session_id=request.user.session_id)

    @delete("/{key_id:int}", summary="Revoke an API key")
    async def revoke_key(self, key_id: FromPath[int], request: CallerRequest) -> None:
        """At once in this process, within a second in every other."""
        await api_keys.revoke_key(request.user.known_id, key_id)
