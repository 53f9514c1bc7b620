"""The options that commands share, in groups, and how their text is read. The values' meaning is the public API's."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bittrue.cli.output import complain
from bittrue.errors import SplitError
from bittrue.fixed import Overflow, Rounding

if TYPE_CHECKING:
    from bittrue.analysis.asked import Options
    from bittrue.analysis.recipe import Recipe
    from bittrue.data import Dataset
    from bittrue.network import Network
    from bittrue.plan import Plan, Ranges, WordLengths

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
FractionBits = Annotated[
    str | None,
    typer.Option("--fraction-bits", metavar="F", help="Bits behind the binary point: 5, or 3:8 in a sweep."),
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


def _names(modes: "type[Rounding | Overflow]") -> str:
    """bittrue's name of each mode, with AMD's where it has one."""
    return ", ".join(mode.value if mode.amd is None else f"{mode.value} ({mode.amd})" for mode in modes)


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


@dataclass(frozen=True)
class RecipeOptions:
    """How a plan is made from numbers of bits; each option overrides its part of the recipe."""

    recipe: Annotated[
        list[str] | None,
        typer.Option(
            "--recipe",
            metavar="NAME",
            rich_help_panel=RECIPE,
            help="study (F at every site, no word limit), hardware (W bits, binary points from ranges) or uniform (W "
            "and F at every site); default: the one that the bits given mean. Repeatable in a sweep: each recipe takes "
            "the bits that it has a use for.",
        ),
    ] = None
    rounding: Annotated[
        str | None,
        typer.Option(
            "--rounding",
            metavar="MODE",
            rich_help_panel=RECIPE,
            help=f"A rounding mode, by either name: {_names(Rounding)}.",
        ),
    ] = None
    overflow: Annotated[
        str | None,
        typer.Option(
            "--overflow",
            metavar="MODE",
            rich_help_panel=RECIPE,
            help=f"An overflow mode, by either name: {_names(Overflow)}.",
        ),
    ] = None
    batch_norm: Annotated[
        str | None,
        typer.Option(
            "--batch-norm",
            metavar="raw|affine",
            rich_help_panel=RECIPE,
            help="Batch norm by its four parameters, or folded to a scale and an offset.",
        ),
    ] = None
    rounding_points: Annotated[
        str | None,
        typer.Option(
            "--rounding-points",
            metavar="every-node|fused",
            rich_help_panel=RECIPE,
            help="Round after every node, or once after a convolution with its batch norm and activation.",
        ),
    ] = None
    softmax: Softmax = None
    layer_norm: LayerNorm = None
    product: Annotated[
        str | None,
        typer.Option(
            "--product",
            metavar="exact|quantized",
            rich_help_panel=RECIPE,
            help="Products into an accumulator with a format: as they are, or rounded to it first.",
        ),
    ] = None
    site: Sites = None
    point: Annotated[
        str | None,
        typer.Option(
            "--point",
            metavar="range|least-squares",
            rich_help_panel=RECIPE,
            help="Binary points with which nothing measured overflows (default), or with the least squared error of "
            "what is rounded and saturated.",
        ),
    ] = None
    per_channel: Annotated[
        bool,
        typer.Option(
            "--per-channel", rich_help_panel=RECIPE, help="A binary point for each output channel of a weight."
        ),
    ] = False

    @property
    def beyond_sites(self) -> bool:
        """Whether more is said than of single sites and of how their quantizers are chosen."""
        chosen = (self.recipe, self.batch_norm, self.rounding_points, self.softmax, self.layer_norm, self.product)
        return chosen != (None,) * len(chosen)

    def complete(
        self, network: "Network", plan: "Plan", word_length: "int | WordLengths | None", ranges: "Ranges | None"
    ) -> "Plan":
        """A plan with quantizers where it has none."""
        from bittrue.fixed import parse_overflow, parse_rounding
        from bittrue.plan import Override, complete_plan, parse_point

        return complete_plan(
            network,
            plan,
            word_length,
            ranges=ranges,
            rounding=Rounding.NEAREST_EVEN if self.rounding is None else parse_rounding(self.rounding),
            overflow=Overflow.SATURATE if self.overflow is None else parse_overflow(self.overflow),
            point="range" if self.point is None else parse_point(self.point),
            per_channel=self.per_channel,
            overrides=[Override.parse(text) for text in self.site or ()],
        )

    def given(self) -> "Options":
        """These, as `bittrue.make_plan` and `bittrue.study` take them."""
        return {
            "recipe": self.recipe,
            "rounding": self.rounding,
            "overflow": self.overflow,
            "batch_norm": self.batch_norm,
            "rounding_points": self.rounding_points,
            "softmax": self.softmax,
            "layer_norm": self.layer_norm,
            "product": self.product,
            "point": self.point,
            "per_channel": self.per_channel,
            "site": self.site,
        }

    def only(self, recipe: "Recipe") -> "RecipeOptions":
        """These, as they are said for a single plan of this recipe, one of several here or the only one."""
        if len(self.recipe or ()) < 2:
            return self
        point, per_channel = (self.point, self.per_channel) if recipe.needs_ranges else (None, False)
        return replace(self, recipe=[recipe.name], point=point, per_channel=per_channel)
