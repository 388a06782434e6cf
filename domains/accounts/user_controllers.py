"""Signing up, users for administrators, and customers for the staff, over HTTP."""

from litestar import Controller, Response, delete, get, patch, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from domains.accounts import customers, listing, management, registration, users
from domains.accounts.account_schemas import CustomerOut, SignUpIn, UserPatch
from domains.accounts.auth import CallerRequest, MissingScope, device_of, public, requires
from domains.accounts.listing import CUSTOMERS, USERS
from domains.accounts.schemas import Profile
from domains.accounts.scopes import Scope
from domains.mail.jobs import send_waiting_mail
from lib.http import Page, respond


class UserController(Controller):
    path = "/auth/users"
    tags = ("Users",)
    response_headers = (ResponseHeader(name="Cache-Control", value="no-store"),)

    @get(guards=[requires(Scope.USERS_WRITE)], operation_class=USERS.operation, summary="Users, filtered and sorted")
    async def list_users(self, request: CallerRequest) -> Response[Page[Profile]]:
        """Newest first."""
        query = USERS.read(request.scope["query_string"])
        found, total, cursor = await listing.list_users(query)
        return respond(request, found, query.paging, total, cursor)

    @post(guards=[public], summary="Sign up")
    async def sign_up(self, data: JSONBody[SignUpIn], request: CallerRequest) -> Profile:
        """A mail with a link and a code follows. 409 with every field that somebody else has already.

        With `role`, which needs the scope users:write, the account is made for somebody else, and no mail follows.
        """
        if data.role is not UNSET:
            if Scope.USERS_WRITE not in request.user.scopes:
                raise MissingScope(f"To choose a role needs the scope {Scope.USERS_WRITE}.")
            return await registration.sign_up_for(data, data.role)
        profile = await registration.sign_up(data, device_of(request))
        await send_waiting_mail.later()
        return profile

    @get("/{user_id:int}", guards=[requires(Scope.USERS_WRITE)], summary="A user")
    async def show(self, user_id: FromPath[int]) -> Profile:
        return await users.get_by_id(user_id)

    @patch("/{user_id:int}", guards=[requires(Scope.USERS_WRITE)], summary="Change a user")
    async def change(self, user_id: FromPath[int], data: JSONBody[UserPatch]) -> Profile:
        """What is left out stays. Another role, address or `active` ends the user's sessions.

        409 when somebody else has the username or the address, and for the last administrator who can sign in.
        """
        profile = await management.change_user(user_id, data)
        await send_waiting_mail.later()
        return profile

    @delete("/{user_id:int}", guards=[requires(Scope.USERS_WRITE)], summary="Deactivate a user")
    async def deactivate(self, user_id: FromPath[int]) -> None:
        """They cannot sign in any more; what they did stays in the history. PATCH with `active` takes it back."""
        await users.deactivate(user_id)


class CustomerController(Controller):
    path = "/api/customers"
    tags = ("Customers",)
    guards = (requires(Scope.CUSTOMERS_READ),)

    @get(operation_class=CUSTOMERS.operation, summary="Customers, filtered and sorted")
    async def list_customers(self, request: CallerRequest) -> Response[Page[CustomerOut]]:
        """Newest first."""
        query = CUSTOMERS.read(request.scope["query_string"])
        found, total, cursor = await customers.list_customers(query)
        return respond(request, found, query.paging, total, cursor)

    @get("/{customer_id:int}", summary="A customer")
    async def show(self, customer_id: FromPath[int]) -> CustomerOut:
        """Staff and administrators are not found here."""
        return await customers.get_customer(customer_id)
