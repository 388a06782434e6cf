"""Products in the tables of the site: changed through the services that the API calls, with their rules."""

import itertools
from typing import Any, ClassVar

from piccolo.columns.combination import WhereRaw
from piccolo_api.crud.endpoints import Params
from piccolo_api.crud.exceptions import MalformedQuery

from admin import views
from admin.editing import Editor, Values
from admin.views import columns_of
from domains.catalog import products
from domains.catalog.filters import FILTERS, Condition, read_filters
from domains.catalog.schemas import ProductIn, ProductPatch
from lib.errors import BadInput
from settings import settings


class ProductEditor(Editor):
    defaults: ClassVar[dict[str, Any]] = {"currency": settings.default_currency}
    locked = frozenset(
        {
            *("id", "slug", "inventory_quantity", "version", "created_at", "updated_at"),
            *(name for name in columns_of(views.Product) if name.startswith("shopify_")),
        }
    )

    async def create(self, data: Values) -> int:
        return (await products.create_product(self.read(data, ProductIn), internal=True)).id

    async def change(self, row_id: Any, data: Values) -> None:
        await products.change_product(str(row_id), self.read(data, ProductPatch), None, internal=True)

    async def remove(self, row_id: Any) -> None:
        await products.delete_product(str(row_id), None, internal=True)

    def _split_params(self, params: dict[str, Any]) -> Params:
        """A text inside name or SKU is found as the API finds it: by the index over both."""
        split = super()._split_params(params)
        for name in ("name", "sku"):
            if isinstance(split.fields.get(name), str) and split.match_types[name] == "contains":
                split.fields[f"{name}__icontains"] = split.fields.pop(name)
        return split

    def _is_ours(self, name: str) -> bool:
        """The filters of the API too, so that a link can carry the selection of a bulk change."""
        return super()._is_ours(name) or (name in FILTERS and name not in columns_of(self.table))

    def _conditions(self, name: str, value: Any) -> list[Any]:
        if name not in FILTERS:
            return super()._conditions(name, value)
        try:
            return [_raw(condition) for condition in read_filters({name: [value] if isinstance(value, str) else value})]
        except BadInput as error:
            raise MalformedQuery(error.detail) from None


def _raw(condition: Condition) -> WhereRaw:
    """Its places are numbered in the order of their values; Piccolo's have no numbers."""
    return WhereRaw(condition.clause.format(*itertools.repeat("{}", len(condition.values))), *condition.values)
