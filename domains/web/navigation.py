"""Where people can go from a page, each as far as their role reaches, and which addresses may follow a sign-in."""

import re

import msgspec

from domains.accounts.codes import KINDS
from domains.accounts.schemas import Caller
from domains.accounts.scopes import Scope
from domains.accounts.tables import Purpose, Role
from lib.docs import DOCS_PATH
from settings import DocsAccess, settings

HOME = "/"
SIGN_IN = "/accounts/login/"
# Where the links in mails lead.
VERIFY, CONFIRM_RESET, CONFIRM_EMAIL = (
    KINDS[purpose].path for purpose in (Purpose.VERIFY_EMAIL, Purpose.RESET_PASSWORD, Purpose.CHANGE_EMAIL)
)
# A path of this site and nothing that a browser could read as another host: not "//", not "/\", no control characters.
LOCAL = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")
LONGEST_PATH = 2000


class Place(msgspec.Struct, frozen=True):
    """A link; `short` is its name in the bar, and `about` stands under it on the first page."""

    name: str
    path: str
    about: str = ""
    short: str = ""

    def is_here(self, path: str) -> bool:
        return path.rstrip("/") == self.path.rstrip("/")


DASHBOARD = Place("Dashboard", "/dashboard/", "What sold, what came in, and what the stock is worth.")
FEED = Place("Live feed", "/dashboard/products/", "Every change of a product at the moment it happens.", "Live")
WEBHOOKS = Place("Webhooks", "/webhooks/", "Which systems are told of changes, and whether they heard.")
DOCS = Place("API documentation", DOCS_PATH, "Every request that programs can make, to read and to try out.", "API")
ADMIN = Place(
    "Admin site", settings.admin_path, "Every table: products, users, imports, and bulk changes of prices.", "Admin"
)
PROFILE = Place("Profile", "/accounts/profile/", "Your names, your username and your picture.")
SECURITY = Place("Security", "/accounts/profile/security/", "Password, e-mail address, and where you are signed in.")
KEYS = Place("API keys", "/accounts/profile/api-keys/", "Ways in for tills, feeds and scripts, in your name.")
ACCOUNT = (PROFILE, SECURITY, KEYS)
NEEDED = {
    DASHBOARD: Scope.DASHBOARD_READ,
    FEED: Scope.DASHBOARD_READ,
    WEBHOOKS: Scope.WEBHOOKS_READ,
}


def places_for(caller: Caller | None) -> list[Place]:
    """What this caller may open, beside their own account; None is somebody of whom nothing is known yet."""
    scopes = frozenset() if caller is None else caller.scopes
    found = [place for place, scope in NEEDED.items() if scope in scopes]
    if settings.docs_access is DocsAccess.PUBLIC or (
        is_signed_in(caller) and settings.docs_access is not DocsAccess.OFF
    ):
        found.append(DOCS)
    if caller is not None and caller.role is Role.ADMIN and settings.admin_enabled:
        found.append(ADMIN)
    return found


def is_signed_in(caller: Caller | None) -> bool:
    return caller is not None and Scope.ACCOUNT_OWN in caller.scopes


def local_path(text: str) -> str:
    """A path to go on to, as it was asked for; the first page in place of anything that could lead elsewhere."""
    return text if len(text) <= LONGEST_PATH and LOCAL.fullmatch(text) else HOME
