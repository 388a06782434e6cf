"""What can be wrong with a file or a row of it."""

import msgspec

from domains.imports.tables import FailureReason


class FileRefused(Exception):
    """Nothing of the file can be imported; `reason` comes from the closed list."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(detail)


class RowError(msgspec.Struct, frozen=True):
    """A rejected row. `cells` are the original ones."""

    row_number: int
    sku: str
    field: str
    message: str
    cells: list[str]
