"""What Litestar's OpenAPI document lacks to be true: JSON as msgspec checks it, and errors as they are sent."""

from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any, TypeAlias, get_args, get_origin

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from lib import log
from lib.problems import MEDIA_TYPE, Problem

logger = log.get("lib.openapi")

JSON = "application/json"
# A handler that reads its body itself sets this option to the OpenAPI Request Body Object of what it takes.
REQUEST_BODY = "request_body"
REF = "#/components/schemas/"
Json: TypeAlias = dict[str, Any]
SchemaHook: TypeAlias = Callable[[type], Json] | None

ERRORS = {
    "400": "The input is not valid.",
    "401": "Nobody is signed in, or the token is not good.",
    "403": "The caller lacks the scope that this needs.",
    "404": "There is no such thing, or it is not the caller's.",
    "4XX": "The request was refused; `code` says why.",
}


class Operation(msgspec.Struct):
    path: str
    handler: HTTPRouteHandler
    json: Json


def complete(document: Json, app: Litestar, hook: SchemaHook) -> Json:
    """Changes the document in place and returns it; `hook` tells the schema of types that msgspec does not know."""
    operations = list(_operations(document, app))
    places = [place for operation in operations for place in _places(operation) if _is_known(place[1], hook)]
    types = [Problem, *(type_ for _holder, type_ in places)]
    found, components = msgspec.json.schema_components(types, schema_hook=hook, ref_template=REF + "{name}")
    problem, *schemas = found
    for (holder, _type), schema in zip(places, schemas, strict=True):
        holder["schema"] = schema
    for operation in operations:
        _describe(operation, problem)
    known = document.setdefault("components", {}).get("schemas", {}) | components
    document["components"]["schemas"] = _used(document["paths"], known)
    return document


def _operations(document: Json, app: Litestar) -> Iterator[Operation]:
    for route in app.routes:
        methods = route.route_handler_map.items() if isinstance(route, HTTPRoute) else ()
        for method, (handler, _model) in methods:
            path = route.path_format or "/"
            if found := document["paths"].get(path, {}).get(method.lower()):
                yield Operation(path, handler, found)


def _places(operation: Operation) -> Iterator[tuple[Json, Any]]:
    """Where the document describes JSON, and the type that stands there."""
    handler = operation.handler
    if (data := handler.parsed_data_field) is not None:
        operation.json["requestBody"]["required"] = not data.has_default
        yield from _place(operation.json["requestBody"], data.annotation)
    bodies = {handler.status_code: _body_type(handler.parsed_return_field.annotation)}
    bodies |= {status: spec.data_container for status, spec in (handler.responses or {}).items()}
    for status, type_ in bodies.items():
        if int(status) // 100 != 4:
            yield from _place(operation.json["responses"][str(status)], type_)


def _place(part: Json, type_: Any) -> Iterator[tuple[Json, Any]]:
    """Bytes are JSON that a handler wrote itself: it says in its `responses` what they mean."""
    holder = part.get("content", {}).get(JSON)
    if holder is not None and type_ not in {None, bytes}:
        yield holder, type_


def _is_known(type_: Any, hook: SchemaHook) -> bool:
    """Whether msgspec can describe it; when not, what Litestar made of it stays, which says less than is checked."""
    try:
        msgspec.json.schema_components([type_], schema_hook=hook)
    except (TypeError, NotImplementedError) as error:
        logger.warning("type_not_described", type=str(type_), error=str(error))
        return False
    return True


def _body_type(annotation: Any) -> Any:
    """The T of Response[T]; None for streams and files, and where an answer may be one."""
    if _is_response(annotation):
        return next(iter(get_args(annotation)), None)
    return None if any(_is_response(member) for member in get_args(annotation)) else annotation


def _is_response(annotation: Any) -> bool:
    plain = get_origin(annotation) or annotation
    return isinstance(plain, type) and issubclass(plain, Response)


def _describe(operation: Operation, problem: Json) -> None:
    json, handler = operation.json, operation.handler
    json.setdefault("tags", [_tag(operation.path)])
    json["summary"] = handler.summary or handler.handler_name.strip("_").replace("_", " ").capitalize()
    if REQUEST_BODY in handler.opt:
        json["requestBody"] = handler.opt[REQUEST_BODY]
    for parameter in json.get("parameters", []):
        if parameter["in"] != "query":
            _forget_null(parameter["schema"])
    told = {str(status): spec.description for status, spec in (handler.responses or {}).items()}
    for status in sorted(_error_statuses(operation)):
        description = told.get(status) or ERRORS.get(status) or HTTPStatus(int(status)).phrase
        json["responses"][status] = {"description": description, "content": {MEDIA_TYPE: {"schema": problem}}}


def _forget_null(schema: Json) -> None:
    """A header is left out or it is text; only in a query does "null" stand for nothing."""
    kept = [choice for choice in schema.get("oneOf", []) if choice.get("type") != "null"]
    if len(kept) == 1:
        del schema["oneOf"]
        schema |= kept[0]


def _error_statuses(operation: Operation) -> set[str]:
    json = operation.json
    statuses = {"4XX"} | {status for status in json["responses"] if status.startswith("4")}
    if json.get("parameters") or "requestBody" in json:
        statuses.add("400")
    if json.get("security"):
        statuses |= {"401", "403"}
    if "{" in operation.path:
        statuses.add("404")
    return statuses


def _tag(path: str) -> str:
    """The noun that a path is about: "products" of /api/products/{id}."""
    parts = [part for part in path.split("/") if part and not part.startswith("{")]
    return next((part for part in parts if part != "api"), "stockroom")


def _used(paths: Json, known: Json) -> Json:
    """Litestar's own versions of what was replaced go."""
    used: Json = {}
    waiting: list[Any] = [paths]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix(REF)
            if name in known and name not in used:
                used[name] = known[name]
                waiting.append(known[name])
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part
    return dict(sorted(used.items()))
