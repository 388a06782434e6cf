"""Google as this test needs it: a server on loopback with keys of its own, and tokens signed with them."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwk, jwt

from domains.accounts import google, google_keys
from lib.dialling import Rules
from settings import Settings
from tests.lib.loopback import Loopback, reply, serving

CLIENT_ID = "1234-shop.apps.googleusercontent.com"
PRIVATE_KEYS = {kid: rsa.generate_private_key(public_exponent=65537, key_size=2048) for kid in ("k1", "k2")}
PEMS = {
    kid: key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    for kid, key in PRIVATE_KEYS.items()
}
PUBLIC_PEMS = {
    kid: key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for kid, key in PRIVATE_KEYS.items()
}


class FakeGoogle:
    """`kids` are published; `infos` is what it says of access tokens; `asked` are the paths of all requests."""

    def __init__(self) -> None:
        self.kids = ["k1"]
        self.infos: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.cache_control = "public, max-age=21600, must-revalidate"
        self.broken: bytes | None = None
        self.hangs = False

    async def answer(self, _server: Loopback, request: bytes, writer: asyncio.StreamWriter) -> None:
        target = urlsplit(request.split(b" ")[1].decode())
        self.asked.append(target.path)
        if not self.hangs:
            writer.write(self.broken or self._say(target.path, target.query))

    def _say(self, path: str, query: str) -> bytes:
        if path == "/certs":
            keys = [{**_published(kid), "kid": kid, "use": "sig"} for kid in self.kids]
            return reply("200 OK", json.dumps({"keys": keys}).encode(), f"Cache-Control: {self.cache_control}")
        if (info := self.infos.get(parse_qs(query)["access_token"][0])) is not None:
            return reply("200 OK", json.dumps(info).encode())
        return reply("400 Bad Request", b'{"error_description": "Invalid Value"}')


@contextlib.asynccontextmanager
async def pretending() -> AsyncIterator[FakeGoogle]:
    """It is offered here, and what goes to Google comes to a fake one."""
    made = FakeGoogle()
    async with serving(made.answer) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(google, "settings", Settings(google_client_ids=["other-client", CLIENT_ID]))
            patch.setattr(google, "TOKEN_INFO_URL", f"{server.url}/tokeninfo")
            patch.setattr(google_keys, "URL", f"{server.url}/certs")
            patch.setattr(google_keys, "RULES", Rules(allow_http=True, allow_private=True))
            patch.setattr(google_keys, "keys", google_keys.Keys())
            yield made


def _published(kid: str) -> dict[str, Any]:
    published: dict[str, Any] = jwk.construct(PUBLIC_PEMS[kid].decode(), "RS256").to_dict()
    return published


def claims(**changes: object) -> dict[str, object]:
    """As Google writes them; a change to None leaves one out, a timedelta is a time from now."""
    now = int(time.time())
    ours: dict[str, object] = {
        "iss": "https://accounts.google.com",
        "azp": CLIENT_ID,
        "aud": CLIENT_ID,
        "sub": "110169484474386276334",
        "email": "ada@example.com",
        "email_verified": True,
        "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q",
        "given_name": "Ada",
        "family_name": "Lovelace",
        "iat": now,
        "exp": now + 3600,
    }
    return {name: _at(value) for name, value in (ours | changes).items() if value is not None}


def id_token(kid: str = "k1", *, signed_by: str | None = None, **changes: object) -> str:
    token: str = jwt.encode(claims(**changes), PEMS[signed_by or kid], algorithm="RS256", headers={"kid": kid})
    return token


def info(**changes: object) -> dict[str, object]:
    """What is said of a good access token."""
    ours = {"aud": CLIENT_ID, "azp": CLIENT_ID, "scope": "openid email", "exp": str(int(time.time()) + 3000)}
    ours |= {"expires_in": "3000", "email": "ada@example.com", "email_verified": "true", "access_type": "online"}
    texts = {name: _at(value) for name, value in (ours | changes).items() if value is not None}
    return {name: str(value) if isinstance(value, int) else value for name, value in texts.items()}


def _at(value: object) -> object:
    return int(time.time() + value.total_seconds()) if isinstance(value, timedelta) else value
