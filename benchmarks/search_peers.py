"""What other tools make of ResNet-8 and of the MobileNet of train_mobilenet.py at a pair of word lengths, each in an
environment of its own (see search_environments.sh), as their users would call it; nothing here imports bittrue.

`python search_peers.py TOOL images.npz W A` prints a line of JSON: the accuracy on the test images, how many images the
method took (each as often as it took it), and seconds of CPU time.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

BATCH = 100


def without_the_kernels_of_torchvision() -> None:
    """The registry's torchvision is built for CUDA and doesn't load its kernels beside torch for CPUs; what it asks of
    them when it is imported are two names."""
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    globals()["_kept"] = library  # it goes with the object


class Block(nn.Module):
    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, out, 3, stride, 1 if stride == 1 else 0)
        self.first_norm = nn.BatchNorm2d(out, eps=1e-3)
        self.first_relu = nn.ReLU()
        self.second = nn.Conv2d(out, out, 3, 1, 1)
        self.second_norm = nn.BatchNorm2d(out, eps=1e-3)
        self.beside = nn.Conv2d(channels, out, 1, stride) if stride > 1 else nn.Identity()
        self.pad = nn.ZeroPad2d((0, 1, 0, 1)) if stride > 1 else nn.Identity()
        self.relu = nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first_relu(self.first_norm(self.first(self.pad(x))))
        return self.relu(torch.add(self.beside(x), self.second_norm(self.second(y))))


class ResNet8(nn.Module):
    """MLPerf Tiny's ResNet-8, up to its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, 1, 1)
        self.norm = nn.BatchNorm2d(16, eps=1e-3)
        self.relu = nn.ReLU()
        self.blocks = nn.Sequential(Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2))
        self.pool = nn.AvgPool2d(8)
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.flatten(self.pool(self.blocks(self.relu(self.norm(self.first(x)))))))


SEPARABLE = ((64, 2), (96, 1), (96, 1), (192, 2), (192, 1), (192, 1), (384, 2), (384, 1))
"""Channels and stride of the MobileNet's blocks."""


class Separable(nn.Sequential):
    """A MobileNet's block: each channel alone, then all channels at each place."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, stride, 1, groups=channels, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(channels)
        self.depthwise_relu = nn.ReLU6()
        self.pointwise = nn.Conv2d(channels, out, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(out)
        self.pointwise_relu = nn.ReLU6()


class MobileNet(nn.Module):
    """The MobileNet that train_mobilenet.py trains, up to its logits."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 24, 3, 1, 1, bias=False)
        self.norm = nn.BatchNorm2d(24)
        self.relu = nn.ReLU6()
        before = (24, *(channels for channels, _ in SEPARABLE))
        self.blocks = nn.Sequential(*(Separable(c, *each) for c, each in zip(before, SEPARABLE, strict=False)))
        self.pool = nn.AvgPool2d(4)
        self.flatten = nn.Flatten()
        self.dense = nn.Linear(before[-1], 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.flatten(self.pool(self.blocks(self.relu(self.norm(self.first(x)))))))


ARCHITECTURES: dict[str, type[nn.Module]] = {"resnet8": ResNet8, "mobilenet": MobileNet}


def trained(arrays: dict[str, np.ndarray]) -> nn.Module:
    """With the weights of images.npz, which has them by the names of this module's layers."""
    model = ARCHITECTURES[arrays["architecture"].item()]().eval()
    state = {name.removeprefix("model."): torch.from_numpy(value) for name, value in arrays.items() if "model." in name}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all(name.endswith("num_batches_tracked") for name in missing), missing
    return model


class Images:
    """Batches of images, as data loaders give them; counts how many were taken."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.x, self.y, self.taken = x, y, 0

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for start in range(0, len(self.x), BATCH):
            self.taken += len(self.x[start : start + BATCH])
            yield self.x[start : start + BATCH], self.y[start : start + BATCH]

    def __len__(self) -> int:
        return -(-len(self.x) // BATCH)


Made = Callable[[nn.Module, Images, int, int], nn.Module]


def brevitas(*steps: str) -> Made:
    """Power-of-two scales by least squared error, a scale a channel, biases of 16 bits; then `steps`: gptq or qronos,
    bias (correction). equalize: before all of that weights are equalized across layers, for which its ReLUs lose their
    maxima. unsigned: it is told what is never negative and what its flow doesn't see to be so: the image,
    what is padded, and what the last layer reads."""

    def made(model: nn.Module, images: Images, weights: int, activations: int) -> nn.Module:
        without_the_kernels_of_torchvision()
        from brevitas.graph import quantize_impl
        from brevitas.graph.quantize import preprocess_for_quantize
        from brevitas.nn import QuantIdentity
        from brevitas_examples.imagenet_classification.ptq import ptq_common as ptq

        equalized = "equalize" in steps
        folded = preprocess_for_quantize(
            model, equalize_iters=20 if equalized else 0, merge_bn=True, relu6_to_relu=equalized
        )
        if "unsigned" in steps:
            for kind in ("SIGN_PRESERVING_MODULES", "PRECISION_PRESERVING_MODULES"):
                setattr(quantize_impl, kind, (*getattr(quantize_impl, kind), nn.ZeroPad2d))
        quantized = ptq.quantize_model(
            folded,
            backend="fx",
            weight_bit_width=weights,
            act_bit_width=activations,
            bias_bit_width=16,
            weight_quant_granularity="per_channel",
            act_quant_percentile=99.9,
            act_quant_type="sym",
            scale_factor_type="po2_scale",
            quant_format="int",
            layerwise_first_last_bit_width=weights,
            weight_param_method="mse",
            act_param_method="mse",
        )
        if "unsigned" in steps:
            of_values = ptq.INPUT_QUANT_MAP["int"]["static"]["po2_scale"]["mse"]["per_tensor"]["sym"]
            of_values = of_values.let(bit_width=activations, high_percentile_q=99.9)
            for name in ("x_quant", "dense_input_quant"):
                setattr(quantized, name, QuantIdentity(act_quant=of_values, signed=False, return_quant_tensor=True))
        ptq.calibrate(images, quantized)
        with torch.no_grad():
            quantized(images.x[:BATCH])  # which makes the weights' quantizers
        if "gptq" in steps:
            ptq.apply_gptq(images, quantized, act_order=True)
        if "qronos" in steps:
            ptq.apply_qronos(quantized, images)
        if "bias" in steps:
            ptq.apply_bias_correction(images, quantized)
        return quantized.eval()

    return made


def aimet(model: nn.Module, images: Images, weights: int, activations: int) -> nn.Module:
    """Batch norms folded, ranges by signal-to-noise ratio, a scale a channel, AdaRound; it offers no power-of-two
    scales."""
    without_the_kernels_of_torchvision()
    from aimet_torch import QuantizationSimModel
    from aimet_torch.adaround.adaround_weight import Adaround, AdaroundParameters
    from aimet_torch.batch_norm_fold import fold_all_batch_norms

    dummy = images.x[:1]
    fold_all_batch_norms(model, tuple(dummy.shape), dummy)

    def through(given: nn.Module, _: object = None) -> None:
        with torch.no_grad():
            for x, _labels in images:
                given(x)

    parameters = AdaroundParameters(images, len(images), default_num_iterations=1000, forward_fn=lambda m, b: m(b[0]))
    folder = Path(sys.argv[2]).parent
    rounded = Adaround.apply_adaround(
        model, dummy, parameters, path=str(folder), filename_prefix="aimet", default_param_bw=weights
    )
    simulated = QuantizationSimModel(
        rounded,
        dummy,
        quant_scheme="tf_enhanced",
        default_output_bw=activations,
        default_param_bw=weights,
    )
    simulated.set_and_freeze_param_encodings(str(folder / "aimet.encodings"))
    simulated.compute_encodings(through)
    return simulated.model.eval()


def mct(model: nn.Module, images: Images, weights: int, activations: int) -> nn.Module:
    """Power-of-two thresholds by squared error for weights, a channel each, and activations, with its bias correction;
    its platform description has 8 bits, which are replaced."""
    without_the_kernels_of_torchvision()
    import model_compression_toolkit as toolkit

    platform = toolkit.get_target_platform_capabilities()
    told = _with_words(platform.model_dump(), weights, activations)
    quantized, _ = toolkit.ptq.pytorch_post_training_quantization(
        model, lambda: ([x] for x, _ in images), target_platform_capabilities=type(platform).model_validate(told)
    )
    return quantized.eval()


def _with_words(told: object, weights: int, activations: int) -> object:
    """A platform's description with these words everywhere."""
    if isinstance(told, dict):
        found = {key: _with_words(value, weights, activations) for key, value in told.items()}
        if "activation_n_bits" in found:
            found |= {"activation_n_bits": activations, "supported_input_activation_n_bits": (activations,)}
        if found.get("enable_weights_quantization"):
            found |= {"weights_n_bits": weights, "weights_quantization_method": _power_of_two(found)}
        return found
    if isinstance(told, list | tuple):
        return type(told)(_with_words(value, weights, activations) for value in told)
    return told


def _power_of_two(attribute: dict[str, object]) -> object:
    return type(attribute["weights_quantization_method"])["POWER_OF_TWO"]  # type: ignore[index]


TOOLS: dict[str, Made] = {
    "brevitas": brevitas(),
    "brevitas, gptq, bias": brevitas("gptq", "bias"),
    "brevitas, qronos, bias": brevitas("qronos", "bias"),
    "brevitas, unsigned, qronos, bias": brevitas("unsigned", "qronos", "bias"),
    "brevitas, equalize, qronos, bias": brevitas("equalize", "qronos", "bias"),
    "aimet": aimet,
    "mct": mct,
}
"""What search.py calls; before a comma the environment."""


def main(tool: str, path: str, weights: int, activations: int) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with np.load(path) as file:
        arrays = dict(file)
    calibration = Images(torch.from_numpy(arrays["calibration"]), torch.zeros(len(arrays["calibration"])))
    model = trained(arrays)
    begun = time.process_time()
    quantized = TOOLS[tool](model, calibration, weights, activations)
    seconds = time.process_time() - begun
    test, labels = torch.from_numpy(arrays["test"]), torch.from_numpy(arrays["labels"])
    with torch.no_grad():
        right = sum(
            int((quantized(test[start : start + BATCH]).argmax(1) == labels[start : start + BATCH]).sum())
            for start in range(0, len(test), BATCH)
        )
    print(json.dumps({"accuracy": right / len(test), "image_passes": calibration.taken, "seconds": round(seconds, 1)}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
