"""Stylesheets, scripts and the icon, under addresses that name their content: browsers may keep them for good."""

import hashlib
from pathlib import Path

import msgspec

DIRECTORY = Path(__file__).parent / "static"
PATH = "/static"
KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
DIGEST_CHARACTERS = 12


class Asset(msgspec.Struct, frozen=True):
    address: str
    media_type: str
    content: bytes


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:DIGEST_CHARACTERS]
    return Asset(f"{PATH}/{path.stem}.{digest}{path.suffix}", KINDS[path.suffix], content)


ASSETS = {path.name: _read(path) for path in sorted(DIRECTORY.iterdir()) if path.suffix in KINDS}
BY_ADDRESS = {asset.address: asset for asset in ASSETS.values()}


def address_of(name: str) -> str:
    return ASSETS[name].address
