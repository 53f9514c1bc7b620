"""Data sets as streams: fixed order, float32 batches with channels last, a content hash, memory that doesn't grow."""

from bittrue.data.dataset import Batch, Dataset
from bittrue.data.load import load_dataset
from bittrue.data.prefetch import prefetch
from bittrue.data.preprocess import Preprocessing

__all__ = [
    "Batch",
    "Dataset",
    "Preprocessing",
    "load_dataset",
    "prefetch",
]
