"""`file.py:function`: the user's code is run where the user names it, and its failures are one sentence."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import bittrue
from bittrue.cli.app import app
from bittrue.errors import ModelError
from frontends.small_model import trained

HERE = Path(__file__).parent
OTHERS = HERE / "other_models.py"


def test_a_function_that_builds_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    before = list(sys.path)
    network = bittrue.load(f"{HERE / 'small_model.py'}:trained")
    assert network.hash == bittrue.load(trained()).hash
    assert bittrue.load(f"{OTHERS}:talking").text == network.text
    assert capsys.readouterr() == ("", "building\n")
    assert sys.path == before


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("failing", r"its code raised ValueError \(no such width\): correct it, with --debug"),
        ("leaving", r"its code raised SystemExit \(3\)"),
        ("with_arguments", r"its code raised TypeError \(with_arguments\(\) missing 1 required"),
        ("absent", r"there is no function absent in the file; it has \S+other_models\.py:"),
        ("NUMBER", "there is no function NUMBER in the file"),
        ("a-b", "'a-b' is no name of a function"),
        ("nothing", "returned a NoneType, which is not a model that bittrue reads"),
    ],
)
def test_what_fails(function: str, words: str) -> None:
    with pytest.raises(ModelError, match=rf"other_models\.py:{function}:? {words}"):
        bittrue.load(f"{OTHERS}:{function}")


def test_files_that_are_no_python(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no file none\.py"):
        bittrue.load("none.py:build")
    (tmp_path / "broken.py").write_text("def build(:\n")
    with pytest.raises(ModelError, match=r"broken\.py:build: its code raised SyntaxError"):
        bittrue.load(f"{tmp_path / 'broken.py'}:build")


def test_a_file_without_its_function_names_those_in_it(tmp_path: Path) -> None:
    """None of it is run."""
    path = tmp_path / "m.py"
    path.write_text("raise ValueError\ndef small(): ...\ndef _own(): ...\ndef wide(n=3, *, m=2): ...\ndef of(n): ...\n")
    with pytest.raises(ModelError, match=r"which of its functions builds the model: \S+m\.py:small, \S+m\.py:wide\.$"):
        bittrue.load(path)
    path.write_text("".join(f"def f{index}(): ...\n" for index in range(7)))
    with pytest.raises(ModelError, match=r"m\.py:f4 or one of 2 more\.$"):
        bittrue.load(path)
    path.write_text("x = 1\n")
    with pytest.raises(ModelError, match=r"no function in it can be called without arguments"):
        bittrue.load(path)
    path.write_text("def f(:\n")
    with pytest.raises(ModelError, match=r"can't be read as Python \(SyntaxError\)"):
        bittrue.load(path)
    with pytest.raises(ModelError, match=r"there is no such file"):
        bittrue.load(tmp_path / "none.py")


def test_weights_that_fit_nowhere(tmp_path: Path) -> None:
    model = trained()
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "text.h5").write_text("nothing")
    with pytest.raises(ModelError, match=r"model\.keras is a model with weights of its own"):
        bittrue.load(tmp_path / "model.keras", tmp_path / "model.weights.h5")
    with pytest.raises(ModelError, match=r"holds weights of 5 layers outside nested models, and the model has 4"):
        bittrue.load(f"{OTHERS}:shorter", tmp_path / "model.weights.h5")
    with pytest.raises(ModelError, match=r"layer dense2 \(Dense\): its arguments ask for weights of 10×12"):
        bittrue.load(f"{OTHERS}:wider", tmp_path / "model.weights.h5")
    with pytest.raises(ModelError, match=r"small: there is no file with weights .*none\.h5"):
        bittrue.load(model, tmp_path / "none.h5")
    with pytest.raises(ModelError, match=r"text\.h5 is damaged or no HDF5 file"):
        bittrue.load(model, tmp_path / "text.h5")
    with pytest.raises(ModelError, match="holds 0 checkpoints"):
        bittrue.load(model, tmp_path)


def test_the_command_line_takes_weights(tmp_path: Path) -> None:
    """…and prints nothing but its object under --json, whatever the code prints."""
    trained().save_weights(tmp_path / "model.weights.h5")
    command = ["inspect", f"{OTHERS}:talking", "--json", "--weights", str(tmp_path / "model.weights.h5")]
    done = CliRunner().invoke(app, command, prog_name="bittrue")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["network"] == bittrue.load(trained()).hash
    assert done.stderr.startswith("building\n")
