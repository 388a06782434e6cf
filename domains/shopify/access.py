"""What opens the Admin API: the token of the settings, or one that the app gets for its id and its secret.

Apps of the Dev Dashboard have no token that lasts: they ask for one of a day. Source: shopify.dev, "Using the client
credentials grant".
"""

from urllib.parse import urlencode, urljoin

import msgspec

from settings import Settings

PATH = "/admin/oauth/access_token"
HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
# So that it does not end under way.
SPARE_SECONDS = 300.0


class Token(msgspec.Struct, frozen=True):
    """`expires_in` is in seconds; one of the settings does not end."""

    access_token: str
    expires_in: float = float("inf")

    def __repr__(self) -> str:
        """Nothing: it would be printed with every traceback."""
        return "Token(…)"

    @property
    def lasts(self) -> float:
        return max(self.expires_in - SPARE_SECONDS, self.expires_in / 2)


class TokenRequest(msgspec.Struct, frozen=True):
    url: str
    body: bytes
    headers: dict[str, str]

    def __repr__(self) -> str:
        return "TokenRequest(…)"


def has_access(settings: Settings) -> bool:
    return bool(settings.shopify_access_token or (settings.shopify_client_id and settings.shopify_webhook_secret))


def make_request(settings: Settings, api_url: str) -> TokenRequest:
    """The app's secret is the first of those that sign its webhooks."""
    given = {
        "grant_type": "client_credentials",
        "client_id": settings.shopify_client_id,
        "client_secret": settings.shopify_webhook_secret[0],
    }
    return TokenRequest(urljoin(api_url, PATH), urlencode(given).encode(), HEADERS)
