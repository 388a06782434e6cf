"""Sends what is due: claims in batches, sends many at once and a few at once to each endpoint, records in batches.

One turn takes on work for half a minute and then brings to an end what is under way; meanwhile the next turn can have
every endpoint that is not still answering this one.
"""

import asyncio
import time
from functools import lru_cache

from domains.webhooks import deliveries, health
from domains.webhooks.deliveries import Due, Result, Waiting
from domains.webhooks.holding import Holder
from domains.webhooks.lines import Line
from domains.webhooks.payloads import render
from domains.webhooks.retries import WAITS, wait_after
from domains.webhooks.sending import Outcome, Unsent, send, webhook_id_of
from lib import clock, log
from lib.egress import DEADLINE_SECONDS
from piccolo_conf import GOODBYES, transaction

logger = log.get("webhooks.deliverer")

TURN_SECONDS = 30
# Without anything to do a turn ends: the next ring begins another.
IDLE_SECONDS = 1.5
LOOK_SECONDS = 0.05
# Claims and records of many are cheaper together.
GATHERING_SECONDS = 0.002
RECORD_ATTEMPTS = 5
PAUSE_AFTER_ERROR_SECONDS = 1.0
LONGEST_TURN_SECONDS = TURN_SECONDS + int(DEADLINE_SECONDS) + 15
# Beyond the schedule are attempts that no worker lived to record: then it is the delivery that kills them.
MOST_STEPS = len(WAITS) + 5
MOST_BODIES = 512


class Deliverer:
    """One turn. `takes_on` is False once it only brings to an end what it has; `letters` counts mail that it wrote."""

    def __init__(self, holder: Holder) -> None:
        self.holder = holder
        self.lines: dict[int, Line] = {}
        self.results: list[Result] = []
        self.late: list[Due] = []
        self.under_way: set[asyncio.Task[None]] = set()
        self.woken = asyncio.Event()
        self.looked_at = float("-inf")
        self.busy_at = time.monotonic()
        self.ends_at = self.busy_at + TURN_SECONDS
        self.letters = 0
        self.body_of = lru_cache(MOST_BODIES)(render)

    @property
    def takes_on(self) -> bool:
        return time.monotonic() < min(self.ends_at, self.busy_at + IDLE_SECONDS)

    def stop(self) -> None:
        self.ends_at = 0.0
        self.woken.set()

    async def run(self) -> None:
        """Raises what PostgreSQL raises while it takes on work; what was sent is recorded all the same."""
        try:
            await self._step()
            while self.takes_on:
                await self._step()
        finally:
            await self._bring_to_an_end()

    async def _step(self) -> None:
        if self._is_time_to_look() or any(line.runs_low for line in self.lines.values()):
            self.looked_at = time.monotonic()
            await self._claim(await deliveries.find_waiting())
            await self._give_back(everything=False)
        for line in self.lines.values():
            self._begin(line)
        await self._wait()
        # A step in which something was done is no idleness, however long PostgreSQL takes to write it down.
        is_busy = bool(self.results) or any(not line.is_empty for line in self.lines.values())
        await self._record()
        if is_busy:
            self.busy_at = time.monotonic()
        self.lines = {endpoint: line for endpoint, line in self.lines.items() if not (line.is_gone and line.is_empty)}

    def _is_time_to_look(self) -> bool:
        return time.monotonic() - self.looked_at >= LOOK_SECONDS

    async def _claim(self, waiting: list[Waiting]) -> None:
        await self.holder.take([endpoint.id for endpoint in waiting])
        ours = [endpoint for endpoint in waiting if endpoint.id in self.holder.held]
        for endpoint in ours:
            self.lines.setdefault(endpoint.id, Line(endpoint)).update(endpoint)
        rooms = {endpoint.id: self.lines[endpoint.id].room for endpoint in ours}
        if most := {endpoint: room for endpoint, room in rooms.items() if room}:
            claimed: dict[int, list[Due]] = {endpoint_id: [] for endpoint_id in most}
            for due in await deliveries.claim(most):
                claimed[due.endpoint].append(due)
            for endpoint_id, found in claimed.items():
                self.lines[endpoint_id].add(found, most[endpoint_id])

    def _begin(self, line: Line) -> None:
        """As many as its line allows just now."""
        while (due := line.begin()) is not None:
            task = asyncio.create_task(self._send(line, due))
            self.under_way.add(task)
            task.add_done_callback(self.under_way.discard)

    async def _send(self, line: Line, due: Due) -> None:
        """The next of its line begins at once, whatever happens elsewhere."""
        started_at = clock.now()
        outcome = await self._try(line, due)
        wait = None if outcome.is_success else wait_after(due.step, outcome)
        self.results.append(Result(due, started_at, outcome, wait))
        line.end(outcome)
        if self.takes_on:
            self._begin(line)
        self.woken.set()

    async def _try(self, line: Line, due: Due) -> Outcome:
        started = time.perf_counter()
        if due.step > MOST_STEPS:
            return Outcome(None, Unsent.INTERRUPTED, 0)
        try:
            body = self.body_of(due.topic, due.occurred_at, due.data, due.changes)
            return await send(line.target, webhook_id_of(due.event), body)
        except Exception as error:  # One delivery must not end the others, nor be tried for ever.
            logger.exception("delivery_broke", delivery=due.id, error=type(error).__name__)
            return Outcome(None, Unsent.INTERNAL, round((time.perf_counter() - started) * 1000))

    async def _wait(self) -> None:
        """Until something has ended, or it is time to look again."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self.woken.wait()
            await asyncio.sleep(GATHERING_SECONDS)
        except TimeoutError:
            pass
        self.woken.clear()

    async def _record(self) -> None:
        """What ended, in one transaction. While PostgreSQL is away it is kept for the next time: leases last longer."""
        if not self.results:
            return
        results, self.results = self.results, []
        try:
            await self._write(results)
        except GOODBYES as error:
            logger.warning("deliveries_not_recorded", count=len(results), error=type(error).__name__)
            self.results = [*results, *self.results]
            await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)
        except Exception:  # One that PostgreSQL refuses must not take the others with it.
            for result in results:
                await self._write_alone(result)

    async def _write(self, results: list[Result]) -> None:
        failing = {line.endpoint_id for line in self.lines.values() if line.is_failing}
        async with transaction():
            letters = await health.note(results, failing)
            await deliveries.finish(results)
        self.letters += letters
        self._settle(results)

    async def _write_alone(self, result: Result) -> None:
        try:
            await self._write([result])
        except GOODBYES:
            self.results.append(result)
        except Exception as error:  # It is sent again when its lease has ended, a few times.
            logger.exception("delivery_not_recorded", delivery=result.due.id, error=type(error).__name__)
            self._settle([result])

    def _settle(self, results: list[Result]) -> None:
        """Their lines may go on."""
        for result in results:
            if (line := self.lines.get(result.due.endpoint)) is not None:
                line.settle()
                if self.takes_on:
                    self._begin(line)

    async def _give_back(self, *, everything: bool) -> None:
        """What it could not give back is tried again the next time."""
        self.late += [due for line in self.lines.values() for due in line.take_back(everything=everything)]
        if self.late:
            await deliveries.give_back(self.late)
            self.late = []

    async def _bring_to_an_end(self) -> None:
        """Endpoints are released as they fall silent, so that others go on with them."""
        self.ends_at = 0.0
        await self._let_go()
        while self.under_way or any(line.is_resting for line in self.lines.values()):
            await self._wait()
            await self._record()
            await self._let_go()
        for _attempt in range(RECORD_ATTEMPTS):
            await self._record()
            if not self.results:
                return

    async def _let_go(self) -> None:
        try:
            await self._give_back(everything=True)
            busy = {line.endpoint_id for line in self.lines.values() if not line.is_empty or line.is_resting}
            await self.holder.release(self.holder.held - busy)
        except Exception as error:  # Whatever PostgreSQL says, what was sent has to be recorded.
            logger.warning("endpoints_not_let_go", error=type(error).__name__)
