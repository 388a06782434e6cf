"""What the shop says of a product, read as columns of ours."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from domains.shopify.mapping import ShopVariant, changes_of, map_product
from domains.shopify.payloads import ProductPayload
from tests.shopify.assortment import BRASS, BRASS_ITEM, LAMP, black, brass, lamp


def first(*variants: dict[str, Any], **changes: Any) -> ShopVariant:
    return mapped(*variants, **changes)[0]


def mapped(*variants: dict[str, Any], **changes: Any) -> tuple[ShopVariant, ...]:
    told = lamp(0, *variants, **changes)
    return map_product(msgspec.convert(told, ProductPayload, strict=False)).variants


def is_complete(*variants: dict[str, Any], **changes: Any) -> bool:
    told = lamp(0, *variants, **changes)
    return map_product(msgspec.convert(told, ProductPayload, strict=False)).is_complete


def without(variant: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in variant.items() if name not in names}


def test_ids_beyond_what_doubles_hold_are_exact() -> None:
    product = map_product(msgspec.convert(lamp(id="9007199254740993"), ProductPayload, strict=False))
    assert product.shopify_id == 9007199254740993
    assert product.variants[0].values["shopify_product_id"] == 9007199254740993
    assert product.updated_at == datetime(2026, 3, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("title", "choice", "name"),
    [
        ("Lamp", "Brass", "Lamp - Brass"),
        ("Lamp", "Default Title", "Lamp"),
        (" Lamp ", None, "Lamp"),
        ("L" * 499, "Brass", "L" * 499),
        ("€" * 500, "Brass", "€" * 433),
    ],
)
def test_names(title: str, choice: str | None, name: str) -> None:
    assert first(brass(title=choice), title=title).values["name"] == name


def test_a_name_of_which_half_is_not_told_is_kept() -> None:
    half = first(without(brass(), "title"))
    assert ("name" in half.values, half.first_name) == (False, "Desk lamp")
    assert first(brass(), title=None).first_name == f"Shopify variant {BRASS}"


@pytest.mark.parametrize(
    ("told", "sku", "problem"),
    [
        (" LAMP ", "LAMP", ""),
        ("", None, ""),
        (None, None, ""),
        ("A\tB", "A\tB", "sku: must not contain control characters"),
        ("A" * 101, "A" * 101, "sku: must be at most 100 characters long"),
    ],
)
def test_skus(told: str | None, sku: str | None, problem: str) -> None:
    variant = first(brass(sku=told))
    assert (variant.sku, variant.problem) == (sku, problem)


def test_an_absent_sku_is_not_a_blank_one() -> None:
    assert first(without(brass(), "sku")).sku is UNSET


@pytest.mark.parametrize(("told", "price"), [("19.9", "19.90"), (19.9, "19.90"), (0, "0.00"), ("9999999999.99",) * 2])
def test_prices(told: object, price: str) -> None:
    assert first(brass(price=told)).values["price"] == Decimal(price)


@pytest.mark.parametrize("told", ["-1", "abc", "1.999", "10000000000", -1, 1e300, 10**30])
def test_prices_that_cannot_be_stored_are_told(told: object) -> None:
    assert first(brass(price=told)).problem.startswith("price: expected an amount")
    assert first(brass(compare_at_price=told)).problem.startswith("compare_at_price: expected an amount")


def test_no_price_is_told_by_null_but_no_comparison_is() -> None:
    values = first(brass(price=None, compare_at_price=None)).values
    assert ("price" in values, values["compare_at_price"]) == (False, None)
    assert "compare_at_price" not in first(without(brass(), "compare_at_price")).values


def test_quantities_are_told_of_what_is_counted() -> None:
    assert first(brass(inventory_quantity="4")).quantity == 4
    assert first(brass(inventory_quantity=None)).quantity is None
    assert first(brass(inventory_management=None)).quantity is UNSET
    assert first(brass(inventory_quantity=0)).quantity == 0
    assert first(brass(inventory_quantity=2**31)).problem.startswith("inventory_quantity: ")


def test_zero_may_be_told_of_what_is_not_counted() -> None:
    assert not first(brass()).may_be_uncounted
    assert not first(brass(inventory_management="shopify", inventory_quantity=0)).may_be_uncounted
    assert first(brass(inventory_quantity=0)).may_be_uncounted
    assert first(brass(inventory_quantity=-3)).may_be_uncounted


@pytest.mark.parametrize(
    ("options", "choices", "chosen"),
    [
        ([{"name": "Size", "position": 2}, {"name": "Finish", "position": 1}], ("Brass", "L", None), ["Brass", "L"]),
        ([{"name": "Finish"}, {"name": "Size"}], ("Brass", None, None), ["Brass"]),
    ],
)
def test_options(options: list[dict[str, Any]], choices: tuple[str | None, ...], chosen: list[str]) -> None:
    given = dict(zip(("option1", "option2", "option3"), choices, strict=True))
    values = first(brass(**given), options=options).values
    assert values["options"] == dict(zip(["Finish", "Size"], chosen, strict=False))


def test_options_without_names_or_choices_are_kept() -> None:
    plain = brass(title="Default Title", option1="Default Title")
    assert "options" not in first(plain, options=[{"name": "Title", "position": 1}]).values
    assert "options" not in first(brass(), options=[]).values
    assert "options" not in first(without(brass(), "option1")).values


def test_a_variant_shows_its_own_image_and_else_the_products() -> None:
    assert first().values["image_link"] == "https://cdn.example.com/lamp-1.jpg"
    assert first(without(black(), "image_id")).values["image_link"] == "https://cdn.example.com/lamp-2.jpg"
    assert first(brass(image_id=2)).values["image_link"] == "https://cdn.example.com/lamp-2.jpg"
    assert first(image=None, images=None).values["image_link"] is None


@pytest.mark.parametrize("link", ["ftp://example.com/a.jpg", "https://example.com/" + "a" * 2000])
def test_an_image_that_cannot_be_linked_is_kept(link: str) -> None:
    assert "image_link" not in first(image={"src": link}).values


def test_what_describes_is_cut_and_what_identifies_is_not() -> None:
    values = first(brass(barcode="4" * 51), vendor="v" * 300, product_type="ä" * 750, body_html=" ").values
    assert (values["brand"], values["product_type"], values["description"]) == ("v" * 255, "ä" * 750, "")
    assert "gtin" not in values
    assert len(str(first(product_type="€" * 750 * 2).values["product_type"]).encode()) <= 2600


@pytest.mark.parametrize(
    ("status", "is_active"),
    [("active", True), ("unlisted", True), ("draft", False), ("archived", False), ("new", None), (None, None)],
)
def test_statuses(status: str | None, is_active: bool | None) -> None:
    assert first(status=status).values.get("is_active") is is_active


def test_the_last_of_two_variants_with_one_id_counts() -> None:
    variants = mapped(brass(price="1.00"), brass(price="2.00"))
    assert [variant.values["price"] for variant in variants] == [Decimal("2.00")]


def test_a_payload_is_whole_when_nothing_may_be_missing_from_it() -> None:
    many = [brass(id=number) for number in range(1, 101)]
    unreadable = [{"admin_graphql_api_id": "gid://shopify/Product/1"}]
    assert is_complete(brass())
    assert is_complete(variant_gids=None)
    assert is_complete(*many[:99])
    assert not is_complete(*many)
    assert not is_complete(variants=[])
    assert not is_complete(variants=None)
    assert not is_complete(brass(), variant_gids=lamp()["variant_gids"])
    assert not is_complete(variant_gids=unreadable)


def test_differences_are_told_by_column_ours_first() -> None:
    ours = first().values | {"sku": "OLD", "shopify_variant_id": BRASS, "shopify_inventory_item_id": None}
    changes = changes_of(first(), ours | {"price": Decimal("1.00"), "options": '{"Finish": "Brass"}', "cost_price": 1})
    assert changes == {
        "sku": ("OLD", "LAMP-BRASS"),
        "price": (Decimal("1.00"), Decimal("49.90")),
        "shopify_inventory_item_id": (None, BRASS_ITEM),
    }


def test_what_is_not_told_makes_no_difference() -> None:
    bare = first({"id": BRASS}, **dict.fromkeys(("title", "body_html", "status", "options", "image", "images")))
    row = {"sku": "A", "shopify_variant_id": BRASS, "shopify_inventory_item_id": 5, "shopify_product_id": LAMP}
    shared = {"description": "", "brand": "Lumen & Co", "product_type": "Lamps", "handle": "desk-lamp"}
    assert changes_of(bare, row | shared | {"image_link": None}) == {}
