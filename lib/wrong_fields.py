"""Everything wrong with a decoded JSON value, field by field; msgspec itself stops at the first."""

import enum
import types
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import msgspec

from lib import wording
from lib.errors import FieldError

Hook: TypeAlias = Callable[[type, Any], Any] | None
Place: TypeAlias = tuple[Any, Any, str]
LONGEST_NAME = 100
LISTS = (list, tuple, set, frozenset)


def find_wrong_fields(value: Any, type_: Any, hook: Hook, path: str = "") -> Iterator[FieldError]:
    """`hook` is the decoder of types that msgspec does not know. Paths read like "lines[2].quantity"."""
    try:
        msgspec.convert(value, type_, dec_hook=hook, str_keys=True)
    except msgspec.ValidationError as error:
        found = False
        for found_error in _inside(value, type_, hook, path):
            found = True
            yield found_error
        if not found:
            yield _describe(str(error), type_, path)


def find_nul(value: Any) -> Iterator[FieldError]:
    """Every string, and every name, with a NUL character."""
    waiting = [(value, "")]
    while waiting:
        part, path = waiting.pop()
        if isinstance(part, str) and "\0" in part:
            yield FieldError(path or "body", "must not contain a NUL character")
        elif isinstance(part, dict):
            waiting += [(name, path) for name in part] + [(inner, join(path, name)) for name, inner in part.items()]
        elif isinstance(part, list):
            waiting += [(inner, f"{path}[{number}]") for number, inner in enumerate(part)]


def join(path: str, name: str) -> str:
    short = name[:LONGEST_NAME]
    return f"{path}.{short}" if path else short


def _inside(value: Any, type_: Any, hook: Hook, path: str) -> Iterator[FieldError]:
    for alternative in _alternatives(type_):
        if isinstance(value, dict) and _is_struct(alternative):
            yield from _in_struct(value, alternative, hook, path)
            return
        for part, part_type, part_path in _parts(value, alternative, path):
            yield from find_wrong_fields(part, part_type, hook, part_path)


def _in_struct(value: dict[str, Any], struct: Any, hook: Hook, path: str) -> Iterator[FieldError]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name, field in fields.items():
        if name in value:
            yield from find_wrong_fields(value[name], field.type, hook, join(path, name))
        elif field.required:
            yield FieldError(join(path, name), "is required")
    config = (get_origin(struct) or struct).__struct_config__
    if config.forbid_unknown_fields:
        unknown = [name for name in value if name not in fields and name != config.tag_field]
        yield from (FieldError(join(path, name), "is not a known field") for name in unknown)


def _parts(value: Any, type_: Any, path: str) -> list[Place]:
    """The entries of a list or mapping with the type that each should have."""
    origin, arguments = get_origin(type_), get_args(type_)
    if isinstance(value, list) and origin in LISTS and arguments:
        return [(entry, arguments[0], f"{path}[{number}]") for number, entry in enumerate(value)]
    if isinstance(value, dict) and origin is dict:
        return [(entry, arguments[1], join(path, name)) for name, entry in value.items()]
    return []


def _alternatives(type_: Any) -> list[Any]:
    """The members of a union, without their constraints."""
    if get_origin(type_) is Annotated:
        return _alternatives(get_args(type_)[0])
    if get_origin(type_) in {Union, types.UnionType}:
        return [alternative for member in get_args(type_) for alternative in _alternatives(member)]
    return [type_]


def _is_struct(type_: Any) -> bool:
    plain = get_origin(type_) or type_
    return isinstance(plain, type) and issubclass(plain, msgspec.Struct) and not plain.__struct_config__.array_like


def _describe(error: str, type_: Any, path: str) -> FieldError:
    message, place = wording.split_place(error)
    field = f"{path}{place}".removeprefix(".") or "body"
    return FieldError(field, wording.choices(message, _allowed(type_)) if not place else wording.plain(message))


def _allowed(type_: Any) -> list[str]:
    """What an enum or a Literal admits."""
    words: list[str] = []
    for alternative in _alternatives(type_):
        if isinstance(alternative, type) and issubclass(alternative, enum.Enum):
            words += [str(member.value) for member in alternative]
        elif get_origin(alternative) is Literal:
            words += [str(choice) for choice in get_args(alternative)]
    return words
