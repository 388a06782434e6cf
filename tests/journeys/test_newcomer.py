"""Somebody clones the repository and types the commands of the README: real processes, nothing in place of anything."""

import csv
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from lib.servers.postgres import postgres_answers
from tests.faults.harness import REPOSITORY, free_port

READY_SECONDS = 60
SAMPLE = REPOSITORY / "domains" / "imports" / "sample_catalogue.csv"

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("newcomer")]


class Installation:
    """`litestar up` and other commands on one DATA_DIR."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        unset = {"DATABASE_URL": "", "REDIS_URL": "", "SECRET_KEY": "", "ADMIN_EMAIL": "", "ADMIN_PASSWORD": ""}
        ours = {"DEBUG": "true", "DATA_DIR": str(directory), "PORT": str(self.port), "ALLOWED_HOSTS": "127.0.0.1"}
        self.environment = {**os.environ, **unset, **ours}
        self.said = ""

    def up(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "litestar", "up"],
            env=self.environment,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        deadline = time.monotonic() + READY_SECONDS
        while "is ready" not in self.said or "Ctrl-C" not in self.said:
            assert time.monotonic() < deadline, self.said
            assert self.process.poll() is None, self.said
            time.sleep(0.1)

    def down(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(40)
        self.listener.join(5)

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "litestar", *command],
            env=self.environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def client(self) -> httpx.Client:
        """Signed in with what `up` printed."""
        found = re.search(r"Sign in\s+(\S+)\s+(\S+)", self.said)
        assert found is not None, self.said
        answer = httpx.post(f"{self.url}/auth/jwt/create/", json={"email": found[1], "password": found[2]})
        headers = {"Authorization": f"Bearer {answer.json()['access']}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    installation = Installation(tmp_path_factory.mktemp("data"))
    installation.up()
    yield installation
    installation.down()


def test_the_sample_catalogue_is_there(house: Installation) -> None:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        rows = len(list(csv.DictReader(file)))
    with house.client() as client:
        page = client.get("/api/products/").json()
    assert (page["count"], len(page["results"])) == (rows, 50)


def test_an_upload_is_imported_by_the_worker_with_live_progress(house: Installation) -> None:
    content = "sku,name,price,stock\n" + "".join(f"UP-{number},Thing,1.00,2\n" for number in range(20_000))
    with house.client() as client:
        accepted = client.post("/api/upload", files={"file": ("things.csv", content)})
        with client.stream("GET", f"/api/jobs/{accepted.json()['job_id']}/events") as stream:
            events = [msgspec.json.decode(line[6:]) for line in stream.iter_lines() if line.startswith("data: ")]
    assert events[0]["status"] != "completed"
    assert (events[-1]["status"], events[-1]["created"]) == ("completed", 20_000)


def test_the_import_command_tells_what_happened(house: Installation, tmp_path: Path) -> None:
    file = tmp_path / "cli.csv"
    file.write_text("sku,name,price\nCLI-1,Anvil,9.99\nCLI-2,Bellows,free\n")
    done = house.run("import", str(file))
    assert (done.returncode, done.stdout.splitlines()[0][:9]) == (0, "1 created")
    assert "row 2" in done.stdout
    as_json = house.run("import", str(file), "--json")
    assert msgspec.json.decode(as_json.stdout)["unchanged"] == 1


def test_the_import_command_fails_for_a_file_that_fails(house: Installation, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("code,title\nA,B\n")
    done = house.run("import", str(file))
    assert (done.returncode, "unknown_header" in done.stderr) == (1, True)


def test_what_is_exported_imports_as_unchanged(house: Installation, tmp_path: Path) -> None:
    file = tmp_path / "export.csv"
    assert house.run("export", str(file)).returncode == 0
    job = msgspec.json.decode(house.run("import", str(file), "--json").stdout)
    assert (job["error_count"], job["created"], job["updated"]) == (0, 0, 0)
    assert job["unchanged"] == job["total_rows"] > 80


def test_the_doctor_finds_nothing_wrong(house: Installation) -> None:
    done = house.run("doctor")
    assert (done.returncode, "WRONG" in done.stdout) == (0, False)


def test_seeding_may_be_repeated(house: Installation) -> None:
    for _ in range(2):
        assert house.run("seed", "--password", "correct horse battery").returncode == 0
    answer = httpx.post(
        f"{house.url}/auth/jwt/create/", json={"email": "staff@example.com", "password": "correct horse battery"}
    )
    assert answer.status_code == 200


def test_an_admin_can_be_made_twice(house: Installation) -> None:
    for _ in range(2):
        done = house.run("create-admin", "--email", "eve@example.com", "--password", "correct horse battery")
        assert (done.returncode, "administrator" in done.stdout) == (0, True)


def test_users_are_listed_and_changed_from_the_command_line(house: Installation) -> None:
    assert house.run("seed", "--password", "correct horse battery").returncode == 0
    assert (
        house.run(
            "users", "customer@example.com", "--role", "staff", "--inactive", "--without-authenticator"
        ).returncode
        == 0
    )
    listed = {user["username"]: user for user in msgspec.json.decode(house.run("users", "--json").stdout)}
    assert (listed["customer"]["role"], listed["customer"]["active"]) == ("staff", False)
    assert "password" not in listed["customer"]
    others = [name for name, user in listed.items() if user["role"] == "admin" and name != "admin"]
    assert [house.run("users", name, "--role", "customer").returncode for name in others] == [0] * len(others)
    refused = house.run("users", "admin", "--role", "customer")
    assert (refused.returncode, "last administrator" in refused.stderr) == (1, True)


def test_pages_of_documentation_need_no_internet(house: Installation) -> None:
    page = httpx.get(f"{house.url}/api/docs", follow_redirects=True)
    assert page.status_code == 200
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", page.text)


def test_a_second_start_finds_its_data_and_stops_cleanly(tmp_path: Path) -> None:
    house = Installation(tmp_path)
    house.up()
    house.down()
    assert (house.process.returncode, postgres_answers(tmp_path)) == (0, False)
    house.said = ""
    house.up()
    try:
        assert "Sample catalogue" not in house.said
        with house.client() as client:
            assert client.get("/api/products/").json()["count"] > 80
    finally:
        house.down()
