"""The words that both lists of stock understand: which products, and which location."""

from lib.filters import TEXT, WHOLE_SCHEMA, Condition, Filter, among, equal, read_whole

# Relies on product_sku_key and event_deleted_sku.
PRODUCTS_OF_SKU = """
    SELECT id FROM product WHERE lower(sku) = lower({0}::text)
    UNION ALL
    SELECT product_id FROM event WHERE topic = 'product.deleted' AND lower(data->>'sku') = lower({0}::text)
"""

LOCATION = """
    {column} = (SELECT id FROM location WHERE lower(code) = lower({{0}}::text) OR id::text = {{0}}::text
        ORDER BY lower(code) = lower({{0}}::text) DESC LIMIT 1)
"""


def product_filters(column: str) -> dict[str, Filter]:
    """By id, by several, and by the SKU that a product has, or had when it was deleted."""
    # As an array, so that the planner looks its products up by index.
    of_sku = f"{column} = ANY(ARRAY({PRODUCTS_OF_SKU}))"

    return {
        "product": equal(column, read_whole, WHOLE_SCHEMA, "The id of a product, which may be deleted."),
        "product__in": among(column, read_whole, "Comma-separated ids."),
        "sku": Filter(
            lambda values: [Condition(of_sku, (values[0].strip(),))],
            TEXT,
            "The SKU of a product, or the last one of a deleted product; whatever its case.",
        ),
    }


def location_filter(column: str) -> dict[str, Filter]:
    clause = LOCATION.format(column=column)
    return {"location": Filter(lambda values: [Condition(clause, (values[0].strip(),))], TEXT, "A code or an id.")}
