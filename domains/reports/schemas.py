"""The numbers of the dashboard as they travel."""

from datetime import date
from typing import Annotated, TypeAlias

import msgspec

# A sum may have more digits than any price.
AmountText: TypeAlias = Annotated[str, msgspec.Meta(pattern="^[0-9]{1,40}\\.[0-9]{2}$", examples=["1234.50"])]
Amounts: TypeAlias = dict[str, AmountText]


class StockValueOut(msgspec.Struct):
    """What lies in all locations: `value` at sale prices, `cost` at cost prices as far as these are known.

    `cost` is null for callers without the scope products:internal.
    """

    currency: str
    units: int
    value: AmountText
    cost: AmountText | None


class DayOut(msgspec.Struct):
    """One day (UTC). Orders that were cancelled count for nothing, nor do dry runs of imports."""

    day: date
    orders: int
    revenue: Amounts
    import_rows: int
    import_errors: int
    deliveries: int
    failed_deliveries: int


class StatsOut(msgspec.Struct, kw_only=True):
    """Numbers at most a few seconds old.

    `recent_imports` are those of the last 7 days. `total_events_sent` counts deliveries that arrived at an endpoint,
    `failed_events` those that were given up, since the beginning. `inventory_value` and `inventory_cost` are in
    `inventory_currency`: the default one, or where nothing is priced in that, the one of most units; the cost is null
    without the scope products:internal. `revenue_today` is by currency. `days` are the last 30, oldest first.
    """

    total_products: int
    active_products: int
    low_stock: int
    inventory_currency: str
    inventory_value: AmountText
    inventory_cost: AmountText | None
    inventory_values: list[StockValueOut]
    orders_today: int
    revenue_today: Amounts
    recent_imports: int
    configured_webhooks: int
    total_events_sent: int
    failed_events: int
    deliveries_pending: int
    deliveries_paused: int
    days: list[DayOut]
