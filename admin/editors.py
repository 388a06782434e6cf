"""The tables that may be edited. What is written goes through the services that the API calls, with their rules."""

from typing import Any

from piccolo.table import Table

from admin import views
from admin.crud import Crud
from admin.location_editor import LocationEditor
from admin.notification_editor import NotificationEditor
from admin.product_editor import ProductEditor
from admin.schedule_editor import ScheduleEditor
from admin.user_editor import UserEditor
from admin.webhook_editor import EndpointEditor

EDITORS: dict[type[Table], type[Crud]] = {
    views.Product: ProductEditor,
    views.User: UserEditor,
    views.Location: LocationEditor,
    views.LowStockNotification: NotificationEditor,
    views.Schedule: ScheduleEditor,
    views.WebhookEndpoint: EndpointEditor,
}


def make_crud(table: type[Table], **options: Any) -> Crud:
    """What Piccolo calls PiccoloCRUD: read-only where no editor is named."""
    return EDITORS.get(table, Crud)(table, **options)
