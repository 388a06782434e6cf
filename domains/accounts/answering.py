"""Answers to POSTs that happen once for each `Idempotency-Key`, as handlers give them."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from litestar import Response
from litestar.enums import MediaType

from domains.accounts.auth import CallerRequest
from domains.accounts.idempotency import Answer, answer, fingerprint_of, once


class Made(msgspec.Struct):
    """What an answer says of what it made."""

    id: int


async def answer_once(
    request: CallerRequest,
    data: msgspec.Struct | None,
    key: str | None,
    act: Callable[[], Awaitable[msgspec.Struct]],
    status: HTTPStatus,
    location: str = "",
) -> Response[bytes]:
    """The content that `act` returns, or the first answer under the key, byte for byte.

    `data` is the body of the request. `location` holds {} for the id of what was made.
    """
    if key is None:
        # Not in a transaction of ours: the verb opens its own, and says at its beginning for what it acts.
        done = answer(status, await act())
    else:
        # Money and its like are numbers as they were read, whatever their spelling.
        content = msgspec.json.encode(data, enc_hook=str)
        fingerprint = fingerprint_of(request.method, request.scope["path"].rstrip("/"), content)
        done = await once(key, request.user.known_id, fingerprint, lambda: _act(act, status))
    headers = {"Location": location.format(msgspec.json.decode(done.body, type=Made).id)} if location else {}
    return Response(done.body, status_code=done.status, headers=headers, media_type=MediaType.JSON)


async def _act(act: Callable[[], Awaitable[msgspec.Struct]], status: HTTPStatus) -> Answer:
    return answer(status, await act())
