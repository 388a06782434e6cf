"""What can be chosen in filters: the values of a few columns, found by jumping from one to the next in their index."""

from domains.catalog.schemas import FilterOptionsOut
from piccolo_conf import connected

COLUMNS = ("brand", "condition", "gender", "product_type", "age_group", "color")
MOST_VALUES = 1000
# A value shows to everybody when one of its first products is active: looking at all of them may take long.
LOOKED_AT = 100

# Relies on the index of each column, and touches one entry of it per value. Blanks sort before everything else.
VALUES = """
    WITH RECURSIVE found AS (
        (SELECT {column} AS value FROM product WHERE {column} > '' ORDER BY {column} LIMIT 1)
        UNION ALL
        SELECT (SELECT {column} FROM product WHERE {column} > found.value ORDER BY {column} LIMIT 1)
        FROM found WHERE found.value IS NOT NULL
    )
    SELECT value FROM found WHERE value IS NOT NULL AND ({visible}) LIMIT {most}
"""
VISIBLE = """
    EXISTS (SELECT FROM (SELECT is_active FROM product WHERE {column} = found.value LIMIT {looked_at}) AS first
            WHERE is_active)
"""


async def list_options(*, internal: bool) -> FilterOptionsOut:
    async with connected() as connection:
        found = {
            column: [value for (value,) in await connection.fetch(_statement(column, internal=internal))]
            for column in COLUMNS
        }
    return FilterOptionsOut(**found)


def _statement(column: str, *, internal: bool) -> str:
    visible = "true" if internal else VISIBLE.format(column=column, looked_at=LOOKED_AT)
    return VALUES.format(column=column, visible=visible, most=MOST_VALUES)
