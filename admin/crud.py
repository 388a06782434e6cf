"""What the tables answer: Piccolo's CRUD, with ranges in filters and counts that never take long."""

import re
from typing import Any, ClassVar

import msgspec
import pydantic
from piccolo.columns import JSONB, Column, Where
from piccolo.columns.combination import WhereRaw
from piccolo.columns.operators.comparison import In
from piccolo.table import Table
from piccolo_api.crud.endpoints import OPERATOR_MAP, ParamException, Params, PiccoloCRUD
from piccolo_api.crud.exceptions import MalformedQuery
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from admin.views import columns_of
from piccolo_conf import fetch_value

# Piccolo admits one bound for a column; "price__gte=5&price__lt=10" are two.
RANGE = re.compile("(?P<column>.+)__(?P<operator>gte|gt|lte|lt)")
# "id__in=3,5": rows that a page of ours has told of.
IDS = "id__in"
INSTRUCTIONS = re.compile("__.*|.+__(operator|match)")
# Operators that need no value: with them an instruction is a filter.
FILTERING = {"is_null", "not_null"}
# It counts the whole table, for a header that nobody here reads.
UNSUPPORTED = {"__range_header", "__range_header_name"}
LONGEST_TOLD = 100
COUNTED_EXACTLY = 100_000
MOST_NAMES = 100
LIMIT = re.compile("[0-9]{1,3}")
# What Piccolo's page reads of every field.
FIELD_EXTRA = {"choices": None, "help_text": None, "nullable": False, "secret": False, "unique": True}


class Crud(PiccoloCRUD):
    """Of one table, read-only unless a subclass says otherwise."""

    is_editable: ClassVar[bool] = False
    # Neither made nor changed here.
    is_only_deleted: ClassVar[bool] = False
    # Columns that only the database and our services write.
    locked: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, table: type[Table], *, read_only: bool = False, **options: Any) -> None:
        super().__init__(table, read_only=read_only or not self.is_editable, **options)

    async def get_schema(self, request: Request) -> JSONResponse:  # noqa: ARG002 - Piccolo's signature.
        return JSONResponse(self.schema())

    def schema(self) -> dict[str, Any]:
        """With the id, which Piccolo leaves out: its page then stops where somebody wants to see or export it."""
        schema: dict[str, Any] = self.pydantic_model.model_json_schema()
        key = self.table._meta.primary_key
        kind = "integer" if key.value_type is int else "string"
        described = {"type": kind, "title": "Id", "extra": FIELD_EXTRA}
        schema["properties"] = {key._meta.name: described} | schema["properties"]
        return schema

    async def get_ids(self, request: Request) -> Response:
        """Names to choose from, never all of them: there may be a million."""
        limit = request.query_params.get("limit", "")
        if not LIMIT.fullmatch(limit) or not 0 < int(limit) <= MOST_NAMES:
            return Response(f"Give a limit from 1 to {MOST_NAMES}.", status_code=400)
        found: Response = await super().get_ids(request)
        return found

    async def get_count(self, request: Request) -> Response:
        """Without a filter the planner's estimate when that is large: counting a long log takes seconds."""
        if not any(_is_filter(name, value) for name, value in request.query_params.multi_items()):
            size = await estimate(self.table._meta.tablename)
            if size > COUNTED_EXACTLY:
                return JSONResponse({"count": size, "page_size": self.page_size})
        counted: Response = await super().get_count(request)
        return counted

    def _clean_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """Leaves the text "null" a text, as Piccolo's count does; its page asks for what is empty by an operator."""
        return data

    def _split_params(self, params: dict[str, Any]) -> Params:
        """Raises ParamException."""
        for name, value in params.items():
            if name in UNSUPPORTED or (INSTRUCTIONS.fullmatch(name) and not isinstance(value, str)):
                raise ParamException(f"{name[:LONGEST_TOLD]} is not understood here, or is given twice.")
        try:
            return super()._split_params(params)
        except ValueError as error:
            # Piccolo forgets this one where a column to sort by is not there.
            raise ParamException(str(error)) from None

    def _get_column(self, column_name: str) -> Column:
        """Of this table only. Piccolo follows the dots of a name into whatever attribute it finds."""
        if (column := columns_of(self.table).get(column_name)) is None:
            raise ValueError(f"{column_name[:LONGEST_TOLD]} isn't a valid field name.")
        return column

    def _apply_filters(self, query: Any, params: Params) -> Any:
        """Raises MalformedQuery, which Piccolo answers with 400."""
        ours = {name: value for name, value in params.fields.items() if self._is_ours(name)}
        theirs = {name: value for name, value in params.fields.items() if name not in ours}
        for name in theirs:
            self._column(name)
        params.fields = theirs
        try:
            query = super()._apply_filters(query, params)
            for name, value in ours.items():
                query = query.where(*self._conditions(name, value))
        except pydantic.ValidationError as error:
            raise MalformedQuery(error.errors()[0]["msg"]) from None
        return query

    def _is_ours(self, name: str) -> bool:
        return RANGE.fullmatch(name) is not None or name == IDS

    def _conditions(self, name: str, value: Any) -> list[Where | WhereRaw]:
        """Of a filter that Piccolo does not know."""
        if name == IDS:
            ids = [self.pydantic_model_filters(id=part).id for part in str(value).split(",")]  # type: ignore[attr-defined]
            return [Where(self._column("id"), values=ids, operator=In)]
        if (found := RANGE.fullmatch(name)) is None:
            raise MalformedQuery(f"{name} isn't a valid filter.")
        column = self._column(found["column"])
        read = self.pydantic_model_filters(**{found["column"]: value})
        return [Where(column, getattr(read, found["column"]), operator=OPERATOR_MAP[found["operator"]])]

    def _column(self, name: str) -> Column:
        """One to filter by. PostgreSQL does not compare JSON with text."""
        column = columns_of(self.table).get(name)
        if column is None or isinstance(column, JSONB):
            raise MalformedQuery(f"{name} isn't a valid field name.")
        return column


def _is_filter(name: str, value: str) -> bool:
    return not INSTRUCTIONS.fullmatch(name) or (name.endswith("__operator") and value in FILTERING)


async def estimate(tablename: str) -> int:
    """How many rows the planner expects."""
    plan = await fetch_value(f'EXPLAIN (FORMAT JSON) SELECT FROM "{tablename}"')
    return int(msgspec.json.decode(plan)[0]["Plan"]["Plan Rows"])
