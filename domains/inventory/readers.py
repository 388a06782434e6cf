"""Who reads the reports that are mailed."""

import msgspec

from piccolo_conf import fetch
from settings import settings

# Without a name where nobody gave one: then the letter just says "Hello,".
ADMINISTRATORS = """
    SELECT email, concat_ws(' ', nullif(first_name, ''), nullif(last_name, '')) AS name FROM users
    WHERE role = 'admin' AND active AND email_verified_at IS NOT NULL AND email <> '' ORDER BY id
"""


class Reader(msgspec.Struct, frozen=True):
    email: str
    name: str = ""


async def find_readers() -> list[Reader]:
    """Those of REPORT_RECIPIENTS, each once; without any, every active administrator whose address is confirmed."""
    if settings.report_recipients:
        once = {address.lower(): address for address in settings.report_recipients}
        return [Reader(address) for address in once.values()]
    return [Reader(row["email"], row["name"]) for row in await fetch(ADMINISTRATORS)]
