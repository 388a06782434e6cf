"""A browser at the admin site."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.admin.visiting import CSRF, visit
from tests.conftest import make_client


@pytest.fixture
async def site(database: None) -> AsyncIterator[httpx.AsyncClient]:
    """The admin "ada", signed in."""
    async with await visit() as client:
        yield client


@pytest.fixture
async def visitor(database: None) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has seen the sign-in page."""
    async with make_client() as client:
        client.cookies.set("csrftoken", CSRF)
        yield client
