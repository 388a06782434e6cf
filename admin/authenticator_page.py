"""The page where people set up their second factor, and give it up."""

from starlette.requests import Request
from starlette.responses import Response

from admin import authenticator, sessions
from admin.authenticator import Enrolment
from admin.pages import Form, device_of, read_form, render
from admin.sessions import Person
from domains.accounts.reauthentication import confirm_password
from lib.errors import AppError

PAGE = "authenticator.html"


async def show(request: Request) -> Response:
    person: Person = request.user
    if request.method == "GET":
        return await _render(request, person)
    form = await read_form(request)
    steps = {"begin": _begin, "finish": _finish, "stop": _stop}
    step = steps.get(form.get("step", ""), _begin)
    try:
        return await step(request, person, form)
    except AppError as error:
        return await _render(request, person, error)


async def _render(request: Request, person: Person, error: AppError | None = None) -> Response:
    enrolled = await authenticator.is_enrolled(person.user_id)
    return render(request, PAGE, error=error, enrolled=enrolled, enrolment=None, finished=False)


async def _begin(request: Request, person: Person, form: Form) -> Response:
    await confirm_password(person.user_id, form.get("password", ""))
    if await authenticator.is_enrolled(person.user_id):
        return await _render(request, person)
    return _show(request, person, authenticator.begin(person.user_id))


async def _finish(request: Request, person: Person, form: Form) -> Response:
    enrolment = authenticator.unseal(form.get("enrolment", ""), person.user_id)
    try:
        await authenticator.finish(enrolment, "".join(form.get("code", "").split()))
    except authenticator.WrongCode as error:
        return _show(request, person, enrolment, error)
    await sessions.end_others(person.user_id, request.cookies[sessions.COOKIE])
    return render(request, PAGE, enrolled=True, enrolment=None, finished=True)


async def _stop(request: Request, person: Person, form: Form) -> Response:
    """Both are asked for: who finds an open browser must not take away the lock."""
    await confirm_password(person.user_id, form.get("password", ""))
    await authenticator.check(person.user_id, form.get("code", ""), device_of(request).ip)
    await authenticator.stop(person.user_id)
    return await _render(request, person)


def _show(request: Request, person: Person, enrolment: Enrolment, error: AppError | None = None) -> Response:
    picture = enrolment.picture(person.email)
    return render(request, PAGE, error=error, enrolled=False, enrolment=enrolment, picture=picture, finished=False)
