"""What the command line as a whole promises: quick help, documented commands, exit codes of real processes."""

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import bittrue
from bittrue.cli.app import COMMANDS, app
from bittrue.cli.command import command
from bittrue.cli.demo import bundled_model
from bittrue.cli.options import CommonOptions
from bittrue.cli.reference import reference
from bittrue.fixed import Overflow, Rounding

from .conftest import Run

ROOT = Path(__file__).parents[2]
HEAVY = ("altair", "keras", "numpy", "scipy", "sklearn", "torch")
GROUP: Any = typer.main.get_command(app)


def bittrue_process(*arguments: object, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "bittrue", *(str(argument) for argument in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_nothing_heavy_is_imported_before_a_command_runs() -> None:
    script = f"import sys, bittrue.cli.app; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"


def test_the_check_for_heavy_imports_sees_one() -> None:
    script = f"import sys, bittrue.cli.app, numpy; print([name for name in {HEAVY} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "['numpy']\n"


def test_a_keras_file_is_read_without_the_other_doors(tmp_path: Path) -> None:
    """Nor by Keras: each framework takes seconds to import."""
    (tmp_path / "model.keras").write_bytes(bundled_model())
    script = (
        "import sys; from bittrue.cli.app import app\n"
        f"try: app(['inspect', {str(tmp_path / 'model.keras')!r}], prog_name='bittrue')\n"
        "finally: print([name for name in ('keras', 'onnx', 'onnxscript', 'scipy', 'tensorflow', 'torch.onnx') "
        "if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[0].startswith("Network digits")
    assert result.stdout.splitlines()[-1] == "[]"


def processor_time(*arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def test_help_comes_at_once() -> None:
    """Beside Typer alone, in processor time and by turns, since the machine may be busy: any framework would make it
    five times as much, and it is twice."""
    pairs = [
        (processor_time("-m", "bittrue", "--help"), processor_time("-c", "import typer.main, typer.rich_utils"))
        for _ in range(3)
    ]
    assert min(ours for ours, _ in pairs) < 3.5 * min(typers for _, typers in pairs)


def test_every_command_of_the_design_and_no_other() -> None:
    names = [
        "demo",
        "inspect",
        "ranges",
        "plan",
        "repair",
        "sweep",
        "sensitivity",
        "search",
        "simulate",
        "verify",
        "trace",
        "export",
        "diff",
        "report",
        "doctor",
    ]
    assert [function.__name__ for function in COMMANDS] == names
    assert list(GROUP.commands) == names


@pytest.mark.parametrize("name", list(GROUP.commands))
def test_every_command_has_help_and_the_common_options(name: str, run: Run) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    documented = GROUP.commands[name]
    assert documented.help
    assert documented.help.strip().endswith(".")
    for parameter in documented.params:
        assert parameter.help, f"{name} {parameter.name}"
    spellings = {spelling for parameter in documented.params for spelling in parameter.opts}
    assert spellings >= {"--json", "--threads", "--debug"}
    if "--data" in spellings:
        data = {"--images", "--split", "--resize", "--scale", "--mean", "--std", "--layout"}
        assert spellings >= data
    if name in ("plan", "sweep"):
        recipe = {"--recipe", "--rounding", "--overflow", "--batch-norm", "--rounding-points", "--softmax", "--product"}
        assert spellings >= recipe | {"--site", "--per-channel", "--word-length", "--fraction-bits"}


def test_no_help_text_loses_words_to_markup() -> None:
    """Rich reads square brackets as markup and drops them."""
    for documented in GROUP.commands.values():
        for parameter in documented.params:
            assert "[" not in parameter.help


def test_the_reference_is_fresh() -> None:
    """If not: python -m bittrue.cli.reference docs/commands.md."""
    assert (ROOT / "docs/commands.md").read_text(encoding="utf-8") == reference()


def test_the_reference_lists_every_option() -> None:
    text = reference()
    for name, documented in GROUP.commands.items():
        assert f"\n## {name}\n" in text
        for parameter in documented.params:
            if parameter.param_type_name == "option":
                assert f"| `{parameter.opts[0]}" in text


def test_a_new_option_makes_the_reference_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    before = reference()
    monkeypatch.setattr(typer.main, "get_command", lambda app: GROUP)
    monkeypatch.setattr(GROUP.commands["plan"].params[0], "help", "Another text.")
    assert reference() != before


def test_the_group_of_options_becomes_options() -> None:
    seen = {}

    @command
    def example(common: CommonOptions, model: str = "m") -> None:
        seen["common"], seen["model"] = common, model

    example(json=True, threads=None, debug=False, model="n")
    assert seen == {"common": CommonOptions(json=True), "model": "n"}


def test_exit_codes_of_real_processes(tmp_path: Path) -> None:
    bad = bittrue_process("inspect", tmp_path / "nowhere.keras")
    usage = bittrue_process("inspect")
    assert [*bad.communicate(), bad.returncode][::2] == ["", 2]
    output, message = usage.communicate()
    assert (output, usage.returncode, len(message.splitlines())) == ("", 2, 1)


def test_threads_reach_the_numeric_libraries(model: Path) -> None:
    script = (
        "import sys; from bittrue.cli.app import app\n"
        f"try: app(['inspect', {str(model)!r}, '--threads', '1', '--json'])\n"
        "except SystemExit: import torch; print(torch.get_num_threads(), file=sys.stderr)"
    )
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert json.loads(result.stdout)["bittrue"] == 1
    assert result.stderr.splitlines()[-1] == "1"


def test_the_version_and_where_it_stands(run: Run) -> None:
    said = run("--version").stdout
    kernels = "without compiled kernels" if os.environ.get("BITTRUE_KERNELS") == "none" else r"compiled kernels for \w+"
    assert re.fullmatch(rf"bittrue {re.escape(bittrue.__version__)}, {kernels}\n", said)
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    assert 'dynamic = ["version"]' in text
    assert "\nversion = " not in text
    assert f"\n## {bittrue.__version__} (" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_shells_complete_commands_and_options() -> None:
    for words, found in (("bittrue sw", ["sweep"]), ("bittrue plan --rounding-", ["--rounding-points"])):
        environment = {"_BITTRUE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        result = subprocess.run(
            [sys.executable, "-m", "bittrue"], env=os.environ | environment, capture_output=True, text=True
        )
        assert result.stdout.split() == found


def test_the_modes_are_listed_in_the_help() -> None:
    options = {option.opts[0]: option.help for option in GROUP.commands["plan"].params}
    assert all(mode.value in options["--rounding"] and mode.amd in options["--rounding"] for mode in Rounding)
    assert all(mode.value in options["--overflow"] for mode in Overflow)


def test_an_interrupt_from_the_keyboard_ends_in_one_line() -> None:
    script = (
        "import os, signal, sys, bittrue.frontends\n"
        "bittrue.frontends.load = lambda *given, **named: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.argv = ['bittrue', 'inspect', 'model.keras']\n"
        "from bittrue.cli.app import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (result.returncode, result.stdout, result.stderr) == (130, "", "Interrupted.\n")


@pytest.mark.parametrize("signal_name", ["SIGKILL", "SIGINT"])
def test_a_sweep_that_was_broken_off_goes_on(
    signal_name: str, model: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    arguments = ["sweep", model, "--data", "digits", "--fraction-bits", "3:4", "--batch-size", "100", "--out", out]
    script = (
        "import os, signal, sys, time; from bittrue.analysis.progress import PlainProgress\n"
        "seen = []; advance = PlainProgress.advance\n"
        "def broken(self, images):\n"
        "    seen.append(self._what)\n"
        f"    if seen.count('F=3') == 3: os.kill(os.getpid(), signal.{signal_name}); time.sleep(10)\n"
        "    advance(self, images)\n"
        "PlainProgress.advance = broken\n"
        f"sys.argv = {['bittrue', *map(str, arguments)]!r}\n"
        "from bittrue.cli.app import main; main()"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.stdout == ""
    assert {path.name.partition("-")[0] for path in out.iterdir()} == {"results.sqlite"}
    if signal_name == "SIGINT":
        assert result.returncode == 130
        message = f"Interrupted: the same command goes on from what is in {out / 'results.sqlite'}."
        assert result.stderr.splitlines()[-1] == message
        return
    assert result.returncode == -signal.SIGKILL
    monkeypatch.setattr("bittrue.reports.study.build_report", lambda folder: None)
    resumed = json.loads(run(*arguments, "--json").stdout)
    undisturbed = json.loads(run(*arguments[:-2], "--json").stdout)
    assert resumed["rows"] == undisturbed["rows"]
    assert resumed["verdict"] == undisturbed["verdict"]
