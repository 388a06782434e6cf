"""Low-stock notifications in the tables of the site: to read, and to put away."""

from typing import Any

from piccolo.columns.combination import WhereRaw
from piccolo_api.crud.endpoints import Params
from starlette.requests import Request
from starlette.responses import Response

from admin.editing import Editor, Values
from domains.inventory import notifications


class NotificationEditor(Editor):
    is_only_deleted = True

    async def post_single(self, request: Request, data: Values) -> Response:  # noqa: ARG002 - Piccolo's signature.
        return Response(status_code=405, headers={"Allow": "GET"})

    async def patch_single(self, request: Request, row_id: Any, data: Values) -> Response:  # noqa: ARG002
        return Response(status_code=405, headers={"Allow": "GET, DELETE"})

    async def put_single(self, request: Request, row_id: Any, data: Values) -> Response:
        return await self.patch_single(request, row_id, data)

    async def remove(self, row_id: Any) -> None:
        await notifications.dismiss(row_id)

    def _apply_filters(self, query: Any, params: Params) -> Any:
        """What was dismissed is shown no more."""
        return super()._apply_filters(query, params).where(WhereRaw("dismissed_at IS NULL"))
