"""What comes in is proved before it is read, and read before it is stored."""

import json
from datetime import UTC, datetime

import httpx
import msgspec
import pytest

from domains.shopify import intake
from domains.shopify.intake import name_subject, read_time
from domains.shopify.signing import is_genuine, sign
from settings import settings
from tests.shopify.making import SECRET, SHOP, URL, headers_for, inbox_rows, send

TOPIC = "locations/create"
BODY = b'{"id": 788032119674292922, "name": "Caf\xc3\xa9"}'


def configure(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setattr(intake, "settings", msgspec.structs.replace(settings, **changes))


async def post(
    client: httpx.AsyncClient, headers: dict[str, str], body: bytes = BODY, path: str = URL
) -> httpx.Response:
    return await client.post(path, content=body, headers=headers)


async def test_a_signed_body_is_stored_byte_for_byte(client: httpx.AsyncClient):
    headers = headers_for(TOPIC, BODY, webhook_id="b-1", event_id="e-1")
    answer = await post(client, headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "accepted")
    [row] = await inbox_rows()
    assert row["body"].encode() == BODY
    assert (row["shop"], row["topic"], row["webhook_id"], row["event_id"]) == (SHOP, TOPIC, "b-1", "e-1")
    assert (row["api_version"], row["subject"]) == ("2026-04", "location:788032119674292922")


@pytest.mark.parametrize(
    "signature", ["", "c2hvcnQ=", sign(BODY, "another secret"), "é", "=" * 2000, sign(BODY + b" ", SECRET)]
)
async def test_a_body_that_is_not_proved_is_refused_and_not_stored(client: httpx.AsyncClient, signature: str):
    headers = [
        *((name.encode(), value.encode()) for name, value in headers_for(TOPIC, BODY, hmac_sha256="").items()),
        (b"X-Shopify-Hmac-Sha256", signature.encode("latin-1")),
    ]
    answer = await client.post(URL, content=BODY, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert not await inbox_rows()


async def test_a_request_without_any_header_is_refused(client: httpx.AsyncClient):
    assert (await client.post(URL, content=BODY)).status_code == 401


async def test_the_proof_is_asked_for_before_the_body_is_read(client: httpx.AsyncClient):
    assert (await client.post(URL, content=b"{nonsense", headers={"X-Shopify-Topic": TOPIC})).status_code == 401


async def test_headers_come_without_x_and_in_any_case(client: httpx.AsyncClient):
    headers = {name.replace("X-", "").lower(): value for name, value in headers_for(TOPIC, BODY).items()}
    assert (await post(client, headers)).status_code == 200
    [row] = await inbox_rows()
    assert (row["shop"], row["topic"], row["triggered_at"].year) == (SHOP, TOPIC, datetime.now(UTC).year)


async def test_after_a_rotation_both_secrets_are_good_until_the_old_one_is_taken_away(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    configure(monkeypatch, shopify_webhook_secret=["the-new-one", SECRET])
    new = headers_for(TOPIC, BODY, hmac_sha256=sign(BODY, "the-new-one"))
    assert [(await post(client, headers)).status_code for headers in (new, headers_for(TOPIC, BODY))] == [200, 200]
    configure(monkeypatch, shopify_webhook_secret=["the-new-one"])
    assert (await post(client, headers_for(TOPIC, BODY))).status_code == 401


async def test_without_a_secret_nothing_is_taken(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    configure(monkeypatch, shopify_webhook_secret=[])
    for headers in (headers_for(TOPIC, BODY), headers_for(TOPIC, BODY, hmac_sha256=sign(BODY, ""))):
        answer = await post(client, headers)
        assert (answer.status_code, answer.json()["code"]) == (503, "shopify_not_configured")
    assert not await inbox_rows()


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"a": 1} x', b'"text"', b"[1]", b"null", b"[" * 200_000])
async def test_a_body_that_is_no_object_is_bad_input(client: httpx.AsyncClient, body: bytes):
    answer = await post(client, headers_for(TOPIC, body), body)
    assert answer.status_code == 400
    assert not await inbox_rows()


@pytest.mark.parametrize("topic", ["", "t" * 101, "a topic"])
async def test_the_topic_has_to_be_there(client: httpx.AsyncClient, topic: str):
    answer = await post(client, headers_for(topic, BODY))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "X-Shopify-Topic")


async def test_the_same_webhook_again_is_told_from_a_new_one(client: httpx.AsyncClient):
    answers = [await send(client, TOPIC, {"id": 1}, webhook_id=key) for key in ("w-1", "w-1", "w-2")]
    assert [answer.json()["status"] for answer in answers] == ["accepted", "duplicate", "accepted"]
    assert answers[1].status_code == 200
    assert len(await inbox_rows()) == 2


async def test_without_an_id_the_content_is_the_key(client: httpx.AsyncClient):
    now = datetime.now(UTC)
    for payload in ({"id": 1}, {"id": 1}, {"id": 2}):
        await send(client, TOPIC, payload, webhook_id="", triggered_at=now)
    await send(client, "locations/update", {"id": 1}, webhook_id="", triggered_at=now)
    assert len(await inbox_rows()) == 3


async def test_a_path_names_the_shop_and_may_leave_out_the_common_part(client: httpx.AsyncClient):
    bare = headers_for(TOPIC, BODY, shop_domain="")
    assert (await post(client, bare, path=f"{URL}north-star/")).status_code == 200
    assert (await post(client, headers_for(TOPIC, BODY), path=f"{URL}{SHOP}")).status_code == 200
    assert [row["shop"] for row in await inbox_rows()] == ["north-star.myshopify.com", SHOP]


async def test_a_path_of_another_shop_is_refused(client: httpx.AsyncClient):
    answer = await post(client, headers_for(TOPIC, BODY), path=f"{URL}north-star")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "X-Shopify-Shop-Domain")


async def test_strange_headers_are_stored_as_far_as_they_make_sense(client: httpx.AsyncClient):
    headers = headers_for(TOPIC, BODY, webhook_id="w" * 500, event_id="e" * 500, api_version="v" * 500)
    assert (await post(client, headers | {"X-Shopify-Triggered-At": "yesterday"})).status_code == 200
    [row] = await inbox_rows()
    assert row["webhook_id"].startswith("sha256:")
    assert (len(row["event_id"]), len(row["api_version"]), row["triggered_at"]) == (100, 20, None)


async def test_whoever_is_signed_in_or_sends_a_wrong_token_is_treated_the_same(staff: httpx.AsyncClient):
    headers = headers_for(TOPIC, BODY) | {"Authorization": "Bearer nonsense"}
    assert (await post(staff, headers)).status_code == 200


async def test_a_topic_that_nobody_follows_is_settled_at_once(client: httpx.AsyncClient):
    await send(client, TOPIC, {"id": 1})
    [row] = await inbox_rows()
    assert (row["state"], row["reason"]) == ("ignored", "unhandled_topic")
    assert row["processed_at"] is not None


def test_both_of_two_secrets_prove():
    assert is_genuine(BODY, f" {sign(BODY, 'b')} ", ["a", "b"])
    assert not is_genuine(BODY, sign(BODY, "c"), ["a", "b"])
    assert not is_genuine(BODY, sign(BODY, "a"), [])


def test_a_signature_is_what_shopify_says_it_is():
    """Worked out with `openssl dgst -sha256 -hmac hush -binary | base64`."""
    assert sign(b'{"id":1}', "hush") == "VnKUjZsLuN5iZWjn5EntcBVCF9kMN43LglzCE1/GSeY="


@pytest.mark.parametrize(
    ("topic", "payload", "subject"),
    [
        ("products/update", {"id": 5}, "product:5"),
        ("inventory_levels/update", {"inventory_item_id": 7, "location_id": 3}, "level:7@3"),
        ("inventory_levels/update", {"inventory_item_id": 7}, ""),
        ("inventory_items/create", {"id": 7}, "item:7"),
        ("orders/edited", {"order_edit": {"id": 1, "order_id": 9}}, "order:9"),
        ("refunds/create", {"id": 4, "order_id": 9}, "refund:4"),
        ("customers/redact", {"customer": {"id": 8}}, "customer:8"),
        ("customers/create", {"id": 8}, "customer:8"),
        ("shop/update", {"id": 8}, ""),
        ("products/update", {"id": "5"}, "product:5"),
        ("products/update", {"id": "-5"}, ""),
        ("products/update", {"id": True}, ""),
        ("products/update", {"id": 2**63}, ""),
        ("products/update", {"id": -1}, ""),
    ],
)
def test_what_a_webhook_tells_of(topic: str, payload: dict[str, object], subject: str):
    assert name_subject(topic, json.loads(json.dumps(payload))) == subject


def test_times_have_nanoseconds_zones_or_neither():
    assert read_time("2026-03-30T14:30:00.123456789Z") == datetime(2026, 3, 30, 14, 30, 0, 123456, tzinfo=UTC)
    assert read_time("2026-03-30T14:30:00") == datetime(2026, 3, 30, 14, 30, tzinfo=UTC)
    assert read_time("2026-03-30T09:30:00-05:00") == datetime(2026, 3, 30, 14, 30, tzinfo=UTC)
    assert read_time("soon") is None
