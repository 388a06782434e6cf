"""Letters and their rows, for the tests of mail."""

from collections.abc import Sequence
from datetime import timedelta

import asyncpg
import pytest

from domains.mail import services
from domains.mail.services import Template
from lib import clock
from piccolo_conf import fetch

CODE = "K7M2QX"
LINK = "https://shop.example/accounts/verify/?uid=7&token=s3cret"
FACTS = {
    "name": "Ada",
    "username": "ada",
    "code": CODE,
    "link": LINK,
    "code_minutes": "10",
    "link_hours": "24",
    "new_email": "ada@new.example",
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
