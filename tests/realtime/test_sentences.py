"""What people read about an event."""

from typing import Any

import pytest

from domains.realtime.sentences import tell_event

LAMP = {"name": "Lamp", "sku": "L-1"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"price": ("19.99", "24.99")}, "price 19.99 → 24.99"),
        ({"inventory_quantity": (5, 0)}, "stock 5 → 0"),
        ({"is_active": (True, False)}, "active yes → no"),
        ({"brand": (None, "Lux"), "color": ("red", "")}, "brand none → Lux, color red → none"),
        ({"description": ("x" * 41, "y")}, "description changed"),
        ({"attributes": ({"a": 1}, {"a": 2})}, "attributes changed"),
        ({f"f{number}": (0, 1) for number in range(5)}, "f0 0 → 1, f1 0 → 1, f2 0 → 1, and 2 more"),
        ({}, "changed"),
    ],
)
def test_a_change_is_told_field_by_field(changes: dict[str, tuple[Any, Any]], told: str):
    assert tell_event("product.updated", "product:1", LAMP, changes) == f"Lamp (L-1): {told}"


@pytest.mark.parametrize(
    ("topic", "data", "told"),
    [
        ("product.created", LAMP, "Lamp (L-1) created"),
        ("product.deleted", {}, "A product (no SKU) deleted"),
        ("products.bulk_deleted", {"changed": 1}, "1 product deleted at once"),
        (
            "products.bulk_updated",
            {"changed": 1200, "set": {"is_active": "false"}, "percent": {"price": "10"}},
            "1,200 products changed at once: active set, price by 10 %",
        ),
        (
            "import.completed",
            {"filename": "a.csv", "created": 12000, "updated": 0, "skipped": 0, "error_count": 3},
            "a.csv imported: 12,000 created, 3 rejected",
        ),
        ("import.completed", {"filename": "a.csv"}, "a.csv imported: nothing changed"),
        ("import.failed", {"filename": "a.csv", "failure_detail": "No header."}, "a.csv failed: No header."),
        ("import.failed", {}, "A file failed: for an unknown reason"),
        ("inventory.low", {"message": "Stock is low."}, "Stock is low."),
        ("inventory.low", {"sku": "L-1"}, "Stock of L-1 is low"),
        ("something.else", {}, "something.else: product:1"),
    ],
)
def test_every_topic_has_a_sentence_whatever_its_data_lack(topic: str, data: dict[str, Any], told: str):
    assert tell_event(topic, "product:1", data, {}) == told
