"""`litestar schedules`, as an operator types it."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from lib.embedded import Urls
from queues import schedules
from tests.queues.making import make_schedule, states

REPOSITORY = Path(__file__).parents[2]


async def command(servers: Urls, *words: str) -> subprocess.CompletedProcess[str]:
    addresses = {"DATABASE_URL": servers.database_url, "REDIS_URL": servers.redis_url}
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "litestar", "schedules", *words],
        cwd=REPOSITORY,
        env={**os.environ, **addresses},
        capture_output=True,
        check=False,
        text=True,
    )


async def test_schedules_are_listed_and_switched(servers: Urls):
    await make_schedule(name="Tidy up", cron="*/10 * * * *")
    listed = await command(servers)
    assert (listed.returncode, listed.stdout) == (0, "on   */10 * * * *    Tidy up  never ran\n")
    told = await command(servers, "Tidy up", "--disable", "--json")
    assert [it["enabled"] for it in json.loads(told.stdout)] == [False]
    assert [it.enabled for it in await schedules.all_schedules()] == [False]


async def test_a_schedule_is_run_here_without_a_worker(servers: Urls):
    await make_schedule(name="Proof", job="prove_stock", arguments={})
    run = await command(servers, "Proof", "--run")
    assert (run.returncode, await states()) == (0, ["done"]), run.stderr
    assert run.stdout.startswith("done  Every level")


async def test_an_unknown_name_ends_with_a_sentence(servers: Urls):
    unknown = await command(servers, "Nothing", "--run")
    assert unknown.returncode == 1
    assert "There is no such schedule." in unknown.stderr
    assert (await command(servers, "--run")).returncode == 2
