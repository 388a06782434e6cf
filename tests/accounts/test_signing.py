from lib import signing


def test_every_purpose_has_its_own_key() -> None:
    keys = [signing.derive_key(purpose) for purpose in ("a", "b", "")]
    assert len(set(keys)) == 3
    assert {len(key) for key in keys} == {32}


def test_a_key_does_not_change() -> None:
    assert signing.derive_key("a") == signing.derive_key("a")


def test_tokens_differ_and_have_256_bits() -> None:
    tokens = {signing.new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {43}


def test_a_digest_tells_nothing_of_its_token() -> None:
    token = signing.new_token()
    assert signing.digest_of(token) == signing.digest_of(token)
    assert token.encode() not in signing.digest_of(token)
