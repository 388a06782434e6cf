"""A multipart upload, streamed: the file goes to storage piece by piece, nothing larger than a field is held."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import msgspec
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from lib import files
from lib.errors import BadInput, UnsupportedFile, field_error
from lib.files import Saved, Writer

MOST_FIELDS = 20
LARGEST_FIELD = 64 << 10
LONGEST_NAME = 255


class Upload(msgspec.Struct):
    """The stored file, what it was called, and the other fields as text."""

    file: Saved
    filename: str
    fields: dict[str, str]


class BrokenForm(BadInput):
    """The multipart form cannot be read."""


async def receive(pieces: AsyncIterator[bytes], content_type: str, options: dict[str, str], limit: int) -> Upload:
    """Raises UnsupportedFile for another content type, BrokenForm, TooLarge, and BadInput without a `file`."""
    if content_type != "multipart/form-data" or "boundary" not in options:
        raise UnsupportedFile("Send the file as multipart/form-data in the field `file`.")
    async with AsyncExitStack() as stack:
        form = Form(stack, limit)
        try:
            with PushMultipartParser(options["boundary"], max_segment_count=MOST_FIELDS) as parser:
                async for piece in pieces:
                    for part in parser.parse(piece):
                        await form.take(part)
            return form.result()
        except (MultipartError, UnicodeError):
            form.forget()
            raise BrokenForm from None
        except BaseException:
            form.forget()
            raise


class Form:
    """Takes the parser's parts in turn: a head, its data, and None behind it."""

    def __init__(self, stack: AsyncExitStack, limit: int) -> None:
        self.stack = stack
        self.limit = limit
        self.head: MultipartSegment | None = None
        self.writer: Writer | None = None
        self.saved: Saved | None = None
        self.filename = ""
        self.text = bytearray()
        self.fields: dict[str, str] = {}

    async def take(self, part: MultipartSegment | bytearray | None) -> None:
        if isinstance(part, MultipartSegment):
            await self._begin(part)
        elif part is None:
            await self._end()
        elif self.writer is not None:
            await self.writer.write(bytes(part))
        else:
            self.text += part
            if len(self.text) > LARGEST_FIELD:
                raise field_error(self.head.name if self.head else "", "is too long")

    async def _begin(self, head: MultipartSegment) -> None:
        self.head = head
        self.text.clear()
        if head.name != "file":
            return
        if self.saved is not None:
            raise field_error("file", "was sent more than once")
        self.filename = _bare(head.filename or "")
        self.writer = await self.stack.enter_async_context(Writer(self.limit))

    async def _end(self) -> None:
        if self.writer is not None:
            self.saved = await self.writer.finish()
            self.writer = None
        elif self.head is not None:
            self.fields[self.head.name] = self.text.decode()

    def forget(self) -> None:
        """A file that came in whole belongs to nobody when the form fails behind it."""
        if self.saved is not None:
            files.remove(self.saved.key)

    def result(self) -> Upload:
        if self.saved is None:
            raise field_error("file", "is missing")
        return Upload(self.saved, self.filename, self.fields)


def _bare(filename: str) -> str:
    """The last part of a path, without what no file name needs."""
    name = filename.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in name if letter.isprintable())[-LONGEST_NAME:] or "upload"
