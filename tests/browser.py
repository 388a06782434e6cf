"""A headless Chromium, driven over its DevTools protocol: real pages, as people see and use them.

Steps wait until what they need is there, as a person would; a step that waits too long fails with what the page shows.
"""

import asyncio
import base64
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
FLAGS = [
    "--headless=new",
    # Its own sandbox needs rights that containers do not give; the pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=PasswordManagerOnboarding",
    "--window-size=1280,900",
    "--remote-debugging-port=0",
]
BUTTONS = "button, input[type=submit], [role=button]"
LINKS = f"{BUTTONS}, a, summary, label"
# Now and then a browser hangs at its start, on a busy machine: another one is started then.
MOST_STARTS = 3
LONGEST_START_SECONDS = 20
LONGEST_STEP_SECONDS = 20
LOOK_SECONDS = 0.05

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

# Sets the value as typing does, so that frameworks which listen for `input` notice.
FILL = """(selector, value) => {
    const field = document.querySelector(selector);
    if (!field || field.disabled) return false;
    const kind = Object.getPrototypeOf(field);
    Object.getOwnPropertyDescriptor(kind, 'value').set.call(field, value);
    field.dispatchEvent(new Event('input', {bubbles: true}));
    field.dispatchEvent(new Event('change', {bubbles: true}));
    return true;
}"""
CLICK = """(selector) => {
    const found = document.querySelector(selector);
    if (!found || found.disabled) return false;
    found.click();
    return true;
}"""
CLICK_TEXT = """(text, kinds) => {
    const all = [...document.querySelectorAll(kinds)];
    const seen = all.filter(item => item.offsetParent !== null);
    const name = item => (item.innerText || item.value || '').trim();
    const found = seen.find(item => name(item) === text);
    if (!found || found.disabled) return false;
    found.click();
    return true;
}"""


class Page:
    """One tab."""

    def __init__(self, socket: "aiohttp.ClientWebSocketResponse") -> None:
        self.socket = socket
        self.number = 0
        self.complaints: list[str] = []

    async def open(self, url: str) -> None:
        """And wait until the page is there, also where it is the same as before."""
        await self.run("() => { window.stays = true; return true; }")
        await self.tell("Page.navigate", url=url)
        await self.until("() => !window.stays && document.readyState === 'complete'")

    async def fill(self, selector: str, value: str) -> None:
        await self.until(FILL, selector, value)

    async def click(self, selector: str) -> None:
        await self.until(CLICK, selector)

    async def press(self, text: str) -> None:
        """A button or link by what stands on it."""
        await self.until(CLICK_TEXT, text, LINKS)

    async def submit(self, text: str) -> None:
        """Press a button that loads a page, and wait for that page."""
        await self.run("() => { window.stays = true; return true; }")
        await self.until(CLICK_TEXT, text, BUTTONS)
        await self.until("() => !window.stays && document.readyState === 'complete'")

    async def sees(self, text: str) -> None:
        await self.until("(text) => document.body.innerText.includes(text)", text)

    async def text(self) -> str:
        found: str = await self.run("() => document.body ? document.body.innerText : ''")
        return found

    async def until(self, function: str, *arguments: object) -> None:
        deadline = time.monotonic() + LONGEST_STEP_SECONDS
        while not await self.run(function, *arguments):
            if time.monotonic() > deadline:
                shown = await self.text()
                raise AssertionError(f"{function[:60]} {arguments} never came true; the page shows: {shown[:2000]}")
            await asyncio.sleep(LOOK_SECONDS)

    async def run(self, function: str, *arguments: object) -> Any:
        """The value of a JavaScript function; None while a page is being changed for the next."""
        called = f"({function})(...{msgspec.json.encode(arguments).decode()})"
        answer = await self.tell("Runtime.evaluate", expression=called, returnByValue=True, awaitPromise=True)
        return answer.get("result", {}).get("value")

    async def screenshot(self) -> bytes:
        """PNG."""
        answer = await self.tell("Page.captureScreenshot", captureBeyondViewport=True)
        return base64.b64decode(answer["data"])

    async def tell(self, method: str, **parameters: object) -> dict[str, Any]:
        self.number += 1
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters})
        async with asyncio.timeout(LONGEST_STEP_SECONDS):
            while True:
                message = await self.socket.receive_json()
                if message.get("id") == self.number:
                    return message.get("result", {})
                self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        """What the browser complains about: blocked by the policy, failed in a script, not found."""
        if message.get("method") == "Log.entryAdded" and message["params"]["entry"]["level"] == "error":
            self.complaints.append(message["params"]["entry"]["text"])
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(message["params"]["exceptionDetails"].get("text")))


@contextlib.asynccontextmanager
async def browser(*flags: str) -> AsyncIterator[Page]:
    """A browser of its own with one empty tab, ended by its own pid."""
    async with contextlib.AsyncExitStack() as stack:
        for turn in range(1, MOST_STARTS + 1):
            try:
                page = await stack.enter_async_context(_started(*flags))
                break
            except TimeoutError:
                if turn == MOST_STARTS:
                    raise
        yield page


@contextlib.asynccontextmanager
async def _started(*flags: str) -> AsyncIterator[Page]:
    """Raises TimeoutError for one that hangs."""
    directory = Path(tempfile.mkdtemp(prefix="stockroom-browser-"))
    command = [str(CHROMIUM), *FLAGS, *flags, f"--user-data-dir={directory}", "about:blank"]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet)
    try:
        async with aiohttp.ClientSession() as session:
            address = await _tab(session, directory)
            async with session.ws_connect(address, max_msg_size=0) as socket:
                page = Page(socket)
                for domain in ("Page", "Runtime", "Log"):
                    await page.tell(f"{domain}.enable")
                yield page
    finally:
        process.kill()
        await process.wait()
        shutil.rmtree(directory, ignore_errors=True)


async def _tab(session: aiohttp.ClientSession, directory: Path) -> str:
    """Where the first tab is driven, once the browser has written down its port and opened it."""
    told = directory / "DevToolsActivePort"
    for _ in range(round(LONGEST_START_SECONDS / LOOK_SECONDS)):
        await asyncio.sleep(LOOK_SECONDS)
        port = told.read_text().split("\n", 1)[0] if told.exists() else ""
        if not port:
            continue
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            tabs = [tab for tab in await answer.json() if tab["type"] == "page"]
        if tabs:
            return str(tabs[0]["webSocketDebuggerUrl"])
    raise TimeoutError("the browser does not start")
