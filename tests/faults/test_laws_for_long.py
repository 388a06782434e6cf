"""The state machine of stock for a quarter of an hour, from another beginning each time."""

import httpx
import pytest

from tests.inventory.test_laws import keep_laws


@pytest.mark.faults
async def test_a_thousand_histories_keep_the_laws_of_stock(admin: httpx.AsyncClient) -> None:
    await keep_laws(admin, examples=1000, steps=40, random=True)
