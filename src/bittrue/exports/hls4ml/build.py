"""Makes the hls4ml project of this folder, compiles its C simulation, and compares it with golden vectors.

    python build.py                          the project, in ./project; compared where ../vectors is there
    python build.py --io-type io_stream      the same with streams between the layers
    python build.py --synthesize             then Vitis HLS, which must be on the PATH

It needs hls4ml 1.3 and g++. network.json holds the layers as hls4ml's ModelGraph takes them, weights.npz their weights
as exact numbers, hls_config.json the precision of everything. What you may change in hls_config.json without changing
a bit: strategies and reuse factors of layers that don't state theirs.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
WRONG = 1
UNUSABLE = 2


def model_graph(arguments: argparse.Namespace, network: dict[str, Any], tests: dict[str, str]) -> Any:
    """hls4ml's ModelGraph of the network, every layer of a site traced."""
    from hls4ml.backends import get_backend
    from hls4ml.model.graph import ModelGraph

    config = json.loads((HERE / "hls_config.json").read_text(encoding="utf-8"))
    for site in network["sites"]:
        config["LayerName"][site["layer"]]["Trace"] = True
    weights = np.load(HERE / "weights.npz")
    layers = []
    for layer in network["layers"]:
        arrays = {name: weights[f"{layer['name']}.{name}"] for name in layer.pop("arrays", [])}
        layers.append(layer | arrays)
    backend = get_backend("Vitis")
    whole = backend.create_initial_config(
        part=arguments.part, clock_period=arguments.clock_period, io_type=arguments.io_type
    )
    whole |= {"Backend": "Vitis", "OutputDir": str(arguments.project), "ProjectName": "myproject", "HLSConfig": config}
    whole |= tests
    return ModelGraph.from_layer_list(whole, layers, [network["input"]["layer"]], [network["output"]])


def codes_of(values: np.ndarray, site: dict[str, Any]) -> np.ndarray:
    """The codes that printed numbers stand for, (images, *shape)."""
    codes = np.ldexp(values.astype(np.float64), site["fraction_bits"]).reshape(-1, *site["shape"])
    if not np.array_equal(codes, np.rint(codes)):
        sys.exit(f"{site['layer']} makes numbers between the codes of {site['site']}")
    whole: np.ndarray = codes.astype(np.int64)
    return whole


def simulated(graph: Any, x: np.ndarray, network: dict[str, Any]) -> dict[str, np.ndarray]:
    """The codes of every site, of images x, by the C simulation."""
    # One image at a time would come back without its axis of images: a second one keeps it.
    images = np.ascontiguousarray(np.concatenate([x, x[:1]]).reshape(len(x) + 1, -1), dtype=np.float64)
    output, traced = graph.trace(images)
    traced.setdefault(network["output"], output)
    return {
        site["site"]: codes_of(traced[site["layer"]][: len(x)], site)
        for site in network["sites"]
        if site["layer"] in traced
    }


def compared(found: dict[str, np.ndarray], folder: Path) -> int:
    """Compare the codes with those of `folder`: the exit status, 1 after the first wrong code."""
    values = layers = images = 0
    for site, got in found.items():
        path = folder / f"{site}.npy"
        if not path.exists():
            continue
        expected = np.load(path).astype(np.int64).reshape(got.shape)
        wrong = np.argwhere(got != expected)
        if len(wrong):
            image, *place = wrong[0].tolist()
            right, mistaken = expected[tuple(wrong[0])], got[tuple(wrong[0])]
            print(f"FAIL {site}, image {image}, index {place}: expected {right}, got {mistaken}; {len(wrong):,} differ")
            return WRONG
        values, layers, images = values + got.size, layers + 1, len(got)
    if not layers:
        print(f"{folder} holds no file of a site that the C simulation prints")
        return UNUSABLE
    layer, image = "layer" if layers == 1 else "layers", "image" if images == 1 else "images"
    print(f"{values:,} codes of {layers} {layer} compared on {images} {image}, 0 mismatches")
    return 0


def inputs_of(arguments: argparse.Namespace, source: dict[str, Any]) -> np.ndarray | None:
    """The images: those of --inputs as they are, else the golden vectors' as the numbers that their codes stand for."""
    if arguments.inputs is not None:
        images: np.ndarray = np.load(arguments.inputs).astype(np.float64)
        return images
    path = arguments.vectors / f"{source['site']}.npy"
    if not path.exists():
        return None
    numbers: np.ndarray = np.ldexp(np.load(path).astype(np.float64), -source["fraction_bits"])
    return numbers


def main() -> int:
    """Build, and compare or write the codes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--io-type", default="io_parallel", choices=("io_parallel", "io_stream"))
    parser.add_argument("--part", help="the FPGA (default: hls4ml's)")
    parser.add_argument("--clock-period", type=float, help="in ns (default: hls4ml's)")
    parser.add_argument("--project", type=Path, default=HERE / "project", help="where hls4ml writes its project")
    parser.add_argument("--vectors", type=Path, default=HERE.parent / "vectors" / "npy", help="golden vectors as .npy")
    parser.add_argument("--inputs", type=Path, help="images to run instead, an .npy of numbers")
    parser.add_argument("--dump", type=Path, help="write the codes to this folder, SITE.npy, and compare nothing")
    parser.add_argument("--synthesize", action="store_true", help="run Vitis HLS on the project")
    arguments = parser.parse_args()
    network = json.loads((HERE / "network.json").read_text(encoding="utf-8"))
    if arguments.io_type == "io_stream" and network["parallel_only"]:
        name, reason = next(iter(network["parallel_only"].items()))
        print(f"{name} can't have io_stream: {reason}")
        return UNUSABLE
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # hls4ml imports TensorFlow where it is there, which then talks
    try:
        import hls4ml  # noqa: F401
    except ImportError:
        print("hls4ml isn't there: python -m pip install hls4ml==" + network["hls4ml"])
        return UNUSABLE
    x = inputs_of(arguments, network["input"])
    arguments.project.mkdir(parents=True, exist_ok=True)
    tests = {}
    if x is not None:
        np.save(arguments.project / "images.npy", x)
        tests = {"InputData": str(arguments.project / "images.npy")}
    graph = model_graph(arguments, network, tests)
    status = 0
    if x is None:
        graph.compile()
    else:
        found = simulated(graph, x, network)
        if arguments.dump is None:
            status = compared(found, arguments.vectors)
        else:
            arguments.dump.mkdir(parents=True, exist_ok=True)
            for site, codes in found.items():
                np.save(arguments.dump / f"{site}.npy", codes)
    if arguments.synthesize and not status:
        graph.build(csim=False)
    return status


if __name__ == "__main__":
    sys.exit(main())
