"""Locations in the tables of the site."""

from typing import Any

from admin.editing import Editor, Values
from domains.inventory import locations
from domains.inventory.schemas import LocationIn, LocationPatch


class LocationEditor(Editor):
    """To make one the default takes the flag from the one that has it."""

    locked = frozenset({"id"})

    async def create(self, data: Values) -> int:
        return (await locations.create_location(self.read(data, LocationIn))).id

    async def change(self, row_id: Any, data: Values) -> None:
        await locations.change_location(row_id, self.read(data, LocationPatch))

    async def remove(self, row_id: Any) -> None:
        await locations.delete_location(row_id)
