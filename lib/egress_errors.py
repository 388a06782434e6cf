"""Why a request out got no reply. Sentences name neither URL nor headers, which may hold secrets."""

from enum import StrEnum

import aiohttp


class Failure(StrEnum):
    """Why there is no reply: the closed list that logs of attempts store."""

    BAD_URL = "bad_url"
    BAD_HEADER = "bad_header"
    BLOCKED_ADDRESS = "blocked_address"
    NAME_NOT_FOUND = "name_not_found"
    CONNECT_FAILED = "connect_failed"
    TLS_FAILED = "tls_failed"
    TIMED_OUT = "timed_out"
    CONNECTION_LOST = "connection_lost"
    BAD_REPLY = "bad_reply"


class EgressError(Exception):
    """There is no reply."""

    code: Failure

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or (type(self).__doc__ or "").strip())


class BadUrl(EgressError):
    """The URL cannot be used."""

    code = Failure.BAD_URL


class BadHeader(EgressError):
    """A header cannot be sent: its name is not ours to set, or it holds characters that no header may."""

    code = Failure.BAD_HEADER


class BlockedAddress(EgressError, PermissionError):
    """The URL leads to an address that must not be reached from here."""

    code = Failure.BLOCKED_ADDRESS


class NameNotFound(EgressError):
    """The name of the server cannot be resolved."""

    code = Failure.NAME_NOT_FOUND


class ConnectFailed(EgressError):
    """The server does not take connections."""

    code = Failure.CONNECT_FAILED


class TlsFailed(EgressError):
    """There is no secure connection to the server: its certificate or its protocol is not good."""

    code = Failure.TLS_FAILED


class TimedOut(EgressError):
    """The server did not answer in time."""

    code = Failure.TIMED_OUT


class ConnectionLost(EgressError):
    """The server ended the connection before it had answered."""

    code = Failure.CONNECTION_LOST


class BadReply(EgressError):
    """What the server answered is not HTTP, or its headers are too large."""

    code = Failure.BAD_REPLY


# The first that fits; most errors of the client are of several kinds.
KINDS: list[tuple[type[Exception], type[EgressError]]] = [
    (TimeoutError, TimedOut),
    (aiohttp.ClientConnectorDNSError, NameNotFound),
    (aiohttp.ClientSSLError, TlsFailed),
    (aiohttp.ClientConnectorError, ConnectFailed),
    (aiohttp.ClientResponseError, BadReply),
    (aiohttp.ClientPayloadError, BadReply),
    (OSError, ConnectionLost),
    (ValueError, BadUrl),
    (aiohttp.ClientError, ConnectionLost),
]
EXPECTED = (aiohttp.ClientError, OSError, ValueError)


def explain(error: Exception) -> EgressError:
    """Our kind of an error that is one of EXPECTED."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, EgressError):
        return cause
    return next(ours for kind, ours in KINDS if isinstance(error, kind))()
