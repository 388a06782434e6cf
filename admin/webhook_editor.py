"""Endpoints of webhooks in the tables of the site: changed and deleted; made where their secret can be shown."""

from typing import Any

from admin import views
from admin.editing import Editor, Values
from admin.views import columns_of
from domains.webhooks import endpoints
from domains.webhooks.schemas import EndpointPatch
from domains.webhooks.topics import EVERY, EventType
from lib.errors import Conflict

TYPES_HELP = f"{EVERY} for all of them, or some of: {', '.join(EventType)}."


class MadeElsewhere(Conflict):
    """An endpoint is made at /webhooks/create/: that page shows its secret, once."""


class EndpointEditor(Editor):
    """To switch one off pauses what waits for it; to switch it on makes that due at once."""

    locked = frozenset(columns_of(views.WebhookEndpoint)) - frozenset(EndpointPatch.__struct_fields__)

    async def create(self, data: Values) -> int:  # noqa: ARG002 - Nothing is made here.
        raise MadeElsewhere

    async def change(self, row_id: Any, data: Values) -> None:
        await endpoints.change_endpoint(row_id, self.read(data, EndpointPatch))

    async def remove(self, row_id: Any) -> None:
        await endpoints.delete_endpoint(row_id)

    def schema(self) -> Values:
        schema = super().schema()
        schema["properties"]["event_types"]["extra"]["help_text"] = TYPES_HELP
        return schema
