"""Pages of searches and sensitivities: the claim first, the same bytes every time, and whole without charts."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from bittrue.analysis.sensitivity_result import Check, Estimate, Pair, Sensitivity, SiteLoss
from bittrue.errors import BittrueError
from bittrue.files import dump_json, write_text
from bittrue.reports import build_report
from reports.test_page import HOSTILE, Reader


def search_json(**other: Any) -> dict[str, Any]:
    def point(price: float, lost: int, bits: int) -> dict[str, Any]:
        return {
            "plan": f"sha256:{bits}",
            "price": price,
            "costs": {"weight-bits": 1000 * bits},
            "bits": {"weights": float(bits), "activations": None},
            "sites": {"conv.weight": bits, "conv.output": 8},
            "images": 1000,
            "lost": lost,
            "gained": 1,
        }

    return {
        "bittrue": 1,
        "network": "sha256:0",
        "network_name": "net",
        "sentence": "3.00 bits a weight; accuracy −0.30 points.",
        "notes": [],
        "data": {"name": "digits", "sha256": "sha256:1"},
        "command": "bittrue search net.keras",
        "plan": "sha256:2",
        "reached": True,
        "holds": True,
        "limiting": None,
        "max_drop": 0.5,
        "seed": 0,
        "cost": {"weight-bits": 3000},
        "limits": {"bram": 9.0},
        "bits": {"weights": 3.0, "activations": 8.0},
        "measure": "kl",
        "sites": {"conv.weight": 3, "conv.output": 8},
        "stored": [
            {"site": "conv.weight", "kind": "parameter", "words": 900, "word_length": 3, "bits": 2700},
            {"site": "conv.bias", "kind": "parameter", "words": 10, "word_length": 16, "bits": 160},
            {"site": "conv.output", "kind": "activation", "words": 500, "word_length": 8, "bits": 4000},
        ],
        "sensitivity": [
            {"site": "conv.weight", "word_length": 3, "loss": 0.02},
            {"site": "conv.weight", "word_length": 8, "loss": 0.0},
            {"site": "conv.output", "word_length": 8, "loss": 1e-9},
        ],
        "parts": {"calibration": 100, "selection": 1000, "held_out": 1000},
        "path": [
            {"plan": "sha256:8", "price": 1.0, "within": True, "images": 1000, "lost": 0, "gained": 0},
            {"plan": "sha256:2", "price": 0.3, "within": False, "images": 64, "lost": 20, "gained": 0},
        ],
        "front": [point(1.0, 1, 8), point(0.6, 3, 5), point(0.4, 2, 3), point(0.2, 400, 2)],
        "repairs": [{"name": "bias", "before": 0.5, "after": 0.25, "kept": True}],
        "image_passes": 12345,
        "claim": {
            "images": 1000,
            "accuracy": 0.75,
            "float_accuracy": 0.753,
            "difference_interval": [-0.01, 0.01],
            "lost": 4,
            "gained": 1,
        },
        "looks_before": 0,
        **other,
    }


def built(folder: Path, **other: Any) -> Reader:
    write_text(folder / "search.json", dump_json(search_json(**other)))
    return Reader(build_report(folder).read_text("utf-8"))


def test_the_claim_stands_first(tmp_path: Path) -> None:
    reader = built(tmp_path)
    first = reader.text.index("3.00 bits a weight; accuracy −0.30 points.")
    for later in ("The claim", "The plan", "How it was reached", "What each bit brings", "What repairs brought"):
        assert first < reader.text.index(later)
    assert "loses no more than the 0.5 points that are allowed" in reader.text
    assert "bram may be 9 at most" in reader.text
    assert re.search(r"bias\s*0\.5\s*0\.25\s*yes", reader.text)
    assert not reader.open


def test_each_chart_is_there_with_its_numbers(tmp_path: Path) -> None:
    reader = built(tmp_path)
    charts = {
        attributes["data-chart"]: None for tag, attributes in reader.elements if "data-chart" in attributes and tag
    }
    assert list(charts) == [
        f"{name}-specification" for name in ("bits-parameter", "bits-activation", "path", "front", "sensitivity")
    ]
    data = [json.loads(text) for kind, text in reader.scripts if kind == "application/json"]
    drawn = json.dumps(data)
    assert '"end": 98.9' in drawn  # 900 of 910 words
    assert '"kind": "beaten by another"' in drawn
    assert '"kind": "the plan found"' in drawn
    # 5 bits lose 0.2 points, 3 bits 0.1: beaten; the found plan and the cheapest aren't.
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("<td>beaten by another</td>") == page.count("<td>the plan found</td>") == 1


def test_what_wasnt_done_is_left_out_or_said(tmp_path: Path) -> None:
    reader = built(tmp_path, front=[], path=[], repairs=[], sensitivity=[], holds=False, notes=["It loses too much."])
    for left_out in ("How it was reached", "What each bit brings", "What each site costs alone"):
        assert left_out not in reader.text
    assert "Nothing was repaired" in reader.text
    assert "It loses too much." in reader.text
    assert any(attributes.get("class") == "verdict bad" for _, attributes in reader.elements)


def test_names_are_escaped(tmp_path: Path) -> None:
    reader = built(tmp_path, network_name=HOSTILE, command=HOSTILE)
    assert not any("alert" in text for _, text in reader.scripts)
    assert HOSTILE in reader.text


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    built(tmp_path)
    first = (tmp_path / "report.html").read_bytes()
    assert build_report(tmp_path).read_bytes() == first


def test_files_that_are_too_old_and_options_that_say_nothing(tmp_path: Path) -> None:
    built(tmp_path)
    with pytest.raises(BittrueError, match="--max-drop judges the rows of a sweep"):
        build_report(tmp_path, max_drop=1)
    content = search_json()
    del content["front"]
    write_text(tmp_path / "search.json", dump_json(content))
    with pytest.raises(BittrueError, match="lacks 'front': run `bittrue search`"):
        build_report(tmp_path)


def test_the_page_of_sensitivities(tmp_path: Path) -> None:
    losses = (
        SiteLoss("conv.weight", 2, 0.5, 0.9, 1.25, 12.0, 0.1, 0.4, 0.0, {"gradient": 0.45}),
        SiteLoss("conv.weight", 4, 0.001, None),
    )
    estimates = (Estimate("gradient", "one backward pass", 0.97, None, 512),)
    check = Check({"conv.weight": 2}, 0.1, 0.3, (Pair("a", 2, "b", 3, 0.1, 0.2),), 9, False)
    data = {"name": "digits", "images": 256}
    Sensitivity("sha256:0", data, "kl", 16, 0.0, None, losses, 999, estimates, check).save(
        tmp_path / "sensitivity.json"
    )
    reader = Reader(build_report(tmp_path).read_text("utf-8"))
    assert "conv.weight at 2 bits costs most: 0.5" in reader.text
    assert re.search(r"conv\.weight\s*2\s*0\.5\s*0\.1\s*0\.4\s*0\s*90\.00 %\s*1\.2500\s*12\.0\s*0\.45", reader.text)
    assert "0.970" in reader.text
    assert re.search(r"a, 2 bits\s*b, 3 bits\s*0\.1\s*0\.2", reader.text)
    assert "then no more pairs were looked for" in reader.text
