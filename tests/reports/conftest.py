import pytest

from lib import cache
from lib.cache import Here


@pytest.fixture(autouse=True)
def keeps_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else values are kept half a second after somebody has looked first."""
    monkeypatch.setattr(cache, "here", Here())
    monkeypatch.setattr(cache, "YOUNG_MICROSECONDS", 0)
    monkeypatch.setattr(cache, "GONE_SECONDS", 0)
