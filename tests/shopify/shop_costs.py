"""What a query costs before it runs: an object is a point, a connection as many of its nodes as are asked for, and two.

Shopify counts large pages cheaper today; what keeps to this rule keeps to theirs.
"""

from typing import Any

from graphql import (
    FieldNode,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    parse,
)

CONNECTION = "Connection"


def cost_of(schema: GraphQLSchema, query: str, variables: dict[str, Any]) -> int:
    document = parse(query)
    operation = document.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    assert schema.query_type is not None
    return _cost(schema.query_type, operation.selection_set, variables)


def _cost(parent: Any, selected: SelectionSetNode | None, variables: dict[str, Any]) -> int:
    total = 0
    for node in selected.selections if selected else ():
        if isinstance(node, InlineFragmentNode):
            total += _cost(parent, node.selection_set, variables)
        elif isinstance(node, FieldNode) and node.name.value in getattr(parent, "fields", {}):
            total += _field_cost(parent, node, variables)
    return total


def _field_cost(parent: Any, node: FieldNode, variables: dict[str, Any]) -> int:
    type_ = get_named_type(parent.fields[node.name.value].type)
    if not is_composite_type(type_) or type_.name == "PageInfo":
        return 0
    inner = _cost(type_, node.selection_set, variables)
    if isinstance(type_, GraphQLObjectType) and type_.name.endswith(CONNECTION):
        # Its nodes are one object, counted in `inner`.
        return 2 + _first(node, variables) * inner
    return 1 + inner


def _first(node: FieldNode, variables: dict[str, Any]) -> int:
    for argument in node.arguments:
        if argument.name.value == "first":
            value = argument.value
            return int(variables[value.name.value] if isinstance(value, VariableNode) else value.value)  # type: ignore[attr-defined]
    return 50
