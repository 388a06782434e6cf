"""The comparison with the shop, as a job for schedules."""

from domains.shopify.admin_api import ShopNotConfigured
from domains.shopify.reconciling import reconcile
from queues.job import job

# At a hundred points a second a shop of a hundred thousand variants takes half of that. The next one
# goes on from there.
LONGEST_SECONDS = 12 * 3600


@job("reconcile_shopify", timeout=LONGEST_SECONDS, schedulable="Reconcile with Shopify")
async def reconcile_shopify(dry_run: bool = False) -> str:  # noqa: FBT001, FBT002 - Arguments of a job travel by name.
    """Where no shop is set there is nothing to compare with: that is no failure."""
    try:
        return (await reconcile(dry_run=dry_run)).tell()
    except ShopNotConfigured as error:
        return error.detail
