"""Programs that run beside each other until we are told to stop: started again when they die, ended together."""

import asyncio
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from lib import log

logger = log.get("supervisor")

FOLLOW = Path(__file__).with_name("follow.py")
RESTART_SECONDS = 1.0
STOP_SECONDS = 30.0


class Supervisor:
    """`programs` maps a name to a command. They end with this process, even when it is killed."""

    def __init__(self, programs: Mapping[str, Sequence[str]]) -> None:
        self.programs = programs
        self.told = asyncio.Event()
        self.running: dict[str, Process] = {}

    async def run(self) -> None:
        """Until SIGINT or SIGTERM."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.told.set)
        keepers = [asyncio.create_task(self._keep(name)) for name in self.programs]
        await self.told.wait()
        for process in self.running.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        _, late = await asyncio.wait(keepers, timeout=STOP_SECONDS)
        for process in self.running.values():
            if process.returncode is None:
                process.kill()
        if late:
            await asyncio.wait(late)

    async def _keep(self, name: str) -> None:
        while not self.told.is_set():
            self.running[name] = await self._start(self.programs[name])
            code = await self.running[name].wait()
            if not self.told.is_set():
                logger.warning("program_ended", program=name, code=code, restart_in=RESTART_SECONDS)
                await asyncio.sleep(RESTART_SECONDS)

    async def _start(self, command: Sequence[str]) -> Process:
        """In a session of its own: Ctrl-C reaches us alone, and we tell the programs in our order."""
        return await asyncio.create_subprocess_exec(
            sys.executable, str(FOLLOW), *command, start_new_session=True, stdin=asyncio.subprocess.DEVNULL
        )
