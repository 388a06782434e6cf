"""The app, whose process dies with a client's header at a point of the client's choice: uvicorn tests.faults.dying:app.

Die: before-answer      everything is committed, and the client never hears of it
"""

import os
import signal

from litestar.types import Message, Receive, Scope, Send

from app import app as whole

BEFORE_ANSWER = (b"die", b"before-answer")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    async def send_or_die(message: Message) -> None:
        if message["type"] == "http.response.start" and BEFORE_ANSWER in scope.get("headers", ()):
            os.kill(os.getpid(), signal.SIGKILL)
        await send(message)

    await whole(scope, receive, send_or_die)
