"""Signing in with Google: only tokens made for this shop count, and only for a verified e-mail address."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from domains.accounts import google
from tests.accounts.fake_google import CLIENT_ID, PUBLIC_PEMS, FakeGoogle, claims, id_token, info, pretending


@pytest.fixture
async def fake() -> AsyncIterator[FakeGoogle]:
    async with pretending() as made:
        yield made


async def try_id(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/auth/google/", json={"id_token": token})


async def try_access(client: httpx.AsyncClient, token: str = "ya29.token") -> httpx.Response:
    return await client.post("/auth/google/", json={"access_token": token})


def encode(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def signed_with_the_public_key(algorithm: str, digest: str) -> str:
    """What a library accepts that lets the token choose its algorithm."""
    text = f"{encode({'alg': algorithm, 'kid': 'k1', 'typ': 'JWT'})}.{encode(claims())}"
    mac = hmac.digest(PUBLIC_PEMS["k1"], text.encode(), getattr(hashlib, digest))
    return f"{text}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


async def test_a_good_token_signs_in(client: httpx.AsyncClient, fake: FakeGoogle):
    answer = await try_id(client, id_token())
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    who = await client.get("/auth/check/", headers={"Authorization": f"Bearer {answer.json()['access']}"})
    assert (who.json()["username"], who.json()["role"]) == ("ada", "customer")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "accounts.google.com"},
        {"aud": [CLIENT_ID]},
        {"aud": "other-client"},
        {"at_hash": None, "given_name": None, "family_name": None},
        {"given_name": "\0\n", "family_name": "x" * 1000},
        {"iat": timedelta(seconds=30)},
        {"unknown": {"deep": [1]}},
    ],
)
async def test_other_good_tokens_sign_in(client: httpx.AsyncClient, fake: FakeGoogle, changes: dict[str, object]):
    assert (await try_id(client, id_token(**changes))).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-shop"},
        {"aud": CLIENT_ID[:-1]},
        {"aud": CLIENT_ID + "x"},
        {"aud": CLIENT_ID.upper()},
        {"aud": f"{CLIENT_ID} other"},
        {"aud": [CLIENT_ID, "another-shop"]},
        {"aud": [CLIENT_ID, CLIENT_ID]},
        {"aud": []},
        {"aud": ""},
        {"aud": None},
        {"aud": {CLIENT_ID: CLIENT_ID}},
        {"iss": "https://accounts.google.com.evil.example"},
        {"iss": "http://accounts.google.com"},
        {"iss": "https://accounts.google.com/"},
        {"iss": None},
        {"exp": timedelta(seconds=-1)},
        {"exp": timedelta(seconds=-100_000)},
        {"exp": None},
        {"exp": "never"},
        {"exp": 1e300},
        {"iat": timedelta(seconds=600)},
        {"iat": None},
        {"nbf": timedelta(seconds=600)},
        {"email_verified": False},
        {"email_verified": "false"},
        {"email_verified": "true"},
        {"email_verified": 1},
        {"email_verified": None},
        {"email": None},
        {"email": ["ada@example.com"]},
    ],
)
async def test_a_token_with_wrong_claims_is_refused(
    client: httpx.AsyncClient, fake: FakeGoogle, changes: dict[str, object]
):
    answer = await try_id(client, id_token(**changes))
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_google_token")


@pytest.mark.parametrize("spelling", ["none", "None", "NONE", "nOnE", "", None, "HS256", "RS512", "ES256", ["RS256"]])
async def test_a_token_does_not_choose_its_algorithm(client: httpx.AsyncClient, fake: FakeGoogle, spelling: object):
    signature = id_token().rpartition(".")[2]
    for end in ("", signature):
        token = f"{encode({'alg': spelling, 'kid': 'k1'})}.{encode(claims())}.{end}"
        assert (await try_id(client, token)).status_code == 401


@pytest.mark.parametrize(("algorithm", "digest"), [("HS256", "sha256"), ("HS384", "sha384"), ("RS256", "sha256")])
async def test_the_public_key_is_no_secret_to_sign_with(
    client: httpx.AsyncClient, fake: FakeGoogle, algorithm: str, digest: str
):
    assert (await try_id(client, signed_with_the_public_key(algorithm, digest))).status_code == 401


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        ".",
        "..",
        "a.b.c",
        "é.ü.ö",
        "\ud800",
        "x" * 5000,
        "[" * 4000,
        base64.b64encode(b"[" * 2900).decode() + ".e30.x",
        base64.b64encode(b'{"alg":"RS256","kid":"k1","crit":["b64"]}').decode() + ".e30.x",
        base64.b64encode(b'{"alg":"RS256"}').decode() + ".e30.x",
        base64.b64encode(b'{"alg":"RS256","kid":"' + b"k" * 300 + b'"}').decode() + ".e30.x",
        base64.b64encode(b'{"alg":"RS256","kid":"k1"}').decode() + "." + base64.b64encode(b"[" * 2000).decode() + ".x",
        base64.b64encode(b'{"alg":"RS256","kid":"k1"}').decode() + ".e30.",
    ],
    ids=range(15),
)
async def test_what_is_no_token_is_refused(client: httpx.AsyncClient, fake: FakeGoogle, token: str):
    body = json.dumps({"id_token": token})
    answer = await client.post("/auth/google/", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == (400 if token == "\ud800" else 401)


async def test_a_token_signed_by_somebody_else_is_refused(client: httpx.AsyncClient, fake: FakeGoogle):
    good = id_token()
    head, _, rest = good.partition(".")
    forged = f"{head}.{encode(claims(email='boss@example.com'))}.{rest.rpartition('.')[2]}"
    for token in (id_token("k1", signed_by="k2"), forged, good[:-10], good + "x"):
        assert (await try_id(client, token)).status_code == 401


@pytest.mark.parametrize(
    "body", [{}, {"id_token": "a", "access_token": "b"}, {"id_token": 1}, {"id_token": None}, {"code": "x"}]
)
async def test_a_request_with_something_else_is_bad_input(client: httpx.AsyncClient, fake: FakeGoogle, body: object):
    assert (await client.post("/auth/google/", json=body)).status_code == 400


async def test_it_is_not_offered_without_client_ids(client: httpx.AsyncClient):
    answer = await try_id(client, id_token())
    assert (answer.status_code, answer.json()["code"]) == (404, "google_sign_in_off")


async def test_a_good_access_token_signs_in(client: httpx.AsyncClient, fake: FakeGoogle):
    fake.infos["ya29.a+b/c=d"] = info()
    assert (await try_access(client, "ya29.a+b/c=d")).status_code == 200
    assert fake.asked == ["/tokeninfo"]


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "another-shop"},
        {"aud": CLIENT_ID[:-1]},
        {"aud": [CLIENT_ID]},
        {"aud": None},
        {"email_verified": "false"},
        {"email_verified": None},
        {"email": None},
        {"exp": timedelta(seconds=-1)},
        {"exp": "soon"},
        {"exp": "٣" * 10},
        {"exp": None},
    ],
)
async def test_a_wrong_access_token_is_refused(client: httpx.AsyncClient, fake: FakeGoogle, changes: dict[str, object]):
    fake.infos["ya29.token"] = info(**changes)
    answer = await try_access(client)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_google_token")


@pytest.mark.parametrize("token", ["unknown", "", "x" * 3000, "+" * 2048, "a&b", "é", "a\nb"])
async def test_an_unknown_access_token_is_refused(client: httpx.AsyncClient, fake: FakeGoogle, token: str):
    assert (await try_access(client, token)).status_code == 401


async def test_failures_from_one_address_are_limited(client: httpx.AsyncClient, fake: FakeGoogle):
    answers = [(await try_id(client, "x")).status_code for _ in range(google.FAILURES.address.most)]
    refused = await try_id(client, id_token())
    assert set(answers) == {401}
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 0


async def test_tokens_are_never_logged(client: httpx.AsyncClient, fake: FakeGoogle, caplog, capfd):
    token = id_token(aud="another-shop")
    await try_id(client, token)
    fake.broken = b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n"
    await try_access(client, "ya29.very-secret")
    written = caplog.text + "".join(capfd.readouterr())
    assert token not in written
    assert "ya29" not in written
