"""Who may do what: users, sessions, codes, API keys, and the answers kept for idempotency keys."""

from enum import StrEnum

from piccolo.apps.user.tables import BaseUser
from piccolo.columns import UUID, Array, Boolean, Bytea, ForeignKey, Integer, Serial, Text, Timestamptz, Varchar
from piccolo.columns.defaults import TimestamptzNow
from piccolo.table import Table
from piccolo_api.session_auth.tables import SessionsBase


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

    `used_at` tells a token that was exchanged, so that a second use gives the thief or the owner away. With `is_cookie`
    it is a browser's session for pages: the digest is of its cookie, which is never exchanged.
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
    is_cookie = Boolean(default=False)


class AdminSession(SessionsBase, tablename="admin_session"):
    """A browser's session in the admin site: `token` is the hex SHA-256 of what its cookie holds, times are of UTC.

    admin/sessions.py reads and writes it; Piccolo's own methods would store the token itself.
    """


class Purpose(StrEnum):
    """What a mailed code proves or allows."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - A purpose, not a secret.
    CHANGE_EMAIL = "change_email"


class OneTimeCode(Table):
    """What was mailed to `email`: a link, and a short code that may be typed; either works once.

    At most one of a user and purpose is unused. The short code lives until `code_expires_at` and takes few attempts;
    the link, which nobody can guess, until `expires_at`. With purpose change_email `email` is the new address.
    """

    id: Serial
    user = ForeignKey(User, null=False)
    purpose = Varchar(length=20, choices=Purpose)
    email = Varchar(length=254)
    link_digest = Bytea(unique=True)
    code_digest = Bytea()
    attempts = Integer(default=0)
    created_at = Timestamptz(default=TimestamptzNow())
    code_expires_at = Timestamptz()
    expires_at = Timestamptz(index=True)
    used_at = Timestamptz(null=True, default=None)


class ApiKey(Table):
    """A machine's way in, in the name of its owner; `prefix` is the beginning of the secret, to know it by."""

    id: Serial
    owner = ForeignKey(User, null=False, index=True)
    name = Varchar(length=100)
    prefix = Varchar(length=12)
    digest = Bytea(unique=True)
    scopes = Array(base_column=Varchar(length=40))
    created_at = Timestamptz(default=TimestamptzNow())
    expires_at = Timestamptz(null=True, default=None)
    last_used_at = Timestamptz(null=True, default=None)
    revoked_at = Timestamptz(null=True, default=None)


class KnownAddress(Table):
    """Where a user has signed in from, so that strangers' failed attempts do not lock them out there."""

    id: Serial
    user = ForeignKey(User, null=False)
    network = Varchar(length=45)
    seen_at = Timestamptz(default=TimestamptzNow(), index=True)


class Avatar(Table):
    """450 by 450 pixels, WebP; `digest` names the picture in its address, so that browsers may keep it."""

    id: Serial
    user = ForeignKey(User, null=False, unique=True)
    image = Bytea()
    digest = Varchar(length=16)
    updated_at = Timestamptz(default=TimestamptzNow())


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
