from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from lib import mail
from tests.mail.smtp import Inbox, smtp_server


@pytest.fixture
async def inbox(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Inbox]:
    """Where every mail goes."""
    async with smtp_server() as server:
        monkeypatch.setattr(mail, "settings", server.settings())
        yield server


@pytest.fixture
def certificates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a server's certificate, which is trusted here."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    mail.tls_context.cache_clear()
    yield tmp_path
    mail.tls_context.cache_clear()
