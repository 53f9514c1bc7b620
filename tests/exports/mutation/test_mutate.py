"""Changes of exported files: those that change a result are caught, and the others have a reason that was counted."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np
import pytest

from bittrue.data import as_dataset
from bittrue.exports.c import target
from bittrue.exports.job import Job, until
from bittrue.exports.manifest import sha256_of
from bittrue.exports.mutation import mutate as module
from bittrue.exports.mutation.bench import Bench, bench_of
from bittrue.exports.mutation.constants import c_constant
from bittrue.exports.mutation.kinds import C_KINDS
from bittrue.exports.mutation.mutant import CAUGHT, ESCAPED, EXPLAINED, Trial
from bittrue.exports.mutation.mutate import MutationReport, mutate
from bittrue.exports.mutation.probe import entry_probe
from bittrue.lowering import lower_network
from bittrue.network import Network, Operator, Parameter
from bittrue.operators import Dense, Pointwise, ReLU
from bittrue.plan import Override, PlanOptions, uniform_plan
from bittrue.program.functions import Sigmoid
from cases import CASES, Draft, inputs_of

WHOLE = next(case for case in CASES if case.name == "whole")
OPTIONS = PlanOptions(batch_norm="affine", rounding_points="every-node")


def job_of(network: Network, x: np.ndarray, last: str | None = None, word_length: int = 7) -> Job:
    plan = uniform_plan(network, word_length, 4, options=OPTIONS)
    program = lower_network(network, plan)
    return Job(network, plan, program if last is None else until(program, last), as_dataset(x))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A network of several layers."""
    folder = tmp_path_factory.mktemp("bench")
    return bench_of(job_of(WHOLE.network, inputs_of(WHOLE), "dense"), folder)


def trials(bench: Bench, kind: str, count: int) -> Iterator[Trial]:
    random = Random(1)
    for _ in range(count):
        trial = C_KINDS[kind](bench, random)
        assert trial is not None
        yield trial


def reported(seed: int = 0, mutations: int = 4) -> MutationReport:
    plan = uniform_plan(WHOLE.network, 7, 4, options=OPTIONS)
    return mutate(WHOLE.network, plan, inputs_of(WHOLE), mutations, seed=seed, images=3, until_node="dense")


@pytest.mark.parametrize("kind", sorted(set(C_KINDS) - {"table entry"}))
def test_each_kind_is_caught_and_leaves_the_files_as_they_were(bench: Bench, kind: str) -> None:
    files = [path for path in bench.folder.rglob("*.*") if path.parent.name != bench.folder.name]
    before = {path: sha256_of(path) for path in files}
    assert any(trial.run() is not None for trial in trials(bench, kind, 12))
    assert {path: sha256_of(path) for path in files} == before
    assert bench.failure() is None


def test_what_survives_has_a_reason_that_was_counted() -> None:
    found = reported(mutations=14)
    assert len(found.mutants) == 14
    assert found.mismatches == 0
    assert {each.outcome for each in found.mutants} == {CAUGHT, EXPLAINED}
    for each in found.mutants:
        assert (each.by is None) == (each.outcome == EXPLAINED) == (each.reason is not None)


def test_the_seed_draws_the_mutations(tmp_path: Path) -> None:
    first, again, other = reported(0), reported(0), reported(1, 1)
    assert first == again
    assert first.mutants[:1] != other.mutants
    first.save(tmp_path / "mutations.json")
    assert MutationReport.load(tmp_path / "mutations.json") == first
    content = first.to_json()
    assert content["mutations"] == content["caught"] + content["explained"] + content["escaped"] == 4


def test_a_check_that_notices_nothing_lets_mutations_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: a bench that ends with 0 whatever it computes."""
    monkeypatch.setattr(Bench, "ran", lambda self, check: _ignored(check, self))
    found = reported(mutations=6)
    assert found.mismatches > 1
    assert "ESCAPED" in str(found)
    assert all(each.reason is None for each in found.mutants if each.outcome == ESCAPED)


def _ignored(check: Path, bench: Bench) -> None:
    import subprocess

    subprocess.run([check, bench.vectors], capture_output=True, check=False)


def probed(folder: Path, network: Network, place: int, code: int, role: str, *sites: str) -> str | None:
    """Why another code in the first constant of a role changes nothing; the input is unsigned."""
    overrides = [
        Override("image.output", "ap_ufixed<6,2,AP_RND_CONV,AP_SAT>"),
        *(Override(*site.split("=")) for site in sites),
    ]
    plan = uniform_plan(network, 7, 4, overrides=overrides)
    x = as_dataset(np.zeros((1, *network.input.shape), np.float32))
    bench = bench_of(Job(network, plan, lower_network(network, plan), x), folder)
    constant = next(each for each in bench.made.constants if each.name.endswith(f"__{role}"))
    return entry_probe(bench, constant, place, code)


def layer(weight: list[list[float]], *after: Operator, bias: list[float] | None = None) -> Network:
    """A dense layer, and what follows it."""
    draft = Draft("one", (len(weight),))
    summand = None if bias is None else Parameter("dense.bias", np.array(bias, np.float32))
    draft.add("dense", Dense(Parameter("dense.weight", np.array(weight, np.float32)), summand))
    for place, operator in enumerate(after):
        draft.add(f"after{place}", operator)
    return draft.finish()


def test_the_reason_is_the_padding(tmp_path: Path) -> None:
    draft = Draft("one", (1, 1, 3))
    draft.convolution("conv", (3, 3), 2, padding=((1, 1), (1, 1)))
    assert probed(tmp_path, draft.finish(), 0, 5, "weight") == "unused: no input reads this number"


def test_the_reason_is_a_clip(tmp_path: Path) -> None:
    """An image, which is 0, and six hostile inputs, of which three have a first number that isn't 0."""
    reason = probed(tmp_path, layer([[-1.0, 1.0], [-1.0, 1.0]], ReLU()), 0, -9, "weight", "dense.output=EXACT")
    assert reason == "clipped: 3 of 14 numbers change, and none of the 14 codes of after0.output"


def test_the_reason_is_a_dead_channel(tmp_path: Path) -> None:
    network = layer([[-1.0, 1.0], [-1.0, 1.0]], ReLU(), bias=[-0.5, 0.25])
    reason = probed(tmp_path, network, 0, -3, "bias", "dense.output=EXACT")
    assert reason == "dead channel: 7 of 14 numbers change, and none of the 14 codes of after0.output"


def test_the_reason_is_saturation(tmp_path: Path) -> None:
    network = layer([[2.0, 0.0], [2.0, 1.0]])
    reason = probed(tmp_path, network, 0, 31, "weight", "dense.output=ap_ufixed<2,1,AP_RND_CONV,AP_SAT>")
    assert reason is not None
    assert reason.startswith("saturated: ")


def test_the_reason_is_rounding(tmp_path: Path) -> None:
    network = layer([[1.0, 0.0], [0.5, 1.0]])
    reason = probed(tmp_path, network, 0, 17, "weight", "dense.output=ap_fixed<8,8,AP_RND_CONV,AP_SAT>")
    assert reason is not None
    assert reason.startswith("rounded away: ")


def test_a_change_of_a_result_has_no_reason(tmp_path: Path) -> None:
    assert probed(tmp_path, layer([[1.0, 0.0], [0.5, 1.0]]), 0, 3, "weight") is None


def test_the_reason_is_an_entry_that_nobody_looks_up(tmp_path: Path) -> None:
    draft = Draft("one", (3,))
    draft.add("sigmoid", Pointwise(Sigmoid()))
    assert probed(tmp_path, draft.finish(), 3, 1, "table") == "unused: no input reads this number"


def test_constants_in_a_file_of_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target.source, "LARGEST_TEXT", 0)
    bench = bench_of(job_of(WHOLE.network, inputs_of(WHOLE), "dense"), tmp_path)
    assert bench.blob is not None
    before = (bench.c / bench.blob).read_bytes()
    random = Random(2)
    found = [c_constant(("weight",), "weight bit")(bench, random) for _ in range(6)]
    said = [trial.run() for trial in found if trial is not None]
    assert any(text is not None and text.startswith("FAIL layer") for text in said)
    assert (bench.c / bench.blob).read_bytes() == before


def test_kinds_without_a_place_are_left_out() -> None:
    draft = Draft("nothing", (4,))
    draft.add("relu", ReLU())
    plan = uniform_plan(draft.finish(), 6, 3)
    found = module.mutate(draft.finish(), plan, np.zeros((2, 4), np.float32), 10)
    assert {each.mutation.kind for each in found.mutants} <= {"vector bit"}


def test_an_entry_of_a_table_is_caught(tmp_path: Path) -> None:
    draft = Draft("one", (4,))
    draft.add("sigmoid", Pointwise(Sigmoid()))
    bench = bench_of(job_of(draft.finish(), np.linspace(-3, 3, 80, dtype=np.float32).reshape(20, 4)), tmp_path)
    said = [trial.run() for trial in trials(bench, "table entry", 12)]
    assert any(text is not None and "sigmoid.output" in text for text in said)
