"""Forms that do something for good: in whose name, and once, however often their button is pressed."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar
from uuid import UUID, uuid4

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from admin.pages import Form, read_form, redirect
from admin.sessions import Person
from domains.accounts import idempotency
from domains.accounts.idempotency import Answer, IdempotencyKeyInUse, IdempotencyKeyReused, answer, fingerprint_of
from domains.accounts.schemas import Caller
from domains.accounts.scopes import scopes_of
from domains.accounts.tables import Role
from lib.errors import AppError, BadInput, Conflict, FieldError, NotFound, refuse_fields, wrong_fields
from lib.money import decode
from lib.wrong_fields import find_wrong_fields

S = TypeVar("S", bound=msgspec.Struct)

# What a button does to the thing with that id: it answers with the word that tells of it afterwards.
Step: TypeAlias = Callable[[Request, int, Form], Awaitable[str]]

# A page that shows a form as it was filled in, under what was wrong with it.
Renderer: TypeAlias = Callable[[Request, int, Form, AppError], Awaitable[Response]]

CONFIRMED = "confirmed"
DONE = 303
# No number that we take is longer.
LONGEST_NUMBER = 10
LONGEST_WAIT_SECONDS = 10.0
LOOK_SECONDS = 0.05


class UnknownStep(BadInput):
    """Press one of the buttons of this page."""


class FormUsed(Conflict):
    """This form was sent before, with something else in it. Look at how things are now, then send it again."""


class StillAtWork(Conflict):
    """What you sent a moment ago is still being worked on. Look at how things are before you send anything again."""


class NotTicked(BadInput):
    """Tick the box to confirm."""


def new_id() -> str:
    """What makes a form one of a kind."""
    return str(uuid4())


def caller_of(request: Request) -> Caller:
    """Whoever is signed in here is an administrator."""
    person: Person = request.user
    return Caller(person.user_id, person.username, Role.ADMIN, scopes_of(Role.ADMIN), session_id=None)


def demand_tick(form: Form, sentence: str = "") -> None:
    """Raises NotTicked, in other words if they are given."""
    if form.get(CONFIRMED) != "yes":
        raise NotTicked(sentence)


async def take_step(
    request: Request, steps: Mapping[str, Step], row_id: int, page: str, show_again: Renderer
) -> Response:
    """Do what the pressed button says, once, and lead to `page`; a refusal stands above the form."""
    form = await read_form(request)
    step = steps.get(form.get("step", ""), _refuse)
    try:
        done = await once(request, form, lambda: step(request, row_id, form))
    except NotFound:
        raise
    except AppError as error:
        return await show_again(request, row_id, form, error)
    return redirect(request, f"{page}?done={done}")


async def _refuse(_request: Request, _row_id: int, _form: Form) -> str:
    raise UnknownStep


async def once(request: Request, form: Form, act: Callable[[], Awaitable[str]]) -> str:
    """What `act` answers, a text; a form that was sent twice gets the answer of the first time.

    Raises FormUsed when it has other contents by then, and StillAtWork while the first one goes on for long.
    """

    async def act_and_answer() -> Answer:
        return answer(DONE, await act())

    contents = sorted((name, value) for name, value in form.items() if name != "csrftoken")
    fingerprint = fingerprint_of("admin", request.url.path, msgspec.json.encode(contents))
    try:
        done = await _once_or_wait(_key(form), caller_of(request).known_id, fingerprint, act_and_answer)
    except IdempotencyKeyReused:
        raise FormUsed from None
    return msgspec.json.decode(done.body, type=str)


async def _once_or_wait(key: str, user_id: int, fingerprint: bytes, act: Callable[[], Awaitable[Answer]]) -> Answer:
    """Of a double click the browser shows what the second one is answered: that must tell of the first one's work."""
    until = time.monotonic() + LONGEST_WAIT_SECONDS
    while True:
        try:
            return await idempotency.once(key, user_id, fingerprint, act)
        except IdempotencyKeyInUse:
            if time.monotonic() > until:
                raise StillAtWork from None
        await asyncio.sleep(LOOK_SECONDS)


def _key(form: Form) -> str:
    """Raises FormUsed for none: every form comes with one."""
    try:
        return f"admin:{UUID(form.get('form_id', ''))}"
    except ValueError:
        raise FormUsed from None


@contextlib.contextmanager
def in_words(labels: Mapping[str, str]) -> Iterator[None]:
    """Wrong fields are told of by the names that stand beside them in a form."""
    try:
        yield
    except BadInput as error:
        if not error.errors:
            raise
        told = [FieldError(labels.get(wrong.field, wrong.field), wrong.message) for wrong in error.errors]
        raise wrong_fields(told) from None


def read_input(given: dict[str, Any], struct: type[S]) -> S:
    """As the API reads it; raises BadInput with every wrong field."""
    refuse_fields(find_wrong_fields(given, struct, decode))
    return msgspec.convert(given, struct, dec_hook=decode)


def read_number_or_text(text: str) -> int | str:
    """As JSON would have it: what is no number is told of by the struct that expects one."""
    cleaned = text.strip()
    return int(cleaned) if cleaned.isdecimal() and len(cleaned) <= LONGEST_NUMBER else cleaned
