import asyncio
from collections import Counter

import pytest

from domains.accounts import management, passwords, rules, sessions, users
from domains.accounts.account_schemas import UserPatch
from domains.accounts.schemas import Device, Profile
from domains.accounts.tables import Role, User
from lib.errors import BadInput, Conflict
from piccolo_conf import execute, fetch_row, fetch_value
from settings import Settings

PASSWORD = "correct horse battery"
pytestmark = pytest.mark.usefixtures("database")


async def test_a_new_user_is_an_active_customer() -> None:
    user = await users.create_user(email=" Ada@Example.com ", username="Ada", password=PASSWORD, first_name="Ada")
    assert (user.email, user.username, user.role, user.active) == ("Ada@Example.com", "Ada", Role.CUSTOMER, True)
    assert (user.superuser, user.email_verified_at, user.last_login_at) == (False, None, None)


@pytest.mark.parametrize("name", ["ada", "ADA", " Ada ", "ada@example.com", "ADA@EXAMPLE.COM"])
async def test_a_user_is_found_in_any_case(name: str) -> None:
    made = await users.create_user(email="Ada@Example.com", username="Ada", password=PASSWORD)
    assert await users.find_user(name) == made


@pytest.mark.parametrize("name", ["", "bob", "%", "ada\0"])
async def test_nobody_is_found_by_another_name(name: str) -> None:
    await users.create_user(email="ada@example.com", username="ada", password=PASSWORD)
    assert await users.find_user(name) is None


@pytest.mark.parametrize(
    ("email", "username", "error", "fields"),
    [
        ("ADA@example.com", "bob", users.EmailTaken, ["email"]),
        ("bob@example.com", "aDa", users.UsernameTaken, ["username"]),
        ("ada@EXAMPLE.com", "ADA", users.EmailTaken, ["email", "username"]),
    ],
)
async def test_what_is_taken_is_reported_per_field(
    email: str, username: str, error: type[Conflict], fields: list[str]
) -> None:
    await users.create_user(email="ada@example.com", username="ada", password=PASSWORD)
    with pytest.raises(error) as caught:
        await users.create_user(email=email, username=username, password=PASSWORD)
    assert [wrong.field for wrong in caught.value.errors] == fields


@pytest.mark.parametrize(("field", "error"), [("email", users.EmailTaken), ("username", users.UsernameTaken)])
async def test_of_ten_who_register_at_once_one_succeeds(field: str, error: type[Exception]) -> None:
    async def register(number: int) -> Profile:
        email = "Ada@example.com" if field == "email" else f"ada{number}@example.com"
        username = "Ada" if field == "username" else f"ada{number}"
        return await users.create_user(email=email, username=username, password=PASSWORD)

    made = await asyncio.gather(*(register(number) for number in range(10)), return_exceptions=True)
    assert Counter(type(one) for one in made) == {Profile: 1, error: 9}


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example",
        "ada@@example.com",
        "ada@exam ple.com",
        "ada @example.com",
        "ada@example.com\r\nBcc: x@y.zz",
        "ada@-example.com",
        "ada@example-.com",
        "ada@example..com",
        "ada@.example.com",
        ".ada@example.com",
        "ada.@example.com",
        "a..da@example.com",
        "ada@[127.0.0.1]",
        "ada@127.0.0.1",
        '"ada"@example.com',
        "Ada <ada@example.com>",
        "ada@exämple.com",
        "ädä@example.com",
        "ada@example.com\0",
        "a" * 65 + "@example.com",
        "ada@" + "x" * 64 + ".com",
        "ada@" + "x." * 126 + "com",
        "ada@deleted.invalid",
    ],
)
async def test_what_is_no_email_address_is_refused(email: str) -> None:
    with pytest.raises(BadInput) as caught:
        await users.create_user(email=email, username="ada", password=PASSWORD)
    assert [wrong.field for wrong in caught.value.errors] == ["email"]


@pytest.mark.parametrize(
    "email",
    ["a@b.co", "ada.lovelace+shop@mail.example.co.uk", "o'neil@example.com", "ada@xn--exmple-cua.com", "1_2-3@4x.io"],
)
async def test_an_email_address_is_accepted(email: str) -> None:
    assert (await users.create_user(email=email, username="ada", password=PASSWORD)).email == email


@pytest.mark.parametrize(
    "username", ["a", "ab", "-ada", ".ada", "a da", "ada@x", "ädä", "a" * 65, "ada\0", "ада", "Deleted-7"]
)
async def test_what_is_no_username_is_refused(username: str) -> None:
    with pytest.raises(BadInput) as caught:
        await users.create_user(email="ada@example.com", username=username, password=PASSWORD)
    assert [wrong.field for wrong in caught.value.errors] == ["username"]


@pytest.mark.parametrize("password", ["", "1234567", "p" * 129])
async def test_a_password_takes_8_to_128_characters(password: str) -> None:
    with pytest.raises(BadInput) as caught:
        await users.create_user(email="ada@example.com", username="ada", password=password)
    assert [wrong.field for wrong in caught.value.errors] == ["password"]
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize("password", ["ada@example.com", "ADA@example.com", "Ada-Lovelace"])
async def test_a_password_must_not_be_what_everybody_knows(password: str) -> None:
    with pytest.raises(BadInput) as caught:
        await users.create_user(email="Ada@example.com", username="ada-lovelace", password=password)
    assert [wrong.field for wrong in caught.value.errors] == ["password"]


@pytest.mark.parametrize("password", ["12345678", "p" * 128, "пароль-пароль", "🔑" * 128])
async def test_a_user_signs_in_with_the_password_given(password: str) -> None:
    await users.create_user(email="ada@example.com", username="ada", password=password, is_verified=True)
    assert (await sessions.sign_in("ada", password, Device())).access


async def test_everything_wrong_is_reported_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        await users.create_user(email="x", username="x", password="x", first_name="\0", last_name="x" * 256)
    fields = [wrong.field for wrong in caught.value.errors]
    assert fields == ["email", "username", "password", "first_name", "last_name"]


@pytest.mark.parametrize(("email", "username"), [("ada.l+x@example.com", "ada.l-x"), ("-_ada@example.com", "ada")])
async def test_a_username_is_made_from_the_email_address(email: str, username: str) -> None:
    assert (await users.create_user(email=email, password=PASSWORD)).username == username


@pytest.mark.parametrize("email", ["ada@other.example", "a@example.com", "++++@example.com", "deleted-7@example.com"])
async def test_a_username_made_is_never_taken_nor_unfit(email: str) -> None:
    await users.create_user(email="ada@example.com", username="Ada", password=PASSWORD)
    made = await users.create_user(email=email, password=PASSWORD)
    assert not list(rules.username_problems(made.username))


async def test_the_first_admin_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "settings", Settings(admin_email="boss@example.com", admin_password=PASSWORD))
    made = await asyncio.gather(*(users.ensure_first_admin() for _ in range(5)))
    assert {user.id for user in made if user} == {await fetch_value("SELECT id FROM users")}
    assert made[0] is not None
    assert (made[0].role, made[0].superuser) == (Role.ADMIN, True)
    assert await fetch_value("SELECT admin FROM users")


async def test_the_first_admin_keeps_a_password_changed_since() -> None:
    await users.ensure_admin("boss@example.com", PASSWORD)
    changed = await passwords.hash_password("another password")
    await execute("UPDATE users SET password = $1", changed)
    await users.ensure_admin("BOSS@example.com", PASSWORD)
    assert await fetch_value("SELECT password FROM users") == changed


async def test_somebody_with_the_first_admins_address_is_not_raised() -> None:
    await users.create_user(email="boss@example.com", username="sly", password=PASSWORD)
    assert (await users.ensure_admin("boss@example.com", PASSWORD)).role is Role.CUSTOMER


async def test_without_settings_there_is_no_first_admin() -> None:
    assert await users.ensure_first_admin() is None


async def test_a_loaded_user_keeps_the_stored_hash() -> None:
    await users.create_user(email="ada@example.com", username="ada", password=PASSWORD)
    user = await User.objects().get(User.username == "ada")
    assert user is not None
    user.first_name = "Ada"
    await user.save()
    row = await fetch_row("SELECT first_name, password FROM users")
    assert row is not None
    assert row["first_name"] == "Ada"
    assert await passwords.is_password(PASSWORD, row["password"])


def test_a_plain_password_is_never_stored_through_the_table() -> None:
    with pytest.raises(ValueError, match=r"accounts\.users"):
        User(username="ada", password="plain")  # type: ignore[no-untyped-call]


async def test_a_role_taken_away_takes_the_superuser_flag_along() -> None:
    boss = await users.ensure_admin("boss@example.com", PASSWORD)
    await users.ensure_admin("other@example.com", PASSWORD)
    await management.change_user(boss.id, UserPatch(role=Role.STAFF))
    found = await users.get_user("boss@example.com")
    assert (found.role, found.superuser) == (Role.STAFF, False)


async def test_the_last_admin_who_can_sign_in_stays_one() -> None:
    boss = await users.ensure_admin("boss@example.com", PASSWORD)
    # Neither somebody who never proved their address nor somebody deactivated could take over.
    await users.create_user(email="new@example.com", username="new", password=PASSWORD, role=Role.ADMIN)
    other = await users.ensure_admin("other@example.com", PASSWORD)
    await users.deactivate(other.id)
    with pytest.raises(users.LastAdmin):
        await management.change_user(boss.id, UserPatch(role=Role.STAFF))
    with pytest.raises(users.LastAdmin):
        await users.deactivate(boss.id)
    assert await users.get_by_id(boss.id) == boss


async def test_of_two_admins_who_remove_each_other_one_stays() -> None:
    admins = [(await users.ensure_admin(f"{name}@example.com", PASSWORD)).id for name in ("boss", "other")]
    ended = await asyncio.gather(*(users.deactivate(user_id) for user_id in admins), return_exceptions=True)
    assert Counter(type(one) for one in ended) == {type(None): 1, users.LastAdmin: 1}
    assert await fetch_value("SELECT count(*) FROM users WHERE active") == 1


async def test_two_who_get_the_same_username_made_are_both_registered() -> None:
    made = await asyncio.gather(
        *(users.create_user(email=f"ada@{number}.example.com", password=PASSWORD) for number in range(5))
    )
    assert len({user.username for user in made}) == 5
