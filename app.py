"""The HTTP application: every controller in one list, plugins, lifespan, error handler."""

import asyncio
import contextlib
import gc
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.events import BaseEventEmitterBackend
from litestar.types import ControllerRouterHandler

from admin import site
from cli import Commands
from domains.accounts import revocations
from domains.accounts.api_key_controllers import ApiKeyController
from domains.accounts.auth import COMPONENTS, AccessPlugin, authentication
from domains.accounts.controllers import SignInController
from domains.accounts.google_controllers import GoogleController
from domains.accounts.password_controllers import PasswordController
from domains.accounts.profile_controllers import AvatarController, ProfileController
from domains.accounts.registration_controllers import RegistrationController
from domains.accounts.user_controllers import CustomerController, UserController
from domains.catalog.bulk_controllers import BulkController
from domains.catalog.controllers import FilterOptionsController, ProductController
from domains.imports.controllers import JobController, UploadController
from domains.inventory.controllers import StockController
from domains.inventory.location_controllers import LocationController
from domains.inventory.notification_controllers import NotificationController
from domains.orders.delivery_controllers import DeliveryController
from domains.orders.purchase_controllers import PurchaseController
from domains.orders.sales_controllers import SalesOrderController
from domains.realtime.channels import Feed
from domains.realtime.controllers import FeedController
from domains.reports.controllers import DashboardController
from domains.shopify.controllers import ShopifyWebhookController
from domains.shopify.inbox_controllers import InboxController, ReconciliationController
from domains.web import problems
from domains.web.controllers import AssetController, HomeController, SignInPages
from domains.web.dashboard_controllers import DashboardPages
from domains.web.feed_controllers import FeedPages
from domains.web.key_controllers import KeyPages
from domains.web.profile_controllers import ProfilePages, SecurityPages
from domains.web.proof_controllers import EmailPages, ResetPages, VerifyPages
from domains.web.webhook_controllers import WebhookActionPages, WebhookPages, WebhookSettingPages
from domains.webhooks.controllers import WebhookController
from domains.webhooks.delivery_controllers import WebhookDeliveryController
from lib import docs, egress, log, money
from lib.bodies import JsonRequest
from lib.frame import Frame
from lib.redis_client import line
from piccolo_conf import pool
from queues.controllers import HealthController
from queues.job import disconnect
from queues.schedule_controllers import ScheduleController
from settings import Settings, settings

CONTROLLERS: list[ControllerRouterHandler] = [
    SignInController,
    GoogleController,
    RegistrationController,
    PasswordController,
    ProfileController,
    AvatarController,
    UserController,
    CustomerController,
    ApiKeyController,
    ProductController,
    BulkController,
    FilterOptionsController,
    PurchaseController,
    UploadController,
    JobController,
    SalesOrderController,
    DeliveryController,
    LocationController,
    StockController,
    NotificationController,
    DashboardController,
    WebhookController,
    WebhookDeliveryController,
    ShopifyWebhookController,
    InboxController,
    ReconciliationController,
    ScheduleController,
    FeedController,
    HealthController,
    AssetController,
    HomeController,
    SignInPages,
    VerifyPages,
    ResetPages,
    EmailPages,
    ProfilePages,
    SecurityPages,
    KeyPages,
    DashboardPages,
    FeedPages,
    WebhookPages,
    WebhookSettingPages,
    WebhookActionPages,
]

VERSION = tomllib.loads(Path(__file__).with_name("pyproject.toml").read_text())["project"]["version"]
# Of JSON and small forms; what takes files sets its own `request_max_body_size`.
LARGEST_BODY_BYTES = 4 * 1024 * 1024
LONGEST_GOODBYE_SECONDS = 2
READABLE_HEADERS = ["ETag", "Location", "Retry-After", "X-Request-ID"]


@contextlib.asynccontextmanager
async def running(_app: Litestar) -> AsyncIterator[None]:
    log.configure()
    # What is there now stays until the end: no collection of garbage needs to walk through it again.
    gc.collect()
    gc.freeze()
    async with pool(), revocations.watched(), egress.opened():
        try:
            yield
        finally:
            # Saying goodbye to a Redis that is gone would take ten seconds of attempts.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LONGEST_GOODBYE_SECONDS):
                    await disconnect()
                    await line.close()


class NoEvents(BaseEventEmitterBackend):
    """Litestar's own keeps a task group, which ties the end of a lifespan to the task that began it."""

    def emit(self, event_id: str, *args: object, **kwargs: object) -> None:
        raise NotImplementedError(f"{event_id}: facts are recorded in PostgreSQL")

    async def __aexit__(self, *_error: object) -> None:
        return None


def create(chosen: Settings) -> Litestar:
    made = Litestar(
        route_handlers=[*CONTROLLERS, docs.pages(chosen.docs_access), *site.mounts(chosen)],
        lifespan=[running],
        plugins=[AccessPlugin(), Commands(), Feed()],
        middleware=[authentication],
        exception_handlers={Exception: problems.to_response},
        request_class=JsonRequest,
        type_decoders=money.TYPE_DECODERS,
        request_max_body_size=LARGEST_BODY_BYTES,
        cors_config=allow_origins(chosen.cors_allowed_origins),
        openapi_config=docs.openapi_config(VERSION, chosen.docs_access, [COMPONENTS], money.schema_hook),
        event_emitter_backend=NoEvents,
        logging_config=None,
        debug=False,
    )
    made.asgi_handler = Frame(made.asgi_handler, chosen.allowed_hosts, chosen.trusted_proxies)
    return made


def allow_origins(origins: list[str]) -> CORSConfig | None:
    """None sends no CORS headers at all."""
    return CORSConfig(allow_origins=origins, expose_headers=READABLE_HEADERS, max_age=600) if origins else None


app = create(settings)
