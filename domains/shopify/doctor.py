"""The command `litestar shopify doctor`."""

import sys

import click
import msgspec

from domains.shopify import examination
from lib import egress
from lib.commands import runs
from lib.terminal import say
from piccolo_conf import pool


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True)
@runs()
async def doctor(*, as_json: bool) -> None:
    """Examine settings, address, signature, access and subscriptions; exits with 1 when something is wrong."""
    async with pool(1), egress.opened():
        findings = await examination.examine()
    if as_json:
        click.echo(msgspec.json.encode(findings))
    for finding in findings if not as_json else []:
        say(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.name}: {finding.detail}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)
