"""The page of the dashboard, and its numbers alone, which its script asks for again and again."""

from types import MappingProxyType

from litestar import Controller, MediaType, Response, get

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.csrf import IN_FORM
from domains.accounts.scopes import Scope
from domains.web.navigation import DASHBOARD
from domains.web.overview import show_overview
from domains.web.pages import ENVIRONMENT, HEADERS, show


class DashboardPages(Controller):
    path = DASHBOARD.path
    guards = (requires(Scope.DASHBOARD_READ),)
    include_in_schema = False
    opt = MappingProxyType({IN_FORM: True})

    @get()
    async def show_dashboard(self, request: CallerRequest) -> Response[str]:
        return show(request, "dashboard.html", **await show_overview(request.user))

    @get("/numbers")
    async def show_numbers(self, request: CallerRequest) -> Response[str]:
        """Without the frame of a page, and without its flash: that is for the next page which somebody opens."""
        html = ENVIRONMENT.get_template("dashboard_numbers.html").render(await show_overview(request.user))
        return Response(html, media_type=MediaType.HTML, headers=dict(HEADERS))
