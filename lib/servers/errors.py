"""Why an embedded server is not there."""


class EmbeddedUnavailable(Exception):
    """This machine cannot run the server from its wheel; the sentence names the setting to use instead."""

    def __init__(self, name: str, setting: str, reason: str) -> None:
        super().__init__(f"{name} cannot run from its wheel here ({reason}): set {setting} to a server of your own.")


class EmbeddedFailed(Exception):
    """A server did not start; the sentence ends with what its log said last."""
