"""What an examination finds, and how a command tells it."""

import sys
from collections.abc import Sequence
from typing import NoReturn

import click
import msgspec

from lib.terminal import say


class Finding(msgspec.Struct, frozen=True):
    """Of one thing: whether it is as it should be, and how it is."""

    name: str
    ok: bool
    detail: str


def tell_and_exit(findings: Sequence[Finding], *, as_json: bool) -> NoReturn:
    """A line for each, or one list for machines; ends the process with 1 when something is wrong."""
    if as_json:
        click.echo(msgspec.json.encode(findings))
    for finding in findings if not as_json else []:
        say(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.name}: {finding.detail}")
    sys.exit(0 if all(finding.ok for finding in findings) else 1)
