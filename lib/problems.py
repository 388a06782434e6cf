"""Every error as `application/problem+json` (RFC 9457): ours, Litestar's, msgspec's, the database's and bugs."""

import re
import traceback
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
from litestar import Request, Response
from litestar.enums import ParamType
from litestar.exceptions import HTTPException, ValidationException

from lib import database_errors, errors, log, wording
from lib.errors import AppError, BadInput, FieldError

logger = log.get("lib.problems")

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:problem-type:stockroom:"
MISSING_PARAMETER = re.compile(r"Missing required (\w+) parameter '(.+)' for path ")
NAMED_FIELD = re.compile(r"Object (?:missing required|contains unknown) field `(.+)`")
DISCONNECTED = "client disconnected prematurely"


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The shape of every error. `code` is stable; `errors` stands only where fields of the input are wrong."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    errors: list[FieldError] = []


class MethodNotAllowed(AppError):
    """This cannot be done here with this method."""

    status = 405
    title = "Method not allowed"


class ClientGone(AppError):
    """The request ended before its body was complete."""

    status = 400
    title = "Incomplete request"


OUR_KIND: dict[int, type[AppError]] = {
    400: BadInput,
    401: errors.NotSignedIn,
    403: errors.NotAllowed,
    404: errors.NotFound,
    405: MethodNotAllowed,
    409: errors.Conflict,
    413: errors.TooLarge,
    415: errors.UnsupportedFile,
    422: errors.Unprocessable,
    429: errors.TooManyRequests,
    503: errors.Unavailable,
}


def to_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Whatever was raised, as problem+json."""
    known = tell(request, error)
    body, headers = render(known, request.scope["path"])
    return Response(body, status_code=known.status, headers=headers, media_type=MEDIA_TYPE)


def tell(request: Request[Any, Any, Any], error: Exception) -> AppError:
    """The client's view of any error, after a line in the log for what may be our fault."""
    known = explain(error, request)
    if known is None or known.status == HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request_failed", method=request.method, path=request.scope["path"], exception=_plain(error))
        known = AppError(f"Something went wrong on our side. Its number is {request_id(request.scope)}.")
    elif known is not error and not isinstance(error, HTTPException):
        # It may be a bug of ours that looks like bad input.
        logger.warning("request_refused", path=request.scope["path"], code=known.code, exception=_plain(error))
    return known


def _plain(error: Exception) -> str:
    """The traceback as text. structlog's own for the console shows local variables: headers, tokens, passwords."""
    return "".join(traceback.format_exception(error))


def render(error: AppError, path: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers."""
    problem = Problem(
        type=TYPE_PREFIX + error.code,
        title=error.title,
        status=error.status,
        detail=error.detail,
        instance=quote(path, errors="replace"),
        code=error.code,
        errors=error.errors,
    )
    return msgspec.json.encode(msgspec.to_builtins(problem) | error.extra), headers_of(error)


def request_id(scope: Any) -> str:
    given: str = scope.get("state", {}).get("request_id", "")
    return given


def explain(error: Exception, request: Request[Any, Any, Any]) -> AppError | None:
    """The client's view of an error; None for a bug of ours."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, HTTPException):
        return _from_litestar(error, request)
    if isinstance(error, msgspec.DecodeError):
        return _from_msgspec(error)
    if isinstance(error, UnicodeDecodeError) or (type(error) is LookupError and "encoding" in str(error)):
        # A text part of a form whose bytes or charset are not what they say.
        return BadInput("The body cannot be decoded as text.")
    return database_errors.explain(error)


def _from_msgspec(error: msgspec.DecodeError) -> AppError:
    """Of input that a handler converts itself."""
    if not isinstance(error, msgspec.ValidationError):
        return BadInput(f"This is not valid JSON: {error}.")
    message, place = wording.split_place(str(error))
    return errors.field_error(place.removeprefix(".") or "body", wording.plain(message))


def _from_litestar(error: HTTPException, request: Request[Any, Any, Any]) -> AppError | None:
    if isinstance(error, ValidationException):
        return _bad_input(error, request)
    if error.detail == DISCONNECTED:
        return ClientGone()
    if error.status_code == HTTPStatus.INTERNAL_SERVER_ERROR:
        return None
    return _same_status(error)


def _same_status(error: HTTPException) -> AppError:
    phrase = HTTPStatus(error.status_code).phrase
    detail = "" if error.detail in {phrase, "Request Entity Too Large"} else error.detail
    known = OUR_KIND.get(error.status_code, BadInput)(detail, headers=dict(error.headers or {}))
    if error.status_code not in OUR_KIND:
        known.status, known.title, known.code = error.status_code, phrase, phrase.lower().replace(" ", "_")
    return known


def _bad_input(error: ValidationException, request: Request[Any, Any, Any]) -> AppError:
    if missing := MISSING_PARAMETER.match(error.detail):
        return errors.field_error(missing.group(2), "is required")
    if not isinstance(error.extra, Sequence):
        return BadInput(error.detail)
    if any(item.get("source") == ParamType.PATH for item in error.extra):
        # An id beyond the database's integers is nobody's, as is any other that was never given.
        return errors.NotFound()
    return errors.wrong_fields([_field_error(item, request) for item in error.extra])


def _field_error(item: dict[str, str], request: Request[Any, Any, Any]) -> FieldError:
    """`key` is the name of the handler's argument, with the path inside it for a form."""
    field, message = item.get("key", "body"), item["message"]
    if item.get("source") != "body":
        return FieldError(_public_name(field, request), wording.plain(message))
    if message == "'data'":
        return FieldError("body", "is required")
    if named := NAMED_FIELD.match(message):
        sentence = "is required" if "missing" in message else "is not a known field"
        return FieldError(named.group(1) if field == "data" else f"{field}.{named.group(1)}", sentence)
    return FieldError("body" if field == "data" else field, wording.plain(message))


def _public_name(argument: str, request: Request[Any, Any, Any]) -> str:
    """The parameter as the client spells it ("price__gte"), which may differ from the handler's argument."""
    handler = request.route_handler
    signatures = [handler.parsed_fn_signature]
    signatures += [provide.parsed_fn_signature for provide in handler.resolve_dependencies().values()]
    kwargs = (one.parameters[argument].kwarg_definition for one in signatures if argument in one.parameters)
    return getattr(next(kwargs, None), "name", None) or argument


def headers_of(error: AppError) -> dict[str, str]:
    """Those that its status asks for, and its own."""
    headers = {name.lower(): value for name, value in error.headers.items()}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers.setdefault("www-authenticate", "Bearer")
    if error.status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        headers.setdefault("retry-after", str(database_errors.RETRY_AFTER_SECONDS))
    if "allow" in headers:
        headers["allow"] = with_head(headers["allow"])
    return headers


def with_head(allow: str) -> str:
    """Whatever answers GET answers HEAD."""
    methods = {method.strip() for method in allow.split(",")}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))
