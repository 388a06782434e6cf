"""The catalogue files of the benches: made from row numbers, so that every run and every part of it agrees.

Quoted line breaks in every fifth description, every fifteenth row (6.7 %) a later version of an earlier SKU in another
case, a thousand bad rows (or one in a hundred of a small file) of five kinds.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

HEADER = ["sku", "name", "description", "price", "is_active", "inventory_quantity"]
CLEAN_HEADER = [*HEADER, "slug"]

BRANDS = [
    *("Alder", "Birke", "Cobalt", "Delta", "Ember", "Falke", "Granit", "Hollis"),
    *("Indigo", "Juno", "Kestrel", "Linden", "Mistral", "Nordic", "Orion"),
]
KINDS = [
    *("shirt", "jacket", "lamp", "chair", "kettle", "rucksack", "blanket", "notebook"),
    *("screwdriver", "helmet", "bottle", "scarf", "mirror", "shelf"),
]
LOOKS = [
    *("soft", "robust", "light", "waterproof", "classic", "folding", "quilted", "cordless"),
    *("woven", "insulated", "compact", "organic"),
]
COLOURS = [
    *("black", "white", "navy", "olive", "sand", "crimson", "teal", "amber"),
]
SENTENCES = [
    "Made to be used every day, and to be repaired when it breaks.",
    'Our customers call it "the one that stays".',
    "Tested for ten thousand cycles; comes with spare parts and a short manual.",
    "Washable at 40 degrees. Do not bleach, do not tumble dry.",
]

DUPLICATE_EVERY = 15
REACH_BACK = 200_000
CHANGED_EVERY = 10
BAD_ROWS = 1000
# A permutation of row numbers (a prime modulus), so that SKUs do not arrive in the order of their index.
PRIME, STEP = 10_000_019, 7_654_321
# Column and cell of each kind of bad row.
BAD_CELLS = [(3, "-5.00"), (3, "abc"), (5, "1.5"), (0, ""), (4, "perhaps")]


class Catalogue(msgspec.Struct, frozen=True):
    """A file, the same rows as PostgreSQL could take them (`clean`), and what an import of it must count."""

    path: Path
    clean: Path
    rows: int
    products: int
    bad: int
    changed: int


def write_catalogue(folder: Path, name: str, rows: int, *, changed: bool = False) -> Catalogue:
    """`name` is in every SKU, so files of different names have different products.

    With `changed` every tenth product has another price, and every thirtieth another quantity too.
    """
    path, clean = folder / f"{name}{'-changed' * changed}.csv", folder / f"{name}.clean.csv"
    last: dict[str, int] = {}
    bad = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        for number, cells, is_bad in _rows(name, rows, changed=changed):
            writer.writerow(cells)
            bad += is_bad
            if not is_bad:
                last[cells[0].lower()] = number
    if not changed:
        _write_clean(clean, name, rows, last)
    moved = sum(_is_changed(number) for number in last.values()) if changed else 0
    return Catalogue(path, clean, rows, len(last), bad, moved)


def _write_clean(path: Path, name: str, rows: int, last: dict[str, int]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(CLEAN_HEADER)
        for number, cells, is_bad in _rows(name, rows, changed=False):
            if not is_bad and last[cells[0].lower()] == number:
                writer.writerow([*cells, make_slug(cells[1], number)])


def _rows(name: str, rows: int, *, changed: bool) -> Iterator[tuple[int, list[str], bool]]:
    bad_every = rows // min(BAD_ROWS, max(rows // 100, 1))
    for number in range(rows):
        cells = _cells(name, number, changed=changed)
        is_bad = number % bad_every == bad_every // 2
        if is_bad:
            column, cell = BAD_CELLS[number // bad_every % len(BAD_CELLS)]
            cells[column] = cell
        yield number, cells, is_bad


def _cells(name: str, number: int, *, changed: bool) -> list[str]:
    mixed = number * 2_654_435_761 % 2**32 >> 4
    is_changed = changed and _is_changed(number)
    brand = BRANDS[mixed % len(BRANDS) * (mixed >> 8) % len(BRANDS)]
    title = f"{brand} {LOOKS[mixed % 12]} {KINDS[mixed % 14]} {COLOURS[mixed % 8]} {mixed % 997}"
    quantity = mixed % 500 + (is_changed and number % (3 * CHANGED_EVERY) == 3)
    price = 100 + mixed % 50_000 + 7 * is_changed
    active = "false" if mixed % 12 == 0 else "true"
    return [
        _sku(name, number, mixed),
        title,
        _description(mixed),
        f"{price // 100}.{price % 100:02}",
        active,
        str(quantity),
    ]


def _is_changed(number: int) -> bool:
    return number % CHANGED_EVERY == 3


def _sku(name: str, number: int, mixed: int) -> str:
    if number % DUPLICATE_EVERY != DUPLICATE_EVERY - 1:
        return f"{name.upper()}-{number * STEP % PRIME:08}"
    earlier = number - 1 - mixed % min(number, REACH_BACK)
    earlier -= earlier % DUPLICATE_EVERY == DUPLICATE_EVERY - 1
    return f"{name.lower()}-{max(earlier, 0) * STEP % PRIME:08}"


def _description(mixed: int) -> str:
    between = "\n" if mixed % 5 == 0 else " "
    return between.join(SENTENCES[(mixed >> shift) % len(SENTENCES)] for shift in (0, 3, 7))


def make_slug(name: str, number: int) -> str:
    return re.sub(r"\W+", "-", name.lower()).strip("-")[:100] + f"-{number}"
