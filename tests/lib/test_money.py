"""Money and percentages: what is taken, what is refused, and that nothing is lost."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lib import money
from lib.money import LARGEST, Money, Percent, parse_money, read_number

AMOUNTS = st.decimals(min_value=0, max_value=LARGEST, places=2)


class Priced(msgspec.Struct):
    price: Money | None
    percent: Percent | None = None


@given(AMOUNTS)
def test_every_amount_survives_as_text_and_as_number(amount: Decimal):
    assert parse_money(str(amount)) == amount
    assert str(parse_money(str(amount))) == f"{amount:.2f}"
    assert read_number(float(amount)) == amount


@given(st.text())
def test_whatever_is_sent_is_an_amount_with_two_decimals_or_refused(text: str):
    try:
        amount = parse_money(text)
    except ValueError as refusal:
        assert str(refusal)
    else:
        assert text.isascii()
        assert 0 <= amount <= LARGEST
        assert amount.as_tuple().exponent == -2


@given(st.floats())
@example(float("nan"))
@example(float("inf"))
@example(-0.0)
@example(1e-6)
@example(0.1 + 0.2)
def test_whatever_number_is_sent_is_near_its_amount_or_refused(number: float):
    try:
        amount = read_number(number)
    except (ValueError, OverflowError) as refusal:
        assert not isinstance(refusal, OverflowError)
    else:
        assert float(amount) == pytest.approx(number, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", "0.00"), ("007.5", "7.50"), ("1.5000", "1.50"), ("9999999999.99", "9999999999.99"), ("29.99", "29.99")],
)
def test_good_texts(text: str, amount: str):
    assert str(parse_money(text)) == amount


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("-1", "negative"),
        ("1.005", "two decimals"),
        ("10000000000", "at most"),
        ("9" * 5000, "at most"),
        ("1e3", "number"),
        ("1_000", "number"),
        ("\uff11\uff12", "number"),
        ("NaN", "number"),
        ("Infinity", "number"),
        ("0x10", "number"),
        ("1.", "number"),
        (".5", "number"),
        (" 1", "number"),
        ("1\n", "number"),
        ("", "number"),
    ],
)
def test_bad_texts(text: str, sentence: str):
    with pytest.raises(ValueError, match=sentence):
        parse_money(text)


@pytest.mark.parametrize("value", [True, [], {}, None])
def test_other_json_is_no_price(value: object):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"price": value}, type=dict[str, Money], dec_hook=money.decode)


def test_a_price_may_be_null_where_that_is_meant():
    assert msgspec.json.decode(b'{"price": null}', type=Priced, dec_hook=money.decode).price is None


@pytest.mark.parametrize(
    ("value", "percent"), [("10", "10"), (12.5, "12.5"), (-100, "-100"), ("1000", "1000"), (0.1 + 0.2, "0.3")]
)
def test_good_percentages(value: object, percent: str):
    found = msgspec.convert({"price": None, "percent": value}, Priced, dec_hook=money.decode)
    assert found.percent == Decimal(percent)


@pytest.mark.parametrize("value", ["1001", -100.5, "NaN", "1e1", 0.00001, True, "ten", float("inf")])
def test_bad_percentages(value: object):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"price": None, "percent": value}, Priced, dec_hook=money.decode)
