"""One's own account in a browser: names, picture, password, address, API keys, leaving."""

import io

import pytest
from PIL import Image

from domains.accounts import api_keys
from domains.accounts.cookies import SESSION
from piccolo_conf import execute, fetch_row, fetch_value
from tests.accounts.letters import last_letter
from tests.conftest import make_client
from tests.web.browsing import PASSWORD, Browser, Page, register
from tests.web.test_pages import check

PROFILE, SECURITY, KEYS = "/accounts/profile/", "/accounts/profile/security/", "/accounts/profile/api-keys/"
PICTURE, DELETION = f"{PROFILE}picture/", f"{PROFILE}deletion/"
EMAIL = "/accounts/email/"
NEXT = "another battery"


def picture() -> bytes:
    output = io.BytesIO()
    Image.new("RGB", (60, 40), "navy").save(output, "PNG")
    return output.getvalue()


class TestProfile:
    async def test_names_are_saved_once(self, carla: Browser) -> None:
        page = await carla.open(PROFILE)
        page = await carla.submit(page, PROFILE, first_name="Carla", last_name="Ruiz", username="carla.r")
        assert "Your profile is saved." in page.words
        assert page.answer.history == []
        assert page.forms[PROFILE] | {"csrf_token": ""} == {
            "csrf_token": "",
            "first_name": "Carla",
            "last_name": "Ruiz",
            "username": "carla.r",
        }
        page = await carla.submit(page, PROFILE, first_name="")
        assert page.forms[PROFILE]["first_name"] == ""

    async def test_a_taken_or_bad_username_is_told(self, carla: Browser) -> None:
        await register("otto")
        page = await carla.open(PROFILE)
        page = await carla.submit(page, PROFILE, username="otto")
        check(page)
        assert (page.status, page.invalid) == (409, {"username"})
        page = await carla.submit(page, PROFILE, username="a b", first_name="x" * 300)
        assert (page.status, page.invalid) == (400, {"username", "first_name"})

    async def test_no_other_column_changes(self, carla: Browser) -> None:
        page = await carla.open(PROFILE)
        more = {"role": "admin", "email": "x@example.com", "superuser": "true", "id": "7", "active": "false"}
        await carla.submit(page, PROFILE, first_name="Carla", **more)
        row = await fetch_row("SELECT role, email, superuser, id, active FROM users")
        assert row is not None
        assert tuple(row) == ("customer", "carla@example.com", False, 1, True)

    async def test_a_picture_is_shown_and_removed(self, carla: Browser) -> None:
        page = await carla.open(PROFILE)
        page = await carla.submit(page, PICTURE, files={"file": ("me.png", picture(), "image/png")})
        check(page)
        assert "Your picture is saved." in page.words
        source = next(found["src"] for found in page.all("img") if found["alt"] == "Your picture")
        answer = await carla.ask("GET", source)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
        page = await carla.submit(page, PICTURE, remove="yes")
        assert "Your picture is gone." in page.words
        assert await fetch_value("SELECT count(*) FROM avatar") == 0

    @pytest.mark.parametrize(
        ("content", "status"), [(b"", 400), (b"<svg onload='x'>", 415), (b"\x89PNG\r\n\x1a\nbroken", 400)]
    )
    async def test_what_is_no_picture_is_told(self, carla: Browser, content: bytes, status: int) -> None:
        page = await carla.open(PROFILE)
        page = await carla.submit(page, PICTURE, files={"file": ("me.png", content, "image/png")})
        check(page)
        assert page.status == status
        assert "notice bad" in page.answer.text

    async def test_a_picture_that_is_too_large_is_told(self, carla: Browser) -> None:
        page = await carla.open(PROFILE)
        page = await carla.submit(page, PICTURE, files={"file": ("me.png", b"x" * (6 << 20), "image/png")})
        check(page)
        assert (page.status, page.headings) == (413, ["Profile"])
        assert "The picture is larger than 5 MB." in page.words


class TestPassword:
    async def change(self, browser: Browser, current: str, new: str, again: str) -> None:
        page = await browser.open(SECURITY)
        passwords = {"current_password": current, "new_password": new, "re_new_password": again}
        self.page = await browser.submit(page, f"{SECURITY}password/", **passwords)

    async def test_a_change_leaves_this_browser_signed_in_and_no_other(self, carla: Browser, visitor: Browser) -> None:
        await visitor.sign_in("carla")
        before = carla.client.cookies[SESSION]
        await self.change(carla, PASSWORD, NEXT, NEXT)
        assert "Your password is changed." in self.page.words
        assert self.page.answer.url.path == SECURITY
        assert carla.client.cookies[SESSION] != before
        assert (await visitor.ask("GET", PROFILE)).status_code == 303

    async def test_a_change_that_also_extends_the_session_before_keeps_the_new_one(self, carla: Browser) -> None:
        page = await carla.open(SECURITY)
        await execute("UPDATE user_session SET expires_at = now() + interval '12 days'")
        passwords = {"current_password": PASSWORD, "new_password": NEXT, "re_new_password": NEXT}
        page = await carla.submit(page, f"{SECURITY}password/", **passwords)
        assert "Your password is changed." in page.words

    @pytest.mark.parametrize(
        ("current", "new", "again", "marked"),
        [
            ("wrong", NEXT, NEXT, "current_password"),
            (PASSWORD, "short", "short", "new_password"),
            (PASSWORD, NEXT, "other", "re_new_password"),
            (PASSWORD, "carla@example.com", "carla@example.com", "new_password"),
            ("", NEXT, NEXT, "current_password"),
        ],
    )
    async def test_what_is_wrong_is_told(self, carla: Browser, current: str, new: str, again: str, marked: str) -> None:
        await self.change(carla, current, new, again)
        check(self.page)
        assert (self.page.status, self.page.invalid) == (400, {marked})

    async def test_strangers_who_use_up_the_attempts_change_nothing(self, carla: Browser, visitor: Browser) -> None:
        for _ in range(6):
            assert (await visitor.sign_in("carla", "wrong")).status in {400, 429}
        await self.change(carla, PASSWORD, NEXT, NEXT)
        assert "Your password is changed." in self.page.words
        assert (await carla.open(SECURITY)).answer.url.path == SECURITY

    async def test_signing_out_everywhere(self, carla: Browser, visitor: Browser) -> None:
        await visitor.sign_in("carla")
        page = await carla.open(SECURITY)
        page = await carla.submit(page, f"{SECURITY}sessions/")
        assert "You are signed out everywhere." in page.words
        assert [(await one.ask("GET", PROFILE)).status_code for one in (carla, visitor)] == [303, 303]


class TestEmail:
    async def ask(self, carla: Browser, password: str = PASSWORD, email: str = "new@example.com") -> None:
        page = await carla.open(SECURITY)
        self.page = await carla.submit(page, f"{SECURITY}email/", new_email=email, current_password=password)

    @pytest.mark.parametrize("way", ["code", "link"])
    async def test_it_changes_when_the_new_address_answers(self, carla: Browser, way: str) -> None:
        await self.ask(carla)
        assert self.page.answer.url.path == EMAIL
        assert "We have sent a mail to new@example.com." in self.page.words
        assert await fetch_value("SELECT email FROM users") == "carla@example.com"
        letter = await last_letter("new@example.com")
        page = await carla.open(letter.link.partition("8000")[2]) if way == "link" else self.page
        page = await carla.submit(page, EMAIL, **({"code": letter.code} if way == "code" else {}))
        assert page.answer.url.path == "/accounts/login/"
        assert "Your e-mail address is now new@example.com." in page.words
        assert await fetch_value("SELECT email FROM users") == "new@example.com"

    async def test_what_is_wrong_is_told(self, carla: Browser) -> None:
        await self.ask(carla, password="wrong")
        assert (self.page.status, self.page.invalid) == (400, {"current_password"})
        check(self.page)
        await self.ask(carla, email="nonsense")
        assert (self.page.status, self.page.invalid) == (400, {"new_email"})

    async def test_a_wrong_code_is_told(self, carla: Browser) -> None:
        await self.ask(carla)
        page = await carla.submit(self.page, EMAIL, code="222222")
        check(page)
        assert page.status == 400
        page = await carla.submit(page, EMAIL, code="")
        assert page.invalid == {"code"}


class TestKeys:
    @pytest.fixture(autouse=True)
    def forgetful(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(api_keys, "memory", api_keys.Memory())

    async def test_a_key_is_made_shown_once_used_and_revoked(self, carla: Browser) -> None:
        page = await carla.open(KEYS)
        page = await carla.submit(page, KEYS, name="Till <1>", scopes=["products:read", "orders:own"], days="30")
        check(page)
        assert page.status == 201
        secret = next(word for word in page.words.split() if len(word) == 46)
        async with make_client(Authorization=f"Bearer {secret}") as machine:
            assert (await machine.get("/api/products/")).status_code == 200
            page = await carla.open(KEYS)
            check(page)
            assert secret not in page.words
            assert "Till <1>" in page.words
            page = await carla.submit(page, f"{KEYS}revocation/")
            check(page)
            assert "The key is revoked." in page.words
            assert (await machine.get("/api/products/")).status_code == 401
        days = await fetch_value("SELECT extract(day FROM expires_at - created_at)::int FROM api_key")
        assert days in {29, 30}

    async def test_a_key_without_an_end(self, carla: Browser) -> None:
        page = await carla.open(KEYS)
        page = await carla.submit(page, KEYS, name="Till", scopes="products:read", days="")
        assert page.status == 201
        assert await fetch_value("SELECT expires_at FROM api_key") is None

    @pytest.mark.parametrize(
        ("wish", "marked"),
        [
            ({"name": " "}, {"name"}),
            ({"name": "x" * 101}, {"name"}),
            ({"scopes": []}, {"scopes"}),
            ({"scopes": "users:write"}, {"scopes"}),
            ({"scopes": "everything"}, {"scopes"}),
            ({"days": "7"}, {"days"}),
        ],
    )
    async def test_a_wrong_wish_is_told(self, carla: Browser, wish: dict[str, object], marked: set[str]) -> None:
        page = await carla.open(KEYS)
        page = await carla.submit(page, KEYS, **{"name": "Till", "scopes": "products:read", "days": "30", **wish})
        check(page)
        assert page.status == 400
        assert {
            found["id"].removesuffix("-error") for found in page.all("p") if "error" in found.get("id", "")
        } == marked
        assert await fetch_value("SELECT count(*) FROM api_key") == 0

    async def test_only_ones_own_scopes_are_offered(self, carla: Browser, ada: Browser) -> None:
        def offered(page: Page) -> set[str]:
            return {found["value"] for found in page.all("input") if found.get("type") == "checkbox"}

        assert offered(await carla.open(KEYS)) == {"products:read", "orders:own"}
        assert "users:write" in offered(await ada.open(KEYS))
        assert "account:own" not in offered(await ada.open(KEYS))

    async def test_somebody_elses_key_is_not_found(self, carla: Browser, ada: Browser) -> None:
        page = await carla.open(KEYS)
        await carla.submit(page, KEYS, name="Till", scopes="products:read")
        token = (await ada.open(PROFILE)).forms[PROFILE]["csrf_token"]
        for key_id in ("1", "999999999", "-1", "x", "", "9" * 40):
            answer = await ada.ask("POST", f"{KEYS}revocation/", data={"csrf_token": token, "key_id": key_id})
            assert answer.status_code == 404
            assert "There is no such API key." in answer.text
        assert "Revoke" not in (await ada.open(KEYS)).words


class TestLeaving:
    async def test_an_account_is_closed_for_good(self, carla: Browser) -> None:
        page = await carla.open(DELETION)
        page = await carla.submit(page, DELETION, current_password=PASSWORD)
        assert (page.answer.url.path, "Your account is closed." in page.words) == ("/", True)
        assert (await carla.sign_in("carla")).status == 400

    async def test_a_wrong_password_closes_nothing(self, carla: Browser) -> None:
        page = await carla.open(DELETION)
        page = await carla.submit(page, DELETION, current_password="wrong")
        check(page)
        assert (page.status, page.invalid) == (400, {"current_password"})
        assert await fetch_value("SELECT active FROM users")

    async def test_the_last_administrator_stays(self, ada: Browser) -> None:
        page = await ada.open(DELETION)
        page = await ada.submit(page, DELETION, current_password=PASSWORD)
        check(page)
        assert page.status == 409
