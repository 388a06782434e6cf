"""Requests as bytes, and the client process that sends them."""

import asyncio
from collections.abc import Mapping, Sequence
from statistics import median

import httpx
import msgspec

from bench import cores
from bench.client import Case, Outcome
from bench.servers import EMAIL, HOST, PASSWORD, PYTHON, ROOT, BenchFailed, die_with_parent


async def fire(cases: Sequence[Case], *, strict: bool = True) -> list[Outcome]:
    """Run the cases one after the other; when `strict`, raises BenchFailed for an answer that was not 2xx."""
    command = [PYTHON, "-m", "bench.client", ",".join(map(str, cores.OTHERS))]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        preexec_fn=die_with_parent,
    )
    printed, complaint = await process.communicate(msgspec.json.encode(list(cases)))
    if process.returncode != 0:
        raise BenchFailed(f"The client failed: {complaint.decode(errors='replace')[-2000:]}")
    outcomes = msgspec.json.decode(printed, type=list[Outcome])
    for case, outcome in zip(cases, outcomes, strict=True):
        if strict and outcome.failed:
            asked = case.requests[0].split("\r\n", 1)[0]
            raise BenchFailed(f"{outcome.failed} of {outcome.count} failed ({asked}): {outcome.first_failure}")
    return outcomes


def get(path: str, token: str = "") -> str:
    return _head("GET", path, token) + "\r\n"


def post(path: str, body: object, token: str, *, key: str = "") -> str:
    """`key` is an Idempotency-Key."""
    content = msgspec.json.encode(body).decode()
    head = _head("POST", path, token) + f"Content-Type: application/json\r\nContent-Length: {len(content.encode())}\r\n"
    head += f"Idempotency-Key: {key}\r\n" if key else ""
    return f"{head}\r\n{content}"


def _head(method: str, path: str, token: str) -> str:
    signed_in = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\nAccept: application/json\r\n{signed_in}"


async def sign_in(port: int, email: str = EMAIL) -> str:
    """An access token, through the front door; it lives for fifteen minutes."""
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=30) as client:
        answer = await client.post("/auth/jwt/create/", json={"email": email, "password": PASSWORD})
    if answer.status_code != httpx.codes.OK:
        raise BenchFailed(f"Signing in failed: {answer.status_code} {answer.text[:500]}")
    token: str = answer.json()["access"]
    return token


async def ask(port: int, path: str, token: str) -> httpx.Response:
    """One answer, looked at rather than measured."""
    async with httpx.AsyncClient(base_url=f"http://{HOST}:{port}", timeout=120) as client:
        answer = await client.get(path, headers={"Authorization": f"Bearer {token}"} if token else {})
    if answer.status_code != httpx.codes.OK:
        raise BenchFailed(f"{path} answered {answer.status_code}: {answer.text[:500]}")
    return answer


async def compare(cases: Mapping[str, Case], rounds: int) -> dict[str, float]:
    """Requests per second of each, taken in turns: the median of `rounds`, after a short warm-up."""
    short = [msgspec.structs.replace(case, seconds=min(case.seconds, 0.5)) for case in cases.values()]
    outcomes = await fire([*short, *list(cases.values()) * rounds])
    measured = outcomes[len(cases) :]
    return {
        name: median(outcome.per_second for outcome in measured[number :: len(cases)])
        for number, name in enumerate(cases)
    }
