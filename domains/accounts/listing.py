"""Users in pages: searched, filtered and sorted. By page or offset; there is no cursor here."""

from collections.abc import Iterator
from typing import Any

import msgspec

from domains.accounts.schemas import Profile
from domains.accounts.tables import Role
from domains.accounts.users import COLUMNS, shape
from lib.errors import field_error
from lib.http import NO_COUNT, Paging, Total
from piccolo_conf import fetch, fetch_value

MOST_WORDS = 10
# By users_pkey, users_username_lower_key and users_email_lower_key; times are sorted, which thousands of rows allow.
SORTS = {
    "id": "id",
    "username": "lower(username)",
    "email": "lower(email)",
    "created_at": "created_at",
    "last_login_at": "last_login_at",
}
NEWEST_FIRST = "-id"
SEARCHED = "strpos(lower(concat_ws(' ', username, email, first_name, last_name)), lower({0})) > 0"


class Query(msgspec.Struct, frozen=True):
    """What is asked for; None leaves it open."""

    paging: Paging
    search: str = ""
    ordering: str = ""
    role: Role | None = None
    active: bool | None = None


async def list_users(query: Query) -> tuple[list[Profile], Total, str | None]:
    """Users, how many there are, and a mark when others follow."""
    clauses, values = _conditions(query)
    where = f"WHERE {' AND '.join(clauses)}" if clauses else ""
    paging = query.paging
    statement = f"SELECT {COLUMNS} FROM users {where} {_order_by(query.ordering)} LIMIT {{}} OFFSET {{}}"
    places = f"${len(values) + 1}", f"${len(values) + 2}"
    rows = await fetch(statement.format(*places), *values, paging.limit + 1, paging.offset)
    total = NO_COUNT
    if paging.wants_count:
        total = Total(await fetch_value(f"SELECT count(*) FROM users {where}", *values), is_exact=True)
    more = "more" if len(rows) > paging.limit else None
    return [shape(row) for row in rows[: paging.limit]], total, more


def _conditions(query: Query) -> tuple[list[str], list[Any]]:
    found = list(_each_condition(query))
    clauses = [clause.format(f"${number}") for number, (clause, _value) in enumerate(found, 1)]
    return clauses, [value for _clause, value in found]


def _each_condition(query: Query) -> Iterator[tuple[str, Any]]:
    words = query.search.split()
    if len(words) > MOST_WORDS:
        raise field_error("search", f"takes at most {MOST_WORDS} words")
    yield from ((SEARCHED, word) for word in words)
    if query.role is not None:
        yield "role = {0}", query.role
    if query.active is not None:
        yield "active = {0}", query.active


def _order_by(ordering: str) -> str:
    keys: list[str] = []
    for word in [*(ordering or NEWEST_FIRST).split(","), NEWEST_FIRST]:
        name = word.removeprefix("-")
        if name not in SORTS:
            raise field_error("ordering", f"{name!r} is not one of: {', '.join(SORTS)}")
        keys.append(f"{SORTS[name]} {'DESC NULLS LAST' if word.startswith('-') else 'ASC NULLS FIRST'}")
    return f"ORDER BY {', '.join(keys)}"
