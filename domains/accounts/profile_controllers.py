"""One's own profile and picture over HTTP."""

from typing import Annotated

from litestar import Controller, Response, delete, get, patch, put
from litestar.datastructures import ResponseHeader
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter
from litestar.status_codes import HTTP_304_NOT_MODIFIED

from domains.accounts import avatars, profiles
from domains.accounts.account_schemas import CurrentPasswordIn, ProfilePatch
from domains.accounts.auth import CallerRequest, requires
from domains.accounts.picture_form import PICTURE_BODY, read_picture
from domains.accounts.schemas import Profile
from domains.accounts.scopes import Scope
from lib.openapi import REQUEST_BODY

FORM_OVERHEAD = 64 << 10
WEBP = "image/webp"
# The address in a profile changes with the picture, so what stands behind it never does.
KEPT = "private, max-age=86400, immutable"
ASKED_FOR = "private, no-cache"


class ProfileController(Controller):
    path = "/auth/users/me"
    tags = ("My account",)
    guards = (requires(Scope.ACCOUNT_OWN),)
    response_headers = (ResponseHeader(name="Cache-Control", value="no-store"),)

    @get(summary="My profile")
    async def show(self, request: CallerRequest) -> Profile:
        return await profiles.get_profile(request.user.known_id)

    @patch(summary="Change my names")
    async def change(self, data: JSONBody[ProfilePatch], request: CallerRequest) -> Profile:
        """What is left out stays. 409 when somebody else has the username."""
        return await profiles.update_profile(request.user.known_id, data)

    @delete(summary="Close my account")
    async def leave(self, data: JSONBody[CurrentPasswordIn], request: CallerRequest) -> None:
        """For good: names, addresses, picture, sessions and API keys go. The last administrator cannot leave."""
        await profiles.leave(request.user.known_id, data.current_password)

    @put(
        "/avatar",
        request_max_body_size=avatars.LARGEST_BYTES + FORM_OVERHEAD,
        opt={REQUEST_BODY: PICTURE_BODY},
        summary="Set my picture",
    )
    async def set_avatar(self, request: CallerRequest) -> Profile:
        """Multipart with `file`: JPEG, PNG, WebP or GIF up to 5 MB. It becomes a square of 450 pixels."""
        content_type, options = request.content_type
        data = await read_picture(request.stream(), content_type, options)
        await avatars.set_avatar(request.user.known_id, data)
        return await profiles.get_profile(request.user.known_id)

    @delete("/avatar", summary="Remove my picture")
    async def remove_avatar(self, request: CallerRequest) -> None:
        await avatars.remove_avatar(request.user.known_id)


class AvatarController(Controller):
    path = "/auth/users"
    tags = ("Users",)
    guards = (requires(Scope.ACCOUNT_OWN),)

    @get(
        "/{user_id:int}/avatar",
        media_type=WEBP,
        responses={304: ResponseSpec(None, description="The caller has this picture.")},
        summary="A user's picture",
    )
    async def show(
        self,
        user_id: FromPath[int],
        request: CallerRequest,
        v: Annotated[str | None, QueryParameter(description="The version, as in avatar_url.")] = None,
        if_none_match: Annotated[str | None, HeaderParameter(name="If-None-Match")] = None,
    ) -> Response[bytes]:
        """One's own; customers' with the scope customers:read, anybody's with users:write."""
        picture = await avatars.get_avatar_for(request.user, user_id)
        tag = f'"{picture.digest}"'
        headers = {"ETag": tag, "Cache-Control": KEPT if v == picture.digest else ASKED_FOR}
        if if_none_match is not None and tag in if_none_match:
            return Response(b"", status_code=HTTP_304_NOT_MODIFIED, headers=headers)
        return Response(picture.image, media_type=WEBP, headers=headers)
