"""The proof of the ledger that runs at night, and the letter about what it finds."""

from collections.abc import Sequence

import msgspec

from domains.catalog.proof import Difference, find_differences
from domains.inventory.readers import find_readers
from domains.mail import services as mail
from domains.mail.services import Fact, Template
from lib import log
from piccolo_conf import transaction

logger = log.get("inventory.proving")

MOST_SHOWN = 50


async def prove_stock() -> list[Difference]:
    """What does not add up, told in the log and to the readers of reports; ring for mail behind it."""
    differences = await find_differences()
    for it in differences:
        logger.error("stock_differs", **msgspec.structs.asdict(it))
    if differences:
        await _write(differences)
    return differences


async def _write(differences: Sequence[Difference]) -> None:
    facts: dict[str, Fact] = {
        "rows": [{"sentence": str(it)} for it in differences[:MOST_SHOWN]],
        "more": str(len(differences) - MOST_SHOWN) if len(differences) > MOST_SHOWN else "",
    }
    async with transaction():
        for reader in await find_readers():
            await mail.write(reader.email, Template.STOCK_DIFFERENCES, {**facts, "name": reader.name})
