"""Around the tables and pages: who is signed in, who acts, and that each writing request is one transaction.

Piccolo's hooks run before a row is written and know nothing of what comes after, so these are ASGI middleware.
"""

import contextlib
import logging
from http import HTTPStatus

import asyncpg
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin import sessions
from domains.accounts.csrf import SAFE_METHODS
from lib import actor, log
from lib.actor import Actor, Source
from lib.database_errors import OUT_OF_RANGE, explain
from lib.errors import AppError, BadInput
from piccolo_conf import transaction

logger = log.get("admin.hooks")

TOO_DEEP = "There are too many brackets in each other."


class SignedIn:
    """Lets in who has a session; everybody else is `refused`. What they change is told of in their name."""

    def __init__(self, app: ASGIApp, refused: ASGIApp) -> None:
        self.app = app
        self.refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        person = await sessions.find(Request(scope).cookies.get(sessions.COOKIE, ""))
        if person is None:
            await self.refused(scope, receive, send)
            return
        actor.become(Actor(user_id=person.user_id, name=person.username, source=Source.ADMIN))
        await self.app({**scope, "user": person}, receive, send)


class NotGood(Exception):
    """Rolls back what led to a refusal."""


class Held:
    """An answer that waits for the commit."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def demand_good(self) -> None:
        """Raises NotGood for a refusal."""
        if not self.messages or self.messages[0]["status"] >= HTTPStatus.BAD_REQUEST:
            raise NotGood

    async def hold(self, message: Message) -> None:
        self.messages.append(message)

    async def release(self, send: Send) -> None:
        for message in self.messages:
            await send(message)


class OneTransaction:
    """Each request that writes is one transaction, rolled back when its answer is a refusal.

    What the database refuses becomes a sentence that the site's forms can show.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held = Held()
        try:
            await self._answer(scope, receive, held)
        except Exception as error:
            if (known := _explain(error)) is None:
                raise
            logger.warning("admin_refused", path=scope["path"], code=known.code)
            await to_form(known)(scope, receive, send)
        else:
            await held.release(send)

    async def _answer(self, scope: Scope, receive: Receive, held: Held) -> None:
        if scope["method"] in SAFE_METHODS:
            await self.app(scope, receive, held.hold)
            return
        with contextlib.suppress(NotGood):
            async with transaction():
                await self.app(scope, receive, held.hold)
                held.demand_good()


def _explain(error: Exception) -> AppError | None:
    if isinstance(error, AppError):
        return error
    if isinstance(error, asyncpg.DataError):
        # Here people also choose what to filter and sort by, and how many rows to skip.
        return explain(error) or BadInput(OUT_OF_RANGE)
    if isinstance(error, RecursionError):
        return BadInput(TOO_DEEP)
    return explain(error)


def to_form(error: AppError) -> Response:
    """As Piccolo's forms show it: wrong fields each by their name, anything else as a sentence."""
    if isinstance(error, BadInput) and error.errors:
        detail = [{"loc": ["body", wrong.field], "msg": wrong.message, "type": "value_error"} for wrong in error.errors]
        return JSONResponse({"detail": detail}, status_code=HTTPStatus.UNPROCESSABLE_ENTITY)
    return PlainTextResponse(error.detail, status_code=error.status, headers=error.headers)


async def tell_what_is_wrong(_request: Request, error: RequestValidationError) -> Response:
    """Without what was sent, which FastAPI repeats: it may be a password, or nothing that JSON can hold."""
    detail = [{name: wrong[name] for name in ("loc", "msg", "type")} for wrong in error.errors()]
    return JSONResponse({"detail": detail}, status_code=HTTPStatus.UNPROCESSABLE_ENTITY)


# Piccolo logs whole tracebacks, with values, of what clients do wrong.
logging.getLogger("piccolo_api.crud.exceptions").setLevel(logging.CRITICAL)
