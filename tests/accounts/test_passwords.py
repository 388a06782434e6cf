import unicodedata
from unittest.mock import Mock

import pytest
from argon2 import PasswordHasher, extract_parameters

from domains.accounts import passwords

OLD = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)


async def test_a_hash_is_argon2id_with_the_agreed_cost() -> None:
    parameters = extract_parameters(await passwords.hash_password("correct horse"))
    assert (parameters.type.name, parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (
        "ID",
        19 * 1024,
        2,
        1,
    )


async def test_only_the_right_password_fits_its_hash() -> None:
    stored = await passwords.hash_password("correct horse")
    assert await passwords.is_password("correct horse", stored)
    assert not await passwords.is_password("Correct horse", stored)


async def test_two_hashes_of_one_password_differ() -> None:
    assert await passwords.hash_password("correct horse") != await passwords.hash_password("correct horse")


async def test_an_accent_may_be_typed_in_either_way() -> None:
    stored = await passwords.hash_password(unicodedata.normalize("NFD", "pâté à l'ail"))
    assert await passwords.is_password(unicodedata.normalize("NFC", "pâté à l'ail"), stored)


@pytest.mark.parametrize("stored", [None, "", "x", "pbkdf2_sha256$600000$salt$hash", "$argon2id$x"])
async def test_nothing_fits_what_is_no_argon2_hash(stored: str | None) -> None:
    for password in ("", "x", "correct horse", "p" * 129, "\0", "\ud800"):
        assert not await passwords.is_password(password, stored)


async def test_a_password_that_is_too_long_never_fits() -> None:
    stored = passwords.HASHER.hash("p" * 129)
    assert not await passwords.is_password("p" * 129, stored)
    assert not await passwords.is_password("p" * 129, await passwords.hash_password("p" * 128))


@pytest.mark.parametrize("password", ["correct horse", "wrong", "", "p" * 129, "p" * 100_000])
@pytest.mark.parametrize("known", [True, False])
async def test_every_comparison_computes_one_hash_of_full_cost(
    password: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy = Mock(wraps=passwords._matches)
    monkeypatch.setattr(passwords, "_matches", spy)
    await passwords.is_password(password, await passwords.hash_password("correct horse") if known else None)
    assert [extract_parameters(call.args[0]).memory_cost for call in spy.call_args_list] == [19 * 1024]


async def test_a_hash_of_other_cost_is_outdated() -> None:
    assert passwords.is_outdated(OLD.hash("correct horse"))
    assert not passwords.is_outdated(await passwords.hash_password("correct horse"))
