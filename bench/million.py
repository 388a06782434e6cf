"""One client at a full catalogue: how long single answers take, and which question takes longest."""

import re
from collections.abc import Mapping

from bench import cores, sweep
from bench.catalogue import RARE_WORD, fill, tell
from bench.client import Case, Outcome
from bench.load import ask, fire, get, sign_in
from bench.report import Row, below, equal, inform
from bench.servers import BenchFailed, Place, connect, serving
from bench.statements import capture, time_statements

LIST = "/api/products/"
ANSWER_MS, SWEEP_MS = 20, 50
# A question that takes seconds is slow enough after a few answers.
LONGEST_SECONDS, LONGEST_SWEEP_SECONDS = 20, 4
WORST_TOLD = 5
PATH = re.compile(r"https?://[^/]+([^>]+)")

CHANGE = "UPDATE product SET price = price + 0.01 WHERE id = (SELECT id FROM product WHERE id > $1 ORDER BY id LIMIT 1)"
JOBS = """
    INSERT INTO import_job (id, filename, status, phase, created_at, completed_at)
    SELECT gen_random_uuid(), 'old-' || i || '.csv', 'completed', 'complete', now() - i * interval '1 hour', now()
    FROM generate_series(1, 1000) AS i
"""


async def measure(place: Place, products: int, *, quick: bool) -> list[Row]:
    await fill(place, products)
    await _add_past(place)
    count = 20 if quick else 400
    with cores.postgres_apart(place):
        async with serving(place, "app:app") as (port, pid):
            cores.pin(pid, cores.SERVER)
            token = await sign_in(port)
            rows = []
            for name, path in (await _asked(port, token, products)).items():
                rows += await _single(place, port, token, name, path, count)
            return [*rows, *await _sweep(place, port, await sign_in(port), 2 if quick else 40)]


async def _add_past(place: Place) -> None:
    """Something for history and jobs to tell."""
    connection = await connect(place)
    try:
        for _ in range(100):
            await connection.execute(CHANGE, 1000)
        await connection.execute(JOBS)
        await connection.execute("ANALYZE import_job, event")
    finally:
        await connection.close()


async def _asked(port: int, token: str, products: int) -> dict[str, str]:
    return {
        "first page": LIST,
        "keyset page in the middle": await _middle(port, token, products, "-id"),
        "keyset page in the middle, by name": await _middle(port, token, products, "name"),
        "search for a rare word": f"{LIST}?search={RARE_WORD}",
    }


async def _middle(port: int, token: str, products: int, ordering: str) -> str:
    """Far offsets answer with a cursor in their Link header; small catalogues are walked for three pages."""
    far = await ask(port, f"{LIST}?offset={products // 2}&limit=50&ordering={ordering}", token)
    if found := PATH.search(far.headers.get("link", "")):
        return found[1]
    path = f"{LIST}?ordering={ordering}&after="
    for _ in range(3):
        following = PATH.match((await ask(port, path, token)).json()["next"] or "")
        if following is None:
            raise BenchFailed(f"The list does not go on after {path}.")
        path = following[1]
    return path


async def _single(place: Place, port: int, token: str, name: str, path: str, count: int) -> list[Row]:
    case = Case(port=port, requests=[get(path, token)], count=count, seconds=LONGEST_SECONDS)
    await ask(port, path, token)
    statements = await capture(place, lambda: ask(port, path, token))
    (outcome,) = await fire([case])
    p50, p95 = await time_statements(place, statements, count, LONGEST_SECONDS)
    tell(f"{name}: p50 {outcome.p50:.1f} ms, p95 {outcome.p95:.1f} ms; SQL alone {p50:.1f} and {p95:.1f} ms")
    return [
        inform(f"{name}, p50", outcome.p50, "ms", p50),
        below(
            ANSWER_MS, f"{name}, p95", outcome.p95, "ms", p95, note=f"limit: its {len(statements)} statement(s) alone"
        ),
    ]


async def _sweep(place: Place, port: int, token: str, count: int) -> list[Row]:
    """Each question alone, again and again; the first answer of each has nothing cached of its count."""
    paths = await sweep.paths(place)
    requests = {path: [get(path, token)] for path in paths}
    cases = [Case(port=port, requests=requests[path], count=count, seconds=LONGEST_SWEEP_SECONDS) for path in paths]
    outcomes = dict(zip(paths, await fire(cases, strict=False), strict=True))
    failed = {path: outcome for path, outcome in outcomes.items() if outcome.failed}
    for path, outcome in failed.items():
        tell(f"failed: {path}: {outcome.first_failure[:300]}")
    answered = {path: outcome for path, outcome in outcomes.items() if not outcome.failed}
    return [
        equal("questions refused", len(failed), 0, "", note=", ".join(failed)[:200]),
        *_slowest(answered),
    ]


def _slowest(outcomes: Mapping[str, Outcome]) -> list[Row]:
    by_p95 = sorted(outcomes.items(), key=lambda item: -item[1].p95)
    by_first = sorted(outcomes.items(), key=lambda item: -item[1].first)
    path, worst = by_p95[0]
    return [
        below(SWEEP_MS, f"slowest of {len(outcomes)} questions, p95", worst.p95, "ms", note=path),
        *(inform("  next", outcome.p95, "ms", note=path) for path, outcome in by_p95[1:WORST_TOLD]),
        *(inform("  slowest first answer", outcome.first, "ms", note=path) for path, outcome in by_first[:WORST_TOLD]),
    ]
