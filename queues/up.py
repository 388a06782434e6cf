"""Everything on one machine: servers, tables, first admin, sample catalogue, web and worker, until Ctrl-C."""

import asyncio
import os
import secrets
import sys
from pathlib import Path

import msgspec

from domains.accounts import users
from domains.imports import services
from domains.imports.jobs import run_import
from domains.imports.listing import get_import
from domains.imports.schemas import NewImport
from domains.imports.tables import Origin, Status
from domains.imports.watching import watch
from lib import files
from lib.actor import Source, acting
from lib.supervisor import Supervisor
from lib.terminal import say
from piccolo_conf import fetch_value, migrate, pool
from queues.job import disconnect
from settings import settings

SAMPLE = Path(__file__).parents[1] / "domains" / "imports" / "sample_catalogue.csv"
DEVELOPMENT_ADMIN = "admin@example.com"
READY_SECONDS = 60
LOOK_SECONDS = 0.1
# Of the live feed.
WEBSOCKETS = [
    *("--ws", "lib.websocket_server:WebSocketProtocol", "--ws-max-size", "4096"),
    *("--ws-per-message-deflate", "false"),
]


class SignIn(msgspec.Struct):
    email: str
    password: str


async def run_everything() -> None:
    await migrate()
    async with pool():
        sign_in = await _first_admin()
    supervisor = Supervisor({"web": web_command(), "worker": [sys.executable, "-m", "litestar", "worker"]})
    running = asyncio.create_task(supervisor.run())
    welcome = asyncio.create_task(_welcome(sign_in))
    await asyncio.wait([running, welcome], return_when=asyncio.FIRST_COMPLETED)
    welcome.cancel()
    await running


def web_command() -> list[str]:
    """uvicorn on HOST and PORT with uvloop and httptools; proxies' headers are not believed.

    Nobody has to say anything in a WebSocket of ours, and its short messages are not worth the memory of compressing.
    """
    return [
        *(sys.executable, "-m", "uvicorn", "app:app", "--host", settings.host, "--port", str(settings.port)),
        *("--workers", str(settings.web_concurrency), "--loop", "uvloop", "--http", "httptools"),
        *WEBSOCKETS,
        *("--no-server-header", "--no-proxy-headers", "--no-access-log", "--log-level", "warning"),
    ]


async def _first_admin() -> SignIn | None:
    """From ADMIN_EMAIL and ADMIN_PASSWORD; in development one is made up and kept in DATA_DIR."""
    if await users.ensure_first_admin() is not None:
        return None
    if not settings.debug or settings.admin_email:
        return None
    sign_in = _development_sign_in()
    await users.ensure_admin(sign_in.email, sign_in.password, "admin")
    return sign_in


def _development_sign_in() -> SignIn:
    path = settings.data_dir / "first-admin.json"
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=SignIn)
    sign_in = SignIn(DEVELOPMENT_ADMIN, secrets.token_urlsafe(12))
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(msgspec.json.encode(sign_in))
    return sign_in


async def _welcome(sign_in: SignIn | None) -> None:
    await _until_listening()
    async with pool(2):
        await load_sample()
    address = f"http://{settings.host}:{settings.port}"
    say(f"\nStockroom is ready: {address}")
    say(f"  Dashboard           {address}/dashboard/")
    if settings.admin_enabled:
        say(f"  Admin site          {address}{settings.admin_path}")
    say(f"  API documentation   {address}/api/docs")
    say(f"  Products            {address}/api/products/")
    if sign_in is not None:
        say(f"  Sign in             {sign_in.email}  {sign_in.password}")
    say("  Ctrl-C stops everything.\n")


async def _until_listening() -> None:
    async with asyncio.timeout(READY_SECONDS):
        while True:
            try:
                _, writer = await asyncio.open_connection(settings.host, settings.port)
            except OSError:
                await asyncio.sleep(LOOK_SECONDS)
            else:
                writer.close()
                return


async def load_sample(*, here: bool = False) -> None:
    """Through the real importer, once, when there are no products; by the worker, or `here` in this process."""
    if await fetch_value("SELECT EXISTS (SELECT FROM product)"):
        return
    with acting(name="system", source=Source.SYSTEM):
        file = await files.save_file(SAMPLE, settings.max_upload_mb << 20)
        import_id, _ = await services.create_import(NewImport(file=file, filename=SAMPLE.name), Origin.CLI)
    if here:
        await run_import(import_id=import_id)
    else:
        await run_import.later(import_id=import_id)
        async for _ in watch(import_id):
            pass
    job = await get_import(import_id)
    say(f"Sample catalogue: {f'{job.created} products' if job.status is Status.COMPLETED else job.failure_detail}")
    await disconnect()
