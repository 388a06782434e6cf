"""Signing up, in and out in a browser."""

import httpx
import pytest

from domains.accounts import csrf, users
from domains.accounts.cookies import SESSION
from domains.web.navigation import local_path
from lib.signing import new_token
from piccolo_conf import execute, fetch_value
from tests.accounts.letters import last_letter, templates
from tests.web.browsing import PASSWORD, Browser, Page, register
from tests.web.test_pages import check

LOGIN, REGISTER, VERIFY = "/accounts/login/", "/accounts/register/", "/accounts/verify/"
NEW = {"email": "grace@example.com", "password": PASSWORD, "re_password": PASSWORD}


async def is_signed_in(browser: Browser) -> bool:
    return bool((await browser.client.get("/auth/check/")).json()["authenticated"])


class TestSignIn:
    @pytest.mark.parametrize("name", ["carla", "CARLA@example.com"])
    async def test_by_username_or_address(self, visitor: Browser, name: str) -> None:
        await register("carla")
        page = await visitor.sign_in(name)
        assert (page.answer.url.path, page.status) == ("/", 200)
        assert "Hello, carla" in page.words
        assert await is_signed_in(visitor)

    async def test_the_cookie_is_the_servers_alone(self, visitor: Browser) -> None:
        await register("carla")
        page = await visitor.open(LOGIN)
        answer = await visitor.send(page, LOGIN, identifier="carla", password=PASSWORD)
        session = next(one for one in answer.headers.get_list("set-cookie") if one.startswith(f"{SESSION}="))
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Max-Age=1209600"} <= set(session.split("; "))
        assert PASSWORD not in answer.text

    @pytest.mark.parametrize(("name", "password"), [("carla", "wrong"), ("nobody", PASSWORD), ("carla\0", PASSWORD)])
    async def test_what_is_wrong_is_told_without_details(self, visitor: Browser, name: str, password: str) -> None:
        await register("carla")
        page = await visitor.sign_in(name, password)
        check(page)
        assert page.status == 400
        assert "do not belong together" in page.words
        assert page.forms[LOGIN]["identifier"].startswith(name[:5])
        assert not await is_signed_in(visitor)

    async def test_an_empty_form_is_marked(self, visitor: Browser) -> None:
        page = await visitor.sign_in(" ", "")
        assert (page.status, page.invalid) == (400, {"identifier", "password"})

    async def test_an_unconfirmed_address_leads_to_its_code(self, visitor: Browser) -> None:
        await users.create_user(email="grace@example.com", password=PASSWORD, username="grace")
        page = await visitor.sign_in("grace")
        assert page.status == 403
        assert VERIFY in page.links

    async def test_too_many_attempts_are_told_to_wait(self, visitor: Browser) -> None:
        await register("carla")
        for _ in range(5):
            await visitor.sign_in("carla", "wrong")
        page = await visitor.sign_in("carla")
        check(page)
        assert page.status == 429
        assert "Too many attempts" in page.words
        assert int(page.answer.headers["retry-after"]) > 0

    async def test_it_goes_on_to_where_one_wanted_to_go(self, visitor: Browser) -> None:
        await register("carla")
        page = await visitor.open("/accounts/profile/security/")
        page = await visitor.submit(page, LOGIN, identifier="carla", password=PASSWORD)
        assert page.answer.url.path == "/accounts/profile/security/"

    @pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:x"])
    async def test_it_goes_nowhere_else(self, visitor: Browser, target: str) -> None:
        await register("carla")
        page = await visitor.open(LOGIN)
        answer = await visitor.send(page, LOGIN, identifier="carla", password=PASSWORD, next=target)
        assert answer.headers["location"] == "/"
        again = await visitor.ask("GET", LOGIN, params={"next": target})
        assert again.headers["location"] == "/"

    async def test_signing_in_as_another_ends_the_session_before(self, carla: Browser) -> None:
        await register("otto")
        token = (await carla.open("/accounts/profile/")).forms["/accounts/profile/"]["csrf_token"]
        data = {"csrf_token": token, "identifier": "otto", "password": PASSWORD}
        assert (await carla.ask("POST", LOGIN, data=data)).status_code == 303
        assert (await carla.client.get("/auth/check/")).json()["username"] == "otto"
        live = "SELECT count(*) FROM user_session WHERE revoked_at IS NULL"
        assert await fetch_value(live) == 1

    async def test_nobody_can_sign_a_visitors_browser_in(self, visitor: Browser) -> None:
        """Login CSRF: the attacker's own token is bound to the attacker's visit."""
        await register("mallory")
        theirs = csrf.make_token(new_token())
        await visitor.open(LOGIN)
        data = {"csrf_token": theirs, "identifier": "mallory", "password": PASSWORD}
        assert (await visitor.ask("POST", LOGIN, data=data)).status_code == 403
        assert not await is_signed_in(visitor)

    async def test_a_form_from_before_signing_in_is_out_of_date(self, visitor: Browser) -> None:
        await register("carla")
        page = await visitor.open(REGISTER)
        await visitor.sign_in("carla")
        assert (await visitor.send(page, REGISTER, **NEW)).status_code == 403


@pytest.mark.parametrize("path", ["/", "/a", "/accounts/profile/?x=1&y=%20#z", "/a//b", "/~x", "/%2F%2Fevil", "/-"])
def test_a_local_path_is_kept(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "path",
    [
        *("", "a", "//", "//evil", "/\\evil", "\\/evil", "/\t/evil", "/\n/evil", "/ /evil", "\t//evil", " //evil"),
        *("http://evil", "http:evil", "/a\r\nSet-Cookie: x=1", "/ä", "/a\\b", "/" + "a" * 2000, "/\x00", "?//evil"),
    ],
)
def test_any_other_path_becomes_the_first_page(path: str) -> None:
    assert local_path(path) == "/"


class TestSignOut:
    async def test_a_button_signs_out(self, carla: Browser) -> None:
        page = await carla.open("/")
        page = await carla.submit(page, "/accounts/logout/")
        assert "You are signed out." in page.words
        assert not await is_signed_in(carla)
        assert "You are signed out." not in (await carla.open("/")).words

    async def test_the_cookie_is_worth_nothing_then(self, carla: Browser) -> None:
        cookie = carla.client.cookies[SESSION]
        page = await carla.open("/accounts/logout/")
        await carla.submit(page, "/accounts/logout/")
        carla.client.cookies.set(SESSION, cookie, domain="testserver.local")
        assert not await is_signed_in(carla)

    async def test_looking_at_the_page_signs_nobody_out(self, carla: Browser) -> None:
        await carla.open("/accounts/logout/")
        assert await is_signed_in(carla)

    async def test_signing_out_everywhere_by_the_api_signs_the_browser_out(
        self, carla: Browser, client: httpx.AsyncClient
    ) -> None:
        body = {"username": "carla", "password": PASSWORD}
        access = (await client.post("/auth/jwt/create/", json=body)).json()["access"]
        headers = {"Authorization": f"Bearer {access}"}
        await client.post("/auth/logout/", json={"everywhere": True}, headers=headers)
        assert (await carla.ask("GET", "/accounts/profile/")).status_code == 303


class TestSignUp:
    async def test_from_the_form_to_the_first_page_by_code(self, visitor: Browser) -> None:
        page = await visitor.open(REGISTER)
        page = await visitor.submit(page, REGISTER, **NEW, first_name="Grace")
        check(page)
        assert page.answer.url.path == VERIFY
        assert "We have sent a mail to grace@example.com." in page.words
        assert page.forms[VERIFY]["email"] == "grace@example.com"
        page = await visitor.submit(page, VERIFY, code=(await last_letter("grace@example.com")).code.lower())
        assert page.answer.url.path == LOGIN
        assert page.forms[LOGIN]["identifier"] == "grace@example.com"
        page = await visitor.submit(page, LOGIN, password=PASSWORD)
        assert "Hello, Grace" in page.words

    async def test_the_link_only_opens_a_page_and_its_button_confirms(self, visitor: Browser) -> None:
        page = await visitor.open(REGISTER)
        await visitor.submit(page, REGISTER, **NEW)
        link = (await last_letter("grace@example.com")).link
        page = await visitor.open(link.partition("8000")[2])
        assert await fetch_value("SELECT email_verified_at FROM users") is None
        page = await visitor.submit(page, VERIFY)
        assert page.answer.url.path == LOGIN
        assert await fetch_value("SELECT email_verified_at FROM users") is not None

    async def test_what_is_wrong_is_marked_and_kept_but_for_passwords(self, visitor: Browser) -> None:
        page = await visitor.open(REGISTER)
        wrong = {
            "email": "grace",
            "username": "<x>",
            "first_name": "Grace",
            "password": "short",
            "re_password": "short",
        }
        page = await visitor.submit(page, REGISTER, **wrong)
        check(page)
        assert (page.status, page.invalid) == (400, {"email", "username", "password"})
        assert page.forms[REGISTER] | {"csrf_token": ""} == {
            **wrong,
            "last_name": "",
            "password": "",
            "re_password": "",
            "csrf_token": "",
        }
        assert "This is not an e-mail address." in page.words
        assert 'value="&lt;x&gt;"' in page.answer.text

    async def test_what_is_far_too_long_is_told_in_a_sentence(self, visitor: Browser) -> None:
        page = await visitor.submit(await visitor.open(REGISTER), REGISTER, **NEW | {"first_name": "x" * 1001})
        assert "Expected text with at most 1000 characters." in page.words

    async def test_passwords_must_be_the_same(self, visitor: Browser) -> None:
        page = await visitor.open(REGISTER)
        page = await visitor.submit(page, REGISTER, **NEW | {"re_password": "another one"})
        assert (page.status, page.invalid) == (400, {"re_password"})

    async def test_a_taken_address_is_a_conflict(self, visitor: Browser) -> None:
        await users.create_user(email=NEW["email"], password=PASSWORD)
        page = await visitor.open(REGISTER)
        page = await visitor.submit(page, REGISTER, **NEW)
        assert (page.status, page.invalid) == (409, {"email"})
        assert "Somebody is already registered with this e-mail address." in page.words

    @pytest.mark.parametrize("more", [{"role": "admin"}, {"admin": "true", "superuser": "on", "is_verified": "1"}])
    async def test_nobody_makes_themselves_more(self, visitor: Browser, more: dict[str, str]) -> None:
        page = await visitor.open(REGISTER)
        await visitor.submit(page, REGISTER, **NEW, **more)
        told = "SELECT role || admin || superuser || (email_verified_at IS NULL) FROM users"
        assert await fetch_value(told) == "customerfalsefalsetrue"

    async def test_a_wrong_code_is_told_and_another_mail_helps(self, visitor: Browser) -> None:
        page = await visitor.open(REGISTER)
        page = await visitor.submit(page, REGISTER, **NEW)
        page = await visitor.submit(page, VERIFY, code="222222")
        check(page)
        assert page.status == 400
        assert "wrong, was used before or has expired" in page.words
        page = await visitor.submit(page, "/accounts/verify/resend/", email=NEW["email"])
        assert "another mail is on its way" in page.words
        assert await templates(NEW["email"]) == ["verify_email", "verify_email"]
        page = await visitor.submit(page, VERIFY, code=(await last_letter(NEW["email"])).code)
        assert page.answer.url.path == LOGIN

    async def test_a_used_link_leaves_the_code(self, visitor: Browser) -> None:
        page = await visitor.open(f"{VERIFY}?uid=1&token={new_token()}")
        page = await visitor.submit(page, VERIFY)
        check(page)
        assert page.status == 400
        assert {"email", "code"} <= page.forms[VERIFY].keys()


class TestForgottenPassword:
    async def ask(self, visitor: Browser, email: str) -> Page:
        page = await visitor.open("/accounts/reset/")
        return await visitor.submit(page, "/accounts/reset/", email=email)

    async def test_a_new_password_by_code(self, visitor: Browser) -> None:
        await register("carla")
        page = await self.ask(visitor, "carla@example.com")
        code = (await last_letter("carla@example.com")).code
        passwords = {"new_password": "another battery", "re_new_password": "another battery"}
        page = await visitor.submit(page, "/accounts/reset/confirm/", code=code, **passwords)
        assert page.answer.url.path == LOGIN
        page = await visitor.submit(page, LOGIN, password="another battery")
        assert "Hello, carla" in page.words

    async def test_a_new_password_by_link_ends_what_is_open(self, carla: Browser, visitor: Browser) -> None:
        await self.ask(visitor, "carla@example.com")
        link = (await last_letter("carla@example.com")).link
        page = await visitor.open(link.partition("8000")[2])
        passwords = {"new_password": "another battery", "re_new_password": "another battery"}
        page = await visitor.submit(page, "/accounts/reset/confirm/", **passwords)
        assert page.answer.url.path == LOGIN
        assert not await is_signed_in(carla)

    async def test_nobody_learns_who_is_registered(self, visitor: Browser) -> None:
        await register("carla")
        known = await self.ask(visitor, "carla@example.com")
        unknown = await self.ask(visitor, "nobody@example.com")
        assert known.words == unknown.words

    async def test_what_is_wrong_is_told(self, visitor: Browser) -> None:
        page = await visitor.open("/accounts/reset/confirm/")
        page = await visitor.submit(page, "/accounts/reset/confirm/", new_password="short", re_new_password="other")
        check(page)
        assert (page.status, page.invalid) == (400, {"email", "code"})
        proof = {"email": "carla@example.com", "code": "222222"}
        page = await visitor.submit(page, "/accounts/reset/confirm/", **proof, new_password="a", re_new_password="b")
        assert page.invalid == {"re_new_password"}
        page = await visitor.submit(page, "/accounts/reset/confirm/", **proof, new_password="a", re_new_password="a")
        assert page.invalid == {"new_password"}


async def test_a_session_that_has_run_out_asks_to_sign_in(carla: Browser) -> None:
    page = await carla.open("/accounts/profile/")
    await execute("UPDATE user_session SET expires_at = now()")
    answer = await carla.send(page, "/accounts/profile/", username="other")
    assert (answer.status_code, answer.headers["location"]) == (303, LOGIN)
