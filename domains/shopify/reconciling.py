"""Everything here against everything in the shop: webhooks may be lost, and this is what makes it right again."""

from collections.abc import Callable

from domains.shopify import inbox, skus
from domains.shopify.admin_api import AdminApi
from domains.shopify.outcomes import Became
from domains.shopify.reconciliation import reconciling
from domains.shopify.reconciliation_report import Report
from domains.shopify.reconciling_levels import reconcile_levels
from domains.shopify.reconciling_products import reconcile_products
from lib.actor import Source, acting
from settings import settings


async def reconcile(
    *, dry_run: bool, from_start: bool = False, on_begin: Callable[[Report], None] | None = None
) -> Report:
    """Compare and repair; `dry_run` compares alone. Inside `lib.egress.opened()`, and outside any transaction. Goes on
    where the last one was stopped, unless `from_start`; `on_begin` is given what that one had found.

    Raises ShopNotConfigured, AnotherIsRunning, ShopUnavailable, ShopRefused and NothingListed: what was repaired until
    then stays.
    """
    api = AdminApi()
    async with reconciling(settings.shopify_shop or api.url, dry_run=dry_run, from_start=from_start) as comparison:
        report = comparison.report
        if on_begin:
            on_begin(report)
        with acting(name="shopify", source=Source.SHOPIFY, reference=f"shopify-reconciliation:{report.id}"):
            await reconcile_products(api, comparison)
            if not dry_run:
                await _settle_skus(report)
            await reconcile_levels(api, comparison)
    return report


async def _settle_skus(report: Report) -> None:
    """Products that swapped theirs were parked one after the other: none of them could be the first."""
    outcome = await skus.settle()
    given = [result for result in outcome.results if result.became is Became.UPDATED]
    report.counts.parked -= min(report.counts.parked, len(given))
    report.note(outcome)
    await inbox.wake(outcome.known)
