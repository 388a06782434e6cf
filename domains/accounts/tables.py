"""Who may do what: users, sessions, and the answers kept for idempotency keys."""

from enum import StrEnum

from piccolo.apps.user.tables import BaseUser
from piccolo.columns import UUID, Bytea, ForeignKey, Integer, Serial, Text, Timestamptz, Varchar
from piccolo.columns.defaults import TimestamptzNow
from piccolo.table import Table


class Role(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


class User(BaseUser, tablename="users"):
    """`password` holds an argon2id hash; `admin`, which Piccolo Admin reads, follows from the role by a CHECK.

    Usernames hold no "@", so one field finds a person by e-mail or by username.
    """

    id: Serial
    role = Varchar(length=20, default=Role.CUSTOMER, choices=Role)
    email_verified_at = Timestamptz(null=True, default=None)
    created_at = Timestamptz(default=TimestamptzNow())
    last_login_at = Timestamptz(null=True, default=None)

    @classmethod
    def hash_password(cls, password: str, salt: str = "", iterations: int | None = None) -> str:  # noqa: ARG003 - Piccolo's signature.
        """Piccolo hashes what it finds here, also a hash just read from the database: leave those alone."""
        if password and not password.startswith("$argon2id$"):
            raise ValueError("Passwords are set through accounts.users")
        return password


class Session(Table, tablename="user_session"):
    """One refresh token. Each use makes the next row; the rows of one signed-in device share their `family`.

    `used_at` tells a token that was exchanged, so that a second use gives the thief or the owner away.
    """

    id = UUID(primary_key=True)
    user = ForeignKey(User, null=False, index=True)
    family = UUID(index=True)
    refresh_digest = Bytea(unique=True)
    issued_at = Timestamptz(default=TimestamptzNow())
    expires_at = Timestamptz()
    used_at = Timestamptz(null=True, default=None)
    revoked_at = Timestamptz(null=True, default=None)
    user_agent = Text(default="")
    ip = Varchar(length=45, default="")


class IdempotencyRecord(Table):
    """The first answer under a key, kept for 24 hours; unique on user and key.

    `body` is the JSON as it was sent: a jsonb column would give its keys back in another order.
    """

    id: Serial
    key = Varchar(length=255)
    user = ForeignKey(User, null=False)
    fingerprint = Bytea()
    status = Integer()
    body = Bytea()
    created_at = Timestamptz(default=TimestamptzNow(), index=True)
