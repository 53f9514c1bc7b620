"""The network: names, the text form, the hash, and what the builder leaves out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittrue.errors import ModelError
from bittrue.network import Network, NetworkBuilder, Parameter, check_parameters, format_shape
from bittrue.operators import Add, Dense, Flatten, Input, ReLU, Softmax
from cases import CASES, Case, Draft

BY_NAME = {case.name: case for case in CASES}


def small(**changes: object) -> Network:
    weight = np.array([[1.0, -0.5]], np.float32)
    bias = np.array([0.25, 0.0], np.float32)
    parts: dict[str, object] = {"weight": weight, "bias": bias, "name": "dense", "slope": 0.0, "units": 1}
    parts |= changes
    builder = NetworkBuilder("small")
    image = builder.add(builder.unique_name("image"), Input((int(str(parts["units"])),)))
    name = str(parts["name"])
    assert isinstance(parts["weight"], np.ndarray)
    assert isinstance(parts["bias"], np.ndarray)
    dense = Dense(Parameter(f"{name}.weight", parts["weight"]), Parameter(f"{name}.bias", parts["bias"]))
    builder.add(builder.unique_name(name), dense, image)
    slope = float(str(parts["slope"]))
    builder.add(builder.unique_name("relu"), ReLU(negative_slope=slope), name)
    return builder.finish("relu")


# Names (B5)


@given(st.lists(st.text(max_size=6) | st.sampled_from(["conv", "conv_2", "conv/2", "a.b", "", "_"]), max_size=20))
def test_names_are_unique_and_made_of_letters_digits_and_underscores(wanted: list[str]) -> None:
    builder = NetworkBuilder("names")
    names = [builder.unique_name(name) for name in wanted]
    assert len(set(names)) == len(names)
    for name in names:
        assert name
        assert all(character.isascii() and (character.isalnum() or character == "_") for character in name)


def test_what_names_become() -> None:
    builder = NetworkBuilder("names")
    wanted = ["conv", "conv", "conv", "conv_2", "block/conv:0", "é", "", "conv"]
    expected = ["conv", "conv_2", "conv_3", "conv_2_2", "block_conv_0", "_", "node", "conv_4"]
    assert [builder.unique_name(name) for name in wanted] == expected


# Text and hash


def test_the_text_form() -> None:
    expected = (
        "image = Input(shape=(1,)) -> 1\n"
        "dense = Dense(image, weight=dense.weight[1×2], bias=dense.bias[2]) -> 2\n"
        "relu = ReLU(dense, negative_slope=0.0, threshold=0.0) -> 2\n"
        "return relu\n"
    )
    assert small().text == expected
    assert small().headline == "Network small: 3 nodes, 4 parameters, 1 -> 2"
    assert repr(small()).startswith(f"{small().headline}\n\nOperators\n")


@pytest.mark.parametrize(("shape", "text"), [((), "scalar"), ((3,), "3"), ((55, 55, 96), "55×55×96")])
def test_shapes_as_text(shape: tuple[int, ...], text: str) -> None:
    assert format_shape(shape) == text


def one_bit(values: np.ndarray, index: tuple[int, ...], bit: int) -> np.ndarray:
    changed = values.copy()
    changed.view(np.uint32)[index] ^= np.uint32(1 << bit)
    return changed


@pytest.mark.parametrize("bit", [0, 22, 31])
@pytest.mark.parametrize("role", ["weight", "bias"])
def test_the_hash_changes_with_one_bit_of_a_parameter(role: str, bit: int) -> None:
    operator = small().by_name["dense"].operator
    assert isinstance(operator, Dense)
    parameter = operator.weight if role == "weight" else operator.bias
    assert parameter is not None
    last = tuple(size - 1 for size in parameter.value.shape)
    assert small(**{role: one_bit(parameter.value, last, bit)}).hash != small().hash


def test_the_hash_changes_with_every_part() -> None:
    weight = np.array([[1.0, -0.5]], np.float32)
    networks = [
        small(),
        small(slope=0.25),
        small(name="other"),
        small(weight=weight.astype(np.float64)),
        small(weight=weight[:, ::-1]),
        replace(small(), output="dense"),
    ]
    assert len({network.hash for network in networks}) == len(networks)


def test_the_hash_is_the_same_for_the_same_network_however_it_lies_in_memory() -> None:
    weight = np.array([[1.0, 7.0], [-0.5, 7.0]], np.float32)[:, 0][np.newaxis]
    assert not weight.flags.c_contiguous or weight.strides != (8, 4)
    assert small(weight=weight).hash == small().hash
    assert small().hash.startswith("sha256:")
    assert replace(small(), name="another name").hash == small().hash


def test_the_hashes_of_all_cases_differ() -> None:
    assert len({case.network.hash for case in CASES}) == len(CASES)


# Structure


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_inputs_come_before_their_readers(case: Case) -> None:
    seen: set[str] = set()
    for node in case.network.nodes:
        assert seen.issuperset(node.inputs)
        assert node.name not in seen
        seen.add(node.name)
    for node in case.network.nodes:
        readers = [other.name for other in case.network.nodes for name in other.inputs if name == node.name]
        assert list(case.network.consumers[node.name]) == readers


def test_a_shared_parameter_counts_once() -> None:
    network = BY_NAME["shared"].network
    assert set(network.parameters) == {"dense.weight", "dense.bias"}
    assert network.parameter_count == 3 * 3 + 3


def test_nodes_that_no_output_needs_are_left_out_but_for_the_input() -> None:
    draft = Draft("left out", (2, 2))
    image = draft.last
    draft.dense("unused", 3, image)
    kept = draft.add("kept", Flatten(), image)
    draft.add("softmax", Softmax(), kept)
    assert [node.name for node in draft.finish().nodes] == ["image", "kept", "softmax"]


def test_an_error_of_a_shape_names_the_layer() -> None:
    draft = Draft("wrong", (2, 3))
    image = draft.last
    flat = draft.add("flat", Flatten())
    with pytest.raises(
        ModelError, match=r"^layer sum: 2×3 and 6 can't be added; their axes must be of one size, or of size 1\.$"
    ):
        draft.add("sum", Add(), image, flat)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_refused_at_the_door(bad: float) -> None:
    network = small(bias=np.array([0.0, bad], np.float32))
    with pytest.raises(ModelError, match=r"^model\.keras: dense\.bias holds 1 NaN or infinite values out of 2;"):
        check_parameters(network, "model.keras")
    check_parameters(small(), "model.keras")
