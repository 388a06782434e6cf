"""What the letters say, and what they cannot be made to say."""

import re
from html.parser import HTMLParser

import pytest
from jinja2 import UndefinedError

from domains.mail import services
from domains.mail.services import Template
from piccolo_conf import fetch_value
from tests.mail.letters import CODE, FACTS, LINK, row, write

WITH_CODE = [Template.VERIFY_EMAIL, Template.RESET_PASSWORD, Template.CHANGE_EMAIL]
# Of HTML, these would fetch something or run.
FORBIDDEN = re.compile(r"<(?:img|script|link|style|iframe|svg|video)\b|url\(|@import", re.IGNORECASE)

pytestmark = pytest.mark.usefixtures("database")


class Reader(HTMLParser):
    """What a mail program shows of HTML, and where its links go."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shown = ""
        self.links: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data: str) -> None:
        self.shown += data


@pytest.mark.parametrize("template", list(Template))
async def test_every_letter_can_be_written(template: Template):
    await write(template=template)
    letter = await row()
    assert letter["subject"]
    assert letter["text"].startswith("Hello Ada,\n\n")
    assert "Hello Ada," in letter["html"]
    assert '<html lang="en">' in letter["html"]
    assert not re.search(r"\n{3}|[{}%]", letter["text"])


@pytest.mark.parametrize("template", list(Template))
async def test_no_letter_fetches_anything(template: Template):
    await write(template=template)
    html = (await row())["html"]
    assert not FORBIDDEN.search(html)
    assert set(Reader(html).links) <= {LINK}


@pytest.mark.parametrize("template", WITH_CODE)
async def test_a_letter_with_a_code_tells_it_its_link_and_how_long_they_live(template: Template):
    await write(template=template)
    letter = await row()
    for words in (letter["text"], Reader(letter["html"]).shown):
        assert CODE in words
        assert LINK in words
        assert "valid for 10 minutes, the link for 24 hours" in words
        assert "If " in words
    assert Reader(letter["html"]).links == [LINK, LINK]
    assert CODE not in letter["subject"]


@pytest.mark.parametrize("template", list(Template))
async def test_a_name_is_words_and_nothing_else(template: Template):
    await write(template=template, name="<script>alert(1)</script>{{7*7}}{% x %}")
    letter = await row()
    assert "<script>" not in letter["html"]
    assert "<script>alert(1)</script>{{7*7}}{% x %}" in Reader(letter["html"]).shown
    assert "Hello <script>alert(1)</script>{{7*7}}{% x %}," in letter["text"]


async def test_no_fact_leaves_its_attribute():
    await write(link='https://shop.example/" onclick="x')
    assert Reader((await row())["html"]).links[0] == 'https://shop.example/" onclick="x'


@pytest.mark.parametrize("template", list(Template))
async def test_a_fact_cannot_become_a_header_or_a_line(template: Template):
    await write(template=template, name="Ada\r\nBcc: eve@here\u2028x", username="ada\nSubject: Won")
    letter = await row()
    assert "\n" not in letter["subject"]
    assert "\nBcc" not in letter["text"]
    assert "\nSubject" not in letter["text"]


@pytest.mark.parametrize("name", ["You won! https://evil.example", "Go to www.evil", "evil.example has money", ""])
async def test_a_strangers_advertisement_is_not_delivered(name: str):
    await write(name=name)
    assert (await row())["text"].startswith("Hello,\n")


@pytest.mark.parametrize("name", ["J. R. R. Tolkien", "Renée O'Hara-Łukasz", "山田太郎"])
async def test_a_person_is_greeted_by_name(name: str):
    await write(name=name)
    assert (await row())["text"].startswith(f"Hello {name},\n")


async def test_a_missing_fact_fails_what_asked_for_the_letter():
    facts = {name: fact for name, fact in FACTS.items() if name != "code"}
    with pytest.raises(UndefinedError):
        await services.write("ada@example.com", Template.VERIFY_EMAIL, facts)
    assert await fetch_value("SELECT count(*) FROM mail") == 0
