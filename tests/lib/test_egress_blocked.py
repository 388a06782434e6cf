"""Fault test X1: however an address is written, hidden or swapped, nothing on this side of the wall is reached."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lib import dialling, egress, log
from lib.addresses import REFUSED_NETWORKS, is_refused, is_refused_host
from lib.dialling import Rules
from lib.egress_errors import BadUrl, BlockedAddress, ConnectFailed, EgressError, NameNotFound
from tests.lib.loopback import Internet, Loopback, reply, saying, serving

HTTP = Rules(allow_http=True)
PUBLIC = "93.184.215.14"
HERE = Path(__file__).parent
# One a line, as they stand in a URL. Names among them are in every hosts file.
REFUSED_HOSTS = (HERE / "refused_hosts.txt").read_text().split()
# Each the closest neighbour of a refused network, or well known.
ALLOWED = (HERE / "allowed_addresses.txt").read_text().split()
SPELLINGS = [
    *(f"http://{host}:PORT/hook?secret=1" for host in REFUSED_HOSTS),
    *(f"https://{host}:PORT/" for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "[::ffff:127.0.0.1]")),
    *("HTTP://127.0.0.1:PORT/", " http://127.0.0.1:PORT/", "http://127.0.0.1\t:PORT/", "http://127.0.\n0.1:PORT/"),
    *(
        "http://127.0.0.1:PORT#@example.com/",
        "http://localhost:PORT/@example.com",
        "http://127.0.0.1:PORT?@example.com/",
    ),
    *("https://localhost:PORT#.example.com", "https://127.0.0.1:0PORT/", "//127.0.0.1:PORT/", "ws://127.0.0.1:PORT/"),
    *("ftp://127.0.0.1:PORT/", "gopher://127.0.0.1:PORT/_GET", "http://%31%32%37.0.0.1:PORT/"),
]
MALFORMED = [
    *("", "/", "x", "http", "http:", "http://", "http:///hook", "//example.com/", "127.0.0.1", "http:127.0.0.1/"),
    *("http:\\\\127.0.0.1/", "http://127.0.0.1\\@example.com/", "http://example.com\\@127.0.0.1/", "http://[::1"),
    *("http://::1/", "http://[127.0.0.1]/", "http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://127.0.0.1:x/"),
    *("http://%65xample.com/", "http://127.0.0.1%00.example.com/", "http://a b/", "http://a..b/", "http://.a/"),
    *("http://*.example.com/", "http://" + "a" * 64 + ".com/", "http://" + "a." * 130 + "com/", "http://\ud800/"),
    *("http://a\0b/", "http://a/" + "a" * 9000, "file:///etc/passwd", "ftp://example.com/"),
    *("unix:///run/redis.sock", "http+unix://%2Frun%2Fredis.sock/", "ws://example.com/", "data:text/plain,x"),
    *("javascript:alert(1)", "http://example.com:٣٤x/", "http://xn--\u0080/", "http://[]@/"),
]


@pytest.fixture(autouse=True)
async def egress_open() -> AsyncIterator[None]:
    log.configure()
    async with egress.opened():
        yield


@pytest.fixture
async def listener() -> AsyncIterator[Loopback]:
    async with serving(saying(reply())) as listening:
        yield listening


@pytest.fixture
async def internet(monkeypatch: pytest.MonkeyPatch) -> Internet:
    made = Internet()
    monkeypatch.setattr(asyncio.get_running_loop(), "sock_connect", made.connect)
    return made


def answering(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """A name server of somebody else, who answers this, one after the other."""
    waiting = iter(answers)

    async def look_up(_host: str) -> list[str]:
        return next(waiting)

    monkeypatch.setattr(dialling, "look_up", look_up)


def refusals(caplog: pytest.LogCaptureFixture) -> list[dict[str, str]]:
    lines = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
    return [line for line in lines if line["event"] == "blocked_address"]


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_no_spelling_reaches_loopback(spelling: str, listener: Loopback, internet: Internet, caplog):
    with pytest.raises(BlockedAddress):
        await egress.post(spelling.replace("PORT", str(listener.port)), b"{}", {}, rules=HTTP)
    assert (listener.connections, internet.dialled) == (0, [])
    assert len(refusals(caplog)) == 1
    assert "secret" not in caplog.text


def test_there_are_at_least_sixty_spellings():
    assert len(set(SPELLINGS)) >= 60


@pytest.mark.parametrize("url", MALFORMED)
async def test_a_malformed_url_is_a_failed_attempt(url: str, internet: Internet):
    with pytest.raises(BadUrl):
        await egress.post(url, b"{}", {}, rules=HTTP)
    assert internet.dialled == []


async def test_after_all_refusals_the_next_request_is_sent(listener: Loopback):
    for url in [*SPELLINGS[:20], *MALFORMED]:
        with pytest.raises(EgressError):
            await egress.post(url.replace("PORT", "80"), b"{}", {}, rules=HTTP)
    private = Rules(allow_http=True, allow_private=True)
    assert (await egress.post(listener.url, b"{}", {}, rules=private)).status == 200


async def test_http_is_refused_unless_it_is_allowed(internet: Internet):
    with pytest.raises(BadUrl):
        await egress.post(f"http://{PUBLIC}/", b"{}", {}, rules=Rules())
    assert internet.dialled == []


@pytest.mark.parametrize(
    "answer",
    [
        ["127.0.0.1"],
        ["::1"],
        [PUBLIC, "127.0.0.1"],
        ["127.0.0.1", PUBLIC],
        [PUBLIC, "::1"],
        [PUBLIC, "2606:4700::6810:85e5", "169.254.169.254"],
        [PUBLIC, "::ffff:10.0.0.1"],
        [PUBLIC, "64:ff9b::a9fe:a9fe"],
        [PUBLIC, "fe80::1%eth0"],
        [PUBLIC, "0.0.0.0"],
        [PUBLIC, "what is this"],
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_one_refused_address_refuses_the_name(
    scheme: str, answer: list[str], internet: Internet, listener: Loopback, monkeypatch, caplog
):
    answering(monkeypatch, answer)
    with pytest.raises(BlockedAddress):
        await egress.post(f"{scheme}://mixed.example:{listener.port}/", b"{}", {}, rules=HTTP)
    assert (listener.connections, internet.dialled) == (0, [])
    assert [line["host"] for line in refusals(caplog)] == ["mixed.example"]


async def test_the_address_that_was_checked_is_dialled(internet: Internet, listener: Loopback, monkeypatch):
    internet.places[PUBLIC] = listener.port
    answering(monkeypatch, [PUBLIC], ["127.0.0.1"])
    assert (await egress.post("http://shop.example/hook", b"{}", {}, rules=HTTP)).status == 200
    assert internet.dialled == [PUBLIC]
    assert b"\r\nHost: shop.example\r\n" in listener.requests[0]


async def test_a_name_that_moves_to_loopback_is_refused_at_its_next_connect(
    internet: Internet, listener: Loopback, monkeypatch, caplog
):
    answering(monkeypatch, [PUBLIC], ["127.0.0.1"])
    async with serving(saying(reply("200 OK", b"", "Connection: close"))) as outside:
        internet.places[PUBLIC] = outside.port
        await egress.post("http://rebinding.example/", b"{}", {}, rules=HTTP)
        with pytest.raises(BlockedAddress):
            await egress.post("http://rebinding.example/", b"{}", {}, rules=HTTP)
    assert (listener.connections, internet.dialled) == (0, [PUBLIC])
    assert len(refusals(caplog)) == 1


async def test_a_second_try_on_a_lost_connection_is_checked_too(
    internet: Internet, listener: Loopback, monkeypatch, caplog
):
    answering(monkeypatch, [PUBLIC], ["127.0.0.1"])
    async with serving(saying(b"", then_close=True)) as outside:
        internet.places[PUBLIC] = outside.port
        with pytest.raises(BlockedAddress):
            await egress.get("http://rebinding.example/", rules=HTTP)
    assert (listener.connections, internet.dialled) == (0, [PUBLIC])
    assert len(refusals(caplog)) == 1


async def test_a_connection_made_under_looser_rules_is_not_used_under_stricter_ones(listener: Loopback):
    await egress.post(listener.url, b"{}", {}, rules=Rules(allow_http=True, allow_private=True))
    with pytest.raises(BlockedAddress):
        await egress.post(listener.url, b"{}", {}, rules=HTTP)
    assert len(listener.requests) == 1


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
async def test_a_redirect_to_loopback_is_the_reply(status: str, internet: Internet, listener: Loopback, monkeypatch):
    answering(monkeypatch, [PUBLIC])
    async with serving(saying(reply(status, b"", f"Location: {listener.url}/"))) as outside:
        internet.places[PUBLIC] = outside.port
        answer = await egress.post("http://shop.example/", b"{}", {}, rules=HTTP)
    assert (answer.status, answer.headers["location"]) == (int(status[:3]), f"{listener.url}/")
    assert (listener.connections, internet.dialled) == (0, [PUBLIC])


async def test_the_socket_itself_refuses_an_address_that_passed_every_check(
    internet: Internet, monkeypatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(egress, "is_refused_host", lambda _host: False)
    for url in ("http://127.0.0.1/", "http://[::1]/", "https://[::ffff:127.0.0.1]/"):
        with pytest.raises(BlockedAddress):
            await egress.post(url, b"{}", {}, rules=HTTP)
    assert internet.dialled == []
    assert len(refusals(caplog)) == 3


async def test_proxies_of_the_environment_are_not_used(internet: Internet, listener: Loopback, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, listener.url)
    for scheme in ("http", "https"):
        with pytest.raises(ConnectFailed):
            await egress.post(f"{scheme}://{PUBLIC}/", b"{}", {}, rules=HTTP)
    assert (listener.connections, set(internet.dialled)) == (0, {PUBLIC})


@pytest.mark.parametrize("network", REFUSED_NETWORKS, ids=str)
def test_both_ends_of_a_refused_network_are_refused(network):
    assert is_refused(str(network[0]))
    assert is_refused(str(network[-1]))


@pytest.mark.parametrize("address", ALLOWED)
def test_the_neighbours_of_refused_networks_are_not_refused(address: str):
    assert not is_refused(address)
    assert not is_refused_host(address)


@pytest.mark.parametrize(
    "host", ["example.com", "1.example.com", "0x7f.example", "127.0.0.1.example.com", "a-1", "_x.y"]
)
def test_a_name_is_judged_by_its_addresses_only(host: str):
    assert not is_refused_host(host)


URLS = st.one_of(
    st.text(),
    st.builds("http://{}".format, st.text()),
    st.builds(
        "{}://{}{}{}/{}".format,
        st.sampled_from(["http", "https", "HTTP", "ftp", ""]),
        st.sampled_from(["", "user@", "user:pass@", "@", ":@", "é:ü@", "%00@"]),
        st.one_of(st.sampled_from(REFUSED_HOSTS), st.text(max_size=30), st.from_regex(r"\[[0-9a-f:.%]{0,20}\]?")),
        st.one_of(st.just(""), st.integers(-1, 70000).map(":{}".format), st.text(max_size=5).map(":{}".format)),
        st.text(max_size=30),
    ),
)


@given(url=URLS, rules=st.builds(Rules, allow_http=st.booleans(), allow_private=st.just(False)))
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_url_raises_anything_else(url: str, rules: Rules, internet: Internet, listener: Loopback, monkeypatch):
    answering(monkeypatch, *[[PUBLIC]] * 10)
    internet.places[PUBLIC] = listener.port
    with contextlib.suppress(EgressError):
        await egress.post(url, b"{}", {}, rules=rules, deadline=0.1)
    assert not any(is_refused(address) for address in internet.dialled)


async def test_an_unknown_name_is_told(monkeypatch: pytest.MonkeyPatch):
    def fail(*_args: object, **_options: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NameNotFound):
        await egress.post("https://nobody.example/", b"{}", {}, rules=Rules())
