"""Forms: what somebody typed and what is wrong with it, beside the fields where that is known."""

from collections import defaultdict
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType

from domains.accounts import csrf
from domains.web.pages import AnyRequest
from lib.errors import AppError, BadInput, FieldError, TooLarge
from lib.wrong_fields import find_wrong_fields

T = TypeVar("T", bound=msgspec.Struct)

MARKED = "Please look at what is marked below."
BROKEN_LINK = "The link is not complete. Open it from the mail again, or type in the code of the mail."
# Both come with a link and are never shown: what is wrong with them cannot be marked.
OF_LINK = {"uid", "token"}
LARGEST_FORM_BYTES = 64 << 10
MOST_FIELDS = 100


class Form(msgspec.Struct):
    """`problem` is the sentence above the fields, and `code` the kind of error that it tells of."""

    values: dict[str, str] = {}
    errors: dict[str, str] = {}
    problem: str = ""
    code: str = ""
    status: int = 200
    headers: dict[str, str] = {}
    choices: dict[str, list[str]] = {}

    def __repr__(self) -> str:
        """Without what was typed: passwords are among it."""
        return f"<Form {self.status} {sorted(self.errors)}>"

    def __getitem__(self, name: str) -> str:
        """Empty for what was not sent."""
        return self.values.get(name, "")

    def into(self, type_: type[T]) -> T:
        """What is left empty counts only where it must be there. Raises BadInput that names every wrong field."""
        fields = msgspec.structs.fields(type_)
        return checked({field.name: self[field.name] for field in fields if field.required or self[field.name]}, type_)

    def require(self, *names: str) -> None:
        """Raises BadInput for those that are empty."""
        if errors := [FieldError(name, "is required") for name in names if not self[name].strip()]:
            raise BadInput(errors=errors)

    def refuse(self, error: AppError) -> None:
        # A form that is filled in wrongly is shown again: no browser should ask for credentials of its own.
        self.status = 400 if error.status == HTTPStatus.UNAUTHORIZED else error.status
        self.code, self.headers = error.code, error.headers
        shown = self.values.keys() - OF_LINK
        self.errors = {wrong.field: _sentence(wrong.message) for wrong in error.errors if wrong.field in shown}
        elsewhere = [f"{wrong.field} {wrong.message}" for wrong in error.errors if wrong.field not in shown]
        self.problem = MARKED if self.errors else ("; ".join(elsewhere) or error.detail)
        if any(wrong.field in OF_LINK for wrong in error.errors):
            self.problem = BROKEN_LINK
            # Without it the form asks for the code.
            self.values |= dict.fromkeys(OF_LINK, "")


def checked(given: dict[str, Any], type_: type[T]) -> T:
    """Raises BadInput that names every wrong field, by the name of the whole: one of a list is the list's."""
    if errors := list(find_wrong_fields(given, type_, None)):
        raise BadInput(errors=[FieldError(wrong.field.partition("[")[0], wrong.message) for wrong in errors])
    return msgspec.convert(given, type_)


def _sentence(message: str) -> str:
    """ "is required" stands beside its field as "This is required.", "expected a number" as "Expected a number."."""
    is_verb = message[:1].islower() and not message.startswith("expected")
    text = f"This {message}" if is_verb else message[:1].upper() + message[1:]
    return text if text.endswith(".") else f"{text}."


async def read_form(request: AnyRequest) -> Form:
    """Raises CsrfFailed. Of a name sent twice the first counts in `values`; `choices` has all."""
    fields = await _read_fields(request)
    csrf.check(request, next(iter(fields.pop(csrf.FIELD, [])), ""))
    return Form({name: texts[0] for name, texts in fields.items()}, choices=fields)


async def _read_fields(request: AnyRequest) -> dict[str, list[str]]:
    if request.content_type[0] == RequestEncodingType.URL_ENCODED:
        sent = _parse(await request.body())
    else:
        sent = list((await request.form()).multi_items())
    fields: dict[str, list[str]] = defaultdict(list)
    for name, value in sent:
        fields[name].append(_text(value))
    return fields


def _parse(body: bytes) -> list[tuple[str, Any]]:
    # Litestar's own parser remembers the last 1,024 bodies: passwords among them, and however much a stranger sends.
    if len(body) > LARGEST_FORM_BYTES:
        raise TooLarge
    try:
        return [*parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)]
    except ValueError:
        raise BadInput("The form has too many fields.") from None


def _text(value: Any) -> str:
    """PostgreSQL takes no NUL in text, and nothing that anybody types has one."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else ""


async def read_file(request: AnyRequest, name: str, most: int) -> bytes:
    """Its first bytes; empty when none was chosen."""
    sent = (await request.form()).get(name)
    return await sent.read(most) if isinstance(sent, UploadFile) else b""


class Telling:
    """A block of a handler: what is refused inside it is told in the form, and the handler goes on behind it."""

    def __init__(self, form: Form) -> None:
        self.form = form

    def __enter__(self) -> Form:
        return self.form

    def __exit__(self, _type: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if not isinstance(error, AppError) or error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return False
        self.form.refuse(error)
        return True
