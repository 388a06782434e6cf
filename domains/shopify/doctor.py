"""The command `litestar shopify doctor`."""

import click

from domains.shopify import examination
from lib import egress
from lib.commands import runs
from lib.findings import tell_and_exit
from piccolo_conf import pool


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True)
@runs()
async def doctor(*, as_json: bool) -> None:
    """Examine settings, address, signature, access and subscriptions; exits with 1 when something is wrong."""
    async with pool(1), egress.opened():
        findings = await examination.examine()
    tell_and_exit(findings, as_json=as_json)
