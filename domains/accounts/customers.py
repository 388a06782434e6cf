"""Customers, for the staff. Colleagues are none: their ids are unknown here."""

import msgspec

from domains.accounts import listing, users
from domains.accounts.account_schemas import CustomerOut
from domains.accounts.listing import Query
from domains.accounts.schemas import Profile
from domains.accounts.tables import Role
from lib.errors import NotFound
from lib.http import Total


class CustomerNotFound(NotFound):
    """There is no such customer."""


async def list_customers(query: Query) -> tuple[list[CustomerOut], Total, str | None]:
    found, total, more = await listing.list_users(msgspec.structs.replace(query, role=Role.CUSTOMER))
    return [_shape(profile) for profile in found], total, more


async def get_customer(user_id: int) -> CustomerOut:
    try:
        profile = await users.get_by_id(user_id)
    except users.UserNotFound:
        raise CustomerNotFound from None
    if profile.role is not Role.CUSTOMER:
        raise CustomerNotFound
    return _shape(profile)


def _shape(profile: Profile) -> CustomerOut:
    return msgspec.convert(profile, CustomerOut, from_attributes=True)
