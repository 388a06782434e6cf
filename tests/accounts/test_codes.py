"""What one-time codes promise: one purpose, one use, five tries, ten minutes."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from domains.accounts import codes, profiles, registration, resets, users
from domains.accounts.account_schemas import ConfirmResetIn, ProofIn, SignUpIn
from domains.accounts.codes import BadCode
from domains.accounts.schemas import Caller, Device, Profile
from domains.accounts.scopes import scopes_of
from domains.accounts.tables import Purpose, Role
from lib import clock
from piccolo_conf import execute, fetch_value, transaction
from tests.accounts.letters import Letter, last_letter, letters

PASSWORD = "correct horse battery"
EMAIL = "ada@example.com"
pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
async def ada(database: None) -> Profile:
    data = SignUpIn(email=EMAIL, username="ada", password=PASSWORD, re_password=PASSWORD)
    return await registration.sign_up(data, Device())


@pytest.fixture
async def letter(ada: Profile) -> Letter:
    return await last_letter(EMAIL)


def wrong(code: str) -> str:
    return ("3" if code[0] == "2" else "2") + code[1:]


async def type_code(code: str, place: int = 1) -> Profile:
    """Each try from another address, so that only the code's own count stops it."""
    return await registration.activate(ProofIn(email=EMAIL, code=code), Device(ip=f"192.0.2.{place}"))


async def follow(letter: Letter, place: int = 1) -> Profile:
    return await registration.activate(ProofIn(**letter.proof), Device(ip=f"192.0.2.{place}"))


async def ask_for_reset() -> Letter:
    await resets.request_reset(EMAIL, Device())
    return await last_letter(EMAIL)


async def pass_time(purpose: Purpose, time: timedelta) -> None:
    await execute(
        """UPDATE one_time_code
           SET code_expires_at = code_expires_at - $2::interval, expires_at = expires_at - $2::interval
           WHERE purpose = $1""",
        purpose,
        time,
    )


def test_a_code_has_no_letters_that_look_alike():
    made = {codes._new_code() for _ in range(2_000)}
    assert not set("".join(made)) & set("01OIL")
    assert {len(code) for code in made} == {6}
    assert len(made) > 1_990


@pytest.mark.parametrize("purpose", [Purpose.VERIFY_EMAIL, Purpose.RESET_PASSWORD])
async def test_however_many_have_the_right_link_at_one_address_none_is_refused(letter: Letter, purpose: Purpose):
    """Thirty who have a wrong one are enough; here one of them stands for a whole school."""
    proof = letter.proof if purpose is Purpose.VERIFY_EMAIL else (await ask_for_reset()).proof
    for _ in range(32):
        if purpose is Purpose.VERIFY_EMAIL:
            assert await follow(letter)
        else:
            assert await resets.confirm_reset(ConfirmResetIn(**proof, new_password=PASSWORD), Device(ip="192.0.2.1"))
        await execute("UPDATE one_time_code SET used_at = NULL")


async def test_the_fifth_try_may_be_right(letter: Letter):
    for place in range(4):
        with pytest.raises(BadCode):
            await type_code(wrong(letter.code), place)
    assert (await type_code(letter.code, 5)).email_verified_at is not None


async def test_after_five_wrong_tries_the_right_code_fails_and_the_link_still_works(letter: Letter):
    for place in range(5):
        with pytest.raises(BadCode):
            await type_code(wrong(letter.code), place)
    with pytest.raises(BadCode):
        await type_code(letter.code, 6)
    assert (await follow(letter)).email_verified_at is not None


async def test_of_twenty_guesses_at_once_five_are_looked_at(letter: Letter):
    async def guess() -> None:
        async with transaction():
            assert await codes.use_code(EMAIL, wrong(letter.code), Purpose.VERIFY_EMAIL) is None

    await asyncio.gather(*(guess() for _ in range(20)))
    assert await fetch_value("SELECT attempts FROM one_time_code") == 5


@pytest.mark.parametrize("way", ["code", "link"])
async def test_of_twenty_who_use_it_at_once_one_succeeds(letter: Letter, way: str):
    async def use(place: int) -> Profile:
        return await (type_code(letter.code, place) if way == "code" else follow(letter, place))

    made = await asyncio.gather(*(use(place) for place in range(20)), return_exceptions=True)
    assert sum(isinstance(one, Profile) for one in made) == 1
    assert await fetch_value("SELECT count(*) FROM mail WHERE template = 'account_activated'") == 1


@pytest.mark.parametrize("first", ["code", "link"])
async def test_either_is_used_up_with_the_other(letter: Letter, first: str):
    uses: list[Callable[[], Awaitable[Profile]]] = [lambda: type_code(letter.code), lambda: follow(letter)]
    await uses[first == "link"]()
    for use in uses:
        with pytest.raises(BadCode):
            await use()


@pytest.mark.parametrize(
    ("purpose", "code_minutes", "link_hours"), [(Purpose.VERIFY_EMAIL, 10, 24), (Purpose.RESET_PASSWORD, 10, 1)]
)
async def test_code_and_link_live_as_long_as_the_mail_says(
    ada: Profile, purpose: Purpose, code_minutes: int, link_hours: int
):
    letter = await last_letter(EMAIL) if purpose is Purpose.VERIFY_EMAIL else await ask_for_reset()
    moment = timedelta(seconds=30)
    async with transaction():
        await pass_time(purpose, timedelta(minutes=code_minutes) - moment)
        assert await fetch_value(
            "SELECT code_expires_at > $1 FROM one_time_code WHERE purpose = $2", clock.now(), purpose
        )
        await pass_time(purpose, 2 * moment)
        assert await codes.use_code(EMAIL, letter.code, purpose) is None
        await pass_time(purpose, timedelta(hours=link_hours, minutes=-code_minutes) - 2 * moment)
        assert await codes.use_link(**letter.proof, purpose=purpose) is not None
    async with transaction():
        await execute("UPDATE one_time_code SET used_at = NULL WHERE purpose = $1", purpose)
        await pass_time(purpose, 2 * moment)
        assert await codes.use_link(**letter.proof, purpose=purpose) is None


async def test_a_code_serves_its_purpose_only(ada: Profile, letter: Letter):
    reset = await ask_for_reset()
    async with transaction():
        for purpose in Purpose:
            if purpose is not Purpose.VERIFY_EMAIL:
                assert await codes.use_code(EMAIL, letter.code, purpose) is None
                assert await codes.use_link(**letter.proof, purpose=purpose) is None
            if purpose is not Purpose.RESET_PASSWORD:
                assert await codes.use_code(EMAIL, reset.code, purpose) is None
                assert await codes.use_link(**reset.proof, purpose=purpose) is None


async def test_a_code_serves_its_user_only(ada: Profile, letter: Letter):
    other = await users.create_user(email="bob@example.com", username="bob", password=PASSWORD)
    async with transaction():
        await codes.send(other, Purpose.VERIFY_EMAIL)
        assert await codes.use_code("bob@example.com", letter.code, Purpose.VERIFY_EMAIL) is None
        token = letter.proof["token"]
        assert await codes.use_link(str(other.id), token, Purpose.VERIFY_EMAIL) is None


async def test_a_new_code_replaces_the_old_and_its_tries(ada: Profile, letter: Letter):
    with pytest.raises(BadCode):
        await type_code(wrong(letter.code))
    await registration.resend(EMAIL, Device())
    assert await fetch_value("SELECT attempts FROM one_time_code") == 0
    with pytest.raises(BadCode):
        await follow(letter)
    assert await fetch_value("SELECT count(*) FROM one_time_code") == 1


async def test_of_twenty_mails_asked_for_at_once_one_code_is_good(ada: Profile):
    await asyncio.gather(*(registration.resend(EMAIL, Device()) for _ in range(20)), return_exceptions=True)
    sent = await letters(EMAIL)
    good = 0
    for one in sent:
        async with transaction():
            good += await codes.use_link(**one.proof, purpose=Purpose.VERIFY_EMAIL) is not None
    assert len(sent) > 2
    assert good == 1


async def test_a_changed_password_ends_every_code(ada: Profile):
    verify, reset = await last_letter(EMAIL), await ask_for_reset()
    await follow(verify)
    caller = Caller(ada.id, ada.username, Role.CUSTOMER, scopes_of(Role.CUSTOMER), None)
    await profiles.request_email_change(ada.id, PASSWORD, "new@example.com", Device())
    await resets.set_password(caller, PASSWORD, "another password")
    with pytest.raises(BadCode):
        await resets.confirm_reset(ConfirmResetIn(**reset.proof, new_password="a third password"), Device())
    assert await fetch_value("SELECT count(*) FROM one_time_code WHERE used_at IS NULL") == 0


async def test_what_was_mailed_to_a_former_address_proves_nothing(ada: Profile, letter: Letter):
    await execute("UPDATE users SET email = 'new@example.com' WHERE id = $1", ada.id)
    with pytest.raises(BadCode):
        await follow(letter)
    with pytest.raises(BadCode):
        await registration.activate(ProofIn(email="new@example.com", code=letter.code), Device())


async def test_a_deactivated_user_proves_nothing(ada: Profile, letter: Letter):
    await users.deactivate(ada.id)
    with pytest.raises(BadCode):
        await follow(letter)


async def test_old_codes_are_forgotten(letter: Letter):
    await codes.forget_old_codes()
    assert await fetch_value("SELECT count(*) FROM one_time_code") == 1
    await pass_time(Purpose.VERIFY_EMAIL, timedelta(days=3))
    await codes.forget_old_codes()
    assert await fetch_value("SELECT count(*) FROM one_time_code") == 0


def test_what_holds_secrets_does_not_show_them():
    secret = "a very secret text"
    proof = ProofIn(uid="1", token=secret, email=EMAIL, code=secret)
    data = SignUpIn(email=EMAIL, password=secret, re_password=secret)
    assert secret not in repr(proof) + repr(data) + repr(ConfirmResetIn(new_password=secret))
