"""weights.npz: read back to the very network, and refused where it belongs to another one."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import bittrue
from bittrue.cli.app import app
from bittrue.errors import BittrueError, PlanError
from bittrue.repairs.repair import repair
from bittrue.repairs.repaired import Repaired, load_repaired
from repairs.networks import images, planned, residual


@pytest.fixture(scope="module")
def found() -> Repaired:
    network, data = residual(), images(80)
    return repair(network, planned(network, data, per_channel=True), data, "fold,qronos,bias")


@pytest.fixture
def path(found: Repaired, tmp_path: Path) -> Path:
    found.save(tmp_path / "weights.npz")
    return tmp_path / "weights.npz"


def test_what_is_read_back_is_the_network(found: Repaired, path: Path) -> None:
    network = load_repaired(residual(), found.plan, path)
    assert network.hash == found.network.hash == found.plan.network
    assert found.folded == ("norm1", "norm2", "norm3")
    x = images(10, seed=5)
    assert bittrue.verify(network, found.plan, x, images=1).mismatches == 0


def test_the_same_codes_make_the_same_file(found: Repaired, path: Path) -> None:
    before = path.read_bytes()
    found.save(path)
    assert path.read_bytes() == before


def test_codes_lie_in_it_as_small_integers(found: Repaired, path: Path) -> None:
    with np.load(path) as archive:
        assert archive["conv1.weight"].dtype == np.int8
        np.testing.assert_array_equal(archive["conv1.weight"], found.codes["conv1.weight"])


def test_another_network_or_plan_is_refused(found: Repaired, path: Path) -> None:
    network = residual()
    with pytest.raises(PlanError, match="weights for another network"):
        load_repaired(residual(1), found.plan, path)
    with pytest.raises(PlanError, match="weights for another plan"):
        load_repaired(network, planned(network, images(20)), path)
    with pytest.raises(PlanError, match="or give the repaired weights"):
        bittrue.simulate(network, found.plan, images(4))


def test_damage_is_noticed(found: Repaired, path: Path) -> None:
    with np.load(path) as archive:
        arrays = dict(archive)
    for name, broken in (("conv1.weight", arrays["conv1.weight"] + 1), ("conv1.weight", arrays["conv1.weight"][:1])):
        np.savez(path, **(arrays | {name: broken}))
        with pytest.raises(BittrueError, match="damaged|another shape"):
            load_repaired(residual(), found.plan, path)
    np.savez(path, **{name: array for name, array in arrays.items() if name != "about"})
    with pytest.raises(BittrueError, match="holds no repaired weights"):
        load_repaired(residual(), found.plan, path)
    path.write_bytes(b"nothing")
    with pytest.raises(BittrueError, match=r"weights\.npz"):
        load_repaired(residual(), found.plan, path)
    with pytest.raises(BittrueError, match="don't exist"):
        load_repaired(residual(), found.plan, path.with_name("none.npz"))
    with pytest.raises(BittrueError, match=r"name it weights\.npz"):
        found.save(path.with_suffix(".json"))


def test_commands_take_the_weights_with_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = "from repairs.networks import residual\n\ndef build():\n    return residual()\n"
    (tmp_path / "model.py").write_text(source)
    network, data = residual(), images(60)
    (x,) = (batch.x for batch in data.batches(60))
    np.savez(tmp_path / "images.npz", x=x, y=np.arange(60) % 4)
    planned(network, data).save("first.json")

    def run(line: str) -> str:
        result = CliRunner().invoke(app, [*line.split(), "--threads", "1"], prog_name="bittrue")
        assert result.exit_code == 0, result.stderr
        return result.stdout

    model = "model.py:build"
    printed = run(f"repair {model} --plan first.json --data images.npz --repair qronos,bias,batch-norm --out repaired")
    assert "qronos + bias + batch-norm" in printed
    both = f"{model} --plan repaired/plan.json --repaired repaired/weights.npz --data images.npz"
    assert "60 images" in run(f"simulate {both}")
    assert "0 mismatches" in run(f"verify {both} --images 1")
    assert "conv1" in run(f"trace {both} --images 4")
    assert "conv1" in run(f"export {both} --images 1 --to memory --out exported")
    without = ["simulate", model, "--plan", "repaired/plan.json", "--data", "images.npz"]
    refused = CliRunner().invoke(app, without)
    assert refused.exit_code == 2
    assert "repaired weights" in refused.stderr
