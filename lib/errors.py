"""What a client can do wrong: each error carries its HTTP status, a stable code and a sentence."""

import re
from collections.abc import Iterable

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One thing wrong with one field of the input."""

    field: str
    message: str


class AppError(Exception):
    """Base of every error that reaches a client as problem+json. `code` follows from the class name."""

    status = 500
    title = "Server error"
    code = "server_error"

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(
        self,
        detail: str = "",
        *,
        errors: list[FieldError] | None = None,
        headers: dict[str, str] | None = None,
        extra: dict[str, object] | None = None,
    ) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.errors = errors or []
        self.headers = headers or {}
        self.extra = extra or {}
        super().__init__(self.detail)


class BadInput(AppError):
    """The input is not valid."""

    status = 400
    title = "Bad input"


class NotSignedIn(AppError):
    """Sign in first."""

    status = 401
    title = "Not signed in"


class NotAllowed(AppError):
    """You are not allowed to do this."""

    status = 403
    title = "Not allowed"


class NotFound(AppError):
    """There is no such thing here."""

    status = 404
    title = "Not found"


class Conflict(AppError):
    """This conflicts with what is already there."""

    status = 409
    title = "Conflict"


class Stale(AppError):
    """It was changed in the meantime; read it again."""

    status = 412
    title = "Stale version"


class TooLarge(AppError):
    """The request is too large."""

    status = 413
    title = "Too large"


class UnsupportedFile(AppError):
    """This kind of file is not supported."""

    status = 415
    title = "Unsupported file"


class Unprocessable(AppError):
    """This was understood but cannot be done."""

    status = 422
    title = "Unprocessable"


class TooManyRequests(AppError):
    """Too many requests; try again later."""

    status = 429
    title = "Too many requests"


class Unavailable(AppError):
    """A part that is needed for this does not answer; try again."""

    status = 503
    title = "Unavailable"


def field_error(field: str, message: str) -> BadInput:
    """Bad input in one field."""
    return wrong_fields([FieldError(field, message)])


def wrong_fields(errors: list[FieldError]) -> BadInput:
    """Bad input in several fields, each with its sentence."""
    return BadInput("; ".join(f"{error.field}: {error.message}" for error in errors), errors=errors)


def refuse_fields(found: Iterable[FieldError]) -> None:
    """Raises BadInput when anything was found."""
    if errors := list(found):
        raise wrong_fields(errors)
