"""The numbers of the dashboard over HTTP."""

from litestar import Controller, get

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.reports import services
from domains.reports.schemas import StatsOut


class DashboardController(Controller):
    path = "/api/dashboard"
    tags = ("Dashboard",)
    guards = (requires(Scope.DASHBOARD_READ),)

    @get("/stats", summary="The numbers of the dashboard")
    async def show_stats(self, request: CallerRequest) -> StatsOut:
        """At most a few seconds old, and up to date with what the caller has just created or deleted."""
        return await services.get_stats(internal=Scope.PRODUCTS_INTERNAL in request.user.scopes)
