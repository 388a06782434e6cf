"""What PostgreSQL and Redis refuse because of a client or an outage, as a client hears of it. The rest are bugs."""

import contextlib
import traceback
from collections.abc import Iterator, Mapping

import asyncpg
from redis.exceptions import RedisError

from lib.errors import AppError, BadInput, Conflict, FieldError, Unavailable

RETRY_AFTER_SECONDS = 2
NOT_STORABLE = "A value cannot be stored: it contains a character that is not allowed."
OUT_OF_RANGE = "A number or a time is out of range."
TOO_LONG = "A text is too long."
IN_USE = "Something else refers to this, or what it refers to is gone."
BUSY = "Others are changing the same things; try again."
AWAY = "The database does not answer; try again."

TABLE: dict[type[Exception], tuple[type[AppError], str]] = {
    asyncpg.CharacterNotInRepertoireError: (BadInput, NOT_STORABLE),
    asyncpg.UntranslatableCharacterError: (BadInput, NOT_STORABLE),
    asyncpg.NumericValueOutOfRangeError: (BadInput, OUT_OF_RANGE),
    asyncpg.DatetimeFieldOverflowError: (BadInput, OUT_OF_RANGE),
    asyncpg.StringDataRightTruncationError: (BadInput, TOO_LONG),
    asyncpg.ProgramLimitExceededError: (BadInput, TOO_LONG),
    asyncpg.CheckViolationError: (BadInput, "A value breaks a rule of the database."),
    asyncpg.UniqueViolationError: (Conflict, "This exists already."),
    asyncpg.ForeignKeyViolationError: (Conflict, IN_USE),
    asyncpg.RestrictViolationError: (Conflict, IN_USE),
    asyncpg.TransactionRollbackError: (Unavailable, BUSY),
    asyncpg.LockNotAvailableError: (Unavailable, BUSY),
    asyncpg.QueryCanceledError: (Unavailable, "This took too long; try again or ask for less."),
    asyncpg.PostgresConnectionError: (Unavailable, AWAY),
    asyncpg.OperatorInterventionError: (Unavailable, AWAY),
    asyncpg.InternalClientError: (Unavailable, AWAY),
    asyncpg.InsufficientResourcesError: (Unavailable, AWAY),
    asyncpg.ReadOnlySQLTransactionError: (Unavailable, AWAY),
    asyncpg.IdleInTransactionSessionTimeoutError: (Unavailable, AWAY),
    RedisError: (Unavailable, "A part that is needed for this does not answer; try again."),
}


@contextlib.contextmanager
def naming_conflicts(known: Mapping[str, tuple[type[Conflict], str]], of_another: str) -> Iterator[None]:
    """Around a transaction: which rule a second row broke. Only the unique index knows, whoever checked before.

    `known` tells for its name the error and the field, which belongs to "another product"; "" for no field.
    """
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if (found := known.get(error.constraint_name or "")) is None:
            raise
        kind, field = found
        raise kind(errors=[FieldError(field, f"belongs to another {of_another}")] if field else []) from None


def explain(error: Exception) -> AppError | None:
    """The client's view of a refusal; None for a bug of ours."""
    if isinstance(error, asyncpg.DataError) and _has_unfit_argument(error):
        return BadInput(OUT_OF_RANGE)
    if _is_lost_connection(error):
        return _make(Unavailable, AWAY)
    found = next((TABLE[kind] for kind in type(error).__mro__ if kind in TABLE), None)
    return _make(*found) if found else None


def _make(kind: type[AppError], detail: str) -> AppError:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if kind is Unavailable else {}
    return kind(detail, headers=headers)


def _has_unfit_argument(error: asyncpg.DataError) -> bool:
    """asyncpg refuses an integer beyond 32 or 64 bits and a lone surrogate before it asks the server."""
    return isinstance(error.__cause__, OverflowError | UnicodeEncodeError)


def _is_lost_connection(error: Exception) -> bool:
    """asyncpg tells of a closed connection by a general error, and of a refused one by the operating system's."""
    if isinstance(error, asyncpg.InterfaceError):
        return "clos" in str(error) or "released" in str(error)
    return isinstance(error, OSError) and _passed_asyncpg(error)


def _passed_asyncpg(error: Exception) -> bool:
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__", "").startswith("asyncpg.") for frame, _line in frames)
