"""Why a connection of the live feed ends, as its client is told: the codes are the contract."""


class Goodbye(Exception):
    """Ends a connection with a code, and a reason of at most 120 characters."""

    code = 1000

    @property
    def reason(self) -> str:
        return type(self).__doc__ or ""


class WrongSince(Goodbye):
    """since is not the id of an event"""

    code = 4400


class SessionEnded(Goodbye):
    """the session has ended, or the key was revoked"""

    code = 4401


class TooTalkative(Goodbye):
    """this is a feed: nothing is read here"""

    code = 1008


class TimeIsUp(Goodbye):
    """an hour has passed: connect again with since"""

    code = 1012


class TooSlow(Goodbye):
    """too slow: connect again with since"""

    code = 1013


class NoDatabase(Goodbye):
    """the database does not answer: connect again with since"""

    code = 1013
