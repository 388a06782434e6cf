"""What the mails of accounts tell. They are rows until a job sends them: whoever writes one rings behind it."""

from domains.accounts.schemas import Profile
from domains.mail import services as mail
from domains.mail.services import Template
from settings import settings


async def write(profile: Profile, template: Template, *, to: str = "", **facts: str) -> None:
    """To the user's own address unless another one is given. Joins the transaction of what the mail tells of."""
    name = f"{profile.first_name or ''} {profile.last_name or ''}".strip()
    await mail.write(to or profile.email, template, {"name": name, "username": profile.username, **facts})


def link(path: str) -> str:
    """The absolute address of a page."""
    base = settings.public_url or f"http://{settings.host}:{settings.port}"
    return f"{base.rstrip('/')}{path}"
