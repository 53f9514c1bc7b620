"""Where an analysis shows how far it is, when nobody says where."""

import io
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from bittrue.analysis import progress as module
from bittrue.analysis.progress import NotebookProgress, PlainProgress, found_here, showing


class Handle:
    """What IPython gives for an output that can be changed, and all that was shown in it."""

    def __init__(self) -> None:
        self.shown: list[dict[str, str]] = []

    def update(self, bundle: dict[str, str], raw: bool) -> None:
        assert raw
        self.shown.append(bundle)


@pytest.fixture
def handles(monkeypatch: pytest.MonkeyPatch) -> list[Handle]:
    """The cell's outputs, in a process that believes it is a notebook's."""
    made: list[Handle] = []

    def display(bundle: dict[str, str], **options: Any) -> Handle:
        assert options == {"raw": True, "display_id": True}
        made.append(Handle())
        made[-1].update(bundle, raw=True)
        return made[-1]

    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))  # type: ignore[arg-type]
    monkeypatch.setattr(module, "SECONDS_BETWEEN_PICTURES", 0.0)
    return made


def test_a_notebook_has_one_output_that_grows(handles: list[Handle]) -> None:
    with found_here() as display:
        assert isinstance(display, NotebookProgress)
        for what in ("<F=5>", "F=6"):
            with showing(display, what, 20) as advance:
                advance(10)
                advance(10)
    (handle,) = handles
    assert '<progress value="10" max="20">' in handle.shown[1]["text/html"]
    assert "<F=5>" not in handle.shown[0]["text/html"]
    last = handle.shown[-1]["text/plain"].splitlines()
    assert [line.rpartition(" in ")[0] for line in last] == ["<F=5>: 20 images", "F=6: 20 images"]
    assert "progress" not in handle.shown[-1]["text/html"]


def test_a_cell_that_is_interrupted_leaves_a_line(handles: list[Handle]) -> None:
    with pytest.raises(KeyboardInterrupt), showing(None, "F=5", 20) as advance:
        advance(7)
        raise KeyboardInterrupt
    assert handles[0].shown[-1]["text/plain"].startswith("F=5: 7 images in")


def test_a_terminal_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with showing(None, "F=5", 20) as advance:
        advance(20)
    assert "F=5" in stream.getvalue()


def test_elsewhere_nothing_is_said_unless_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with showing(None, "F=5", 20) as advance:
        advance(20)
    with found_here() as display:
        assert display is None
    assert capsys.readouterr().err == ""
    given = PlainProgress()
    with found_here(given) as display:
        assert display is given


def test_ipython_in_a_terminal_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = SimpleNamespace()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    assert not module.in_notebook()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: None))  # type: ignore[arg-type]
    assert not module.in_notebook()
