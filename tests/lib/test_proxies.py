"""The real client is told by trusted proxies, and by nobody else."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Request, get

import app as stockroom
from lib.proxies import Proxies
from settings import Settings
from tests import small_app
from tests.catalog.making import make_product

TRUSTED = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]
PROXY = "10.0.0.9"
CLIENT = "203.0.113.7"


@get("/whence")
async def tell_whence(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"host": request.client.host if request.client else None, "url": str(request.url)}


async def ask(peer: str, headers: dict[str, str] | list[tuple[str, str]], *trusted: str) -> httpx.Response:
    app = small_app.make(tell_whence, trusted_proxies=trusted or TRUSTED)
    transport = httpx.ASGITransport(app=app, client=(peer, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{small_app.HOST}") as client:
        return await client.get("/whence", headers=headers)


async def client_seen(peer: str, forwarded: str) -> str:
    told = await ask(peer, {"x-forwarded-for": forwarded})
    assert told.status_code == 200
    host: str = told.json()["host"]
    return host


@pytest.mark.parametrize("peer", [PROXY, "192.0.2.1", "fd00::1", "::ffff:10.0.0.9"])
async def test_a_trusted_proxy_names_the_client(peer: str):
    assert await client_seen(peer, CLIENT) == CLIENT


@pytest.mark.parametrize("peer", [CLIENT, "192.0.2.2", "2001:db8::1", "not-an-address"])
async def test_nobody_else_does(peer: str):
    headers = {"x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "https"}
    told = await ask(peer, headers)
    assert told.json() == {"host": peer, "url": f"http://{small_app.HOST}/whence"}


async def test_without_trusted_proxies_the_headers_mean_nothing():
    async with small_app.client(tell_whence) as client:
        told = await client.get("/whence", headers={"x-forwarded-for": CLIENT, "x-forwarded-proto": "https"})
    assert told.json() == {"host": "127.0.0.1", "url": f"http://{small_app.HOST}/whence"}


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (f"198.51.100.66, {CLIENT}", CLIENT),
        (f"127.0.0.1, 10.1.1.1, {CLIENT}, 10.0.0.5", CLIENT),
        (f"{CLIENT},10.0.0.5,  10.0.0.6", CLIENT),
        ("10.0.0.3, 10.0.0.4", "10.0.0.3"),
        (f"{CLIENT}:4711", CLIENT),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("2001:DB8:0::7", "2001:db8::7"),
        (f"::ffff:{CLIENT}", CLIENT),
        ("::ffff:10.0.0.4", "10.0.0.4"),
    ],
)
async def test_the_chain_is_walked_from_the_right_past_trusted_proxies(forwarded: str, client: str):
    assert await client_seen(PROXY, forwarded) == client


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        ",",
        "unknown",
        "_hidden",
        "203.0.113.7.9",
        "0x7f.1",
        "1",
        "fe80::1%eth0",
        "]",
        "[",
        "::::",
        "9" * 9000,
    ],
)
async def test_what_is_no_address_ends_the_chain(garbage: str):
    for forwarded, last in ((garbage, PROXY), (f"{CLIENT}, {garbage}, 10.0.0.5", "10.0.0.5")):
        told = await ask(PROXY, [("x-forwarded-for", forwarded)])
        assert (told.status_code, told.json()["host"]) == (200, last)


async def test_several_headers_are_one():
    headers = [("x-forwarded-for", "198.51.100.66"), ("x-forwarded-for", CLIENT), ("x-forwarded-for", "10.0.0.5")]
    assert (await ask(PROXY, headers)).json()["host"] == CLIENT


@pytest.mark.parametrize(
    ("forwarded", "scheme", "seen"),
    [
        (CLIENT, "https", "https"),
        (CLIENT, "HTTPS", "https"),
        (CLIENT, "http", "http"),
        (CLIENT, "gopher", "http"),
        (CLIENT, "", "http"),
        # The edge appended to what a client wrote.
        (CLIENT, "https, http", "http"),
        (f"{CLIENT}, 10.0.0.5", "https, http", "https"),
        (f"{CLIENT}, 10.0.0.5", "https", "https"),
    ],
)
async def test_a_trusted_proxy_tells_the_scheme(forwarded: str, scheme: str, seen: str):
    told = await ask(PROXY, {"x-forwarded-for": forwarded, "x-forwarded-proto": scheme})
    assert told.json()["url"] == f"{seen}://{small_app.HOST}/whence"


async def test_over_https_browsers_are_told_to_stay_there():
    secure = await ask(PROXY, {"x-forwarded-proto": "https"})
    plain = await ask(CLIENT, {"x-forwarded-proto": "https"})
    assert secure.headers.get_list("strict-transport-security") == ["max-age=31536000"]
    assert "strict-transport-security" not in plain.headers


@pytest.mark.parametrize(("trusted", "seen"), [(["unix"], CLIENT), (["10.0.0.0/8"], None)])
def test_a_unix_socket_is_trusted_when_it_is_named(trusted: list[str], seen: str | None):
    scope: Any = {"type": "http", "client": None, "scheme": "http", "headers": [(b"x-forwarded-for", CLIENT.encode())]}
    Proxies(trusted).uncover(scope)
    assert scope["client"] == (seen and (seen, 0))


@pytest.mark.parametrize(("told", "seen"), [(b"https", "wss"), (b"wss", "wss"), (b"http", "ws")])
def test_a_websocket_is_secure_too(told: bytes, seen: str):
    scope: Any = {"type": "websocket", "client": (PROXY, 1), "scheme": "ws", "headers": [(b"x-forwarded-proto", told)]}
    Proxies(TRUSTED).uncover(scope)
    assert scope["scheme"] == seen


@given(st.binary(max_size=200), st.binary(max_size=50))
def test_no_header_raises(forwarded: bytes, scheme: bytes):
    headers = [(b"x-forwarded-for", forwarded), (b"x-forwarded-proto", scheme)]
    scope: Any = {"type": "http", "client": (PROXY, 1), "scheme": "http", "headers": headers}
    Proxies(TRUSTED).uncover(scope)
    assert scope["scheme"] in {"http", "https"}
    assert len(scope["client"][0]) < 60


async def test_links_to_the_next_page_keep_https(admin: httpx.AsyncClient):
    for sku in ("A-1", "A-2"):
        await make_product(admin, sku)
    app = stockroom.create(Settings(secret_key="s" * 40, allowed_hosts=["shop.example"], trusted_proxies=[PROXY]))
    transport = httpx.ASGITransport(app=app, client=(PROXY, 4711))
    headers = {"authorization": admin.headers["authorization"], "x-forwarded-proto": "https"}
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example", headers=headers) as client:
        page = (await client.get("/api/products/?page_size=1")).json()
    assert page["next"].startswith("https://shop.example/api/products/?")
