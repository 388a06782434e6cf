"""What travels in and out of profiles, codes, passwords and the management of users."""

from datetime import datetime
from typing import Annotated, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from domains.accounts.passwords import LONGEST, SHORTEST
from domains.accounts.schemas import LONGEST_EMAIL, Concealed
from domains.accounts.tables import Role
from lib.errors import field_error

# Bounds that keep out what no rule would let in; what is wrong is told by the rules.
LONGEST_TEXT = 1000

Text: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT)]
Email: TypeAlias = Annotated[str, Meta(max_length=LONGEST_EMAIL, examples=["ada@example.com"])]
Password: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT)]
NewPassword: TypeAlias = Annotated[
    str, Meta(max_length=LONGEST_TEXT, extra_json_schema={"minLength": SHORTEST, "maxLength": LONGEST})
]
Uid: TypeAlias = Annotated[str, Meta(pattern="^[1-9][0-9]{0,9}$", description="From the link in the mail.")]
Token: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT, description="From the link in the mail.")]
Code: TypeAlias = Annotated[str, Meta(max_length=LONGEST_TEXT, description="6 characters from the mail.")]


class SignUpIn(Concealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new account. `role` is for those who may manage users: then the account needs no mail to be proven."""

    email: Email
    password: NewPassword
    re_password: NewPassword
    username: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    full_name: Text = ""
    role: Role | UnsetType = UNSET

    @property
    def names(self) -> tuple[str, str]:
        """First and last name. A full name is split at its last space; the others count when they are there."""
        if self.first_name or self.last_name:
            return self.first_name.strip(), self.last_name.strip()
        first, _, last = self.full_name.strip().rpartition(" ")
        return (first.strip(), last) if first else (last, "")


class EmailIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    email: Email


class ProofIn(Concealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was mailed: `uid` and `token` of the link, or the e-mail address and the code."""

    uid: Uid | None = None
    token: Token | None = None
    email: Email | None = None
    code: Code | None = None

    @property
    def is_link(self) -> bool:
        """Raises BadInput when neither pair is complete."""
        if self.uid is not None and self.token is not None:
            return True
        if self.email is not None and self.code is not None:
            return False
        raise field_error("code", "give uid and token of the link, or the e-mail address and the code")


class EmailProofIn(Concealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was mailed to the new address: `uid` and `token` of the link, or the code from somebody who is signed in."""

    uid: Uid | None = None
    token: Token | None = None
    code: Code | None = None

    @property
    def is_link(self) -> bool:
        """Raises BadInput when there is neither."""
        if self.uid is not None and self.token is not None:
            return True
        if self.code is not None:
            return False
        raise field_error("code", "give uid and token of the link, or the code")


class ConfirmResetIn(ProofIn, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A proof and the password that it allows to set."""

    new_password: NewPassword
    re_new_password: NewPassword | None = None


class SetPasswordIn(Concealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    current_password: Password
    new_password: NewPassword
    re_new_password: NewPassword | None = None


class SetEmailIn(Concealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    current_password: Password
    new_email: Email


class CurrentPasswordIn(Concealed, frozen=True, forbid_unknown_fields=True):
    current_password: Password


class ProfilePatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes; what is left out stays."""

    username: Text | UnsetType = UNSET
    first_name: Text | UnsetType = UNSET
    last_name: Text | UnsetType = UNSET


class UserPatch(ProfilePatch, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an administrator may change of a user, beyond what users may change themselves."""

    email: Email | UnsetType = UNSET
    role: Role | UnsetType = UNSET
    active: bool | UnsetType = UNSET


class CustomerOut(msgspec.Struct, frozen=True):
    """A customer as the staff sees them."""

    id: int
    username: str
    email: str
    first_name: str | None
    last_name: str | None
    active: bool
    email_verified_at: datetime | None
    created_at: datetime
    last_login_at: datetime | None
    avatar_url: str | None
