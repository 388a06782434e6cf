"""What travels in and out of accounts, and who calls."""

from datetime import datetime
from typing import Annotated, Any, TypeAlias

import msgspec

from domains.accounts.scopes import Scope, scopes_of
from domains.accounts.tables import Role
from lib.errors import NotSignedIn, field_error

LONGEST_EMAIL = 254
LONGEST_REFRESH = 4096


class Caller(msgspec.Struct, frozen=True):
    """Who makes this request: `request.user`. Anonymous without `user_id`.

    `session_id` names the session's family; a machine that came with an API key has no session but an `api_key_id`.
    """

    user_id: int | None
    username: str
    role: Role | None
    scopes: frozenset[Scope]
    session_id: str | None
    api_key_id: int | None = None

    @property
    def known_id(self) -> int:
        """The user's id; raises NotSignedIn for an anonymous caller."""
        if self.user_id is None:
            raise NotSignedIn
        return self.user_id


def anonymous() -> Caller:
    return Caller(user_id=None, username="anonymous", role=None, scopes=scopes_of(None), session_id=None)


class Device(msgspec.Struct, frozen=True):
    """Where somebody signs in from, for the list of their sessions."""

    user_agent: str = ""
    ip: str = ""


class Profile(msgspec.Struct, frozen=True):
    """A user as others may see them: never the password."""

    id: int
    username: str
    email: str
    first_name: str | None
    last_name: str | None
    role: Role
    active: bool
    superuser: bool
    email_verified_at: datetime | None
    created_at: datetime
    last_login_at: datetime | None
    avatar_url: str | None = None


class Concealed(msgspec.Struct, frozen=True):
    """Holds secrets: shows none of its fields in logs, errors and tracebacks."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class CredentialsIn(Concealed, frozen=True, forbid_unknown_fields=True):
    """Either field finds a user by e-mail or by username."""

    password: str
    email: Annotated[str, msgspec.Meta(max_length=LONGEST_EMAIL)] | None = None
    username: Annotated[str, msgspec.Meta(max_length=LONGEST_EMAIL)] | None = None

    @property
    def identifier(self) -> str:
        """Raises BadInput when both are missing."""
        if not (found := self.email or self.username):
            raise field_error("email", "give an e-mail address or a username")
        return found


class RefreshIn(Concealed, frozen=True, forbid_unknown_fields=True):
    refresh: Annotated[str, msgspec.Meta(max_length=LONGEST_REFRESH)]


class TokenIn(Concealed, frozen=True, forbid_unknown_fields=True):
    token: str


class SignOutIn(Concealed, frozen=True, forbid_unknown_fields=True):
    """A refresh token ends its session also when the access token has expired."""

    everywhere: bool = False
    refresh: Annotated[str, msgspec.Meta(max_length=LONGEST_REFRESH)] | None = None


class TokensOut(Concealed, frozen=True):
    """`expires_in` seconds later the access token is refused."""

    access: str
    refresh: str
    expires_in: int
    token_type: str = "Bearer"  # noqa: S105 - The name of an HTTP scheme, not a secret.


class ValidOut(msgspec.Struct, frozen=True):
    expires_in: int
    valid: bool = True


class WhoOut(msgspec.Struct, frozen=True, omit_defaults=True):
    authenticated: bool
    user_id: int | None = None
    username: str | None = None
    role: Role | None = None
    scopes: list[Scope] | None = None
    api_key_id: int | None = None


KeyName: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"^[^\s]([^\n]*[^\s])?\Z")]


class ApiKeyIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`expires_at` needs a time zone; without it the key works until it is revoked."""

    name: KeyName
    scopes: Annotated[list[Scope], msgspec.Meta(min_length=1, max_length=len(Scope))]
    expires_at: Annotated[datetime, msgspec.Meta(tz=True)] | None = None


class ApiKeyOut(msgspec.Struct, frozen=True):
    """`prefix` is the beginning of the secret, to know it by."""

    id: int
    name: str
    prefix: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class ApiKeyMadeOut(ApiKeyOut, frozen=True):
    secret: str

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"
