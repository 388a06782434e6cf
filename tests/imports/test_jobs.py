"""An import as a job: progress, events, rejected rows, cancel, retry, lease, files."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest

from domains.imports import controllers, progress, services, watching, work
from domains.imports.jobs import ring_waiting, run_import
from domains.imports.progress import LeaseLost
from domains.imports.schemas import JobOut
from lib import clock, files
from piccolo_conf import execute, fetch_value
from queues.job import QUEUES
from tests.imports.uploads import count, import_csv, make_csv, product, upload
from tests.imports.uploads import work as run

ROWS = make_csv(*[[f"S{number}", f"Thing {number}", "1.00", 1] for number in range(50)])


async def test_an_upload_is_accepted_before_anything_is_read(staff: httpx.AsyncClient) -> None:
    accepted = await upload(staff, ROWS)
    job = (await staff.get(f"/api/jobs/{accepted.json()['job_id']}/")).json()
    assert (job["status"], job["filename"], job["requested_by"]) == ("pending", "catalogue.csv", "stan")
    assert (job["progress"], job["total_rows"], await count("product")) == (0, None, 0)


async def test_an_upload_rings_for_a_worker(staff: httpx.AsyncClient) -> None:
    before = await QUEUES["imports"].count("queued")
    await upload(staff, ROWS)
    assert await QUEUES["imports"].count("queued") == before + 1


async def test_a_finished_job_tells_everything(staff: httpx.AsyncClient) -> None:
    job = await import_csv(staff, ROWS + "S0,Thing,2.00,1\nbad,,x,y\n")
    assert (job["total_rows"], job["processed_rows"], job["success_count"], job["error_count"]) == (52, 52, 51, 1)
    assert (job["created"], job["duplicates"], job["phase"], job["progress"]) == (50, 1, "complete", 100)
    assert job["created_at"] <= job["started_at"] <= job["completed_at"]
    assert job["errors"][0]["row"] == {"sku": "bad", "name": "", "price": "x", "inventory_quantity": "y"}


async def test_jobs_are_listed_newest_first_in_pages(staff: httpx.AsyncClient) -> None:
    for number in range(3):
        await import_csv(staff, f"sku,name\nA{number},Anvil\n")
    page = (await staff.get("/api/jobs/?page_size=2")).json()
    assert (page["count"], len(page["results"]), page["total_pages"]) == (3, 2, 2)
    assert page["results"][0]["created_at"] > page["results"][1]["created_at"]
    rest = (await staff.get(page["next"])).json()
    assert (len(rest["results"]), rest["next"]) == (1, None)
    walked = (await staff.get("/api/jobs/?page_size=2&after=")).json()
    assert walked["results"] == page["results"]
    assert (await staff.get(walked["next"])).json()["results"] == rest["results"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"status": "completed"}, 1),
        ({"status__in": "failed,cancelled"}, 0),
        ({"policy": "upsert", "source": "upload", "dry_run": "false"}, 1),
        ({"dry_run": "true"}, 0),
        ({"filename__icontains": "."}, 1),
        ({"filename": "other"}, 0),
        ({"requested_by": "STAN"}, 1),
        ({"created_at__gte": "2126-01-01"}, 0),
    ],
)
async def test_jobs_are_filtered(staff: httpx.AsyncClient, query: dict[str, str], found: int) -> None:
    await import_csv(staff, ROWS)
    assert (await staff.get("/api/jobs/", params=query)).json()["count"] == found


async def test_what_the_list_of_jobs_does_not_know_is_told(staff: httpx.AsyncClient) -> None:
    for query, field in (("status=done", "status"), ("colour=red", "colour"), ("ordering=policy", "ordering")):
        refused = await staff.get(f"/api/jobs/?{query}")
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)


async def test_only_those_who_import_see_imports(
    client: httpx.AsyncClient, customer: httpx.AsyncClient, staff: httpx.AsyncClient
) -> None:
    job_id = (await upload(staff, ROWS)).json()["job_id"]
    for path in ("/api/jobs/", f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/events", f"/api/jobs/{job_id}/errors.csv"):
        assert (await client.get(path)).status_code == 401
        assert (await customer.get(path)).status_code == 403
    assert (await upload(customer, ROWS)).status_code == 403


async def test_an_unknown_job_is_not_found(staff: httpx.AsyncClient) -> None:
    for path in ("", "/events", "/errors.csv"):
        assert (await staff.get(f"/api/jobs/{uuid4()}{path}")).status_code == 404
    for action in ("cancellation", "retry"):
        assert (await staff.post(f"/api/jobs/{uuid4()}/{action}")).status_code == 404


class TestEvents:
    async def test_progress_is_told_until_the_end(
        self, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = (await upload(staff, ROWS)).json()["job_id"]
        is_told = asyncio.Event()

        async def watch(import_id: UUID) -> AsyncIterator[JobOut]:
            async for job in watching.watch(import_id):
                yield job
                is_told.set()

        monkeypatch.setattr(controllers, "watch", watch)
        answer, _ = await asyncio.gather(staff.get(f"/api/jobs/{job_id}/events"), _run_once(is_told, job_id))
        messages = _messages(answer.text)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert messages[0][1]["status"] == "pending"
        assert (messages[-1][0], messages[-1][1]["status"], messages[-1][1]["processed_rows"]) == (
            "end",
            "completed",
            50,
        )

    async def test_who_has_seen_the_end_is_not_told_again(self, staff: httpx.AsyncClient) -> None:
        job = await import_csv(staff, ROWS)
        first = await staff.get(f"/api/jobs/{job['job_id']}/events")
        last_id = next(line[4:] for line in first.text.splitlines() if line.startswith("id: "))
        again = await staff.get(f"/api/jobs/{job['job_id']}/events", headers={"Last-Event-ID": last_id})
        assert (first.status_code, again.status_code, again.text) == (200, 204, "")


async def _run_once(is_told: asyncio.Event, job_id: str) -> None:
    await is_told.wait()
    await run_import(import_id=job_id)


def _messages(text: str) -> list[tuple[str, dict]]:
    blocks = [
        dict(line.split(": ", 1) for line in block.splitlines())
        for block in text.replace("\r", "").split("\n\n")
        if block
    ]
    return [(block["event"], msgspec.json.decode(block["data"])) for block in blocks]


class TestErrors:
    async def test_rejected_rows_can_be_mended_and_uploaded_again(self, staff: httpx.AsyncClient) -> None:
        job = await import_csv(staff, 'sku,name,price\nA,"=Anvil, large",abc\nB,Bellows,1\nC,Crucible\n')
        report = await staff.get(f"/api/jobs/{job['job_id']}/errors.csv")
        rows = list(csv.DictReader(io.StringIO(report.text)))
        assert [row["_error"] for row in rows] == [
            "row 1: price is not a number",
            "row 3: the row has 2 cells, the header has 3",
        ]
        again = await import_csv(staff, report.text.replace("abc", "5").replace("C,Crucible,,", "C,Crucible,7,"))
        assert (again["created"], again["error_count"], again["warnings"]) == (2, 0, [])
        assert (await product("A"))["name"] == "=Anvil, large"

    async def test_the_job_shows_a_hundred_and_the_report_has_all(self, staff: httpx.AsyncClient) -> None:
        job = await import_csv(staff, make_csv(*[[f"S{number}", "Thing", "x", 1] for number in range(1500)]))
        report = await staff.get(f"/api/jobs/{job['job_id']}/errors.csv")
        assert (job["error_count"], len(job["errors"]), len(report.text.splitlines())) == (1500, 100, 1501)


class TestCancelAndRetry:
    async def test_a_cancelled_import_stops_and_goes_on_from_there(
        self, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        job_id = (await upload(staff, _many(3000))).json()["job_id"]
        await _stop_after_a_chunk(staff, job_id, monkeypatch)
        job = (await staff.get(f"/api/jobs/{job_id}")).json()
        assert (job["status"], job["processed_rows"], await count("product")) == ("cancelled", 1000, 1000)
        monkeypatch.undo()
        assert (await staff.post(f"/api/jobs/{job_id}/retry")).status_code == 202
        job = await run(staff, job_id)
        assert (job["status"], job["created"], await count("product")) == ("completed", 3000, 3000)
        assert await count("event", "topic = 'product.created'") == 3000

    async def test_an_import_that_is_over_cannot_be_cancelled(self, staff: httpx.AsyncClient) -> None:
        job = await import_csv(staff, ROWS)
        answer = await staff.post(f"/api/jobs/{job['job_id']}/cancellation")
        assert (answer.status_code, answer.json()["code"]) == (409, "import_is_over")

    async def test_a_completed_import_cannot_be_retried(self, staff: httpx.AsyncClient) -> None:
        job = await import_csv(staff, ROWS)
        assert (await staff.post(f"/api/jobs/{job['job_id']}/retry")).status_code == 409

    async def test_a_retry_needs_its_file(self, staff: httpx.AsyncClient) -> None:
        job_id = (await upload(staff, ROWS)).json()["job_id"]
        files.remove(await fetch_value("SELECT file_key FROM import_job"))
        job = await run(staff, job_id)
        assert (job["status"], job["failure_reason"]) == ("failed", "file_missing")


def _many(rows: int) -> str:
    return make_csv(*[[f"S{number}", "Thing", "1", 1] for number in range(rows)])


async def _stop_after_a_chunk(client: httpx.AsyncClient, job_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are frozen, so the chunk size is changed where it is used; the cancel comes from outside."""
    original, chunks = work._merge_chunk, []

    async def merge_then_cancel(*args: object) -> None:
        await original(*args)
        chunks.append(args)
        if len(chunks) == 1:
            assert (await client.post(f"/api/jobs/{job_id}/cancellation")).status_code == 200

    monkeypatch.setattr(work, "_merge_chunk", merge_then_cancel)
    monkeypatch.setattr(work, "CHUNK_ROWS", 1000)
    await run_import(import_id=job_id)


class TestLease:
    async def test_of_two_workers_one_gets_the_import(self, staff: httpx.AsyncClient) -> None:
        job_id = (await upload(staff, _many(2000))).json()["job_id"]
        await asyncio.gather(*[run_import(import_id=job_id) for _ in range(4)])
        job = (await staff.get(f"/api/jobs/{job_id}")).json()
        assert (job["attempt"], job["created"], await count("event", "topic = 'import.completed'")) == (1, 2000, 1)

    async def test_a_live_lease_keeps_others_out(self, staff: httpx.AsyncClient) -> None:
        job_id = (await upload(staff, ROWS)).json()["job_id"]
        assert await progress.claim(UUID(job_id)) is not None
        assert await progress.claim(UUID(job_id)) is None

    async def test_a_dead_worker_is_taken_over_and_cannot_write_any_more(self, staff: httpx.AsyncClient) -> None:
        job_id = (await upload(staff, ROWS)).json()["job_id"]
        dead = await progress.claim(UUID(job_id))
        await execute("UPDATE import_job SET lease_until = now() - interval '1 second'")
        assert dead is not None
        job = await run(staff, job_id)
        assert (job["status"], job["attempt"]) == ("completed", 2)
        with pytest.raises(LeaseLost):
            await progress.complete(dead)

    async def test_the_sweep_rings_for_what_nobody_works_on(self, staff: httpx.AsyncClient) -> None:
        await execute("UPDATE import_job SET status = 'cancelled'")
        job_id = (await upload(staff, ROWS)).json()["job_id"]
        await QUEUES["imports"].redis.flushall()
        await ring_waiting()
        jobs = [job.kwargs async for job in QUEUES["imports"].iter_jobs()]
        assert {"import_id": job_id} in jobs


class TestSameBytes:
    async def test_the_same_bytes_twice_at_once_are_one_import(self, staff: httpx.AsyncClient) -> None:
        answers = await asyncio.gather(*[upload(staff, ROWS) for _ in range(5)])
        assert len({answer.json()["job_id"] for answer in answers}) == 1
        assert await count("import_job") == 1
        assert len(list(files.FOLDER.iterdir())) >= 1

    async def test_with_other_wishes_they_are_another_import(self, staff: httpx.AsyncClient) -> None:
        first, second = await upload(staff, ROWS), await upload(staff, ROWS, policy="create_only")
        assert first.json()["job_id"] != second.json()["job_id"]

    async def test_after_the_first_has_ended_it_is_another_import(self, staff: httpx.AsyncClient) -> None:
        await import_csv(staff, ROWS)
        assert (await import_csv(staff, ROWS))["unchanged"] == 50

    async def test_an_idempotency_key_replays_the_answer(self, staff: httpx.AsyncClient) -> None:
        first = await upload(staff, ROWS, key="one")
        await run(staff, first.json()["job_id"])
        again = await upload(staff, ROWS, key="one")
        assert (again.status_code, again.json(), await count("import_job")) == (202, first.json(), 1)

    async def test_another_file_under_the_same_key_is_refused(self, staff: httpx.AsyncClient) -> None:
        await upload(staff, ROWS, key="two")
        assert (await upload(staff, ROWS + "X,Y,1,1\n", key="two")).status_code == 422


class TestFiles:
    async def test_files_go_after_their_time_and_the_history_stays(self, staff: httpx.AsyncClient) -> None:
        job = await import_csv(staff, ROWS)
        key = await fetch_value("SELECT file_key FROM import_job")
        await services.remove_expired_files()
        assert files.path(key).exists()
        await execute("UPDATE import_job SET completed_at = $1", clock.now() - timedelta(days=40))
        await services.remove_expired_files()
        assert not files.path(key).exists()
        assert (await staff.get(f"/api/jobs/{job['job_id']}")).json()["status"] == "completed"

    async def test_a_refused_upload_leaves_no_file(self, staff: httpx.AsyncClient) -> None:
        before = set(files.FOLDER.iterdir())
        assert (await upload(staff, ROWS, policy="guess")).status_code == 400
        assert set(files.FOLDER.iterdir()) == before

    async def test_a_file_over_the_limit_is_refused(
        self, staff: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("domains.imports.controllers.UPLOAD_LIMIT", 1000)
        before = set(files.FOLDER.iterdir())
        assert (await upload(staff, ROWS)).status_code == 413
        assert set(files.FOLDER.iterdir()) == before
