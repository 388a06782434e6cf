"""The limit of telling others: the product's own client in a loop, and nothing around it.

    python -m bench.posting FILE CONCURRENCY COUNT URL...

Sends what is in the file so many times, and prints how many that were a second.
"""

import asyncio
import itertools
import sys
import time
from pathlib import Path

import uvloop

from lib import egress

HEADERS = {
    "Content-Type": "application/json",
    "webhook-id": "msg_1",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


async def main(body: bytes, concurrency: int, count: int, urls: list[str]) -> None:
    places, turns = itertools.cycle(urls), iter(range(count))

    async def post() -> None:
        for _turn in turns:
            reply = await egress.post(next(places), body, HEADERS)
            assert reply.status == 200, reply

    async with egress.opened():
        started = time.perf_counter()
        await asyncio.gather(*(post() for _ in range(concurrency)))
        print(count / (time.perf_counter() - started))


if __name__ == "__main__":
    uvloop.run(main(Path(sys.argv[1]).read_bytes(), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))
