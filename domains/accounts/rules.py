"""What e-mail addresses, usernames, names and passwords have to look like."""

import re
from collections.abc import Iterator, Mapping

from domains.accounts import passwords
from domains.accounts.schemas import LONGEST_EMAIL
from lib.errors import BadInput, FieldError

LONGEST_NAME = 255
LONGEST_LOCAL_PART = 64
USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,63}")
# RFC 5321 without quoted local parts and address literals; an international domain is written in its xn-- form.
ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# What is left of users who have gone, see profiles.ERASE, and who stands in the history when no user acts.
RESERVED_USERNAME = re.compile(r"deleted-[0-9]+|system|anonymous", re.IGNORECASE)
RESERVED_DOMAIN = ".invalid"
EMAIL = re.compile(rf"{ATOM}(?:\.{ATOM})*@(?:{LABEL}\.)+(?=[A-Za-z]){LABEL}")


def may_be_a_name(text: str) -> bool:
    """Whether anybody may be called that: addresses and usernames are of ASCII.

    PostgreSQL's lower() turns some other letters into those, and Python's does not: "İ" would find the user "i", under
    limits of its own.
    """
    return text.isascii()


def refuse(sentence: str, problems: Iterator[FieldError]) -> None:
    """Raises BadInput when there are problems, with all of them."""
    if errors := list(problems):
        raise BadInput(sentence, errors=errors)


def email_problems(email: str, field: str = "email") -> Iterator[FieldError]:
    is_wrong = not EMAIL.fullmatch(email) or len(email) > LONGEST_EMAIL or email.index("@") > LONGEST_LOCAL_PART
    if is_wrong or email.lower().endswith(RESERVED_DOMAIN):
        yield FieldError(field, "is not an e-mail address")


def username_problems(username: str) -> Iterator[FieldError]:
    if not USERNAME.fullmatch(username):
        yield FieldError("username", "takes 3 to 64 letters, digits, dots, dashes and underscores")
    elif RESERVED_USERNAME.fullmatch(username):
        yield FieldError("username", "is reserved")


def name_problems(names: Mapping[str, str]) -> Iterator[FieldError]:
    for field, name in names.items():
        if len(name) > LONGEST_NAME or not name.isprintable():
            yield FieldError(field, f"takes up to {LONGEST_NAME} printable characters")


def password_problems(password: str, *known: str, field: str = "password") -> Iterator[FieldError]:
    """`known` is what everybody may know of the user: their e-mail address and username."""
    if not passwords.SHORTEST <= len(password) <= passwords.LONGEST:
        yield FieldError(field, f"takes {passwords.SHORTEST} to {passwords.LONGEST} characters")
    elif password.casefold() in {name.casefold() for name in known}:
        yield FieldError(field, "must not be the e-mail address or the username")
