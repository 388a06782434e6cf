"""A browser for tests: keeps cookies, reads pages, and sends their forms as they stand there."""

import functools
from html.parser import HTMLParser
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from domains.accounts import cookies
from domains.accounts.passwords import HASHER
from domains.accounts.schemas import Device
from domains.accounts.sessions import Proven
from domains.accounts.tables import Role
from piccolo_conf import execute
from tests.conftest import make_client, make_user

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
PASSWORD = "correct horse battery"
EMPTY = {"meta", "link", "input", "img", "br"}


class Page(HTMLParser):
    """Its tags in order with their attributes, its words, and the fields of its forms by action."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.answer = answer
        self.status = answer.status_code
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.forms: dict[str, dict[str, str]] = {}
        self.words = ""
        self.open: list[str] = []
        self.headings: list[str] = []
        self.action = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag not in EMPTY:
            self.open.append(tag)
        if tag == "form":
            self.action = found["action"]
            self.forms[self.action] = {}
        if tag == "h1":
            self.headings.append("")
        is_sent = found.get("type") not in {"checkbox", "file"} or "checked" in found
        if tag in {"input", "select"} and "form" in self.open and is_sent:
            self.forms[self.action][found["name"]] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data
        if "h1" in self.open:
            self.headings[-1] += data

    def all(self, *names: str) -> list[dict[str, str]]:
        return [found for tag, found in self.tags if tag in names]

    @property
    def links(self) -> set[str]:
        return {found["href"] for found in self.all("a")}

    @property
    def invalid(self) -> set[str]:
        """Names of the fields that are marked."""
        return {found["name"] for found in self.all("input", "select") if "aria-invalid" in found}


class Browser:
    """Somebody at a browser: `open` and `submit` follow what they are sent to."""

    def __init__(self) -> None:
        self.client = make_client(Accept=HTML, **{"User-Agent": "Browser/1.0"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.aclose()

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One answer, wherever it leads."""
        return await self.client.request(method, path, **options)

    async def open(self, path: str) -> Page:
        return Page(await self.client.get(path, follow_redirects=True))

    async def send(self, page: Page, action: str, **values: Any) -> httpx.Response:
        """The answer to a form as it stands in the page, with some fields filled in."""
        files = values.pop("files", None)
        headers = {"Origin": "http://testserver", "Referer": f"http://testserver{page.answer.url.path}"}
        data = page.forms[action] | values
        return await self.client.post(action, data=data, files=files, headers=headers)

    async def submit(self, page: Page, action: str, **values: Any) -> Page:
        answer = await self.send(page, action, **values)
        if answer.status_code != 303:
            return Page(answer)
        target = answer.headers["location"]
        assert urlsplit(target).netloc == ""
        return await self.open(target)

    async def sign_in(self, username: str, password: str = PASSWORD) -> Page:
        page = await self.open("/accounts/login/")
        return await self.submit(page, "/accounts/login/", identifier=username, password=password)

    async def be(self, user_id: int) -> None:
        """Signed in, without the hash of a password that `sign_in` takes."""
        token = await cookies.start(Proven(user_id, hash_of_password()), Device("Browser/1.0", "127.0.0.1"))
        self.client.cookies.set(cookies.SESSION, token, domain="testserver.local")


async def register(username: str, role: Role = Role.CUSTOMER) -> int:
    """A user with PASSWORD and a confirmed address."""
    user_id = await make_user(role, username)
    await execute("UPDATE users SET password = $2 WHERE id = $1", user_id, hash_of_password())
    return user_id


@functools.cache
def hash_of_password() -> str:
    return HASHER.hash(PASSWORD)
