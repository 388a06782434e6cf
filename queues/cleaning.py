"""What has had its time goes: one job, which a schedule of its own calls for each kind of thing."""

from collections.abc import Awaitable, Callable
from enum import StrEnum

from domains.accounts.codes import forget_old_codes
from domains.accounts.idempotency import forget_old_records
from domains.accounts.limits import forget_old_addresses
from domains.accounts.sessions import forget_old_admin_sessions, forget_old_sessions
from domains.catalog.low_stock import forget_old_notifications
from domains.imports.services import remove_expired_files
from domains.mail.services import forget_old_mail
from domains.shopify.pruning import forget_old_reconciliations, forget_old_webhooks
from domains.webhooks.pruning import forget_old_deliveries
from piccolo_conf import execute
from queues.job import job

LONGEST_SECONDS = 1800

FORGET_RUNS = """
    DELETE FROM schedule_run WHERE state IN ('done', 'failed') AND finished_at < now() - interval '30 days'
"""


class Cleaning(StrEnum):
    """Kinds of things that grow old. Data of schedules: never rename one without keeping the old name."""

    CODES = "codes"
    SESSIONS = "sessions"
    IDEMPOTENCY_RECORDS = "idempotency_records"
    FILES = "files"
    MAIL = "mail"
    ATTEMPTS = "attempts"
    NOTIFICATIONS = "notifications"
    SCHEDULE_RUNS = "schedule_runs"


@job("clean_up", timeout=LONGEST_SECONDS, schedulable="Clean up")
async def clean_up(what: Cleaning) -> None:
    for forget in CLEANINGS[what]:
        await forget()


async def forget_old_runs() -> None:
    await execute(FORGET_RUNS)


CLEANINGS: dict[Cleaning, tuple[Callable[[], Awaitable[object]], ...]] = {
    Cleaning.CODES: (forget_old_codes,),
    Cleaning.SESSIONS: (forget_old_sessions, forget_old_admin_sessions),
    Cleaning.IDEMPOTENCY_RECORDS: (forget_old_records,),
    Cleaning.FILES: (remove_expired_files,),
    Cleaning.MAIL: (forget_old_mail,),
    Cleaning.ATTEMPTS: (
        forget_old_addresses,
        forget_old_deliveries,
        forget_old_webhooks,
        forget_old_reconciliations,
    ),
    Cleaning.NOTIFICATIONS: (forget_old_notifications,),
    Cleaning.SCHEDULE_RUNS: (forget_old_runs,),
}
