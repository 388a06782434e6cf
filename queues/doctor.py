"""Is everything as it should be: servers, tables, worker, mail, webhooks, what Shopify told, and the laws of stock."""

from piccolo.apps.migrations.commands.base import BaseMigrationManager
from redis.exceptions import RedisError

from domains.catalog.proof import find_differences, tell
from domains.webhooks import signing
from lib import clock
from lib.findings import Finding
from piccolo_conf import APP_REGISTRY, fetch, fetch_row, fetch_value
from queues.job import QUEUES

OLDEST_POSTGRES = 150_000

# A letter that has failed is over since `next_attempt_at`.
MAIL_TROUBLES = """
    SELECT count(*) FILTER (WHERE state = 'failed' AND next_attempt_at > now() - interval '24 hours') AS failed,
           count(*) FILTER (WHERE state = 'pending' AND created_at < now() - interval '15 minutes') AS waiting
    FROM mail WHERE state <> 'sent'
"""

# Relies on event_unrelayed.
LATE_EVENTS = """
    SELECT count(*) FROM event WHERE relayed_at IS NULL AND occurred_at < now() - interval '5 minutes'
"""


# What is parked was tried for a day, and is not mended by what others tell; without its body nobody can mend anything.
# Relies on inbound_webhook_unsettled.
INBOX_TROUBLES = """
    SELECT count(*) FILTER (WHERE state = 'failed' AND processed_at > now() - interval '24 hours') AS failed,
           count(*) FILTER (WHERE state = 'parked' AND received_at < now() - interval '24 hours') AS parked,
           count(*) FILTER (WHERE state = 'pending' AND next_attempt_at < now() - interval '5 minutes') AS waiting
    FROM inbound_webhook WHERE state IN ('pending', 'parked', 'failed') AND reason IS DISTINCT FROM 'redacted'
"""


async def examine() -> list[Finding]:
    """Every finding, good and bad. Needs PostgreSQL; raises what asyncpg raises without it."""
    return [
        await _postgres(),
        await _migrations(),
        await _redis(),
        await _imports(),
        await _mail(),
        await _webhooks(),
        await _shopify(),
        await _stock(),
    ]


async def _postgres() -> Finding:
    number = int(await fetch_value("SHOW server_version_num"))
    version = await fetch_value("SHOW server_version")
    return Finding("PostgreSQL", number >= OLDEST_POSTGRES, f"version {version}")


async def _migrations() -> Finding:
    """Every migration of every app has run here."""
    done = {(row["app_name"], row["name"]) for row in await fetch("SELECT app_name, name FROM migration")}
    reader = BaseMigrationManager()
    missing = [
        f"{app.app_name} {name}"
        for app in APP_REGISTRY.app_configs.values()
        for name in reader.get_migration_modules(app.resolved_migrations_folder_path)
        if (app.app_name, name) not in done
    ]
    return Finding("Migrations", not missing, f"missing: {', '.join(missing)}" if missing else "up to date")


async def _redis() -> Finding:
    try:
        await QUEUES["default"].redis.ping()
        workers = len((await QUEUES["imports"].info())["workers"])
    except (RedisError, OSError) as error:
        return Finding("Redis", ok=False, detail=type(error).__name__)
    return Finding("Redis", ok=True, detail=f"answers; {workers} worker{'' if workers == 1 else 's'}")


async def _imports() -> Finding:
    stuck = await fetch_value(
        "SELECT count(*) FROM import_job WHERE status = 'importing' AND lease_until < now() - interval '5 minutes'"
    )
    return Finding("Imports", stuck == 0, f"{stuck} without a worker for five minutes")


async def _mail() -> Finding:
    row = await fetch_row(MAIL_TROUBLES)
    failed, waiting = (row["failed"], row["waiting"]) if row else (0, 0)
    detail = f"{failed} failed within a day, {waiting} waiting for longer than 15 minutes"
    return Finding("Mail", failed == waiting == 0, detail)


async def _webhooks() -> Finding:
    """Secrets stay closed after a new SECRET_KEY, and nothing can be signed."""
    secrets = [row["secrets"] for row in await fetch("SELECT secrets FROM webhook_endpoint")]
    closed = sum(not signing.keys_of(stored, clock.now()) for stored in secrets)
    late = await fetch_value(LATE_EVENTS)
    detail = f"{closed} endpoints whose secrets cannot be read, {late} events not passed on for five minutes"
    return Finding("Webhooks", closed == late == 0, detail)


async def _shopify() -> Finding:
    """Of the inbox alone; `litestar shopify doctor` asks the shop too."""
    row = await fetch_row(INBOX_TROUBLES)
    failed, parked, waiting = (row["failed"], row["parked"], row["waiting"]) if row else (0, 0, 0)
    detail = f"{failed} failed within a day, {parked} parked for longer than a day, {waiting} due for five minutes"
    return Finding("Shopify", failed == parked == waiting == 0, detail)


async def _stock() -> Finding:
    differences = await find_differences()
    return Finding("Stock", not differences, tell(differences))
