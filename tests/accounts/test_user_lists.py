"""Lists of users and customers: the filters of every list, and cursors that lose nobody."""

import httpx
import pytest

from domains.accounts.listing import SORTS, all_users
from piccolo_conf import execute

USERS, CUSTOMERS = "/auth/users/", "/api/customers/"
# Beside the administrator who asks: every third has never signed in, and half of the rest did at the same moment.
FILL = """
    INSERT INTO users (username, email, password, role, admin, superuser, active, email_verified_at, created_at,
                       last_login_at)
    SELECT 'User' || i, 'user' || i || '@Example.com', '', CASE WHEN i % 4 = 0 THEN 'staff' ELSE 'customer' END, false,
           false, i % 5 <> 0, CASE WHEN i % 2 = 0 THEN now() END, timestamptz '2030-01-01' + i * interval '1 day',
           CASE WHEN i % 3 <> 0 THEN timestamptz '2030-02-01' + (i % 2) * interval '1 day' END
    FROM generate_series(1, 20) AS i
"""


async def follow(client: httpx.AsyncClient, url: str) -> list[str]:
    """The usernames of all pages."""
    found: list[str] = []
    while url:
        answer = await client.get(url)
        assert answer.status_code == 200, answer.text
        found += [user["username"] for user in answer.json()["results"]]
        url = answer.json()["next"]
    return found


@pytest.mark.parametrize("ordering", [*SORTS, *(f"-{name}" for name in SORTS), "-last_login_at,created_at"])
async def test_a_cursor_walks_every_order_like_pages_do(admin: httpx.AsyncClient, ordering: str):
    await execute(FILL)
    by_page = await follow(admin, f"{USERS}?ordering={ordering}&page_size=4")
    assert len(set(by_page)) == 21
    assert await follow(admin, f"{USERS}?ordering={ordering}&page_size=4&after=") == by_page


async def test_who_never_signed_in_is_last_of_the_latest(admin: httpx.AsyncClient):
    await execute(FILL)
    users = (await admin.get(f"{USERS}?ordering=-last_login_at")).json()["results"]
    times = [user["last_login_at"] for user in users]
    assert None not in times[:15]
    assert times[15:] == [None] * 6


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"id__in": "2,3"}, ["User2", "User1"]),
        ({"id": "4"}, ["User3"]),
        ({"username": "uSER7"}, ["User7"]),
        ({"username__icontains": "R1", "active": "false"}, ["User15", "User10"]),
        ({"email": "USER3@example.com"}, ["User3"]),
        ({"email__icontains": "r20@"}, ["User20"]),
        ({"role__in": "staff,admin", "is_verified": "true", "id__in": "1,5,6"}, ["User4", "ada"]),
        ({"role": "customer", "is_verified": "no", "created_at__gte": "2030-01-17"}, ["User19", "User17"]),
        ({"created_at__lte": "2030-01-02T00:00:00Z", "role": "customer"}, ["User1"]),
        ({"last_login_at__gte": "2030-02-02", "id__in": "2,3,4,6"}, ["User5", "User1"]),
        ({"search": "example.com r1", "role": "staff"}, ["User16", "User12"]),
    ],
)
async def test_users_are_filtered(admin: httpx.AsyncClient, query: dict[str, str], expected: list[str]):
    await execute(FILL)
    answer = await admin.get(USERS, params=query)
    assert [user["username"] for user in answer.json()["results"]] == expected
    assert answer.json()["count"] == len(expected)


@pytest.mark.parametrize("query", [{"role__in": "staff,root"}, {"id__in": "1,x"}, {"is_verified": "perhaps"}])
async def test_a_value_that_is_none_is_told(admin: httpx.AsyncClient, query: dict[str, str]):
    answer = await admin.get(USERS, params=query)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, *query)


async def test_customers_are_walked_without_their_colleagues(staff: httpx.AsyncClient, customer: httpx.AsyncClient):
    await execute(FILL)
    expected = ["carla", *(f"User{i}" for i in range(1, 21) if i % 4)]
    assert await follow(staff, f"{CUSTOMERS}?ordering=id&page_size=4&after=") == expected
    assert await follow(staff, f"{CUSTOMERS}?id__in=1,2,3,4,5,6&ordering=username") == [
        "carla",
        "User1",
        "User2",
        "User3",
    ]
    for word in ("role", "role__in"):
        refused = await staff.get(CUSTOMERS, params={word: "admin"})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, word)


async def test_the_command_line_has_everybody_at_once(admin: httpx.AsyncClient):
    await execute(FILL)
    assert [user.id for user in await all_users()] == list(range(21, 0, -1))


async def test_a_cursor_of_users_is_none_of_products(admin: httpx.AsyncClient):
    await execute(FILL)
    cursor = (await admin.get(f"{USERS}?page_size=2&after=")).json()["next"].partition("after=")[2]
    assert (await admin.get(f"{USERS}?after={cursor}")).status_code == 200
    refused = await admin.get(f"/api/products/?after={cursor}")
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "after")
