"""Real PostgreSQL and Valkey of this test process's own, started once; every test begins with empty tables."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

DATA_DIR = Path(tempfile.mkdtemp(prefix="stockroom-test-"))
# Another PostgreSQL than the wheel's, say 15: TEST_POSTGRES_BIN is the directory of its programs.
POSTGRES_BIN = Path(os.environ["TEST_POSTGRES_BIN"]) if os.environ.get("TEST_POSTGRES_BIN") else None
# The product reads its settings when it is first imported: its environment has to stand before that.
UNSET = ("DATABASE_URL", "REDIS_URL", "ADMIN_EMAIL", "ADMIN_PASSWORD", "PUBLIC_CATALOG", "DOCS_ACCESS", "PUBLIC_URL")
UNSET += ("EMAIL_HOST", "EMAIL_HOST_USER", "EMAIL_HOST_PASSWORD", "GOOGLE_CLIENT_IDS", "ADMIN_PATH", "TRUSTED_PROXIES")
UNSET += ("SHOPIFY_SHOP", "SHOPIFY_CLIENT_ID", "SHOPIFY_ACCESS_TOKEN", "SHOPIFY_API_URL", "SHOPIFY_DELETES_PRODUCTS")
for name in UNSET:
    os.environ[name] = ""
os.environ["SHOPIFY_WEBHOOK_SECRET"] = "hush-for-tests"
os.environ |= {"DEBUG": "true", "DATA_DIR": str(DATA_DIR), "SECRET_KEY": "s" * 40, "ALLOWED_HOSTS": "testserver"}

import httpx
import hypothesis

from app import app
from domains.accounts import sessions
from domains.accounts.tables import Role
from lib import cache, redis_client, sliding_windows, totals
from lib.embedded import Urls, embedded
from piccolo_conf import fetch, fetch_value, migrate, transaction
from queues import job

# A busy machine takes longer than it allows for an example.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Rows that migrations make and every test expects.
KEPT_TABLES = {"migration", "location", "schedule"}
LARGEST_TO_DELETE = 256 * 1024
EMPTY = ('DELETE FROM "{}"', 'TRUNCATE "{}" CASCADE')
RESTART = """
    SELECT setval(format('%I', sequencename)::regclass, 1, false) FROM pg_sequences
    WHERE last_value IS NOT NULL AND sequencename <> ALL($1::text[])
"""


@pytest.fixture(scope="session")
def servers() -> Iterator[Urls]:
    with embedded(DATA_DIR, throwaway=True, postgres_bin=POSTGRES_BIN) as urls:
        yield urls
    shutil.rmtree(DATA_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
async def running_app(servers: Urls) -> AsyncIterator[None]:
    await migrate()
    async with app.lifespan():
        yield


@pytest.fixture(autouse=True)
def fresh_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests sign in more often from one address than anybody may."""
    monkeypatch.setattr(sliding_windows, "PREFIX", f"test:{uuid4().hex}:")
    sliding_windows.memories.clear()


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine Redis is not away when it answers late."""
    monkeypatch.setattr(redis_client, "LONGEST_ANSWER_SECONDS", 5)
    monkeypatch.setattr(job, "LONGEST_WAIT_SECONDS", 5)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins with empty tables, and with nothing that was counted before."""
    monkeypatch.setattr(cache, "PREFIX", f"test:{uuid4().hex}:")
    monkeypatch.setattr(cache, "here", cache.Here())
    totals.forget()


@pytest.fixture
async def database(running_app: None) -> AsyncIterator[None]:
    """Open tables for a test, emptied behind it."""
    yield
    await empty_tables()


async def empty_tables() -> None:
    """Row by row where there are few: truncating makes every table and index anew, which takes a fifth of a second."""
    rows = await fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    names = {row["tablename"] for row in rows} - KEPT_TABLES
    size = "SELECT '{0}' AS name, pg_relation_size('{0}') AS size WHERE EXISTS (SELECT FROM \"{0}\")"
    filled = await fetch(" UNION ALL ".join(size.format(name) for name in sorted(names)))
    steps = [EMPTY[row["size"] > LARGEST_TO_DELETE].format(row["name"]) for row in filled]
    async with transaction() as connection:
        # Without triggers: neither foreign keys nor what keeps the ledger from being changed.
        await connection.execute(f"SET LOCAL session_replication_role = replica; {'; '.join(steps)}")
        await connection.execute("DELETE FROM location WHERE NOT is_default")
        await connection.execute(RESTART, [f"{name}_id_seq" for name in KEPT_TABLES])


@pytest.fixture
async def client(database: None) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who is not signed in."""
    async with make_client() as anonymous:
        yield anonymous


@pytest.fixture
async def admin(database: None) -> AsyncIterator[httpx.AsyncClient]:
    async with await sign_in_as(Role.ADMIN, "ada") as client:
        yield client


@pytest.fixture
async def staff(database: None) -> AsyncIterator[httpx.AsyncClient]:
    async with await sign_in_as(Role.STAFF, "stan") as client:
        yield client


@pytest.fixture
async def customer(database: None) -> AsyncIterator[httpx.AsyncClient]:
    async with await sign_in_as(Role.CUSTOMER, "carla") as client:
        yield client


@pytest.fixture
async def stranger(database: None) -> AsyncIterator[httpx.AsyncClient]:
    """Another customer, to whom nothing of `customer` belongs."""
    async with await sign_in_as(Role.CUSTOMER, "otto") as client:
        yield client


async def sign_in_as(role: Role, username: str) -> httpx.AsyncClient:
    """A client of a new user; no password is hashed."""
    started = await sessions.start_session(await make_user(role, username))
    return make_client(Authorization=f"Bearer {started.access}")


async def make_user(role: Role, username: str) -> int:
    """The id of a new user, who has no password to sign in with."""
    user_id: int = await fetch_value(
        """INSERT INTO users (username, email, password, role, admin, superuser, active, email_verified_at,
                             created_at)
           VALUES ($1::text, $1::text || '@example.com', '', $2::text, $2::text = 'admin', false, true, now(), now())
           RETURNING id""",
        username,
        role,
    )
    return user_id


def make_client(**headers: str) -> httpx.AsyncClient:
    """A client at the app's front door; an error inside the app is an answer, as it is behind a real server."""
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers)
