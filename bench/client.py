"""A lean HTTP client in a process of its own: raw sockets, keep-alive, one request at a time on each connection.

    python -m bench.client CORES < cases.json > outcomes.json

It does what `wrk` does and no more: sends bytes that were made before, reads until Content-Length is reached, and notes
how long that took. Cases run one after the other.
"""

import asyncio
import os
import sys
import time
from pathlib import Path

import msgspec
import uvloop

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length: "
LONGEST_CASE_SECONDS = 600


class Case(msgspec.Struct, kw_only=True):
    """Requests sent in turn, until `seconds` have passed, `count` were answered, or the file `until` is there."""

    port: int
    requests: list[str]
    connections: int = 1
    seconds: float = LONGEST_CASE_SECONDS
    count: int = 0
    pause: float = 0.0
    until: str = ""


class Outcome(msgspec.Struct, kw_only=True):
    """Times in milliseconds. `failed` counts answers that were not 2xx; `first_failure` is the beginning of one."""

    count: int
    seconds: float
    p50: float
    p95: float
    p99: float
    first: float
    slowest: float
    failed: int
    first_failure: str
    body_bytes: int

    @property
    def per_second(self) -> float:
        return self.count / self.seconds


class Round:
    """What the connections of a case share."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.requests = [request.encode() for request in case.requests]
        self.sent = 0
        self.times: list[float] = []
        self.failed = 0
        self.first_failure = ""
        self.body_bytes = 0
        self.deadline = time.perf_counter() + case.seconds

    def next_request(self) -> bytes | None:
        if time.perf_counter() >= self.deadline or 0 < self.case.count <= self.sent:
            return None
        if self.case.until and Path(self.case.until).exists():
            return None
        self.sent += 1
        return self.requests[(self.sent - 1) % len(self.requests)]

    def note(self, seconds: float, head: bytes, body_bytes: int) -> None:
        self.times.append(seconds * 1000)
        self.body_bytes = body_bytes
        if head[9:10] != b"2":
            self.failed += 1
            self.first_failure = self.first_failure or head[:2000].decode(errors="replace")


class Connection(asyncio.Protocol):
    """Ends when the round has no more requests, or when the server hangs up."""

    def __init__(self, round_: Round) -> None:
        self.round = round_
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.head = b""
        self.body_bytes = 0
        self.left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def _send(self) -> None:
        request = self.round.next_request()
        if request is None:
            self.transport.close()
            return
        self.head = b""
        self.sent_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self.left:
            self.left -= len(data)
        elif not self._read_head(data):
            return
        if self.left <= 0:
            self.round.note(time.perf_counter() - self.sent_at, self.head, self.body_bytes)
            if self.round.case.pause:
                asyncio.get_running_loop().call_later(self.round.case.pause, self._send)
            else:
                self._send()

    def _read_head(self, data: bytes) -> bool:
        """Whether the head is there; then `left` is what misses of the body."""
        self.head += data
        end = self.head.find(HEAD_END)
        if end < 0:
            return False
        start = self.head.lower().find(LENGTH, 0, end)
        if start < 0:
            raise ValueError(f"An answer without Content-Length: {self.head[:end]!r}")
        line_end = self.head.find(b"\r", start)
        self.body_bytes = int(self.head[start + len(LENGTH) : line_end])
        self.left = self.body_bytes - (len(self.head) - end - len(HEAD_END))
        return True

    def connection_lost(self, error: Exception | None) -> None:
        if self.head and self.left > 0:
            error = error or ConnectionResetError("The server hung up.")
        if error is not None:
            self.ended.set_exception(error)
        else:
            self.ended.set_result(None)


async def run(case: Case) -> Outcome:
    round_ = Round(case)
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    made = [
        await loop.create_connection(lambda: Connection(round_), "127.0.0.1", case.port)
        for _ in range(case.connections)
    ]
    await asyncio.gather(*(connection.ended for _, connection in made))
    seconds = time.perf_counter() - started
    return _summary(round_, seconds)


def _summary(round_: Round, seconds: float) -> Outcome:
    if not round_.times:
        raise ValueError("No request was answered.")
    first, times = round_.times[0], sorted(round_.times)
    return Outcome(
        count=len(times),
        seconds=seconds,
        p50=percentile(times, 0.5),
        p95=percentile(times, 0.95),
        p99=percentile(times, 0.99),
        first=first,
        slowest=times[-1],
        failed=round_.failed,
        first_failure=round_.first_failure,
        body_bytes=round_.body_bytes,
    )


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


async def main() -> None:
    cases = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Case])
    outcomes = [await run(case) for case in cases]
    sys.stdout.buffer.write(msgspec.json.encode(outcomes))


if __name__ == "__main__":
    os.sched_setaffinity(0, [int(core) for core in sys.argv[1].split(",")])
    uvloop.run(main())
