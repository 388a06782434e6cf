"""uvicorn's WebSockets, of which none outlives its end: what `--ws` names wherever uvicorn is started."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

LONGEST_FLUSH_SECONDS = 3


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's own waits until the client has taken everything: with one that takes nothing any more it would keep the
    connection and its memory for ever, and could not be stopped by SIGTERM."""

    async def run_asgi(self) -> None:
        try:
            await super().run_asgi()
        finally:
            self.loop.call_later(self.close_timeout if self.close_timer else LONGEST_FLUSH_SECONDS, self._let_go)

    def _let_go(self) -> None:
        if not self.disconnected:
            self.transport.abort()
