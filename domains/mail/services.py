"""Letters as rows: written in the transaction of what they tell of, claimed by whoever sends them, finished or put off.

Codes and links are secrets and administrators read this table, so a letter that holds any keeps its words only until
it is sent or given up. That is also why there is no sending again by hand: whoever wants another one asks for it.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TypeAlias

import msgspec

from domains.mail.tables import MailState
from lib import clock, mail
from lib.signing import derive_key
from piccolo_conf import execute, fetch_row, fetch_value

TEMPLATES = Path(__file__).parent / "templates"

# Longer than sending one may take, so that two workers have the same letter only when one of them has died.
LEASE = timedelta(minutes=2)
# After each failed attempt but the last, which is final.
PAUSES = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
)
# A letter that its workers died of, time after time, is given up too.
MOST_CLAIMS = 10
KEPT = timedelta(days=90)

REMOVED = "Removed after sending: it held a code or a link that was for its reader alone."
LONGEST_NAME = 60
# Mail programs make links of these.
LIKE_AN_ADDRESS = re.compile(r"://|www\.|\.\w{2,}", re.IGNORECASE)

INSERT = """
    INSERT INTO mail ("to", template, subject, text, html, created_at, next_attempt_at)
    VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING id
"""

# Relies on mail_due. Materialized, or PostgreSQL might look for due rows once more for each that it finds.
CLAIM = """
    WITH due AS MATERIALIZED (
        SELECT id FROM mail WHERE state = 'pending' AND next_attempt_at <= $1
        ORDER BY next_attempt_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE mail SET attempts = attempts + 1, next_attempt_at = $2 FROM due WHERE mail.id = due.id
    RETURNING mail.id, attempts, "to", template, subject, text, html, created_at
"""

# Relies on mail_due.
IS_DUE = "SELECT EXISTS (SELECT FROM mail WHERE state = 'pending' AND next_attempt_at <= $1)"

FINISH = """
    UPDATE mail SET state = $3::text, last_error = $4, next_attempt_at = $5::timestamptz,
        sent_at = CASE WHEN $3::text = 'sent' THEN $5::timestamptz END,
        text = CASE WHEN $6 THEN text ELSE $7 END, html = CASE WHEN $6 THEN html ELSE $7 END
    WHERE id = $1 AND attempts = $2 AND state = 'pending'
"""

# A tenth more or less, so that letters that failed together do not come back together.
PUT_OFF = """
    UPDATE mail SET last_error = $3, next_attempt_at = $4::timestamptz + $5::interval * (0.9 + 0.2 * random())
    WHERE id = $1 AND attempts = $2 AND state = 'pending'
"""

FORGET_READER = 'DELETE FROM mail WHERE "to" = $1'
FORGET = "DELETE FROM mail WHERE state <> 'pending' AND created_at < $1"


class Template(StrEnum):
    """The letters there are. Each has a `.txt` and an `.html` in templates/."""

    VERIFY_EMAIL = "verify_email"
    ACCOUNT_ACTIVATED = "account_activated"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - A letter, not a secret.
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - A letter, not a secret.
    CHANGE_EMAIL = "change_email"
    EMAIL_CHANGED = "email_changed"
    LOW_STOCK = "low_stock"
    STOCK_DIFFERENCES = "stock_differences"
    WEBHOOK_FAILING = "webhook_failing"
    WEBHOOK_DISABLED = "webhook_disabled"
    SHOPIFY_DATA_REQUEST = "shopify_data_request"
    SHOPIFY_UNINSTALLED = "shopify_uninstalled"


# Everything else loses its words after sending: a new letter is secret until somebody adds it here.
WITHOUT_SECRETS = {Template.ACCOUNT_ACTIVATED, Template.PASSWORD_CHANGED, Template.EMAIL_CHANGED}
WITHOUT_SECRETS |= {Template.LOW_STOCK, Template.STOCK_DIFFERENCES}
WITHOUT_SECRETS |= {Template.WEBHOOK_FAILING, Template.WEBHOOK_DISABLED}
WITHOUT_SECRETS |= {Template.SHOPIFY_DATA_REQUEST, Template.SHOPIFY_UNINSTALLED}

# A text, or the rows of a table.
Fact: TypeAlias = str | Sequence[Mapping[str, str]]


class Letter(msgspec.Struct, frozen=True):
    """One row in the hands of one worker; `attempts` fences off another that has taken it over."""

    id: int
    attempts: int
    to: str
    template: str
    subject: str
    text: str
    html: str
    created_at: datetime

    def __repr__(self) -> str:
        return f"Letter({self.id})"

    @property
    def has_another_attempt(self) -> bool:
        return self.attempts <= len(PAUSES)

    @property
    def message_id(self) -> str:
        """The same at each attempt, so that mail programs know a second copy; it tells nothing of the row."""
        row = f"{self.id} {self.created_at.timestamp()}"
        return hmac.digest(derive_key("message-id"), row.encode(), hashlib.sha256).hex()[:32]


async def write(to: str, template: Template, facts: Mapping[str, Fact]) -> int:
    """One row, in the open transaction; ring for a worker after it. Its id.

    The words are made here, so that a missing fact (jinja2.UndefinedError) or an address of two lines
    (lib.mail.BadEmail) fails what asked for the letter, and not a worker later.
    """
    subject, text, html = mail.render(TEMPLATES, template, {name: _tidy(name, fact) for name, fact in facts.items()})
    mail.Email(to, subject, text, html)
    letter_id: int = await fetch_value(INSERT, to, template, subject, text, html, clock.now())
    return letter_id


def _tidy(name: str, fact: Fact) -> Fact:
    """Each text in one line; and a person's name must not carry a stranger's advertisement to an address of their
    choice."""
    if not isinstance(fact, str):
        return [{column: _in_one_line(text) for column, text in row.items()} for row in fact]
    line = _in_one_line(fact)
    if name != "name":
        return line
    return "" if LIKE_AN_ADDRESS.search(line) else line[:LONGEST_NAME]


def _in_one_line(text: str) -> str:
    return " ".join(mail.CONTROL.sub(" ", text).split())


async def claim() -> Letter | None:
    """The letter that is due longest and that nobody else has, for the time of a lease."""
    now = clock.now()
    row = await fetch_row(CLAIM, now, now + LEASE)
    return None if row is None else msgspec.convert(dict(row), Letter)


async def finish(letter: Letter, error: str = "") -> None:
    """Sent, or with an error failed for good. Nothing happens when another worker has taken it over."""
    state = MailState.FAILED if error else MailState.SENT
    keeps_words = letter.template in WITHOUT_SECRETS
    await execute(FINISH, letter.id, letter.attempts, state, error, clock.now(), keeps_words, REMOVED)


async def put_off(letter: Letter, error: str) -> None:
    """To be tried again after a while. Only while `letter.has_another_attempt`."""
    await execute(PUT_OFF, letter.id, letter.attempts, error, clock.now(), PAUSES[letter.attempts - 1])


async def is_due() -> bool:
    return bool(await fetch_value(IS_DUE, clock.now()))


async def forget_letters_to(address: str) -> None:
    """Those that wait too: what they tell of has ended with their reader's account."""
    await execute(FORGET_READER, address)


async def forget_old_mail() -> None:
    await execute(FORGET, clock.now() - KEPT)
