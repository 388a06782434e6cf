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
    ORDER_SHIPPED = "order.shipped"
    ORDER_DELIVERED = "order.delivered"
    DELIVERY_CANCELLED = "delivery.cancelled"
    PURCHASE_ORDERED = "purchase.ordered"
    PURCHASE_RECEIVED = "purchase.received"
    PURCHASE_CANCELLED = "purchase.cancelled"
    RECEIPT_REVERSED = "receipt.reversed"


EVERY = "*"
TEST = "webhook.test"
