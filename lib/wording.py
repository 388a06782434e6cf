"""What msgspec says about a wrong value, in plain words."""

import re

KINDS = {
    "int": "a whole number",
    "float": "a number",
    "decimal": "a number",
    "str": "text",
    "bool": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
    "bytes": "base64 text",
    "date": "a date like 2030-01-31",
    "datetime": "a time like 2030-01-31T12:00:00Z",
    "uuid": "a UUID",
}
INVALID = {
    "Invalid RFC3339 encoded datetime": "expected a time like 2030-01-31T12:00:00Z",
    "Invalid RFC3339 encoded date": "expected a date like 2030-01-31",
    "Invalid RFC3339 encoded time": "expected a time of day like 12:00:00",
    "Invalid ISO8601 duration": "expected a duration like PT1H30M",
    "Invalid UUID": "expected a UUID",
    "Invalid decimal string": "expected a number",
    "Invalid base64 encoded string": "expected base64 text",
    "Integer value out of range": "the number is too large",
    "Number out of range": "the number is too large",
}
KIND = re.compile(r"`([a-z| ]+)`")
LENGTH = re.compile(r"expected (text|a list|an object) of length (>=|<=) (\d+)")
PLACE = re.compile(r" - at `(?:key in )?\$(.*)`$")
PART_OF_LENGTH = {"text": "characters", "a list": "entries", "an object": "entries"}


def split_place(message: str) -> tuple[str, str]:
    """The sentence, and the path that msgspec appended to it without its `$` ("[1].quantity")."""
    found = PLACE.search(message)
    return (message[: found.start()], found.group(1)) if found else (message, "")


def plain(message: str) -> str:
    """ "Expected `int`, got `str`" → "expected a whole number, got text"; a sentence of our own stays as it is."""
    if message in INVALID:
        return INVALID[message]
    if not message.startswith("Expected"):
        return message[:1].lower() + message[1:]
    return LENGTH.sub(_length, KIND.sub(_kinds, message[:1].lower() + message[1:]))


def choices(message: str, allowed: list[str]) -> str:
    """An enum's sentence with what may stand there: msgspec tells only what may not."""
    return f"expected one of {', '.join(allowed)}" if message.startswith("Invalid enum value") else plain(message)


def _kinds(found: re.Match[str]) -> str:
    return " or ".join(KINDS.get(name, name) for name in found.group(1).split(" | "))


def _length(found: re.Match[str]) -> str:
    kind, sign, count = found.groups()
    return f"expected {kind} with at {'least' if sign == '>=' else 'most'} {count} {PART_OF_LENGTH[kind]}"
