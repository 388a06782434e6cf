"""Locations over HTTP."""

from http import HTTPStatus

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import JSONBody

from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.inventory import locations
from domains.inventory.schemas import LocationIn, LocationOut, LocationPatch
from lib.http import Page, RowId, respond


class LocationController(Controller):
    path = "/api/locations"
    tags = ("Stock",)

    @get(guards=[requires(Scope.INVENTORY_READ)], operation_class=locations.LIST.operation, summary="Locations")
    async def list_locations(self, request: CallerRequest) -> Response[Page[LocationOut]]:
        """Those that are not active too."""
        query = locations.LIST.read(request.scope["query_string"])
        found = await locations.list_locations(query)
        results = [LocationOut(**row) for row in found.rows]
        return respond(request, results, query.paging, found.total, found.cursor)

    @post(guards=[requires(Scope.INVENTORY_WRITE)], summary="Create a location")
    async def create(self, data: JSONBody[LocationIn]) -> Response[LocationOut]:
        """409 when the code belongs to another one, whatever its case."""
        created = await locations.create_location(data)
        headers = {"Location": f"/api/locations/{created.id}"}
        return Response(created, status_code=HTTPStatus.CREATED, headers=headers)

    @get("/{location_id:int}", guards=[requires(Scope.INVENTORY_READ)], summary="A location")
    async def show(self, location_id: RowId) -> LocationOut:
        return await locations.get_location(location_id)

    @patch("/{location_id:int}", guards=[requires(Scope.INVENTORY_WRITE)], summary="Change a location")
    async def change(self, location_id: RowId, data: JSONBody[LocationPatch]) -> LocationOut:
        """`"is_default": true` takes the flag from the location that has it. What is left out stays.

        409 for deactivating the default location, or one where stock lies.
        """
        return await locations.change_location(location_id, data)

    @delete("/{location_id:int}", guards=[requires(Scope.INVENTORY_WRITE)], summary="Delete a location")
    async def remove(self, location_id: RowId) -> None:
        """Only one that nothing has ever named; 409 for others: deactivate them."""
        await locations.delete_location(location_id)
