"""Log lines tell who did what."""

from lib.actor import acting
from lib.log import name_actor


def test_a_line_names_the_user_in_whose_name_it_happens() -> None:
    with acting(user_id=7, name="ada"):
        assert name_actor(None, "info", {"event": "user_changed"}) == {"event": "user_changed", "by": 7}


def test_what_nobody_did_names_nobody() -> None:
    assert name_actor(None, "info", {"event": "swept"}) == {"event": "swept"}
