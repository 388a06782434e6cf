"""What a schema cannot say of a body, said to the generator."""

from typing import Any

import schemathesis

# The run's administrator is the first user of an empty database.
CALLER = 1


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """`stock` is another name for `inventory_quantity`: two good numbers have to be the same one.

    And nobody changes the caller's own role or address, which would end the session that the run needs.
    """
    if case.method != "GET" and case.path_parameters.get("user_id") == CALLER:
        case.path_parameters["user_id"] = CALLER + 1
    body = case.body
    if isinstance(body, dict) and all(_is_good(body.get(name)) for name in ("inventory_quantity", "stock")):
        body["stock"] = body["inventory_quantity"]


def _is_good(number: object) -> bool:
    """JSON Schema counts 3.0 as whole."""
    return isinstance(number, int | float) and not isinstance(number, bool) and number >= 0 and number % 1 == 0
