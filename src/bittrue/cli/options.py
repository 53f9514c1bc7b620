"""The options that commands share, in groups, and how their text is read. The values' meaning is the public API's."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.output import complain
from bittrue.errors import SplitError

if TYPE_CHECKING:
    from bittrue.data import Dataset
    from bittrue.network import Network
    from bittrue.plan import Plan

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")

DATA = "Data"
RECIPE = "Recipe"
COMMON = "Every command"

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        show_default=False,
        help="A trained network: x.keras or x.h5 (Keras 2 and 3), x.json (Keras) with --weights, x.onnx, x.pt2 "
        "(torch.export), a SavedModel folder (TensorFlow), or file.py:function, which builds one.",
    ),
]
Images = Annotated[
    int | None,
    typer.Option("--images", metavar="N", min=1, rich_help_panel=DATA, help="The first N images only (default: all)."),
]
FewImages = Annotated[
    int, typer.Option("--images", metavar="N", min=1, rich_help_panel=DATA, help="The first N images.")
]
BatchSize = Annotated[
    int | None,
    typer.Option(
        "--batch-size",
        metavar="N",
        min=1,
        rich_help_panel=DATA,
        help="Images at a time; changes time and memory, not the results.",
    ),
]
PlanFile = Annotated[
    Path,
    typer.Option("--plan", metavar="plan.json", help="The plan, from `bittrue plan`, or a folder of results with one."),
]
RepairedFile = Annotated[
    Path | None,
    typer.Option(
        "--repaired",
        metavar="weights.npz",
        help="The repaired weights that were saved with the plan, from `bittrue repair`.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option("--until", metavar="NODE", help="The last node on the device; what comes after it is the host's."),
]


Output = Annotated[
    str | None,
    typer.Option(
        "--output", metavar="NAME", help="Which output of a file, or value in an .onnx file; what follows is left out."
    ),
]
Check = Annotated[
    bool,
    typer.Option(
        "--check/--no-check",
        help="Run the model once beside the network that was read from it, where it can be run, and refuse another "
        "result.",
    ),
]
DATA_HELP = "digits, cifar10:DIR, x.npz, x.npy,y.npy, x.parquet, or a folder of class folders or such files."


Sites = Annotated[
    list[str] | None,
    typer.Option(
        "--site",
        metavar="NAME=SPEC",
        rich_help_panel=RECIPE,
        help="A site's own format, such as 'conv1.weight=ap_fixed<8,1>', or a word length, 4 or 4,per-channel, or "
        "EXACT, GUARD or FLOAT; * matches in NAME. Repeatable.",
    ),
]
Softmax = Annotated[
    str | None,
    typer.Option(
        "--softmax",
        metavar="exact|table",
        rich_help_panel=RECIPE,
        help="Softmax correctly rounded, or by tables as in hardware.",
    ),
]
LayerNorm = Annotated[
    str | None,
    typer.Option(
        "--layer-norm",
        metavar="exact|table",
        rich_help_panel=RECIPE,
        help="Layer normalization correctly rounded, or with a table of reciprocal roots as in hardware.",
    ),
]


@dataclass(frozen=True)
class ModelOptions:
    """Which network, and where its weights are if elsewhere."""

    model: Model
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights",
            metavar="FILE",
            help="Trained weights: for the model that file.py:function builds x.weights.h5, x.h5 or a TensorFlow "
            "checkpoint; for x.json x.weights.h5 or x.h5.",
        ),
    ] = None
    check: Check = True
    output: Output = None

    def load(self) -> "Network":
        """The network; which of a checkpoint's variables became what is told on standard error, and that a file's
        quantizers are left out."""
        from bittrue.frontends import load

        return load(self.model, weights=self.weights, told=complain, check=self.check, output=self.output)

    def load_with_plan(self) -> "tuple[Network, Plan]":
        """The network and its file's own plan. Raises ModelError where it holds no quantizers."""
        from bittrue.frontends import load_with_plan

        return load_with_plan(self.model, weights=self.weights, told=complain, check=self.check, output=self.output)

    def load_with_any_plan(self) -> "tuple[Network, Plan | None]":
        """The network, and the plan that the file's quantizers are, where it holds some."""
        from bittrue.frontends import load_with_any_plan

        return load_with_any_plan(self.model, weights=self.weights, told=complain, check=self.check, output=self.output)

    def load_for(self, plan: Path, repaired: Path | None = None) -> "tuple[Network, Plan]":
        """The network, with repaired weights where their file is given, and the plan at `plan`, which takes
        the place of the file's quantizers."""
        _, network, formats = self.load_beside_trained(plan, repaired)
        return network, formats

    def load_beside_trained(self, plan: Path, repaired: Path | None) -> "tuple[Network, Network, Plan]":
        """The network as trained before what `load_for` gives."""
        from bittrue.plan import as_plan

        trained, formats = self.load_with_any_plan()[0], as_plan(plan)
        if repaired is None:
            return trained, trained, formats
        from bittrue.repairs.repaired import load_repaired

        return trained, load_repaired(trained, formats, repaired), formats


@dataclass(frozen=True)
class CommonOptions:
    """What every command takes."""

    json: Annotated[
        bool,
        typer.Option("--json", rich_help_panel=COMMON, help="Print one JSON object on standard output, nothing else."),
    ] = False
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            metavar="N",
            min=1,
            rich_help_panel=COMMON,
            help="Threads to compute with (default: one a core); changes the time, not the results.",
        ),
    ] = None
    debug: Annotated[
        bool, typer.Option("--debug", rich_help_panel=COMMON, help="Print the traceback of an error, too.")
    ] = False

    def __post_init__(self) -> None:
        if self.threads is not None:
            # The numeric libraries read these once, when they are imported, and no command imports them before this.
            os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(self.threads)))


@dataclass(frozen=True)
class DataOptions:
    """Which data, and what happens to it before the network sees it."""

    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DATA",
            rich_help_panel=DATA,
            help=DATA_HELP,
        ),
    ]
    split: Annotated[str, typer.Option("--split", metavar="test|train", rich_help_panel=DATA, help="Which split.")] = (
        "test"
    )
    resize: Annotated[
        str | None,
        typer.Option(
            "--resize", metavar="HxW", rich_help_panel=DATA, help="Resize to HxW as TensorFlow does: 227x227."
        ),
    ] = None
    scale: Annotated[
        str | None,
        typer.Option("--scale", metavar="P/Q", rich_help_panel=DATA, help="Multiply by P, divide by Q: 1/255."),
    ] = None
    mean: Annotated[
        str | None,
        typer.Option(
            "--mean", metavar="X,…", rich_help_panel=DATA, help="Subtract this then; one value or one a channel."
        ),
    ] = None
    std: Annotated[
        str | None,
        typer.Option(
            "--std", metavar="X,…", rich_help_panel=DATA, help="Divide by this then; one value or one a channel."
        ),
    ] = None
    layout: Annotated[
        str,
        typer.Option("--layout", metavar="nhwc|nchw", rich_help_panel=DATA, help="The order of axes in NumPy's files."),
    ] = "nhwc"

    def load(self, network: "Network", *, data: str | None = None, split: str | None = None) -> "Dataset":
        """The data set in the shape that `network` wants; `data`, `split`: others than the user's."""
        from bittrue.data import load_dataset

        return load_dataset(
            self.data if data is None else data,
            split=self.split if split is None else split,
            resize=self.resize,
            scale=self.scale,
            mean=self.mean,
            std=self.std,
            layout=self.layout,
            shape=network.input.shape,
        )

    def load_with_calibration(
        self, network: "Network", images: int | None, calibration: str | None = None
    ) -> "tuple[Dataset, Dataset]":
        """What to measure ranges on, and the data set: see `calibration_images`.

        `calibration`: other data to measure on, of which the training split is taken, where they have one.
        """
        from bittrue.analysis.ranges import calibration_images

        dataset = self.load(network)
        if calibration is not None:
            return calibration_images(dataset, images, train=self.load_for_training(network, calibration))
        return calibration_images(dataset, images, train=self.load_beside(network, dataset))

    def load_beside(self, network: "Network", dataset: "Dataset") -> "Dataset | None":
        """The training split, where `dataset` has one and isn't it."""
        has_other_training = self.split != "train" and "train" in dataset.splits
        return self.load(network, split="train") if has_other_training else None

    def load_for_training(self, network: "Network", data: str) -> "Dataset":
        """The training split of other data, or the first where they have none of that name."""
        try:
            return self.load(network, data=data, split="train")
        except SplitError as error:
            return self.load(network, data=data, split=error.splits[0])


@dataclass(frozen=True)
class OptionalDataOptions(DataOptions):
    """The same for a command that can do without."""

    data: Annotated[
        str,
        typer.Option(
            "--data",
            metavar="DATA",
            rich_help_panel=DATA,
            show_default=False,
            help=DATA_HELP,
        ),
    ] = ""

    def load_if_given(self, network: "Network") -> "Dataset | None":
        """The data set, or None where no --data was given."""
        return self.load(network) if self.data else None
