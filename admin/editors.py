"""The tables that may be edited: what is written goes through the services that the API calls, with their rules."""

import itertools
from typing import Annotated, Any, ClassVar, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from piccolo.columns import JSONB, Column
from piccolo.columns.combination import WhereRaw
from piccolo.table import Table
from piccolo_api.crud.endpoints import Params
from piccolo_api.crud.exceptions import MalformedQuery
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from admin import views
from admin.crud import FIELD_EXTRA, LONGEST_TOLD, RANGE, Crud
from admin.views import columns_of
from domains.accounts import management, users
from domains.accounts.account_schemas import Email, Password, Text, UserPatch
from domains.accounts.schemas import Concealed
from domains.accounts.tables import Role
from domains.catalog import products
from domains.catalog.filters import FILTERS, Condition, read_filters
from domains.catalog.schemas import ProductIn, ProductPatch
from lib.errors import BadInput, Conflict, FieldError, field_error
from lib.money import decode
from lib.wrong_fields import find_nul, find_wrong_fields
from piccolo_conf import execute, fetch_value
from settings import settings

Values: TypeAlias = dict[str, Any]
S = TypeVar("S", bound=msgspec.Struct)
MOST_ERRORS = 20
TRUTHS = {"true": True, "false": False}
PASSWORD_HELP = "For a new user only, 8 to 128 characters; later its owner changes it."  # noqa: S105 - A sentence.


class NotDeleted(Conflict):
    """Users are not deleted, because history refers to them: deactivate them instead."""


class DefaultStays(Conflict):
    """This is the default location: stock without a place of its own lies here."""


class Editor(Crud):
    """Answers as Piccolo's CRUD does; a subclass does the work."""

    is_editable = True
    # Beside the columns of the view.
    extra_fields: ClassVar[frozenset[str]] = frozenset()
    defaults: ClassVar[dict[str, Any]] = {}

    async def post_single(self, request: Request, data: Values) -> Response:  # noqa: ARG002 - Piccolo's signature.
        self._refuse_locked(data)
        return JSONResponse([{"id": await self.create(data)}], status_code=201)

    async def patch_single(self, request: Request, row_id: Any, data: Values) -> Response:  # noqa: ARG002
        self._refuse_locked(data)
        await self.change(row_id, data)
        return JSONResponse({"id": row_id})

    async def put_single(self, request: Request, row_id: Any, data: Values) -> Response:
        await self.patch_single(request, row_id, data)
        return Response(status_code=204)

    async def delete_single(self, request: Request, row_id: Any) -> Response:  # noqa: ARG002
        await self.remove(row_id)
        return Response(status_code=204)

    async def get_new(self, request: Request) -> Response:
        """What a form for a new row begins with."""
        fresh: Values = msgspec.json.decode((await super().get_new(request)).body)
        return JSONResponse(fresh | self.defaults)

    async def create(self, data: Values) -> int:
        raise NotImplementedError

    async def change(self, row_id: Any, data: Values) -> None:
        raise NotImplementedError

    async def remove(self, row_id: Any) -> None:
        raise NotImplementedError

    def _refuse_locked(self, data: Values) -> None:
        known = columns_of(self.table).keys() | self.extra_fields
        errors = [FieldError(name, "is not changed here") for name in data if name in self.locked]
        errors += [FieldError(_readable(name), "is not a known field") for name in data if name not in known]
        if errors:
            raise BadInput("; ".join(f"{error.field}: {error.message}" for error in errors), errors=errors)

    def read(self, data: Values, struct: type[S]) -> S:
        """What a form sends is text; raises BadInput with every wrong field."""
        columns = columns_of(self.table)
        given = {name: _typed(columns.get(name), value) for name, value in data.items()}
        errors = [*find_nul(given), *find_wrong_fields(given, struct, decode)]
        if errors:
            told = errors[:MOST_ERRORS]
            raise BadInput("; ".join(f"{error.field}: {error.message}" for error in told), errors=told)
        return msgspec.convert(given, struct, dec_hook=decode)


def _readable(name: str) -> str:
    """Half a surrogate pair, which JSON can hold, cannot be sent back."""
    return name[:LONGEST_TOLD].encode(errors="replace").decode()


def _typed(column: Column | None, value: Any) -> Any:
    """Text of a form as the JSON that the API takes."""
    if not isinstance(value, str) or column is None:
        return value
    if isinstance(column, JSONB):
        return _decoded(column._meta.name, value)
    if column.value_type is bool:
        return TRUTHS.get(value.lower(), value)
    if column.value_type is int and value.strip().lstrip("-").isdecimal():
        return int(value)
    return value


def _decoded(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        raise field_error(name, "is not valid JSON") from None


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
        return RANGE.fullmatch(name) is not None or (name in FILTERS and name not in columns_of(self.table))

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


class UserIn(Concealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: Email
    password: Password
    username: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    role: Role = Role.CUSTOMER
    active: bool = True


class UserEditor(Editor):
    locked = frozenset({"id", "admin", "superuser", "email_verified_at", "created_at", "last_login_at"})
    extra_fields = frozenset({"password"})
    defaults: ClassVar[dict[str, Any]] = {"active": True}

    async def create(self, data: Values) -> int:
        """The administrator vouches for the address."""
        given = self.read(_without_nulls(data), UserIn)
        kept = {name: getattr(given, name) for name in UserIn.__struct_fields__ if name != "active"}
        made = await users.create_user(**kept, is_verified=True)
        if not given.active:
            await users.deactivate(made.id)
        return made.id

    async def change(self, row_id: Any, data: Values) -> None:
        if data.pop("password", ""):
            raise field_error("password", "is changed by its owner only; they can have it reset by mail")
        await management.change_user(row_id, self.read(_without_nulls(data), UserPatch))

    async def remove(self, row_id: Any) -> None:  # noqa: ARG002 - Nobody goes.
        raise NotDeleted

    def schema(self) -> Values:
        """With a field for the first password, which no view has."""
        schema = super().schema()
        extra = FIELD_EXTRA | {"help_text": PASSWORD_HELP, "secret": True}
        schema["properties"]["password"] = {"type": "string", "title": "Password", "extra": extra}
        return schema


def _without_nulls(data: Values) -> Values:
    return {name: "" if value is None else value for name, value in data.items()}


class LocationPatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    code: Annotated[str, msgspec.Meta(max_length=50)] | UnsetType = UNSET
    name: Annotated[str, msgspec.Meta(max_length=255)] | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    shopify_location_id: int | UnsetType | None = UNSET


class LocationEditor(Editor):
    """Without a service of its own: what else it must keep, the database keeps."""

    locked = frozenset({"id", "is_default"})

    async def create(self, data: Values) -> int:
        values = self._clean({"code": "", "name": ""} | data)
        places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        inserted = f"INSERT INTO location ({', '.join(values)}) VALUES ({places}) RETURNING id"
        return int(await fetch_value(inserted, *values.values()))

    async def change(self, row_id: Any, data: Values) -> None:
        values = self._clean(data)
        if values.get("is_active") is False and await _is_default(row_id):
            raise DefaultStays
        if values:
            assigned = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, 2))
            await execute(f"UPDATE location SET {assigned} WHERE id = $1", row_id, *values.values())

    async def remove(self, row_id: Any) -> None:
        if await _is_default(row_id):
            raise DefaultStays
        await execute("DELETE FROM location WHERE id = $1", row_id)

    def _clean(self, data: Values) -> Values:
        """Raises BadInput."""
        trimmed = {name: value.strip() if isinstance(value, str) else value for name, value in data.items()}
        for name in ("code", "name"):
            if trimmed.get(name, "given") == "":
                raise field_error(name, "must not be blank")
        read = self.read(trimmed, LocationPatch)
        return {name: getattr(read, name) for name in trimmed}


async def _is_default(location_id: Any) -> bool:
    return bool(await fetch_value("SELECT is_default FROM location WHERE id = $1", location_id))


EDITORS: dict[type[Table], type[Crud]] = {
    views.Product: ProductEditor,
    views.User: UserEditor,
    views.Location: LocationEditor,
}


def make_crud(table: type[Table], **options: Any) -> Crud:
    """What Piccolo calls PiccoloCRUD: read-only where no editor is named."""
    return EDITORS.get(table, Crud)(table, **options)
