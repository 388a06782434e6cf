"""What a schema cannot say of a body, said to the generator."""

from typing import Any

import schemathesis


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: schemathesis.Case, _kwargs: dict[str, Any]) -> None:
    """`stock` is another name for `inventory_quantity`: two good numbers have to be the same one."""
    body = case.body
    names = ("inventory_quantity", "stock")
    if isinstance(body, dict) and all(type(body.get(name)) is int and body[name] >= 0 for name in names):
        body["stock"] = body["inventory_quantity"]
