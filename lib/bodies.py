"""JSON bodies: decoded straight to what a handler declares, strictly; when that fails, all that is wrong is named."""

import functools
import itertools
from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler

from lib import wording
from lib.errors import AppError, BadInput, FieldError
from lib.wrong_fields import find_nul, find_wrong_fields

MOST_ERRORS = 100
MOST_NAMED = 5
# Beyond this a double no longer tells neighbours apart.
EXACT = 2**53
NUL = b"\\u0000"


class UnsupportedContentType(AppError):
    """This takes JSON: send Content-Type: application/json."""

    status = 415
    title = "Unsupported content type"


class JsonRequest(Request[Any, Any, Any]):
    """Litestar's own decodes without types, then turns text into numbers and stops at the first wrong field."""

    async def json(self) -> Any:
        """The body as the type of the handler's `data`; raises BadInput that names every wrong field."""
        _check_content_type(self.content_type[0])
        body = await self.body()
        return read_json(body, _decoder(self.route_handler))


def read_json(body: bytes, decoder: "msgspec.json.Decoder[Any]") -> Any:
    try:
        value = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        value = _read_again(body, decoder, str(error))
    if NUL in body:
        _refuse_nul(body)
    return value


@functools.lru_cache(1024)
def _decoder(handler: HTTPRouteHandler) -> "msgspec.json.Decoder[Any]":
    field = handler.parsed_data_field
    type_ = Any if field is None else field.annotation
    return msgspec.json.Decoder(type_, dec_hook=handler.default_deserializer)


def _check_content_type(content_type: str) -> None:
    """A missing one passes: curl and simple clients forget it."""
    if content_type not in {"", "application/json"} and not content_type.endswith("+json"):
        raise UnsupportedContentType(f"Send application/json, not {content_type[:100]}.")


def _read_again(body: bytes, decoder: "msgspec.json.Decoder[Any]", message: str) -> Any:
    """In JSON 3.0 is a whole number, and clients that calculate send it; msgspec takes only 3."""
    try:
        value = _without_fractions(_parse(body))
        return msgspec.convert(value, decoder.type, dec_hook=decoder.dec_hook, str_keys=True)
    except msgspec.ValidationError:
        errors = list(itertools.islice(find_wrong_fields(value, decoder.type, decoder.dec_hook), MOST_ERRORS))
        raise (_name(errors) if errors else BadInput(f"The body is not valid: {message}")) from None
    except RecursionError:
        raise BadInput("The body is nested too deeply.") from None


def _without_fractions(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_fractions(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_fractions(inner) for inner in value]
    is_whole = isinstance(value, float) and abs(value) < EXACT and value.is_integer()
    return int(value) if is_whole else value


def _parse(body: bytes) -> Any:
    """Without types; raises BadInput that says where the text stops being JSON."""
    try:
        return msgspec.json.decode(body)
    except msgspec.ValidationError as error:
        message, _place = wording.split_place(str(error))
        raise BadInput(f"The body cannot be read: {wording.plain(message)}.") from None
    except msgspec.DecodeError as error:
        sentence = str(error).removeprefix("JSON is malformed: ")
        sentence = sentence.replace("Input data was truncated", f"it ends too early (byte {len(body)})")
        raise BadInput(f"The body is not valid JSON: {sentence}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"The body is not valid UTF-8 (byte {_first_bad_byte(body)}).") from None


def _first_bad_byte(body: bytes) -> int:
    """msgspec counts from the beginning of the string that it reads, not of the body."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _refuse_nul(body: bytes) -> None:
    """PostgreSQL stores no U+0000. The escape may stand for a backslash and digits too: only the values tell."""
    errors = list(itertools.islice(find_nul(_parse(body)), MOST_ERRORS))
    if errors:
        raise _name(errors)


def _name(errors: list[FieldError]) -> BadInput:
    named = "; ".join(f"{error.field}: {error.message}" for error in errors[:MOST_NAMED])
    rest = len(errors) - MOST_NAMED
    return BadInput(f"{named}; and {rest} more" if rest > 0 else named, errors=errors)
