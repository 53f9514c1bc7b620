"""Models with one part put wrong end in a Network or in a sentence: a sample of `python tests/mutations.py onnx`."""

import pytest

from bittrue.frontends.onnx import model as onnx_model
from bittrue.frontends.onnx.rules import shape_arithmetic
from bittrue.frontends.onnx.rules.operators import DOMAINS
from frontends.onnx_mutations import MODELS, ending, endings

pytestmark = pytest.mark.filterwarnings("ignore:.* holds quantizers")

SAMPLE = 400


def test_the_models_have_every_operator() -> None:
    present = {(node.domain, node.op_type) for proto in MODELS.values() for node in proto.graph.node}
    wanted = {(domain, name) for domain, table in DOMAINS.items() for name in table}
    names = {name for _, name in present}
    assert {name for _, name in wanted} | set(shape_arithmetic.OPERATORS) <= names


def test_the_models_are_read() -> None:
    assert {name: ending(proto).sentence for name, proto in MODELS.items() if ending(proto).verdict != "read"} == {}


def test_a_sample_of_edits_ends_in_a_network_or_a_sentence() -> None:
    found = [end for _, end in endings(list(MODELS.values()), SAMPLE, seed=1)]
    assert [(end.verdict, end.sentence) for end in found if end.is_crash] == []
    sentences = [end.sentence for end in found if end.verdict == "refused"]
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in sentences)
    assert len(sentences) > SAMPLE / 4


def test_an_unread_attribute_crashes_somewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: without the check of nodes, exceptions come through."""
    monkeypatch.setattr(onnx_model, "check_node", lambda node, opset: None)
    assert any(end.is_crash for _, end in endings(list(MODELS.values()), SAMPLE, seed=1))
