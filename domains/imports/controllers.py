"""Imports over HTTP: upload, progress, rejected rows, cancel and retry."""

import csv
import io
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, QueryParameter
from litestar.response import ServerSentEvent, ServerSentEventMessage, Stream

from domains.accounts.auth import CallerRequest, is_still_in, requires
from domains.accounts.idempotency import Answer, answer, fingerprint_of, once
from domains.accounts.scopes import Scope
from domains.catalog.tables import Policy
from domains.imports import listing, services
from domains.imports.jobs import run_import
from domains.imports.layout import ERROR_COLUMN
from domains.imports.schemas import AcceptedOut, JobDetailOut, JobOut, NewImport, PreviewOut
from domains.imports.upload import Upload, receive
from domains.imports.watching import watch
from domains.inventory.locations import find_location
from lib import cache, files
from lib.csv_safety import escape_formula
from lib.errors import field_error
from lib.http import IdempotencyKey, Page, respond
from lib.integers import LARGEST_INTEGER
from lib.openapi import REQUEST_BODY
from settings import settings

UPLOAD_LIMIT = settings.max_upload_mb << 20
FORM_OVERHEAD = 1 << 20
# What of the dashboard is made of imports.
NUMBERS = "imports"
FIELDS = {"format", "policy", "location", "mapping", "dry_run"}
UPLOAD_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary"},
                    "format": {"type": "string", "enum": ["csv"]},
                    "policy": {"type": "string", "enum": list(Policy)},
                    "location": {"type": "string"},
                    "mapping": {"type": "string", "contentMediaType": "application/json"},
                    "dry_run": {"type": "string", "enum": ["true", "false"]},
                },
                "additionalProperties": False,
            }
        }
    },
}


class UploadController(Controller):
    path = "/api/upload"
    tags = ("Imports",)

    @post(
        status_code=202,
        guards=[requires(Scope.IMPORTS_WRITE)],
        request_max_body_size=UPLOAD_LIMIT + FORM_OVERHEAD,
        opt={REQUEST_BODY: UPLOAD_BODY},
        summary="Upload a catalogue file",
    )
    async def upload(self, request: CallerRequest, idempotency_key: IdempotencyKey = None) -> Response[AcceptedOut]:
        """Multipart: `file`, and `policy` (upsert, create_only, update_only), `location` (a code: quantities are that
        location's), `mapping` (JSON: header → column, "" leaves a column out), `dry_run` (true: only a preview).
        Honours `Idempotency-Key`."""
        content_type, options = request.content_type
        upload = await receive(request.stream(), content_type, options, UPLOAD_LIMIT)
        accepted = await _accept(upload, request.user.known_id, idempotency_key)
        await cache.forget(NUMBERS)
        return Response(msgspec.json.decode(accepted.body, type=AcceptedOut), status_code=accepted.status)


async def _accept(upload: Upload, user_id: int, key: str | None) -> Answer:
    """Ask for the import, once for each idempotency key; a file that no import keeps goes away again."""
    made: list[UUID] = []

    async def act() -> Answer:
        import_id, is_new = await services.create_import(await _read_fields(upload, user_id))
        if is_new:
            made.append(import_id)
        message = "The import was accepted." if is_new else "These bytes are being imported already."
        return answer(202, AcceptedOut(import_id, message))

    fingerprint = fingerprint_of("upload", upload.file.digest, msgspec.json.encode(sorted(upload.fields.items())))
    try:
        done = await once(key, user_id, fingerprint, act)
    finally:
        if not made:
            files.remove(upload.file.key)
    if made:
        await run_import.later(import_id=made[0])
    return done


async def _read_fields(upload: Upload, user_id: int) -> NewImport:
    if unknown := upload.fields.keys() - FIELDS:
        raise field_error(min(unknown), f"is not known; the fields are file, {', '.join(sorted(FIELDS))}")
    if upload.fields.get("format", "csv") != "csv":
        raise field_error("format", "must be csv")
    location = upload.fields.get("location")
    return NewImport(
        file=upload.file,
        filename=upload.filename,
        policy=_read_policy(upload.fields.get("policy", Policy.UPSERT)),
        location_id=await find_location(location) if location else None,
        dry_run=_read_flag("dry_run", upload.fields.get("dry_run", "false")),
        mapping=services.read_mapping(upload.fields.get("mapping", "{}")),
        requested_by=user_id,
    )


def _read_policy(text: str) -> Policy:
    try:
        return Policy(text)
    except ValueError:
        raise field_error("policy", f"must be one of {', '.join(Policy)}") from None


def _read_flag(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise field_error(name, "must be true or false")
    return text == "true"


class JobController(Controller):
    path = "/api/jobs"
    tags = ("Imports",)
    guards = (requires(Scope.IMPORTS_WRITE),)

    @get(operation_class=listing.JOBS.operation, summary="Imports, filtered and sorted")
    async def list_jobs(self, request: CallerRequest) -> Response[Page[JobOut]]:
        """Newest first."""
        query = listing.JOBS.read(request.scope["query_string"])
        jobs, total, cursor = await listing.list_imports(query)
        return respond(request, jobs, query.paging, total, cursor)

    @get("/{job_id:uuid}", summary="One import with its first hundred errors")
    async def show(self, job_id: FromPath[UUID]) -> JobDetailOut:
        return await listing.get_import_with_errors(job_id)

    @get(
        "/{job_id:uuid}/events",
        media_type="text/event-stream",
        responses={204: ResponseSpec(None, description="The caller has seen the final state.")},
        summary="Live progress as Server-Sent Events",
    )
    async def events(self, job_id: FromPath[UUID], request: CallerRequest) -> Response[None] | ServerSentEvent:
        """The present state first, then progress until a final one. Who has seen that already gets 204."""
        job = await listing.get_import(job_id)
        if job.is_final and request.headers.get("last-event-id") == job.state:
            return Response(None, status_code=204)
        return ServerSentEvent(_messages(job_id, request), headers={"X-Accel-Buffering": "no"})

    @get("/{job_id:uuid}/errors.csv", summary="Rejected rows, ready to mend and upload again", media_type="text/csv")
    async def errors(self, job_id: FromPath[UUID]) -> Stream:
        job = await listing.get_import(job_id)
        header = await listing.get_header(job_id)
        disposition = f'attachment; filename="errors-{job.job_id}.csv"'
        return Stream(_error_lines(job_id, header), media_type="text/csv", headers={"Content-Disposition": disposition})

    @get("/{job_id:uuid}/preview", summary="What a dry run would do, row by row")
    async def preview(
        self,
        job_id: FromPath[UUID],
        request: CallerRequest,
        after: Annotated[int, QueryParameter(ge=0, le=LARGEST_INTEGER, description="Row number to go on behind.")] = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
    ) -> PreviewOut:
        """Cost prices and supplier numbers only for callers with the scope products:internal."""
        internal = Scope.PRODUCTS_INTERNAL in request.user.scopes
        return await listing.list_preview(job_id, after=after, limit=limit, internal=internal)

    @post("/{job_id:uuid}/cancellation", status_code=200, summary="Stop an import at its next chunk")
    async def cancel(self, job_id: FromPath[UUID]) -> JobOut:
        job = await services.cancel_import(job_id)
        await cache.forget(NUMBERS)
        return job

    @post("/{job_id:uuid}/retry", status_code=202, summary="Run an import again from where it stopped")
    async def retry(self, job_id: FromPath[UUID]) -> JobOut:
        job = await services.retry_import(job_id)
        await cache.forget(NUMBERS)
        await run_import.later(import_id=job_id)
        return job


async def _messages(job_id: UUID, request: CallerRequest) -> AsyncIterator[ServerSentEventMessage]:
    """Ends early for somebody who is signed out meanwhile, or whose key is revoked."""
    async for job in watch(job_id):
        if not await is_still_in(request):
            return
        event = "end" if job.is_final else "progress"
        yield ServerSentEventMessage(data=msgspec.json.encode(job).decode(), event=event, id=job.state, retry=1000)


async def _error_lines(job_id: UUID, header: list[str]) -> AsyncIterator[str]:
    """A row keeps its cells and its place for them, also when it has too few or too many."""
    yield _line([*header, ERROR_COLUMN])
    async for cells, message in listing.all_error_cells(job_id):
        padded = [*cells, *[""] * (len(header) - len(cells))]
        yield _line([*padded[: len(header)], message, *padded[len(header) :]])


def _line(cells: list[str]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([escape_formula(cell) for cell in cells])
    return text.getvalue()
