"""Tools that fail are told about in one sentence."""

import sys

import pytest

from bittrue.errors import BittrueError
from bittrue.exports.tools import tool_output


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import sys; print('first'); sys.exit('the reason')", "the reason"),
        ("import sys; print('first'); sys.exit(3)", "first"),
        ("import os, signal; print('first', flush=True); os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
    ],
)
def test_the_reason_is_named(program: str, says: str) -> None:
    with pytest.raises(BittrueError, match=rf"^The check failed in .* \({says}\): look\.$"):
        tool_output([sys.executable, "-c", program], "The check", remedy="look")
