"""Standard Webhooks, exactly: as the specification computes it, and as its reference library checks it."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from domains.webhooks.sending import Unsent
from domains.webhooks.signing import BOX, new_secret, rotate, seal, sign, unseal
from domains.webhooks.topics import EventType
from lib.egress_errors import Failure

GUIDE = Path(__file__).parents[2] / "docs" / "webhooks.md"
NOW = datetime(2030, 1, 31, tzinfo=UTC)


def test_the_vector_of_the_specification():
    """Its secret, id, timestamp and body give its signature."""
    keys = unseal([seal("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")], NOW)
    signed = sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', keys)
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("body", [b"{}", b'{"event_type":"product.updated"}', '{"name":"Größe 日本"}'.encode()])
def test_the_reference_library_verifies_every_live_secret(body: bytes):
    secrets = [new_secret() for _ in range(3)]
    keys = unseal([seal(secret) for secret in secrets], NOW)
    signed = sign("msg_1", int(datetime.now(UTC).timestamp()), body, keys)
    for secret in secrets:
        Webhook(secret).verify(body, signed)


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "webhook-signature", "body", "secret"])
def test_whatever_is_changed_on_the_way_is_noticed(changed: str):
    secret, body, seconds = new_secret(), b'{"price":24.99}', int(datetime.now(UTC).timestamp())
    signed = sign("msg_1", seconds, body, unseal([seal(secret)], NOW))
    others = {"webhook-id": "msg_2", "webhook-timestamp": str(seconds - 1), "webhook-signature": "v1,AAAA"}
    signed |= {name: value for name, value in others.items() if name == changed}
    receiver = Webhook(new_secret() if changed == "secret" else secret)
    with pytest.raises(WebhookVerificationError):
        receiver.verify(b'{"price":1.00}' if changed == "body" else body, signed)


def test_a_secret_is_32_random_bytes_and_stored_sealed():
    one, other = new_secret(), new_secret()
    assert one != other
    assert len(unseal([seal(one)], NOW)[0]) == 32
    stored = seal(one).sealed
    assert one not in stored
    assert BOX.decrypt(stored.encode()).decode() == one


def test_who_was_followed_keeps_the_time_of_being_followed():
    """A later rotation gives an old secret no second day."""
    first = rotate([seal("whsec_AA==")], "whsec_AQ==", NOW)
    second = rotate(first, "whsec_Ag==", NOW + timedelta(hours=23))
    ends = [secret.expires_at for secret in second]
    assert ends == [None, NOW + timedelta(hours=47), NOW + timedelta(hours=24)]
    assert unseal(second, NOW + timedelta(hours=24)) == (b"\x02", b"\x01")
    assert len(rotate(second, "whsec_Aw==", NOW + timedelta(hours=24))) == 3


@pytest.fixture
def documented() -> Callable[[bytes, dict[str, str], str], bool]:
    """The function that docs/webhooks.md gives to receivers."""
    (code,) = re.findall(r"```python\n(.+?)```", GUIDE.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["verify"]


def test_what_the_guide_tells_receivers_verifies_what_we_send(documented: Callable[..., bool]):
    old, new, body, seconds = new_secret(), new_secret(), b'{"price":24.99}', int(datetime.now(UTC).timestamp())
    signed = sign("msg_1", seconds, body, unseal([seal(new), seal(old)], NOW))
    assert documented(body, signed, new)
    assert documented(body, signed, old)
    assert not documented(body, signed, new_secret())
    assert not documented(b'{"price":1.00}', signed, new)
    assert not documented(body, sign("msg_1", seconds - 600, body, unseal([seal(new)], NOW)), new)


def test_the_guide_tells_of_every_event_type_and_failure():
    told = set(re.findall(r"`([a-z_.]+)`", GUIDE.read_text()))
    assert {*EventType, *Unsent} | {*Failure} - {Failure.BAD_HEADER} <= told
