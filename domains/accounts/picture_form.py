"""The multipart form of a picture, read into memory up to its limit."""

from collections.abc import AsyncIterator

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from domains.accounts.avatars import LARGEST_BYTES
from lib.errors import BadInput, TooLarge, UnsupportedFile, field_error

FIELD = "file"
MOST_FIELDS = 5
PICTURE_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "string", "format": "binary"}},
                "additionalProperties": False,
            }
        }
    },
}


class BrokenForm(BadInput):
    """The multipart form cannot be read."""


async def read_picture(pieces: AsyncIterator[bytes], content_type: str, options: dict[str, str]) -> bytes:
    """The bytes of `file`. Raises UnsupportedFile for another content type, BrokenForm, TooLarge and BadInput."""
    if content_type != "multipart/form-data" or "boundary" not in options:
        raise UnsupportedFile("Send the picture as multipart/form-data in the field `file`.")
    form = Form()
    try:
        with PushMultipartParser(options["boundary"], max_segment_count=MOST_FIELDS) as parser:
            async for piece in pieces:
                for part in parser.parse(piece):
                    form.take(part)
    except (MultipartError, UnicodeError):
        raise BrokenForm from None
    return form.result()


class Form:
    """Takes the parser's parts in turn: a head, its data, and None behind it."""

    def __init__(self) -> None:
        self.data: bytearray | None = None

    def take(self, part: MultipartSegment | bytearray | None) -> None:
        if isinstance(part, MultipartSegment):
            self._begin(part.name)
        elif part is not None and self.data is not None:
            self.data += part
            if len(self.data) > LARGEST_BYTES:
                raise TooLarge(f"The picture is larger than {LARGEST_BYTES >> 20} MB.")

    def _begin(self, name: str) -> None:
        if name != FIELD:
            raise field_error(name[:100], "is not a known field")
        if self.data is not None:
            raise field_error(FIELD, "was sent more than once")
        self.data = bytearray()

    def result(self) -> bytes:
        if not self.data:
            raise field_error(FIELD, "is missing" if self.data is None else "is empty")
        return bytes(self.data)
