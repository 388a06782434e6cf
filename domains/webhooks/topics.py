"""What endpoints can subscribe to: the topics of the event log that are everybody's business."""

from enum import StrEnum


class EventType(StrEnum):
    """Names are the contract with receivers: never rename one."""

    PRODUCT_CREATED = "product.created"
    PRODUCT_UPDATED = "product.updated"
    PRODUCT_DELETED = "product.deleted"
    PRODUCTS_BULK_UPDATED = "products.bulk_updated"
    PRODUCTS_BULK_DELETED = "products.bulk_deleted"
    IMPORT_COMPLETED = "import.completed"
    IMPORT_FAILED = "import.failed"
    INVENTORY_LOW = "inventory.low"
    ORDER_PLACED = "order.placed"
    ORDER_CANCELLED = "order.cancelled"
    ORDER_REFUNDED = "order.refunded"
    ORDER_SHIPPED = "order.shipped"
    ORDER_DELIVERED = "order.delivered"
    DELIVERY_CANCELLED = "delivery.cancelled"
    PURCHASE_ORDERED = "purchase.ordered"
    PURCHASE_RECEIVED = "purchase.received"
    PURCHASE_CANCELLED = "purchase.cancelled"
    RECEIPT_REVERSED = "receipt.reversed"


# For those who choose among them.
SENTENCES = {
    EventType.PRODUCT_CREATED: "A product was created.",
    EventType.PRODUCT_UPDATED: "Fields of a product changed, its stock among them.",
    EventType.PRODUCT_DELETED: "A product was deleted.",
    EventType.PRODUCTS_BULK_UPDATED: "Many products were changed at once; a summary.",
    EventType.PRODUCTS_BULK_DELETED: "Many products were deleted at once; a summary.",
    EventType.IMPORT_COMPLETED: "An import has ended; with its counts.",
    EventType.IMPORT_FAILED: "An import came to a bad end; with the reason.",
    EventType.INVENTORY_LOW: "The stock of a product fell below its threshold.",
    EventType.ORDER_PLACED: "A customer placed an order.",
    EventType.ORDER_CANCELLED: "An order was cancelled; its stock is back.",
    EventType.ORDER_REFUNDED: "A shop gave money back for an order.",
    EventType.ORDER_SHIPPED: "An order was shipped.",
    EventType.ORDER_DELIVERED: "An order arrived at its customer.",
    EventType.DELIVERY_CANCELLED: "The delivery of an order was cancelled.",
    EventType.PURCHASE_ORDERED: "Goods were ordered from a supplier.",
    EventType.PURCHASE_RECEIVED: "Goods arrived and are in stock.",
    EventType.PURCHASE_CANCELLED: "A purchase order was cancelled.",
    EventType.RECEIPT_REVERSED: "A receipt of goods was taken back.",
}

EVERY = "*"
TEST = "webhook.test"


def is_told(endpoint: str, topic: str) -> str:
    """SQL: whether an endpoint, by its alias, subscribed to a topic."""
    return f"{endpoint}.event_types && ARRAY[{topic}, '{EVERY}']::varchar[]"


def is_owed(endpoint: str, event: str) -> str:
    """SQL: whether an endpoint is to get an event, both by their aliases; the changes of imports and bulk edits only
    where it asked for them one by one."""
    return f"{is_told(endpoint, f'{event}.topic')} AND ({endpoint}.include_bulk OR NOT {event}.bulk)"
