"""The shop's answers in the shape that webhooks have, so that one mapping serves both."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from msgspec import UNSET, UnsetType, structs

from domains.shopify.mapping import ShopProduct, map_product, round_cost
from domains.shopify.payloads import ImagePayload, OptionPayload, ProductPayload, VariantPayload
from domains.shopify.queries import ItemNode, Media, VariantNode, id_of
from lib.money import LARGEST

IMAGE = "IMAGE"
MOST_OPTIONS = 3


def map_products(nodes: Sequence[VariantNode]) -> list[ShopProduct]:
    """The products of a page of variants, each with those that are on it: never complete."""
    by_product: defaultdict[str, list[VariantNode]] = defaultdict(list)
    for node in nodes:
        by_product[node.product.id].append(node)
    return [structs.replace(map_product(_payload(variants)), is_complete=False) for variants in by_product.values()]


def cost_of(item: ItemNode) -> Decimal | None:
    """With two decimals, unless it is no price."""
    if item.unit_cost is None:
        return None
    amount = item.unit_cost.amount
    return round_cost(amount) if is_price(amount) else amount


def is_price(amount: Decimal) -> bool:
    return amount.is_finite() and 0 <= amount <= LARGEST


def _payload(variants: Sequence[VariantNode]) -> ProductPayload:
    product = variants[0].product
    names = [option.name for option in variants[0].selected_options]
    own_images = [
        ImagePayload(src=variant.image.url, variant_ids=[id_of(variant.id)]) for variant in variants if variant.image
    ]
    image = _image_of(product.featured_media)
    return ProductPayload(
        id=id_of(product.id),
        title=product.title,
        body_html=product.description_html,
        vendor=product.vendor,
        product_type=product.product_type,
        handle=product.handle,
        status=product.status.lower(),
        updated_at=product.updated_at,
        options=[OptionPayload(name=name, position=number) for number, name in enumerate(names, 1)],
        image=image,
        images=UNSET if image is UNSET else own_images,
        variants=[_variant(variant) for variant in variants],
    )


def _variant(node: VariantNode) -> VariantPayload:
    chosen = [*(option.value for option in node.selected_options), *[None] * MOST_OPTIONS]
    return VariantPayload(
        id=id_of(node.id),
        title=node.title,
        sku=node.sku,
        price=node.price,
        compare_at_price=node.compare_at_price,
        barcode=node.barcode,
        option1=chosen[0],
        option2=chosen[1],
        option3=chosen[2],
        inventory_item_id=id_of(node.inventory_item.id),
        inventory_management="shopify" if node.inventory_item.tracked else None,
    )


def _image_of(media: Media | None) -> ImagePayload | UnsetType | None:
    """Webhooks tell the first image; a video in front of it hides it here, and then nothing is told."""
    if media is None:
        return None
    if media.media_content_type != IMAGE or media.preview is None or media.preview.image is None:
        return UNSET
    return ImagePayload(src=media.preview.image.url)
