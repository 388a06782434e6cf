"""What all editable tables share: how Piccolo's forms arrive, and how what is wrong is told."""

from typing import Any, ClassVar, TypeAlias, TypeVar

import msgspec
from piccolo.columns import JSONB, Column
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from admin.crud import LONGEST_TOLD, Crud
from admin.views import columns_of
from lib.errors import FieldError, field_error, refuse_fields
from lib.money import decode
from lib.wrong_fields import find_nul, find_wrong_fields

Values: TypeAlias = dict[str, Any]
S = TypeVar("S", bound=msgspec.Struct)
MOST_ERRORS = 20
TRUTHS = {"true": True, "false": False}


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
        refuse_fields(errors)

    def read(self, data: Values, struct: type[S]) -> S:
        """What a form sends is text; raises BadInput with every wrong field."""
        columns = columns_of(self.table)
        given = {name: _typed(columns.get(name), value) for name, value in data.items()}
        errors = [*find_nul(given), *find_wrong_fields(given, struct, decode)]
        refuse_fields(errors[:MOST_ERRORS])
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
