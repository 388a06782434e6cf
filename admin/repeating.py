"""A page on which things that went wrong are done again: choose them, look at them, confirm, see what became of them.

Just what was looked at is done again, all of it or nothing, once.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeAlias
from urllib.parse import urlencode

import asyncpg
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from admin.choosing import Readers, read_choice, read_count, read_ids, read_moment
from admin.forms import S, demand_tick, new_id, once
from admin.pages import Form, read_form, redirect, render
from lib.errors import AppError, Conflict
from piccolo_conf import fetch

SHOWN = 50
READERS: Readers = {"since": read_moment, "until": read_moment, "ids": read_ids}
FATES = """
    SELECT CASE WHEN state <> 'pending' THEN state WHEN {tries} > 0 THEN 'still tried' ELSE 'waiting' END AS fate,
        count(*) AS number
    FROM {table} WHERE id = ANY($1::bigint[]) GROUP BY fate ORDER BY number DESC, fate
"""
# Of each field that is a list: its values and what people read, first the one that narrows nothing.
Options: TypeAlias = Mapping[str, Sequence[tuple[str, str]]]


class Words(msgspec.Struct, frozen=True):
    """ "delivery", "deliveries"; "send" it again, it is "sent" again."""

    one: str
    many: str
    act: str
    done: str


class Done(msgspec.Struct, frozen=True):
    """What was done a moment ago: how many, and what has become of those that were shown."""

    number: int
    ids: list[int]
    fates: dict[str, int]


class Repeat(msgspec.Struct, Generic[S], frozen=True):
    """`path` is the page's below pages/, and its template's, which extends repeat.html.

    `labels` names every field of the form, `wanted` holds what is chosen by them. `repeat` takes the number that was
    looked at, and raises `differs` when there are others by now; `ring` wakes who does the work. `table` is where the
    rows stand, and `tries` its column of how often each was tried since.
    """

    path: str
    words: Words
    labels: Mapping[str, str]
    wanted: type[S]
    most: int
    options: Callable[[], Awaitable[Options]]
    count: Callable[[S], Awaitable[int]]
    list_latest: Callable[[S, int], Awaitable[Sequence[asyncpg.Record]]]
    repeat: Callable[[S, int], Awaitable[int]]
    differs: type[Conflict]
    ring: Callable[[], Awaitable[bool]]
    table: str
    tries: str
    readers: Readers

    async def show(self, request: Request) -> Response:
        """`?since=2030-01-31T12:00` chooses; to post is to do again what was looked at."""
        if request.method == "GET":
            return await self._render(request, dict(request.query_params))
        form = await read_form(request)
        try:
            number = await once(request, form, lambda: self._repeat(form))
        except AppError as error:
            return await self._render(request, form, error)
        await self.ring()
        kept = {name: form[name] for name in (*self.labels, "shown") if form.get(name)}
        return redirect(request, f"pages/{self.path}/?{urlencode(kept | {'done': number})}")

    async def _repeat(self, form: Form) -> str:
        """How many, in words."""
        demand_tick(form, f"Tick the box to confirm that they are {self.words.done} again.")
        if (seen := read_count(form.get("seen", ""), self.most)) is None:
            raise self.differs
        return str(await self.repeat(self._read(form), seen))

    def _read(self, form: Form) -> S:
        return read_choice(form, self.wanted, self.labels, self.readers)

    async def _render(self, request: Request, form: Form, error: AppError | None = None) -> Response:
        """Under a choice that cannot be read there is nothing."""
        number, rows, moments = 0, [], {}
        try:
            wanted = self._read(form)
            number, rows = await self.count(wanted), list(await self.list_latest(wanted, SHOWN))
            moments = {name: text for name in self.labels if (text := _in_utc(getattr(wanted, name)))}
        except AppError as wrong:
            error = error or wrong
        facts: dict[str, Any] = {
            "page": self,
            "form": {name: form.get(name, "") for name in self.labels} | moments,
            "options": await self.options(),
            "number": number,
            "rows": rows,
            "form_id": new_id(),
            "again": request.url.query,
            "done": await self._find_done(dict(request.query_params)),
        }
        return render(request, f"{self.path}.html", error=error, **facts)

    async def _find_done(self, asked: Form) -> Done | None:
        """None where nothing was done a moment ago, or the address has lost its sense."""
        if (number := read_count(asked.get("done", ""), self.most)) is None:
            return None
        try:
            ids = read_ids(asked.get("shown", ""))[:SHOWN]
        except ValueError:
            ids = []
        statement = FATES.format(table=self.table, tries=self.tries)
        fates = {row["fate"]: row["number"] for row in await fetch(statement, ids)}
        return Done(number, ids, fates)


def _in_utc(value: object) -> str:
    """As a field of a form holds a time, whatever zone it was told in; "" for what is none."""
    return value.replace(tzinfo=None).isoformat() if isinstance(value, datetime) else ""
