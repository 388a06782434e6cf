"""Low-stock notifications over HTTP, for administrators."""

from litestar import Controller, Response, delete, get, patch
from litestar.params import JSONBody

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.inventory import notifications
from domains.inventory.notification_schemas import NotificationOut, NotificationPatch
from domains.inventory.notifications import LIST, SHOWN
from lib.http import Page, RowId, respond


class NotificationController(Controller):
    path = "/api/notifications"
    tags = ("Low stock",)
    guards = (requires(Scope.NOTIFICATIONS_WRITE),)

    @get(operation_class=LIST.operation, summary="Low-stock notifications, newest first")
    async def list_notifications(self, request: CallerRequest) -> Response[Page[NotificationOut]]:
        """`is_resolved=false` are the products that are low now. Those that were deleted are not shown."""
        query = LIST.read(request.scope["query_string"], SHOWN)
        found, total, cursor = await notifications.list_notifications(query)
        return respond(request, found, query.paging, total, cursor)

    @get("/{notification_id:int}", summary="A low-stock notification")
    async def show(self, notification_id: RowId) -> NotificationOut:
        return await notifications.get_notification(notification_id)

    @patch("/{notification_id:int}", summary="Mark a notification as read, or as unread")
    async def mark(self, notification_id: RowId, data: JSONBody[NotificationPatch]) -> NotificationOut:
        return await notifications.mark(notification_id, is_read=data.is_read)

    @delete("/{notification_id:int}", summary="Delete a notification")
    async def dismiss(self, notification_id: RowId) -> None:
        """While its product is still low no other takes its place: the next one comes after a restock."""
        await notifications.dismiss(notification_id)
