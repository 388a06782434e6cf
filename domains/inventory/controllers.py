"""Levels, the ledger, adjustments and transfers over HTTP."""

from http import HTTPStatus

from litestar import Controller, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody

from domains.accounts.answering import answer_once
from domains.accounts.auth import CallerRequest, requires
from domains.accounts.scopes import Scope
from domains.inventory import ledger, levels
from domains.inventory.adjustments import adjust_stock
from domains.inventory.schemas import (
    AdjustmentIn,
    AdjustmentOut,
    LevelOut,
    MovementOut,
    TransferIn,
    TransferOut,
)
from domains.inventory.transfers import transfer_stock
from lib.http import IdempotencyKey, Page, respond

ADJUSTED = {HTTPStatus.CREATED.value: ResponseSpec(AdjustmentOut, description="What was booked.")}
TRANSFERRED = {HTTPStatus.CREATED.value: ResponseSpec(TransferOut, description="What was booked.")}


class StockController(Controller):
    path = "/api/stock"
    tags = ("Stock",)

    @get(guards=[requires(Scope.INVENTORY_READ)], operation_class=levels.NOW.operation, summary="What lies where")
    async def list_levels(self, request: CallerRequest) -> Response[Page[LevelOut]]:
        """`as_of` tells the same of the past, from the ledger, with products that have been deleted since."""
        query, as_of = levels.read_levels_query(request.scope["query_string"])
        found = await levels.list_levels(query, as_of)
        results = [LevelOut(*(row[name] for name in LevelOut.__struct_fields__)) for row in found.rows]
        return respond(request, results, query.paging, found.total, found.cursor)

    @get(
        "/movements",
        guards=[requires(Scope.INVENTORY_READ)],
        operation_class=ledger.LIST.operation,
        summary="The ledger, newest first",
    )
    async def list_movements(self, request: CallerRequest) -> Response[Page[MovementOut]]:
        """Every movement of stock: how much, why, what caused it and who. It only ever grows."""
        query = ledger.LIST.read(request.scope["query_string"])
        found = await ledger.list_movements(query)
        results = [MovementOut(**row) for row in found.rows]
        return respond(request, results, query.paging, found.total, found.cursor)

    @post("/adjustments", guards=[requires(Scope.INVENTORY_WRITE)], responses=ADJUSTED, summary="Adjust stock")
    async def adjust(
        self, data: JSONBody[AdjustmentIn], request: CallerRequest, idempotency_key: IdempotencyKey = None
    ) -> Response[bytes]:
        """By `delta`, or to the `quantity` that was counted; one line, or `lines`, of which all are booked or none.

        409 `out_of_stock` below zero, and `stale_quantity` where an `expected_quantity` is not there; both with
        `items`. Honours `Idempotency-Key`.
        """
        return await answer_once(request, data, idempotency_key, lambda: adjust_stock(data), HTTPStatus.CREATED)

    @post("/transfers", guards=[requires(Scope.INVENTORY_WRITE)], responses=TRANSFERRED, summary="Transfer stock")
    async def transfer(
        self, data: JSONBody[TransferIn], request: CallerRequest, idempotency_key: IdempotencyKey = None
    ) -> Response[bytes]:
        """From one location to another; the products' totals stay. All lines are booked or none.

        409 `out_of_stock` with `items` when too little lies at the first one. Honours `Idempotency-Key`.
        """
        return await answer_once(request, data, idempotency_key, lambda: transfer_stock(data), HTTPStatus.CREATED)
