"""Workers that end one after another before they have begun end the command, with what helps."""

from types import SimpleNamespace
from typing import Any

import pytest

from bittrue.engines.workers import ADVICE, FAILED_STARTS, FULL, LOOK, Member, Workers
from bittrue.errors import BittrueError


@pytest.mark.parametrize(("why", "helps"), [(FULL, ADVICE[FULL]), ("it was killed, or crashed", LOOK)])
def test_no_use_in_more_of_them(why: str, helps: str) -> None:
    def same(**options: Any) -> Any:
        return lambda made: made

    told: list[str] = []
    ray = SimpleNamespace(method=same, remote=same, kill=lambda handle, no_restart: None)
    workers = Workers(ray, 1, told.append)

    def ends(name: str) -> None:
        workers.members[name] = Member(name, None, None, "10.0.0.2")
        workers.bury_unbegun(workers.members[name], why, OSError())

    for number in range(FAILED_STARTS - 1):
        ends(str(number))
    workers.has_begun()
    for number in range(FAILED_STARTS - 1):
        ends(str(number))
    assert len(told) == 2 * (FAILED_STARTS - 1)
    with pytest.raises(BittrueError) as raised:
        ends("last")
    assert not workers.members  # the next command begins with others
    assert str(raised.value) == f"Workers end before they have begun, the last at 10.0.0.2 ({why}): {helps}"
