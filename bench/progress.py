"""What people notice of an import: when the first progress comes, how often, and whether the API stays quick."""

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from statistics import median
from uuid import uuid4

import httpx
import msgspec

from bench.catalogue import fill, tell
from bench.client import Case, Outcome
from bench.data import write_catalogue
from bench.load import fire, get, sign_in
from bench.report import Row, below, inform
from bench.servers import HOST, PYTHON, BenchFailed, Place, running, serving

FIRST_SECONDS, LONGEST_SILENCE_SECONDS = 1.0, 1.0
# Messages are sent each second; what the network and two busy cores add is not the product's.
TOLERANCE_SECONDS = 0.25
IDLE_TIMES, IDLE_MORE_MS = 2, 20
PIECE = 1 << 18
PAUSE_SECONDS = 0.02


class Watched(msgspec.Struct):
    """Seconds from the end of the upload to the first message, and the longest wait for the next one."""

    first: float
    longest_gap: float
    messages: int
    seconds: float
    idle: Outcome
    busy: Outcome


async def measure(place: Place, products: int, rows: int, *, quick: bool) -> list[Row]:
    await fill(place, products)
    rounds, seconds = (1, 1) if quick else (3, 3)
    async with serving(place, "app:app") as (port, _), running(place, "worker", [PYTHON, "-m", "litestar", "worker"]):
        found = [await _round(place, port, rows, number, seconds) for number in range(rounds)]
    idle, busy = (
        median(outcome.p95 for outcome in side) for side in zip(*((w.idle, w.busy) for w in found), strict=True)
    )
    return [
        below(FIRST_SECONDS, "first progress after the upload", median(w.first for w in found), "s"),
        below(
            LONGEST_SILENCE_SECONDS + TOLERANCE_SECONDS,
            "longest silence of the progress",
            median(w.longest_gap for w in found),
            "s",
            note=f"{median(w.messages for w in found):.0f} messages in {median(w.seconds for w in found):.1f} s",
        ),
        below(
            IDLE_TIMES * idle + IDLE_MORE_MS,
            f"p95 of a list while {rows:,} rows go in",
            busy,
            "ms",
            idle,
            note=f"limit: idle; reach 2 x idle + 20 ms; {products:,} products",
        ),
        inform("slowest of these answers", max(w.busy.slowest for w in found), "ms"),
    ]


async def _round(place: Place, port: int, rows: int, number: int, idle_seconds: float) -> Watched:
    catalogue = write_catalogue(place.directory, f"live{number}", rows)
    token = await sign_in(port)
    request = get("/api/products/", token)
    idle = (await fire([Case(port=port, requests=[request], seconds=idle_seconds, pause=PAUSE_SECONDS)]))[0]
    ended = place.directory / f"ended-{number}"
    listing = Case(port=port, requests=[request], until=str(ended), pause=PAUSE_SECONDS)
    listening = asyncio.create_task(fire([listing]))
    try:
        first, gaps, seconds = await _upload_and_watch(port, token, catalogue.path)
    finally:
        ended.touch()
    busy = (await listening)[0]
    tell(f"{rows:,} rows in {seconds:.1f} s; p95 {idle.p95:.1f} ms idle, {busy.p95:.1f} ms busy")
    return Watched(first, max(gaps), len(gaps) + 1, seconds, idle, busy)


async def _upload_and_watch(port: int, token: str, path: Path) -> tuple[float, list[float], float]:
    """First message, gaps between messages, and the whole time, all counted from the last byte of the upload."""
    base = f"http://{HOST}:{port}"
    async with httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=600) as client:
        uploaded_at: list[float] = []
        boundary = uuid4().hex
        answer = await client.post(
            "/api/upload",
            content=_multipart(path, boundary, uploaded_at),
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        if answer.status_code != httpx.codes.ACCEPTED:
            raise BenchFailed(f"The upload answered {answer.status_code}: {answer.text[:500]}")
        times = [at - uploaded_at[0] async for at in _messages(client, answer.json()["job_id"])]
    return times[0], [later - earlier for earlier, later in pairwise(times)] or [0.0], times[-1]


async def _multipart(path: Path, boundary: str, uploaded_at: list[float]) -> AsyncIterator[bytes]:
    yield (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{path.name}"\r\n'
        "Content-Type: text/csv\r\n\r\n"
    ).encode()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece
    yield f"\r\n--{boundary}--\r\n".encode()
    uploaded_at.append(time.perf_counter())


async def _messages(client: httpx.AsyncClient, job_id: str) -> AsyncIterator[float]:
    """When each message came; raises BenchFailed unless the last tells of an import that completed."""
    last = ""
    async with client.stream("GET", f"/api/jobs/{job_id}/events") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data:"):
                last = line
                yield time.perf_counter()
    if '"status":"completed"' not in last:
        raise BenchFailed(f"The import did not complete: {last[:500]}")
