from collections.abc import AsyncIterator

import pytest

from domains.accounts.tables import Role
from tests.web.browsing import Browser, register


@pytest.fixture
async def visitor(database: None) -> AsyncIterator[Browser]:
    """Somebody who is not signed in."""
    async with Browser() as browser:
        yield browser


@pytest.fixture
async def carla(database: None) -> AsyncIterator[Browser]:
    """A customer, signed in."""
    async with Browser() as browser:
        await browser.be(await register("carla"))
        yield browser


@pytest.fixture
async def ada(database: None) -> AsyncIterator[Browser]:
    """An administrator, signed in."""
    async with Browser() as browser:
        await browser.be(await register("ada", Role.ADMIN))
        yield browser
