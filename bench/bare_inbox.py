"""The limit of taking a shop's webhooks: the same proof and the same row, by a bare handler, and nothing else.

It reads `BENCH_BARE` as bench/bare.py does, and the secret from `SHOPIFY_WEBHOOK_SECRET`.
"""

import base64
import hashlib
import hmac
import os
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, post

from bench.bare import pools, running
from domains.shopify.inbox import STORE

SECRET = os.environ.get("SHOPIFY_WEBHOOK_SECRET", "").encode()


@post("/webhook", status_code=HTTPStatus.OK)
async def take(request: Request[Any, Any, Any]) -> Response[bytes]:
    body, headers = await request.body(), request.headers
    signature = base64.b64encode(hmac.digest(SECRET, body, hashlib.sha256))
    if not hmac.compare_digest(signature, headers["X-Shopify-Hmac-Sha256"].encode()):
        return Response(b"", status_code=HTTPStatus.UNAUTHORIZED)
    subject = f"thing:{msgspec.json.decode(body).get('id')}"
    names = (headers["X-Shopify-Shop-Domain"], headers["X-Shopify-Topic"], headers["X-Shopify-Webhook-Id"], "", "")
    now = datetime.now(UTC)
    rest = (now, subject, None, None, body.decode(), "pending", None, "", now, None)
    stored = await pools[0].fetchval(STORE, *names, *rest)
    return Response(b'{"status":"accepted","id":%d}' % (stored or 0), media_type="application/json")


app = Litestar([take], lifespan=[running], openapi_config=None, logging_config=None)
