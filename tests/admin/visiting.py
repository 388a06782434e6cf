"""Somebody at the admin site, as a browser that is signed in there."""

import re
from typing import Any

import httpx

from admin import sessions
from domains.accounts.tables import Role
from tests.conftest import make_client, make_user

SITE = "/admin"
TABLES = f"{SITE}/api/tables"
CSRF = "0e2f7c1c-8f4a-4f5e-9d5f-1f1f6a1f2b3c"
TAG = re.compile(r"<[^>]+>")


async def visit(username: str = "ada") -> httpx.AsyncClient:
    """A new admin's browser; no password is hashed."""
    user_id = await make_user(Role.ADMIN, username)
    token = await sessions.start_for(user_id, sessions.fingerprint(""))
    return with_cookies(token)


def with_cookies(token: str) -> httpx.AsyncClient:
    client = make_client(**{"X-CSRFToken": CSRF})
    client.cookies.update({sessions.COOKIE: token, "csrftoken": CSRF})
    return client


async def submit(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """As a form of a page does."""
    return await client.post(f"{SITE}/{path}", data={"csrftoken": CSRF, **fields})


def text_of(response: httpx.Response) -> str:
    """What a person reads, with single spaces."""
    return " ".join(TAG.sub(" ", response.text).split())
