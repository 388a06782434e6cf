"""What a schema cannot say of a body, said to the generator."""

from typing import Any
from uuid import uuid4

import schemathesis

# The run's administrator is the first user of an empty database.
CALLER = 1
LONGEST_KEY = 255


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """`stock` is another name for `inventory_quantity`: two good numbers have to be the same one.

    Nobody changes the caller's own role or address, which would end the session that the run needs. And the same
    idempotency key for two requests would rightly be refused.
    """
    key = None if _is_about_a_header(case) else (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable():
        case.headers["Idempotency-Key"] = f"{key[: LONGEST_KEY // 2]}{uuid4().hex}"
    if case.method != "GET" and case.path_parameters.get("user_id") == CALLER:
        case.path_parameters["user_id"] = CALLER + 1
    body = case.body
    if isinstance(body, dict) and all(_is_good(body.get(name)) for name in ("inventory_quantity", "stock")):
        body["stock"] = body["inventory_quantity"]


def _is_about_a_header(case: schemathesis.Case) -> bool:
    """Such a case stays as it is: of one that was changed the checks no longer know that it lacks a header."""
    return case.meta is not None and getattr(case.meta.phase.data, "parameter_location", None) == "header"


def _is_good(number: object) -> bool:
    """JSON Schema counts 3.0 as whole."""
    return isinstance(number, int | float) and not isinstance(number, bool) and number >= 0 and number % 1 == 0
