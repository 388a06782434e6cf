"""Users in pages: searched, filtered and sorted."""

from collections.abc import Mapping
from datetime import datetime

from domains.accounts.schemas import Profile
from domains.accounts.tables import Role
from domains.accounts.users import COLUMNS, shape
from lib.filters import (
    TIME_SCHEMA,
    WHOLE_SCHEMA,
    Filter,
    among,
    choice,
    contains,
    equal,
    flag,
    ranged,
    read_choice,
    read_time,
    read_whole,
    same_text,
    words,
)
from lib.http import Total
from lib.listing import Listing, Query, Sort, find_page, nullable
from piccolo_conf import fetch

# By users_pkey, users_username_lower_key and users_email_lower_key; the rest reads the table, which thousands of rows
# allow. Who has never signed in comes before everybody who has.
SORTS: Mapping[str, Sort] = {
    "id": Sort("users.id", "{0}::int", int, is_unique=True),
    "username": Sort("lower(users.username)", "lower({0}::text)", str, is_unique=True),
    "email": Sort("lower(users.email)", "lower({0}::text)", str, is_unique=True),
    "created_at": Sort("users.created_at", "{0}::timestamptz", datetime),
    "last_login_at": nullable(Sort("users.last_login_at", "{0}::timestamptz", datetime), "'-infinity'::timestamptz"),
}
NAMES = "concat_ws(' ', users.username, users.email, users.first_name, users.last_name)"
FILTERS: Mapping[str, Filter] = {
    "search": words(NAMES, "Words in username, e-mail address or names."),
    "id": equal("users.id", read_whole, WHOLE_SCHEMA),
    "id__in": among("users.id", read_whole),
    "username": same_text("users.username"),
    "username__icontains": contains("users.username"),
    "email": same_text("users.email"),
    "email__icontains": contains("users.email"),
    "active": flag("users.active", "NOT users.active", "Whether they may sign in."),
    "is_verified": flag(
        "users.email_verified_at IS NOT NULL", "users.email_verified_at IS NULL", "Whether the address is theirs."
    ),
    **ranged("users.created_at", "created_at", read_time, TIME_SCHEMA),
    **ranged("users.last_login_at", "last_login_at", read_time, TIME_SCHEMA),
}
OF_ROLE: Mapping[str, Filter] = {
    "role": choice("users.role", Role),
    "role__in": among("users.role", read_choice(Role)),
}
USERS = Listing(filters={**FILTERS, **OF_ROLE}, sorts=SORTS)
CUSTOMERS = Listing(filters=FILTERS, sorts=SORTS)


async def list_users(query: Query) -> tuple[list[Profile], Total, str | None]:
    """Users, how many there are, and the cursor that goes on behind them."""
    found = await find_page(fetch, query, COLUMNS, "users")
    return [shape(row) for row in found.rows], found.total, found.cursor


async def all_users() -> list[Profile]:
    """Newest first."""
    return [shape(row) for row in await fetch(f"SELECT {COLUMNS} FROM users ORDER BY users.id DESC")]
