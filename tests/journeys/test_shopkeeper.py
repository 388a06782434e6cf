"""An administrator raises the prices of a brand in the admin site, in a browser, and finds it in the history."""

import csv
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser import Page, browser, needs_chromium
from tests.faults.harness import REPOSITORY, House, free_port

pytestmark = [needs_chromium, pytest.mark.timeout(180), pytest.mark.xdist_group("browser")]

EMAIL, PASSWORD = "ada@example.com", "correct horse battery"
# Half a cent goes up: 10.05 becomes 11.055, and that 11.06.
PRICES = {"ACME-1": ("10.05", "11.06"), "ACME-2": ("19.99", "21.99"), "OTHER-1": ("5.00", "5.00")}


FORMULAS = ["=1+1", "@SUM(A1)", "+1", "-2+3", "-5", '12" =wide, "=x"']
CATCH_FILES = """() => {
    window.files = [];
    const make = URL.createObjectURL;
    URL.createObjectURL = file => { file.text().then(text => window.files.push(text)); return make.call(URL, file); };
}"""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    with House(tmp_path).running() as house:
        account = ["--email", EMAIL, "--username", "ada", "--password", PASSWORD]
        command = [sys.executable, "-m", "litestar", "create-admin", *account]
        subprocess.run(command, env=house.environment, cwd=REPOSITORY, check=True)
        house.start_web(port)
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def api(url: str) -> Iterator[httpx.Client]:
    """The same person, by the API."""
    signed_in = httpx.post(f"{url}/auth/jwt/create/", json={"email": EMAIL, "password": PASSWORD}).json()
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {signed_in['access']}"}) as client:
        for sku, (price, _) in PRICES.items():
            brand = sku.partition("-")[0].title()
            client.post("/api/products/", json={"sku": sku, "name": sku, "price": price, "brand": brand})
        yield client


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with browser() as page:
        yield page


async def test_prices_of_a_brand_are_raised_by_ten_percent(url: str, api: httpx.Client, page: Page) -> None:
    await sign_in(page, url)
    await page.open(f"{url}/admin/pages/products/")
    await page.fill("#brand", "Acme")
    await page.submit("Change price by percent …")
    await page.fill("#percent", "10")
    await page.submit("Show what would change")
    await page.sees("10.05 → 11.06")
    assert prices(api) == {sku: old for sku, (old, _) in PRICES.items()}
    await page.click("#confirmed")
    await page.submit("Change now")
    await page.sees("2 products changed")
    assert prices(api) == {sku: new for sku, (_, new) in PRICES.items()}
    await page.click("a[title=History]")
    await page.sees("10.05 → 11.06")
    check_who_did_it(api)
    assert page.complaints == []


async def test_the_pages_of_the_shop_stand_above_the_tables(url: str, page: Page) -> None:
    """And a link to one of them, in a mail say, leads there by way of signing in."""
    await page.open(f"{url}/admin/pages/stock/")
    await page.fill("#username", "ada")
    await page.fill("#password", PASSWORD)
    await page.submit("Sign in")
    assert await page.run("() => location.pathname") == "/admin/pages/stock/"
    await page.open(f"{url}/admin/")
    await page.sees("Welcome to Stockroom")
    link = "document.querySelector('.sidebar a[href=\"./pages/stock/adjust/\"]')"
    assert await page.run(f"() => {link}.getBoundingClientRect().bottom < window.innerHeight / 2")


async def test_an_exported_list_runs_no_formulas(url: str, api: httpx.Client, page: Page) -> None:
    """Piccolo's page writes the file itself; a spreadsheet would run what begins like a formula."""
    name_products(api, FORMULAS)
    await sign_in(page, url)
    await page.open(f"{url}/admin/pages/products/")
    await page.submit("Show in the list")
    await page.sees("ACME-1")
    await page.run(CATCH_FILES)
    await page.click("[data-uitest=csv_button]")
    await page.click("[data-uitest=download_csv_button]")
    await page.until("() => window.files.length > 0")
    cells = {row["sku"]: row for row in csv.DictReader(io.StringIO(await page.run("() => window.files[0]")))}
    exported = [cells[f"{number}"]["name"] for number in range(len(FORMULAS))]
    assert exported == ["'=1+1", "'@SUM(A1)", "'+1", "'-2+3", "-5", '12" =wide, "=x"']
    assert cells["ACME-1"]["price"] == "10.05"


def name_products(api: httpx.Client, names: list[str]) -> None:
    for number, name in enumerate(names):
        assert api.post("/api/products/", json={"sku": f"{number}", "name": name}).status_code == 201


async def sign_in(page: Page, url: str) -> None:
    await page.open(f"{url}/admin")
    await page.fill("#username", "ada")
    await page.fill("#password", PASSWORD)
    await page.submit("Sign in")
    await page.sees("Welcome to Stockroom")


def check_who_did_it(api: httpx.Client) -> None:
    history = api.get("/api/products/sku:ACME-1/history/").json()
    events: list[dict[str, Any]] = history["results"]
    assert {(event["actor"], event["source"]) for event in events} == {("ada", "api"), ("ada", "admin")}
    raised = next(event for event in events if event["source"] == "admin")
    assert raised["changes"] == {"price": ["10.05", "11.06"]}


def prices(api: httpx.Client) -> dict[str, str]:
    return {product["sku"]: product["price"] for product in api.get("/api/products/").json()["results"]}
