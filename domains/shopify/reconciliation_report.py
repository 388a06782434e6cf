"""What a comparison with the shop has found, and what became of it."""

from datetime import datetime

import msgspec

from domains.shopify.outcomes import Became, Outcome
from domains.shopify.tables import InboundState

MOST_DIFFERENCES = 500
LONGEST_VALUE = 200

# Of an outcome that lists nothing: what is stale is newer here.
BECAME = {
    InboundState.PROCESSED: Became.UNCHANGED,
    InboundState.IGNORED: Became.KEPT,
    InboundState.PARKED: Became.PARKED,
    InboundState.FAILED: Became.REFUSED,
    InboundState.PENDING: Became.UNCHANGED,
}
BECAMES = (Became.CREATED, Became.UPDATED, Became.REMOVED, Became.KEPT, Became.PARKED, Became.REFUSED)


class Difference(msgspec.Struct, frozen=True):
    """`what` is "variant", "item" or "level", and `shopify_id` the variant's, else the item's. Of a level `field` names
    the shop's location, as "available@7". "exists" is the field of what only one side has."""

    what: str
    shopify_id: int
    sku: str
    field: str
    ours: object
    theirs: object


class Counts(msgspec.Struct):
    """What the shop has (`variants`, `locations`, `levels`), how many differences there were, and what became of them.

    `kept` is what is newer here than the shop's answer, and `unknown` are levels for which nothing stands here.
    """

    variants: int = 0
    locations: int = 0
    levels: int = 0
    differences: int = 0
    created: int = 0
    updated: int = 0
    removed: int = 0
    kept: int = 0
    parked: int = 0
    refused: int = 0
    unknown: int = 0


class Report(msgspec.Struct):
    """The first 500 differences, and the counts of all. `resumes` counts how often it went on where it had stopped."""

    id: int
    dry_run: bool
    started_at: datetime
    resumes: int = 0
    counts: Counts = msgspec.field(default_factory=Counts)
    differences: list[Difference] = []

    def differ(self, difference: Difference) -> None:
        self.counts.differences += 1
        if len(self.differences) < MOST_DIFFERENCES:
            short = {"ours": _shorten(difference.ours), "theirs": _shorten(difference.theirs)}
            self.differences.append(msgspec.structs.replace(difference, **short))

    def note(self, outcome: Outcome) -> None:
        """What became of a repair, each of its things by itself."""
        results = [result.became for result in outcome.results]
        if not results:
            results = [BECAME[outcome.state]]
        for became in results:
            if became is not Became.UNCHANGED:
                setattr(self.counts, became, getattr(self.counts, became) + 1)

    def tell(self) -> str:
        counts = self.counts
        found = number_of(counts.differences, "difference")
        levels = f"{number_of(counts.levels, 'level')} at {number_of(counts.locations, 'location')}"
        compared = f"{number_of(counts.variants, 'variant')} and {levels}"
        if not counts.differences:
            return f"{compared}: everything is as in the shop."
        if self.dry_run:
            return f"{compared}: {found}, and nothing was changed."
        became = [f"{count} {name}" for name in BECAMES if (count := getattr(counts, name))]
        return f"{compared}: {found}; {', '.join(became) or 'nothing was changed'}."


def number_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _shorten(value: object) -> object:
    return f"{value[:LONGEST_VALUE]}…" if isinstance(value, str) and len(value) > LONGEST_VALUE else value
