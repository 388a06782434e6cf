"""Up to a thousand products of one request: created and updated by SKU, with a result for each, in one transaction."""

from collections.abc import Sequence
from typing import Any

import msgspec

from domains.catalog import low_stock
from domains.catalog.bulk_schemas import BulkItemOut, BulkOut, Outcome
from domains.catalog.cleaning import try_clean
from domains.catalog.columns import WRITABLE
from domains.catalog.merge import NEVER_CLEARED, SKU, Merge, fold
from domains.catalog.races import despite_races
from domains.catalog.schemas import ProductPatch
from domains.catalog.tables import Policy, Reason
from lib.actor import acting
from lib.errors import BadInput, FieldError
from piccolo_conf import transaction

WRITTEN = {"create", "update"}
WORDS = {"create": Outcome.CREATED, "update": Outcome.UPDATED, "unchanged": Outcome.UNCHANGED, "error": Outcome.ERROR}

Texts = dict[str, str | None]


async def upsert_products(items: Sequence[ProductPatch | BadInput]) -> BulkOut:
    """Good items go in, bad ones are told of at their place. Of one SKU given twice the first counts."""
    results: list[BulkItemOut] = []
    rows: list[tuple[int, Texts]] = []
    seen: dict[str, int] = {}
    for place, item in enumerate(items):
        values, errors = ({}, item.errors) if isinstance(item, BadInput) else _read(item)
        if not errors and (first := seen.setdefault(fold(values[SKU]), place)) != place:
            errors = [FieldError(SKU, f"stands in item {first} already")]
        results.append(BulkItemOut(place, str(values.get(SKU) or ""), Outcome.ERROR, errors=errors))
        if not errors:
            rows.append((place, values))
    if rows:
        await _merge(rows, results)
    return _summary(results)


def _read(item: ProductPatch) -> tuple[Texts, list[FieldError]]:
    """What is given, as the texts that the merge stages; null becomes "", which clears."""
    values, errors = try_clean(item)
    if SKU not in values and not any(error.field == SKU for error in errors):
        errors.append(FieldError(SKU, "is required"))
    return {name: _text(value) for name, value in values.items()}, errors


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


async def _merge(rows: Sequence[tuple[int, Texts]], results: list[BulkItemOut]) -> None:
    given = {name for _, values in rows for name in values}
    columns = [name for name in WRITABLE if name in given]
    staged = [(place, [_staged(name, values) for name in columns]) for place, values in rows]
    merge = Merge(columns, Policy.UPSERT, Reason.ADJUSTMENT)
    await despite_races(lambda: _merge_once(merge, staged, results))


def _staged(name: str, values: Texts) -> str | None:
    """An empty text clears what can be cleared; the description simply becomes empty."""
    text = values.get(name)
    return None if text == "" and name in NEVER_CLEARED else text


async def _merge_once(
    merge: Merge, staged: Sequence[tuple[int, Sequence[str | None]]], results: list[BulkItemOut]
) -> None:
    with acting(bulk=True):
        async with transaction() as connection:
            await merge.run(connection, staged)
            outcomes = await merge.outcomes(connection)
            if low_stock.decides(merge.columns):
                written = [row["product_id"] for row in outcomes if row["action"] in WRITTEN]
                await low_stock.review(written)
    for place in {place for place, _ in staged} - {row["row_number"] for row in outcomes}:
        twin = [FieldError(SKU, "is that of a later item, in letters that only the database finds equal")]
        results[place] = msgspec.structs.replace(results[place], errors=twin)
    for place, product_id, action, field, message in outcomes:
        outcome = WORDS[action]
        errors = [FieldError(field, message)] if outcome is Outcome.ERROR else []
        known = None if outcome is Outcome.ERROR else product_id
        results[place] = msgspec.structs.replace(results[place], result=outcome, id=known, errors=errors)


def _summary(results: list[BulkItemOut]) -> BulkOut:
    counts = {outcome: sum(item.result is outcome for item in results) for outcome in Outcome}
    return BulkOut(
        created=counts[Outcome.CREATED],
        updated=counts[Outcome.UPDATED],
        unchanged=counts[Outcome.UNCHANGED],
        errors=counts[Outcome.ERROR],
        results=results,
    )
