"""A repaired network with its plan, and the file in which its codes lie beside the plan."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from bittrue.data.arrays import archived_array, archived_names
from bittrue.data.unchanged import data_file
from bittrue.display import Column, Table, View
from bittrue.errors import BittrueError, PlanError
from bittrue.files import check_ordinary, dump_json, replacing
from bittrue.network import Network, Parameter
from bittrue.plan import Plan
from bittrue.repairs.draft import Draft, codes_of, on_grids, parameters_on_sites, with_operators
from bittrue.repairs.fold import folded
from bittrue.result import Result

ABOUT = "about"
"""The array of the file that says what it belongs to: JSON in UTF-8."""


@dataclass(frozen=True)
class Step:
    """A repair that was tried: how far the outputs were from the float network's before and after it, on images that it
    was not made from, and whether it was kept."""

    name: str
    before: float
    after: float
    kept: bool


@dataclass(frozen=True, repr=False)
class Repaired(Result):
    """What repairs made of a network under a plan.

    network: with parameters that are the values of their codes. plan: made for it; its binary points may be others than
    those of the plan that was given. trained: the hash of the network as it was. data: name, sha256 and images of what
    it was repaired on. steps: the repairs that were tried. target: what the network was to come near to: the trained
    one, or one that computes the same in float with other scales inside. folded: the batch norms that are no nodes any
    more.
    """

    network: Network
    plan: Plan
    trained: str
    data: Mapping[str, Any]
    steps: tuple[Step, ...]
    target: Network
    folded: tuple[str, ...] = ()

    @property
    def draft(self) -> Draft:
        """What other repairs may go on from."""
        return Draft(self.target, self.network, self.plan.options, self.plan.sites)

    @cached_property
    def codes(self) -> Mapping[str, np.ndarray]:
        """The integers of every parameter that has a format, by site."""
        return codes_of(self.network, self.plan)

    def view(self) -> View:
        columns = (Column("repair"), Column("before", number=True), Column("after", number=True), Column("kept"))
        rows = [
            (step.name, f"{step.before:.4g}", f"{step.after:.4g}", "yes" if step.kept else "no") for step in self.steps
        ]
        values = sum(codes.size for codes in self.codes.values())
        return (
            Table(columns, rows, "Repairs, and the distance from the float network's outputs"),
            f"{values:,} parameters, each a code of plan {self.plan.hash[:18]}…",
        )

    def records(self) -> list[dict[str, Any]]:
        """A row a repair."""
        return [asdict(step) for step in self.steps]

    def to_json(self) -> dict[str, Any]:
        """What weights.npz says of itself."""
        return {
            "bittrue": 1,
            "network": self.trained,
            "repaired": self.network.hash,
            "plan": self.plan.hash,
            "data": dict(self.data),
            "steps": self.records(),
            "folded": list(self.folded),
        }

    def save(self, path: str | Path) -> None:
        """Write the codes to `path`, an archive of NumPy arrays named by site; the plan is saved by itself.

        Raises: BittrueError where `path` can't be written, or isn't called x.npz.
        """
        if Path(path).suffix != ".npz":
            raise BittrueError(f"{path} is to hold arrays: name it {Path(path).stem}.npz.")
        about = np.frombuffer(dump_json(self.to_json()).encode(), np.uint8)
        with replacing(path) as temporary:
            np.savez_compressed(temporary, **{ABOUT: about, **self.codes})  # type: ignore[arg-type]


def load_repaired(network: Network, plan: Plan, path: str | Path) -> Network:
    """The repaired network whose codes `Repaired.save` wrote to `path`; `network`: as trained; `plan`: saved with them.

    Nothing is rounded. Raises: BittrueError where the file is none, or belongs to another network or plan.
    """
    check_ordinary(path)
    if not Path(path).is_file():
        raise BittrueError(f"The repaired weights {path} don't exist: check the path.")
    about, codes = _read(path)
    for what, found, wanted in (("network", about["network"], network.hash), ("plan", about["plan"], plan.hash)):
        if found != wanted:
            raise PlanError(
                f"{path} holds weights for another {what} ({str(found)[:18]}…, and this one is {wanted[:18]}…): "
                "give the model and the plan with which they were saved."
            )
    repaired = _with_codes(folded(network, about["folded"]), plan, codes, path)
    if repaired.hash != about["repaired"] or plan.network != repaired.hash:
        raise BittrueError(f"{path} is damaged: its codes don't give the network that they were saved of.")
    return repaired


def _read(path: str | Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    file = data_file(Path(path))
    names = archived_names(file)
    if ABOUT not in names:
        raise BittrueError(f"{path} holds no repaired weights: give the weights.npz that lies beside the plan.")
    arrays = {}
    for name in names:
        array = archived_array(file, name)
        arrays[name] = np.concatenate(list(array.rows(0, array.shape[0], max(array.shape[0], 1))))
    try:
        about = json.loads(arrays.pop(ABOUT).tobytes())
        if about["bittrue"] != 1 or not isinstance(about["folded"], list):
            raise ValueError("another version")
        return {key: about[key] for key in ("network", "plan", "repaired", "folded")}, arrays
    except (ValueError, KeyError, TypeError) as error:
        raise BittrueError(f"{path} doesn't say what it belongs to ({error}): save the weights again.") from None


def _with_codes(network: Network, plan: Plan, codes: Mapping[str, np.ndarray], path: str | Path) -> Network:
    """The network whose parameters are the values of these codes."""
    planned = on_grids(network, plan.options, plan.sites)
    formats = parameters_on_sites(planned, plan)
    if set(formats) != set(codes):
        raise BittrueError(f"{path} holds other parameters than the plan has formats for: save the weights again.")
    values = {}
    for name, (value, quantizers) in formats.items():
        if codes[name].shape != value.shape or codes[name].dtype.kind != "i":
            raise BittrueError(f"{path} holds {name} in another shape or type: save the weights again.")
        bits = np.array([quantizer.format.fraction_bits for quantizer in quantizers])
        values[name] = np.ldexp(codes[name].astype(np.float64), -bits).astype(np.float32)
    operators = {}
    for node in planned.nodes:
        own = {
            role: Parameter(parameter.name, values[parameter.name])
            for role, parameter in node.operator.parameters()
            if parameter.name in values
        }
        operators[node.name] = replace(node.operator, **own) if own else node.operator
    return with_operators(planned, operators)
