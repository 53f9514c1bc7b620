"""A network's hash is in its users' plans: what has been written once is written so for ever."""

import json
from pathlib import Path

import pytest

from bittrue.network import NetworkBuilder
from bittrue.operators import Input, Pointwise
from bittrue.program.functions import ELU, HardSigmoid
from cases import CASES, POSITIVE_CASES

HASHES: dict[str, str] = json.loads(Path(__file__).with_name("hashes.json").read_text())
"""Of the cases, as version 0.1.0 computed them. A new case needs no row here; a row is never changed."""

BY_NAME = {case.name: case for case in (*CASES, *POSITIVE_CASES)}


@pytest.mark.parametrize("name", HASHES)
def test_the_hash_of_a_network_stays(name: str) -> None:
    assert BY_NAME[name].network.hash == HASHES[name]


@pytest.mark.parametrize(
    ("operator", "text"),
    [
        (Pointwise(ELU()), "node = ELU(image, alpha=1.0) -> 3"),
        (Pointwise(HardSigmoid()), "node = HardSigmoid(image, slope=Fraction(1, 6), offset=0.5) -> 3"),
    ],
)
def test_a_function_of_one_code_is_written_by_its_own_name(operator: Pointwise, text: str) -> None:
    builder = NetworkBuilder("network")
    image = builder.add("image", Input((3,)))
    network = builder.finish(builder.add("node", operator, image))
    assert str(network.by_name["node"]) == text
    assert network.records()[1]["operator"] == operator.name
