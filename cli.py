"""Commands of `litestar`: up, worker, migrate, create-admin, users, seed, import, export, doctor, schedules.

`litestar shopify` stands in domains/shopify/commands.py.
"""

import asyncio
import sys
from pathlib import Path
from typing import TextIO

import click
import msgspec
import uvloop
from litestar.plugins import CLIPlugin
from msgspec import UNSET

from admin import authenticator
from domains.accounts import listing as accounts_listing
from domains.accounts import management, users
from domains.accounts.account_schemas import UserPatch
from domains.accounts.schemas import Profile
from domains.accounts.tables import Role
from domains.catalog import export
from domains.catalog.tables import Policy
from domains.imports import listing, services
from domains.imports.jobs import run_import
from domains.imports.schemas import JobOut, NewImport
from domains.imports.tables import Origin, Status
from domains.imports.watching import watch
from domains.inventory.locations import find_location
from domains.shopify.commands import shopify
from lib import egress, files
from lib.actor import Source, acting
from lib.commands import runs
from lib.findings import tell_and_exit
from lib.terminal import Bar, say
from piccolo_conf import migrate, pool
from queues import doctor as examination
from queues import schedules
from queues.job import disconnect
from queues.runs import run_here
from queues.tables import RunState
from queues.up import load_sample, run_everything
from queues.worker import work_forever
from settings import settings

MOST_ERRORS_TOLD = 20
# Each law of stock reads the whole ledger.
LONGEST_PROOF_SECONDS = 3600


class Commands(CLIPlugin):
    """Adds our commands to `litestar`."""

    def on_cli_init(self, cli: click.Group) -> None:
        for command in (
            up,
            worker,
            migrate_,
            create_admin,
            users_,
            seed,
            import_,
            export_,
            doctor,
            schedules_,
            shopify,
        ):
            cli.add_command(command)


@click.command()
@runs(own=True, quiet=False)
async def up() -> None:
    """Start everything: servers, migrations, first admin, sample catalogue, web and worker."""
    await run_everything()


@click.command()
@runs(quiet=False, run_loop=uvloop.run)
async def worker() -> None:
    """Work on imports and other jobs until told to stop."""
    await work_forever()


@click.command("migrate")
@runs()
async def migrate_() -> None:
    """Bring the tables up to date; make the admin of ADMIN_EMAIL and ADMIN_PASSWORD when they are set."""
    await migrate()
    say("The tables are up to date.")
    async with pool(1):
        if (profile := await users.ensure_first_admin()) is not None:
            say(f"{profile.email} has the role {profile.role}.")


@click.command("create-admin")
@click.option("--email", prompt="E-mail", default=lambda: settings.admin_email)
@click.option("--username", default="", help="Made from the e-mail address when left out.")
@click.password_option(default=lambda: settings.admin_password or None)
@runs()
async def create_admin(email: str, username: str, password: str) -> None:
    """Make an administrator, unless the e-mail address is known already."""
    await migrate()
    async with pool(1):
        with acting(name="create-admin", source=Source.SYSTEM):
            profile = await users.ensure_admin(email, password, username)
    if profile.role is not Role.ADMIN:
        raise click.ClickException(f"{profile.email} belongs to a user who is no administrator; nothing was changed.")
    say(f"{profile.email} is an administrator.")


@click.command("users")
@click.argument("user", default="")
@click.option("--role", type=click.Choice([role.value for role in Role]), help="Give USER this role.")
@click.option("--active/--inactive", default=None, help="Let USER sign in, or not.")
@click.option("--without-authenticator", is_flag=True, help="Ask USER for no code any more: their phone is lost.")
@click.option("--json", "as_json", is_flag=True)
@runs()
async def users_(
    user: str, role: str | None, *, active: bool | None, without_authenticator: bool, as_json: bool
) -> None:
    """List the users, or change USER (a username or an e-mail address)."""
    async with pool(1):
        if user:
            found = [await _change_user(user, role, active=active)]
            if without_authenticator:
                await authenticator.stop(found[0].id)
        else:
            found = await accounts_listing.all_users()
    if as_json:
        click.echo(msgspec.json.encode(found))
    for one in found if not as_json else []:
        state = "" if one.active else "  inactive"
        say(f"{one.id:>6}  {one.role:<8}  {one.username}  {one.email}{state}")


async def _change_user(name: str, role: str | None, *, active: bool | None) -> Profile:
    patch = UserPatch(role=Role(role) if role else UNSET, active=UNSET if active is None else active)
    return await management.change_user((await users.get_user(name)).id, patch)


@click.command()
@click.option("--password", default="", help="For the demo users; without one no users are made.")
@runs()
async def seed(password: str) -> None:
    """Load the sample catalogue when there are no products, and demo users. May be repeated."""
    await migrate()
    async with pool(4):
        await load_sample(here=True)
        if password:
            for role in (Role.STAFF, Role.CUSTOMER):
                await _ensure_demo_user(role, password)


async def _ensure_demo_user(role: Role, password: str) -> None:
    email = f"{role}@example.com"
    if await users.find_user(email) is None:
        await users.create_user(email=email, password=password, username=role, role=role, is_verified=True)
    say(f"{email} has the role {role}.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--policy", type=click.Choice([str(policy) for policy in Policy]), default=str(Policy.UPSERT))
@click.option("--location", default="", help="Code or id of the location that the quantities are for.")
@click.option("--mapping", default="{}", help='JSON, header to column: {"Article": "sku"}.')
@click.option("--dry-run", is_flag=True, help="Change nothing, only tell what would happen.")
@click.option("--json", "as_json", is_flag=True, help="Print the finished job as JSON.")
@runs()
async def import_(file: Path, policy: str, location: str, mapping: str, *, dry_run: bool, as_json: bool) -> None:
    """Import a catalogue FILE (CSV, also gzipped) as the worker does, and watch it."""
    await migrate()
    async with pool(4):
        with acting(name="command line", source=Source.IMPORT):
            job = await _import_file(file, Policy(policy), location, mapping, dry_run=dry_run)
        await _tell(job, as_json=as_json)
    await disconnect()
    sys.exit(0 if job.status is Status.COMPLETED else 1)


async def _import_file(file: Path, policy: Policy, location: str, mapping: str, *, dry_run: bool) -> JobOut:
    """The real job, run in this process; should a worker be faster, its progress is shown all the same."""
    wanted = NewImport(
        file=await files.save_file(file, settings.max_upload_mb << 20),
        filename=file.name,
        policy=policy,
        location_id=await find_location(location) if location else None,
        dry_run=dry_run,
        mapping=services.read_mapping(mapping),
    )
    import_id, is_new = await services.create_import(wanted, Origin.CLI)
    if not is_new:
        files.remove(wanted.file.key)
    work = asyncio.create_task(run_import(import_id=import_id))
    with Bar(file.name) as bar:
        async for job in watch(import_id):
            bar.show(f"{file.name}: {job.phase}", job.processed_rows, job.total_rows, job.rows_per_second)
            if work.done():
                break
    await work
    return await listing.get_import(import_id)


async def _tell(job: JobOut, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(await listing.get_import_with_errors(job.job_id)))
        return
    if job.status is not Status.COMPLETED:
        click.echo(f"{job.filename} {job.status}: {job.failure_detail} ({job.failure_reason})", err=True)
    if job.dry_run:
        say("Nothing was changed; this is what would happen:")
    say(
        f"{job.created} created, {job.updated} updated, {job.unchanged} unchanged, {job.skipped} skipped, "
        f"{job.duplicates} overwritten by later rows, {job.error_count} errors"
    )
    for warning in job.warnings:
        say(f"Note: {warning}")
    for error in await listing.list_errors(job.job_id, limit=MOST_ERRORS_TOLD):
        say(f"  row {error.row_number}  {error.sku or '-'}  {error.message}")
    if job.error_count > MOST_ERRORS_TOLD:
        say(f"  … all of them: /api/jobs/{job.job_id}/errors.csv")


@click.command("export")
@click.argument("file", type=click.File("w", encoding="utf-8", lazy=False))
@runs()
async def export_(file: TextIO) -> None:
    """Export all products as CSV to FILE ("-" is standard output), with the columns of the import."""
    async with pool(1):
        async for text in export.export_csv():
            file.write(text)


@click.command()
@click.option("--json", "as_json", is_flag=True)
@runs()
async def doctor(*, as_json: bool) -> None:
    """Examine servers, tables and the laws of stock; exits with 1 when something is wrong."""
    async with pool(2, longest_seconds=LONGEST_PROOF_SECONDS):
        findings = await examination.examine()
    await disconnect()
    tell_and_exit(findings, as_json=as_json)


@click.command("schedules")
@click.argument("name", default="")
@click.option("--run", "is_run", is_flag=True, help="Run NAME here and now, and tell how it went.")
@click.option("--enable/--disable", "enabled", default=None, help="Switch NAME on or off.")
@click.option("--json", "as_json", is_flag=True)
@runs()
async def schedules_(name: str, *, is_run: bool, enabled: bool | None, as_json: bool) -> None:
    """List the schedules, or change or run NAME; exits with 1 when its run failed."""
    if not name and (is_run or enabled is not None):
        raise click.UsageError("Which schedule? NAME is missing.")
    async with pool(4), egress.opened():
        found = [await schedules.switch(name, enabled=enabled)] if name else await schedules.all_schedules()
        run = await run_here(found[0].id) if is_run else None
    await disconnect()
    if as_json:
        click.echo(msgspec.json.encode(found if run is None else run))
    elif run is not None:
        say(f"{run.state}  {run.detail}")
    for one in found if not as_json and run is None else []:
        say(f"{'on ' if one.enabled else 'off'}  {one.cron:<14}  {one.name}  {one.last_status or 'never ran'}")
    sys.exit(1 if run is not None and run.state is RunState.FAILED else 0)
