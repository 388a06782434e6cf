"""Letters and their rows, for the tests of mail."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from domains.mail import services
from domains.mail.services import Fact, Template
from lib import clock
from piccolo_conf import fetch

CODE = "K7M2QX"
LINK = "https://shop.example/accounts/verify/?uid=7&token=s3cret"
FACTS: dict[str, Fact] = {
    "name": "Ada",
    "username": "ada",
    "code": CODE,
    "link": LINK,
    "code_minutes": "10",
    "link_hours": "24",
    "new_email": "ada@new.example",
    "subject": "Low stock: Mug (2 left)",
    "headline": "One product has fallen below its threshold.",
    "rows": [
        {"product": "Mug", "sku": "M-1", "supplier": "", "left": "2 left", "is_sold_out": "", "threshold": "5"}
        | {"sold": "14", "number": "SO-000012", "sentence": "Product 1 (M-1): the total says 3 instead of 2."}
    ],
    "more": "",
    "low_now": "",
    "endpoint": "Warehouse (hooks.example/stock)",
    "since": "2030-01-31 12:00 UTC",
    "shop": "lamps.myshopify.com",
    "webhook": "12",
    "why": "For five days none of our requests has succeeded.",
}


async def write(to: str = "ada@example.com", template: Template = Template.VERIFY_EMAIL, **facts: str) -> int:
    return await services.write(to, template, {**FACTS, **facts})


async def rows() -> Sequence[asyncpg.Record]:
    return await fetch("SELECT * FROM mail ORDER BY id")


async def row() -> asyncpg.Record:
    """The only one."""
    (found,) = await rows()
    return found


def pass_time(monkeypatch: pytest.MonkeyPatch, by: timedelta) -> None:
    later = clock.now() + by
    monkeypatch.setattr(clock, "now", lambda: later)
