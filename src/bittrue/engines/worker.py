"""What a worker does: it keeps networks, works and kernels, and computes one part after another.

It runs in a process of its own on any machine of the cluster; whatever goes wrong with the work comes back as data, so
that an exception of a call always means that the worker itself is in trouble.
"""

import pickle
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from bittrue.analysis.evaluating.batches import reading
from bittrue.analysis.evaluating.executor import Work
from bittrue.data import Batch, Dataset
from bittrue.engines.dispatch import KEPT_PLANS, Found
from bittrue.engines.travel import AbsentError, Chunk, ChunkSource, in_folder, referred, unpacked_work
from bittrue.environment import exact_environment
from bittrue.errors import BittrueError, ChangedError, DataError
from bittrue.network import Network
from bittrue.plan import Plan
from bittrue.simulation.float_model import run_floats_on

KEPT_STUDIES = 4


@dataclass(frozen=True)
class StudyFacts:
    """What workers are told of a study, once. work: see `packed_work`. reference, chunked: of the data, one of them."""

    work: bytes
    reference: bytes | None
    chunked: Dataset
    batch_size: int


@dataclass(eq=False)
class _Study:
    work: Work[Any, Any]
    images: Dataset
    batch_size: int
    is_here: bool


class Worker:
    """One process's share of the studies. address: what errors call it. threads: to compute with, and float networks
    on so many as where the study was begun."""

    def __init__(self, address: str, threads: int, float_threads: int, folder: str) -> None:
        self.address, self.threads = address, threads
        run_floats_on(float_threads)
        self._networks: OrderedDict[str, Network] = OrderedDict()
        self._studies: OrderedDict[str, _Study] = OrderedDict()
        self._prepared: OrderedDict[tuple[str, str], Callable[[Batch], Any]] = OrderedDict()
        in_folder(folder)

    def begin(self, name: str, study: StudyFacts, networks: Mapping[str, Callable[[], Network]]) -> bool:
        """Know a study under a name, and fetch its networks that aren't here; whether its data lie here.

        Raises: DataError where there are other data here.
        """
        for network, fetched in networks.items():
            if network not in self._networks:
                self._networks[network] = fetched()
            self._networks.move_to_end(network)
        images, is_here = study.chunked, False
        if study.reference is not None:
            try:
                images, is_here = referred(study.reference), True
            except AbsentError:
                pass
            except DataError as error:
                raise self._other_data(error) from None
        work = unpacked_work(study.work, self._networks)
        self._studies[name] = _Study(work, images, study.batch_size, is_here)
        while len(self._studies) > KEPT_STUDIES:
            oldest, _ = self._studies.popitem(last=False)
            for prepared in [prepared for prepared in self._prepared if prepared[0] == oldest]:
                del self._prepared[prepared]
        while len(self._networks) > KEPT_STUDIES:
            self._networks.popitem(last=False)
        return is_here

    def has_prepared(self, name: str, key: str) -> bool:
        """Whether the kernels of the plan that `key` names are laid out for a study."""
        return (name, key) in self._prepared

    def compute(self, name: str, key: str, plan: Plan | None, images: range, chunks: Mapping[int, Chunk]) -> Found:
        """The images of a study under the plan that `key` names, batch by batch; `plan` isn't needed where
        `has_prepared`, nor `chunks` where the data lie here."""
        study = self._studies[name]
        self._studies.move_to_end(name)
        found: list[tuple[range, Any]] = []
        began = time.perf_counter()
        prepared = began
        error: Exception | None = None
        torch.set_num_threads(self.threads)
        try:
            with exact_environment():
                if isinstance(study.images.source, ChunkSource):
                    study.images.source.put(chunks)
                compute = self._laid_out(name, key, plan)
                prepared = time.perf_counter()
                with reading(study.images, study.batch_size, start=images.start, images=len(images)) as batches:
                    for batch in batches:
                        found.append((range(batch.start, batch.start + len(batch.x)), compute(batch)))
        except ChangedError as changed:
            error = self._other_data(changed) if study.is_here else changed
        except MemoryError:
            raise  # this worker's trouble: another may have more
        except Exception as raised:
            error = raised
        ended = time.perf_counter()
        return Found(found, None if error is None else _sent(error), prepared - began, ended - prepared)

    def _laid_out(self, name: str, key: str, plan: Plan | None) -> Callable[[Batch], Any]:
        if (name, key) not in self._prepared:
            while len(self._prepared) >= KEPT_PLANS:
                self._prepared.popitem(last=False)
            self._prepared[name, key] = self._studies[name].work.prepare(plan)
        self._prepared.move_to_end((name, key))
        return self._prepared[name, key]

    def _other_data(self, error: DataError) -> DataError:
        return DataError(
            f"The worker at {self.address} has other data under this name than the machine that began the study "
            f"({str(error).rstrip('.')}): put the same there, or remove them there, and they are sent."
        )


def _sent(error: Exception) -> Exception:
    """The error as it can travel, with where it arose as a note."""
    error.add_note(f"On a worker:\n{''.join(traceback.format_exception(error))}")
    try:
        again = pickle.loads(pickle.dumps(error))
    except Exception:
        again = None
    if type(again) is type(error) and str(again) == str(error):
        return error
    sent = (
        BittrueError(str(error))
        if isinstance(error, BittrueError)
        else RuntimeError(f"{type(error).__name__}: {error}")
    )
    sent.add_note(error.__notes__[-1])
    return sent


def packed_found(found: Found) -> bytes:
    """What travels back."""
    return pickle.dumps(found, protocol=5)


def unpacked_found(content: bytes) -> Found:
    """What `packed_found` has packed."""
    found: Found = pickle.loads(content)
    return found
