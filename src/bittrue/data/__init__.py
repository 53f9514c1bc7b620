"""Data sets as streams: fixed order, float32 batches with channels last, a content hash, memory that doesn't grow."""

from bittrue.data.adapt import DataLike
from bittrue.data.adapt import dataset as as_dataset
from bittrue.data.dataset import Batch, Dataset
from bittrue.data.load import load_dataset
from bittrue.data.prefetch import prefetch
from bittrue.data.preprocess import Preprocessing

__all__ = [
    "Batch",
    "DataLike",
    "Dataset",
    "Preprocessing",
    "as_dataset",
    "load_dataset",
    "prefetch",
]
