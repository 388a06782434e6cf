"""Everything here against everything in the shop: webhooks may be lost, and this is what makes it right again."""

from domains.shopify.admin_api import AdminApi
from domains.shopify.reconciliation import Report, reconciling
from domains.shopify.reconciling_levels import reconcile_levels
from domains.shopify.reconciling_products import reconcile_products
from lib.actor import Source, acting


async def reconcile(*, dry_run: bool) -> Report:
    """Compare and repair; `dry_run` compares alone. Inside `lib.egress.opened()`, and outside any transaction.

    Raises ShopNotConfigured, AnotherIsRunning, ShopUnavailable, ShopRefused and NothingListed: what was repaired until
    then stays.
    """
    api = AdminApi()
    async with reconciling(dry_run=dry_run) as report:
        with acting(name="shopify", source=Source.SHOPIFY, reference=f"shopify-reconciliation:{report.id}"):
            items = await reconcile_products(api, report)
            await reconcile_levels(api, report, items)
    return report
