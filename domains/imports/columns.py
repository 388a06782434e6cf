"""The columns that a catalogue file may have: their names, what a cell may hold, what it becomes in the database."""

import re
from collections.abc import Callable, Sequence
from datetime import date

import msgspec

from domains.catalog.cleaning import CONTROL
from domains.catalog.merge import NEVER_CLEARED
from lib.integers import LARGEST_INTEGER

CLEAR = "<clear>"

MONEY = re.compile(r"0*[0-9]{1,10}(\.[0-9]{0,2}0*)?|\.[0-9]{1,2}0*")
NEGATIVE = re.compile(r"-[0-9.]+")
WHOLE = re.compile(r"0*[0-9]{1,10}(\.0*)?")
CURRENCY = re.compile(r"[A-Z]{3}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
WEB_ADDRESS = re.compile(r"https?://[^\s]+")

YES = {"true", "yes", "1", "y", "t", "on", "active", "enabled", "published"}
NO = {"false", "no", "0", "n", "f", "off", "inactive", "disabled", "draft", "archived"}


class BadCell(ValueError):
    """A cell does not hold what its column may hold; the sentence says why."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """`name` is the product's column; `parse` turns a cell into the text that is staged, or raises BadCell."""

    name: str
    aliases: tuple[str, ...] = ()
    parse: Callable[[str], str]
    trimmed: bool = True

    @property
    def can_clear(self) -> bool:
        return self.name not in NEVER_CLEARED


def read_text(limit: int) -> Callable[[str], str]:
    def parse(cell: str) -> str:
        if len(cell) > limit:
            raise BadCell(f"is longer than {limit} characters")
        return cell

    return parse


def read_sku(cell: str) -> str:
    sku = cell.strip()
    if len(sku) > 100:
        raise BadCell("is longer than 100 characters")
    if not sku or CONTROL.search(sku):
        raise BadCell("contains control characters")
    return sku


def read_money(cell: str) -> str:
    if MONEY.fullmatch(cell):
        return cell
    if NEGATIVE.fullmatch(cell):
        raise BadCell("must not be negative")
    if re.fullmatch(r"0*[0-9]{0,10}\.[0-9]+", cell):
        raise BadCell("has more than two decimals")
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", cell):
        raise BadCell("is too large")
    raise BadCell("is not a number")


def read_whole(cell: str) -> str:
    if WHOLE.fullmatch(cell):
        # Python reads no number of more than 4,300 digits, zeros included.
        whole = cell.partition(".")[0].lstrip("0") or "0"
        if int(whole) > LARGEST_INTEGER:
            raise BadCell("is too large")
        return whole
    if NEGATIVE.fullmatch(cell):
        raise BadCell("must not be negative")
    if re.fullmatch(r"[0-9]+", cell):
        raise BadCell("is too large")
    raise BadCell("is not a whole number")


def read_yes_or_no(cell: str) -> str:
    word = cell.lower()
    if word in YES:
        return "true"
    if word in NO:
        return "false"
    raise BadCell("is neither yes nor no")


def read_currency(cell: str) -> str:
    if not CURRENCY.fullmatch(cell.upper()):
        raise BadCell("is not a currency code of three letters")
    return cell.upper()


def read_day(cell: str) -> str:
    try:
        return date.fromisoformat(cell if DAY.fullmatch(cell) else "").isoformat()
    except ValueError:
        raise BadCell("is not a date like 2026-12-31") from None


def read_web_address(cell: str) -> str:
    if len(cell) > 2000 or not WEB_ADDRESS.fullmatch(cell):
        raise BadCell("is not a web address (http or https, at most 2000 characters)")
    return cell


def read_json_object(cell: str) -> str:
    try:
        value = msgspec.json.decode(cell, type=dict[str, object])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        raise BadCell("is not a JSON object") from None
    if "\\u0000" in cell:
        raise BadCell("contains a NUL character")
    return msgspec.json.encode(value).decode()


def read_options(cell: str) -> str:
    try:
        value = msgspec.json.decode(cell, type=dict[str, str])
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise BadCell('is not a JSON object of texts, like {"Size": "M"}') from None
    if "\\u0000" in cell:
        raise BadCell("contains a NUL character")
    return msgspec.json.encode(value).decode()


SKU = Column(name="sku", aliases=("variant_sku",), parse=read_sku)
NAME = Column(name="name", aliases=("title", "product_name"), parse=read_text(500))
QUANTITY = Column(
    name="inventory_quantity",
    aliases=("quantity", "stock", "qty", "inventory"),
    parse=read_whole,
)

# In the order of the table. Everything that is not here is unknown and left out, with a warning.
COLUMNS = [
    SKU,
    NAME,
    Column(name="description", aliases=("body",), parse=read_text(100_000), trimmed=False),
    Column(name="price", parse=read_money),
    Column(name="compare_at_price", parse=read_money),
    Column(name="cost_price", aliases=("cost", "cost_per_item"), parse=read_money),
    Column(name="currency", parse=read_currency),
    Column(
        name="is_active",
        aliases=("active", "status", "enabled"),
        parse=read_yes_or_no,
    ),
    QUANTITY,
    Column(name="low_stock_threshold", parse=read_whole),
    Column(name="brand", aliases=("vendor",), parse=read_text(255)),
    Column(name="product_type", aliases=("type", "category"), parse=read_text(750)),
    Column(name="condition", parse=read_text(50)),
    Column(name="gender", parse=read_text(50)),
    Column(name="age_group", parse=read_text(50)),
    Column(name="color", aliases=("colour",), parse=read_text(255)),
    Column(name="size", parse=read_text(255)),
    Column(name="gtin", aliases=("barcode", "ean", "upc"), parse=read_text(50)),
    Column(name="link", aliases=("url",), parse=read_web_address),
    Column(name="image_link", aliases=("image", "image_url", "image_src"), parse=read_web_address),
    Column(name="handle", parse=read_text(255)),
    Column(name="options", parse=read_options),
    Column(name="expiry_on", aliases=("expiry_date",), parse=read_day),
    Column(name="supplier_number", parse=read_text(100)),
    Column(name="attributes", parse=read_json_object),
    Column(name="external_id", aliases=("id",), parse=read_text(100)),
]

BY_NAME = {column.name: column for column in COLUMNS}
BY_HEADER = {header: column for column in COLUMNS for header in (column.name, *column.aliases)}


def find_column(header: str) -> Column | None:
    """The column that a header cell means, whatever its case, spaces and hyphens."""
    return BY_HEADER.get(re.sub(r"[\s\-]+", "_", header.strip().lower()))


def count_known(headers: Sequence[str]) -> int:
    return sum(find_column(header) is not None for header in headers)
