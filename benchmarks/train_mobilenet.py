"""Train the MobileNet of docs/search.md: depthwise and pointwise convolutions, batch norms and ReLU6 for CIFAR-10's
32 × 32 pixels, 0 to 255.

`python benchmarks/train_mobilenet.py cifar10:DIR mobilenet_cifar10.onnx` takes all training images in each epoch,
moved and mirrored at random, and prints the accuracy on the test images. Beside the model lies
mobilenet_cifar10.pt with what has been learned so far: the same command goes on from there. The seed is fixed; another
number of threads or another machine gives other last bits, and so a network that is a little better or worse.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from search_peers import MobileNet
from torch import nn

import bittrue

BATCH, RATE, DECAY, WARMING = 128, 0.1, 5e-4, 0.2
"""Images in a step; the largest step, reached after that share of them, from which it falls to nothing; what is taken
off the weights."""
PIXEL = 64.0
"""What the pixels are divided by while the network is trained; a power of two, so that the first layer takes it up."""
MOVED = 4
"""Pixels by which an image is moved at most, each way."""


def read(spec: str, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 3, 32, 32), uint8, and their classes (N,)."""
    images = bittrue.load_dataset(spec, split=split, shape=(32, 32, 3))
    pixels = np.concatenate([batch.x for batch in images.batches(1000)]).astype(np.uint8)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(np.array(images.labels))


def moved(pixels: torch.Tensor, random: torch.Generator) -> torch.Tensor:
    """Each image moved, with its edges mirrored, and half of them turned left to right."""
    count, channels, size, _ = pixels.shape
    wide = nn.functional.pad(pixels.float(), (MOVED,) * 4, mode="reflect")
    down, right = torch.randint(0, 2 * MOVED + 1, (2, count, 1), generator=random)
    along = torch.arange(size)[None, :]
    across = torch.where(torch.rand(count, 1, generator=random) < 0.5, along, along.flip(1)) + right
    every = torch.arange(count)[:, None, None, None], torch.arange(channels)[None, :, None, None]
    return wide[*every, (along + down)[:, None, :, None], across[:, None, None, :]]


def accuracy(model: nn.Module, pixels: torch.Tensor, classes: torch.Tensor) -> float:
    model.eval()
    with torch.no_grad():
        right = [
            (model(x.float() / PIXEL).argmax(1) == y).sum()
            for x, y in zip(pixels.split(500), classes.split(500), strict=True)
        ]
    return float(torch.stack(right).sum()) / len(pixels)


def train(model: nn.Module, pixels: torch.Tensor, classes: torch.Tensor, epochs: int, kept: Path) -> None:
    """With all of `epochs` behind it, those among them that `kept` has. Nothing else is drawn than each epoch's images
    from its number, so that a run that was broken off learns what it would have learned."""
    steps = len(pixels) // BATCH
    learner = torch.optim.SGD(model.parameters(), RATE, momentum=0.9, weight_decay=DECAY, nesterov=True)
    pace = torch.optim.lr_scheduler.OneCycleLR(learner, RATE, epochs * steps, pct_start=WARMING, cycle_momentum=False)
    parts = {"model": model, "learner": learner, "pace": pace}
    begun = 0
    if kept.exists():
        found = torch.load(kept)
        begun = found.pop("epochs")
        for name, part in parts.items():
            part.load_state_dict(found[name])
    for epoch in range(begun, epochs):
        random, started, total = torch.Generator().manual_seed(epoch), time.process_time(), 0.0
        model.train()
        for chosen in torch.randperm(len(pixels), generator=random)[: steps * BATCH].split(BATCH):
            x = (moved(pixels[chosen], random) / PIXEL).to(memory_format=torch.channels_last)
            loss = nn.functional.cross_entropy(model(x), classes[chosen])
            learner.zero_grad()
            loss.backward()
            learner.step()
            pace.step()
            total += float(loss.detach())
        torch.save({"epochs": epoch + 1} | {name: part.state_dict() for name, part in parts.items()}, kept)
        took = time.process_time() - started
        print(f"epoch {epoch + 1} of {epochs}: loss {total / steps:.3f}, {took:.0f} s of CPU time", flush=True)


def save(model: MobileNet, path: Path) -> None:
    """As ONNX, with its batch norms, for pixels from 0 to 255."""
    with torch.no_grad():
        model.first.weight /= PIXEL
    program = torch.onnx.export(model.eval(), (torch.zeros(1, 3, 32, 32),), dynamo=True, optimize=False, verbose=False)
    assert program is not None
    program.save(str(path), external_data=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data")
    parser.add_argument("out", type=Path)
    parser.add_argument("--epochs", type=int, default=18)
    parser.add_argument("--threads", type=int, default=2)
    asked = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(asked.threads)
    model = MobileNet().to(memory_format=torch.channels_last)
    print(f"{sum(each.numel() for each in model.parameters()):,} parameters", flush=True)
    train(model, *read(asked.data, "train"), asked.epochs, asked.out.with_suffix(".pt"))
    print(f"{100 * accuracy(model, *read(asked.data, 'test')):.2f} % of the test images are right")
    save(model, asked.out)


if __name__ == "__main__":
    main()
