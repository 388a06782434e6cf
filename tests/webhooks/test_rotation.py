"""R12: a new secret, and the old ones that sign along for a day."""

from datetime import datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from domains.webhooks import endpoints
from domains.webhooks.endpoints import create_endpoint, rotate_secret
from domains.webhooks.schemas import EndpointIn
from lib import clock
from piccolo_conf import execute
from tests.lib.loopback import Loopback
from tests.webhooks.front_door import PATH, body_of, create, headers_of
from tests.webhooks.making import deliver, record


async def secrets_made(monkeypatch: pytest.MonkeyPatch, url: str, *hours_ago: float) -> list[str]:
    """Of an endpoint that was made, and then rotated, so many hours ago. Afterwards the clock is right again."""
    wanted, right = EndpointIn(url="https://example.com/", event_types=["*"]), clock.now
    first, *later = [right() - timedelta(hours=hours) for hours in hours_ago]
    monkeypatch.setattr(clock, "now", lambda: first)
    made = await create_endpoint(wanted, by=None)
    secrets = [made.secret]
    for now in later:
        monkeypatch.setattr(clock, "now", lambda now=now: now)
        secrets.append((await rotate_secret(made.id)).secret)
    monkeypatch.setattr(clock, "now", right)
    await execute("UPDATE webhook_endpoint SET url = $1", url)
    return secrets


async def verifying(request: bytes, secrets: list[str]) -> list[bool]:
    """Which of the secrets the reference library verifies a request with."""
    found = []
    for secret in secrets:
        try:
            Webhook(secret).verify(body_of(request), headers_of(request))
            found.append(True)
        except WebhookVerificationError:
            found.append(False)
    return found


@pytest.mark.parametrize(
    ("hours_ago", "expected"),
    [
        ((1,), [True]),
        ((20, 10, 1), [True, True, True]),
        ((72, 23.99, 23.98), [True, True, True]),
        ((72, 25, 23), [False, True, True]),
        ((72, 24.01, 24.01), [False, False, True]),
        ((100, 50, 25), [False, False, True]),
    ],
)
async def test_one_request_verifies_with_all_secrets_of_the_last_day(
    receiver: Loopback,
    database: None,
    monkeypatch: pytest.MonkeyPatch,
    hours_ago: tuple[float, ...],
    expected: list[bool],
):
    secrets = await secrets_made(monkeypatch, receiver.url, *hours_ago)
    await record()
    await deliver()
    (request,) = receiver.requests
    assert await verifying(request, secrets) == expected


async def test_rotating_shows_the_new_secret_once_and_when_the_old_one_ends(admin: httpx.AsyncClient):
    made = await create(admin)
    answer = await admin.post(f"{PATH}{made['id']}/secret-rotation")
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    rotated = answer.json()
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    ends = datetime.fromisoformat(rotated["previous_expires_at"])
    assert timedelta(hours=23, minutes=59) < ends - clock.now() <= timedelta(hours=24)
    shown = (await admin.get(f"{PATH}{made['id']}")).json()
    assert (shown["live_secrets"], shown["secret_expires_at"]) == (2, [rotated["previous_expires_at"]])
    assert "secret" not in shown


async def test_those_that_have_run_out_are_not_counted(admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    made = await create(admin)
    await rotate_secret(made["id"])
    tomorrow = clock.now() + timedelta(hours=24)
    monkeypatch.setattr(clock, "now", lambda: tomorrow)
    shown = await endpoints.get_endpoint(made["id"])
    assert (shown.live_secrets, shown.secret_expires_at) == (1, [])


async def test_no_more_than_ten_secrets_sign_at_a_time(admin: httpx.AsyncClient):
    path = f"{PATH}{(await create(admin))['id']}/secret-rotation"
    statuses = [(await admin.post(path)).status_code for _ in range(11)]
    assert statuses == [201] * 9 + [409] * 2
