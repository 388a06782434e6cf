"""Bodies: money as numbers with all its digits, other texts untouched, the same bytes whenever they are made."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from domains.webhooks.payloads import render

AT = datetime(2030, 1, 31, 12, 30, 15, 250000, tzinfo=UTC)
AMOUNTS = st.decimals(0, Decimal("9999999999.99"), places=2)


def test_a_body_names_its_type_twice_and_the_time_of_the_event():
    body = render("order.placed", AT, '{"number": "SO-1"}', None)
    assert body == (
        b'{"event_type":"order.placed","type":"order.placed","timestamp":"2030-01-31T12:30:15.250000Z",'
        b'"data":{"number":"SO-1"},"changes":{}}'
    )


@given(AMOUNTS)
def test_money_loses_no_digit(amount: Decimal):
    told = f'{{"total": "{amount}", "lines": [{{"unit_price": "{amount}", "sku": "{amount}"}}]}}'
    data = msgspec.json.decode(render("order.placed", AT, told, None), type=dict[str, msgspec.Raw])["data"]
    assert bytes(data).count(str(amount).encode()) == 3
    assert bytes(data).count(f'"{amount}"'.encode()) == 1


def test_changes_of_prices_are_pairs_of_numbers_and_a_missing_one_is_null():
    changes = '{"cost_price": [null, "3.10"], "name": ["9.99", "10.99"]}'
    told = msgspec.json.decode(render("product.updated", AT, "{}", changes))
    assert told["changes"] == {"cost_price": [None, 3.1], "name": ["9.99", "10.99"]}


def test_the_row_of_a_product_goes_out_as_the_log_has_it():
    row = '{"id": 7, "sku": "1.50", "price": 29.90, "version": 3}'
    assert row.encode() in render("product.created", AT, row, None)


def test_what_is_no_amount_stays_a_text():
    told = msgspec.json.decode(render("order.placed", AT, '{"total": "free", "cost": "1e5", "price": "NaN"}', None))
    assert told["data"] == {"total": "free", "cost": "1e5", "price": "NaN"}
