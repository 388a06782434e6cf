"""Every setting, read once from the environment (and `.env` in development); nothing else reads `os.environ`."""

import ipaddress
import os
import secrets
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
from dotenv import dotenv_values

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}
SHORTEST_SECRET = 32
# First parts of our own addresses: the admin site would hide what stands there.
TAKEN_PATHS = {"api", "auth", "health", "metrics", "static", "ws"}
TAKEN_PATHS |= {"accounts", "dashboard", "imports", "products", "webhooks"}


class DocsAccess(StrEnum):
    """Who may read the API documentation."""

    PUBLIC = "public"
    SIGNED_IN = "signed_in"
    OFF = "off"


class LogLevel(StrEnum):
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LogFormat(StrEnum):
    CONSOLE = "console"
    JSON = "json"


class SettingsError(ValueError):
    """A setting has a wrong value; the sentence names the setting."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Names are the environment's in lower case. Lists are comma-separated, booleans strict words."""

    debug: bool = False
    secret_key: str = ""
    allowed_hosts: list[str] = msgspec.field(default_factory=lambda: ["localhost", "127.0.0.1", "[::1]"])
    cors_allowed_origins: list[str] = msgspec.field(default_factory=list)
    trusted_proxies: list[str] = msgspec.field(default_factory=list)
    public_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8000
    data_dir: Path = Path(".data")
    database_url: str = ""
    redis_url: str = ""
    database_pool_size: int = 10
    admin_email: str = ""
    admin_password: str = ""
    admin_enabled: bool = True
    admin_path: Annotated[str, msgspec.Meta(pattern=r"^/[a-z0-9][a-z0-9_-]*/?$")] = "/admin/"
    docs_access: DocsAccess = DocsAccess.PUBLIC
    public_catalog: bool = False
    staff_can_edit_products: bool = True
    sign_in_failures_per_hour: Annotated[int, msgspec.Meta(ge=1)] = 15
    google_client_ids: list[str] = msgspec.field(default_factory=list)
    email_host: str = ""
    email_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    email_host_user: str = ""
    email_host_password: str = ""
    email_use_tls: bool = True
    email_from: str = "Stockroom <stockroom@localhost>"
    webhook_allow_http: bool = False
    webhook_allow_private: bool = False
    shopify_webhook_secret: list[str] = msgspec.field(default_factory=list)
    shopify_shop: Annotated[str, msgspec.Meta(pattern="^[a-z0-9.-]+$", max_length=255)] = ""
    shopify_client_id: str = ""
    shopify_access_token: str = ""
    shopify_api_version: Annotated[str, msgspec.Meta(pattern="^20[0-9]{2}-(01|04|07|10)$")] = "2026-04"
    shopify_api_url: str = ""
    shopify_deletes_products: bool = False
    low_stock_threshold: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 5
    report_recipients: list[str] = msgspec.field(default_factory=list)
    default_currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = "USD"
    max_upload_mb: int = 512
    upload_retention_days: int = 30
    import_chunk_rows: int = 10_000
    import_lease_seconds: int = 20
    log_level: LogLevel = LogLevel.INFO
    log_format: LogFormat = LogFormat.CONSOLE
    web_concurrency: int = 1
    worker_concurrency: int = 10
    import_concurrency: int = 1

    def __repr__(self) -> str:
        """Nothing: it holds secrets, and would be printed with every traceback."""
        return "Settings(…)"


def load(environment: dict[str, str]) -> Settings:
    """Turn strings into Settings; raises SettingsError that names the first wrong one."""
    given = {
        field.name: _parse(field.name, environment[field.name.upper()], field.type)
        for field in msgspec.structs.fields(Settings)
        if environment.get(field.name.upper(), "") != ""
    }
    return _with_secret(msgspec.convert(given, Settings))


def _parse(name: str, text: str, type_: object) -> object:
    try:
        if type_ is bool:
            return _parse_bool(text)
        if type_ == list[str]:
            return _parse_list(name, text)
        if type_ is Path:
            return Path(text)
        if name == "admin_path":
            _check_free(text)
        return msgspec.convert(text, type_, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        raise SettingsError(f"{name.upper()} has a wrong value: {error}") from None


def _parse_list(name: str, text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if name == "trusted_proxies":
        for part in parts:
            _check_proxy(part)
    return parts


def _check_proxy(text: str) -> None:
    """Raises ValueError for what is no address, no network and not the word for whoever has our unix socket."""
    if text != "unix":
        ipaddress.ip_network(text)


def _check_free(path: str) -> None:
    """Raises ValueError where something else of ours stands."""
    if path.strip("/") in TAKEN_PATHS:
        raise ValueError(f"{path} is taken by something else")


def _parse_bool(text: str) -> bool:
    word = text.strip().lower()
    if word not in TRUE_WORDS | FALSE_WORDS:
        raise ValueError(f"{text!r} is neither true nor false")
    return word in TRUE_WORDS


def _with_secret(settings: Settings) -> Settings:
    """In development the secret is made once per data directory; elsewhere it must be given."""
    if settings.debug and not settings.secret_key:
        return msgspec.structs.replace(settings, secret_key=_development_secret(settings.data_dir))
    if len(settings.secret_key) < SHORTEST_SECRET:
        raise SettingsError(f"SECRET_KEY must be set to {SHORTEST_SECRET} characters or more (or set DEBUG=true)")
    return settings


def _development_secret(data_dir: Path) -> str:
    path = data_dir / "secret-key"
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text()
    secret = secrets.token_urlsafe(48)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret)
    return secret


def _from_environment() -> Settings:
    dotenv = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    try:
        return load({**dotenv, **os.environ})
    except SettingsError as error:
        sys.exit(f"stockroom: {error}")


settings = _from_environment()
