"""Customers, for the staff. Colleagues are none: their ids are unknown here."""

import msgspec

from domains.accounts import listing, users
from domains.accounts.account_schemas import CustomerOut
from domains.accounts.schemas import Profile
from domains.accounts.tables import Role
from lib.errors import NotFound
from lib.filters import Condition
from lib.http import Total
from lib.listing import Query

IS_CUSTOMER = Condition("users.role = {0}", (Role.CUSTOMER,))


class CustomerNotFound(NotFound):
    """There is no such customer."""


async def list_customers(query: Query) -> tuple[list[CustomerOut], Total, str | None]:
    of_customers = msgspec.structs.replace(query, conditions=(*query.conditions, IS_CUSTOMER))
    found, total, cursor = await listing.list_users(of_customers)
    return [_shape(profile) for profile in found], total, cursor


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
