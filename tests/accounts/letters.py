"""Reading the mails that accounts write, as their reader would."""

import re
from urllib.parse import parse_qs, urlsplit

import msgspec

from piccolo_conf import fetch

LINK = re.compile(r"https?://\S+")
CODE = re.compile(r"^    ([2-9A-HJKMNP-Z]{6})$", re.MULTILINE)


class Letter(msgspec.Struct, frozen=True):
    to: str
    template: str
    text: str

    @property
    def link(self) -> str:
        return LINK.findall(self.text)[0]

    @property
    def proof(self) -> dict[str, str]:
        """`uid` and `token` of the link."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.link).query).items()}

    @property
    def code(self) -> str:
        return CODE.findall(self.text)[0]


async def letters(to: str) -> list[Letter]:
    """The oldest first."""
    rows = await fetch('SELECT "to", template, text FROM mail WHERE "to" = $1 ORDER BY id', to)
    return [msgspec.convert(dict(row), Letter) for row in rows]


async def last_letter(to: str) -> Letter:
    return (await letters(to))[-1]


async def templates(to: str) -> list[str]:
    return [letter.template for letter in await letters(to)]
