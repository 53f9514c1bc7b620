"""B5: where node and parameter names come from, and which parameters are one."""

from pathlib import Path

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import layers

from bittrue.errors import ModelError
from bittrue.frontends.arrays.stored import exact_value
from bittrue.frontends.keras.model import from_keras
from bittrue.network import Network
from frontends.keras.zoo import IMAGE, nested, randomise, sequential, shared, shared_separable


def network_of(model: keras.Model) -> Network:
    return from_keras(randomise(model))


def names(network: Network) -> list[str]:
    return [node.name for node in network.nodes]


def test_names_come_from_the_model() -> None:
    stack = [
        layers.Conv2D(5, 3, activation="relu", name="conv1"),
        layers.Flatten(name="flat-1"),
        layers.Dense(2, name="out"),
    ]
    model = keras.Sequential([keras.Input(IMAGE, name="image"), *stack], name="small")
    network = network_of(model)
    assert network.name == "small"
    assert names(network) == ["image", "conv1", "conv1_relu", "flat_1", "out"]
    assert list(network.parameters) == ["conv1.weight", "conv1.bias", "out.weight", "out.bias"]
    assert network.output == "out"


def test_names_that_become_one_are_numbered() -> None:
    network = network_of(sequential(layers.ReLU(name="a-b"), layers.ReLU(name="a b"), layers.ReLU(name="a_b"))())
    assert names(network)[1:] == ["a_b", "a_b_2", "a_b_3"]


def test_a_shared_layer_has_two_names_and_one_parameter() -> None:
    image = keras.Input(IMAGE, name="image")
    network = network_of(keras.Model(image, shared(image)))
    assert names(network) == ["image", "conv", "conv_relu", "conv_3", "conv_3_relu", "conv_2"]
    first, second = network.by_name["conv"].operator, network.by_name["conv_3"].operator
    assert [parameter.name for _, parameter in second.parameters()] == ["conv.weight", "conv.bias"]
    for (_, one), (_, other) in zip(first.parameters(), second.parameters(), strict=True):
        assert one is other


def test_a_separable_convolution_is_two_nodes_with_weights_of_their_own() -> None:
    image = keras.Input(IMAGE, name="image")
    network = network_of(keras.Model(image, shared_separable(image)))
    assert names(network)[1:] == ["conv_depthwise_2", "conv", "conv_depthwise", "conv_2_depthwise", "conv_2"]
    separable = ["conv_depthwise_2.weight", "conv.weight", "conv.bias"]
    assert list(network.parameters) == [*separable, "conv_depthwise.weight", "conv_depthwise.bias"]


def test_a_fused_activation_gives_way_to_a_layer_of_its_name() -> None:
    stack = [layers.Conv2D(4, 1, activation="relu", name="conv"), layers.ReLU(name="conv_relu")]
    assert names(network_of(sequential(*stack)()))[1:] == ["conv", "conv_relu_2", "conv_relu"]


def test_nested_models_prefix_their_layers() -> None:
    image = keras.Input(IMAGE, name="image")
    network = network_of(keras.Model(image, nested(image)))
    first = ["block_conv", "block_inner_mix", "block_inner_mix_tanh", "block_r"]
    second = ["block_conv_2", "block_inner_mix_2", "block_inner_mix_2_tanh", "block_r_2"]
    assert names(network) == ["image", *first, *second]
    assert len(network.parameters) == 4


def test_a_layer_shared_between_nested_models_is_one_in_a_model_object() -> None:
    dense = layers.Dense(4, name="dense")
    inner_input, image = keras.Input((4,)), keras.Input((4,))
    inner = keras.Model(inner_input, dense(inner_input), name="inner")
    network = network_of(keras.Model(image, dense(inner(image))))
    assert names(network)[1:] == ["inner_dense", "dense"]
    assert list(network.parameters) == ["inner_dense.weight", "inner_dense.bias"]


def test_the_nodes_of_an_attention_bear_its_name() -> None:
    image = keras.Input((4, 6), name="image")
    attention = layers.MultiHeadAttention(2, 3, name="mha")
    network = network_of(keras.Model(image, attention(attention(image, image), image)))
    parts = "query scaled query_split query_heads key key_split key_heads scores softmax value value_split value_heads"
    nodes = [f"mha_{part}" for part in (*parts.split(), *["attended", "attended_split", "attended_joined"])]
    assert names(network)[1:17] == [*nodes, "mha"]
    assert names(network)[17:19] == ["mha_2_query", "mha_2_scaled"]
    weights = [f"{node}.{role}" for node in ("mha_query", "mha_key", "mha_value", "mha") for role in ("weight", "bias")]
    assert sorted(network.parameters) == sorted([*weights, "mha_scaled.scale"])


def test_an_attention_may_be_called_by_its_arguments_names() -> None:
    def build(*names: str) -> Network:
        image = keras.Input((4, 6), name="image")
        tensors = dict(zip(("query", "value", "key"), (image, layers.ReLU(name="v")(image), image), strict=True))
        attention = layers.MultiHeadAttention(2, 3, name="mha")
        positional = [tensor for name, tensor in tensors.items() if name not in names]
        output = attention(*positional, **{name: tensors[name] for name in names})
        return network_of(randomise(keras.Model(image, output, name="model")))

    assert build().hash == build("key").hash == build("key", "value", "query").hash


def test_what_the_output_does_not_need_is_left_out() -> None:
    image = keras.Input(IMAGE, name="image")
    trunk = layers.ReLU(name="trunk")(image)
    two = keras.Model(image, [layers.Flatten(name="head")(trunk), layers.ReLU(name="other")(trunk)], name="two")
    outer = keras.Input(IMAGE, name="outer")
    network = network_of(keras.Model(outer, two(outer)[0]))
    assert names(network) == ["outer", "two_trunk", "two_head"]


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
def test_narrow_floats_are_widened_without_a_change(policy: str, tmp_path: Path) -> None:
    model = randomise(keras.Sequential([keras.Input((5,)), layers.Dense(3, dtype=policy, name="dense")]))
    stored = keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(model.weights[0])).astype(np.float64)
    path = tmp_path / "model.keras"
    model.save(path)
    for network in (from_keras(model), from_keras(path)):
        value = network.parameters["dense.weight"].value
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, stored)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32, ">f4"])
def test_exact_value_in_float32(dtype: np.typing.DTypeLike) -> None:
    value = np.array([1.5, -0.0, 2.0**-14], dtype)
    assert exact_value(value).dtype == np.dtype("<f4")
    np.testing.assert_array_equal(exact_value(value), np.array([1.5, -0.0, 2.0**-14], np.float32))


def test_float64_is_kept_only_where_float32_would_round() -> None:
    assert exact_value(np.array([0.5, 3.0])).dtype == np.float32
    for rounded in (0.1, 1e38, 1e-300):
        assert exact_value(np.array([rounded])).dtype == np.float64
    assert exact_value(np.array([np.nan, 1.0])).dtype == np.float32


def test_exact_value_beyond_float32() -> None:
    assert exact_value(np.array([3e38, np.pi])).dtype == np.float64
    with pytest.raises(ModelError, match=r"its weights reach 1\.0e\+300, beyond float32"):
        exact_value(np.array([1.0, -1e300]))
