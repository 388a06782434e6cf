"""Users in the tables of the site: made, changed and deactivated through their services; never deleted."""

from typing import Any, ClassVar

from admin.crud import FIELD_EXTRA
from admin.editing import Editor, Values
from domains.accounts import management, users
from domains.accounts.account_schemas import Email, Password, Text, UserPatch
from domains.accounts.schemas import Concealed
from domains.accounts.tables import Role
from lib.errors import Conflict, field_error

PASSWORD_HELP = "For a new user only, 8 to 128 characters; later its owner changes it."  # noqa: S105 - A sentence.


class NotDeleted(Conflict):
    """Users are not deleted, because history refers to them: deactivate them instead."""


class UserIn(Concealed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    email: Email
    password: Password
    username: Text = ""
    first_name: Text = ""
    last_name: Text = ""
    role: Role = Role.CUSTOMER
    active: bool = True


class UserEditor(Editor):
    locked = frozenset({"id", "admin", "superuser", "email_verified_at", "created_at", "last_login_at"})
    extra_fields = frozenset({"password"})
    defaults: ClassVar[dict[str, Any]] = {"active": True}

    async def create(self, data: Values) -> int:
        """The administrator vouches for the address."""
        given = self.read(_without_nulls(data), UserIn)
        kept = {name: getattr(given, name) for name in UserIn.__struct_fields__ if name != "active"}
        made = await users.create_user(**kept, is_verified=True)
        if not given.active:
            await users.deactivate(made.id)
        return made.id

    async def change(self, row_id: Any, data: Values) -> None:
        if data.pop("password", ""):
            raise field_error("password", "is changed by its owner only; they can have it reset by mail")
        await management.change_user(row_id, self.read(_without_nulls(data), UserPatch))

    async def remove(self, row_id: Any) -> None:  # noqa: ARG002 - Nobody goes.
        raise NotDeleted

    def schema(self) -> Values:
        """With a field for the first password, which no view has."""
        schema = super().schema()
        extra = FIELD_EXTRA | {"help_text": PASSWORD_HELP, "secret": True}
        schema["properties"]["password"] = {"type": "string", "title": "Password", "extra": extra}
        return schema


def _without_nulls(data: Values) -> Values:
    return {name: "" if value is None else value for name, value in data.items()}
