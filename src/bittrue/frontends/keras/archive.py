"""A `.keras` file of Keras 3, or of Keras 2 (TensorFlow 2.13 to 2.15), read without Keras: a zip archive of
`config.json`, `metadata.json` and `model.weights.h5`.

Nothing in the file is executed, because nothing in it is ever given to anything that executes. The zip's checksums are
verified before the contents are parsed, so a damaged file is told from a good one; the HDF5 part, which is unpacked to
a file that only this process has, may hold no links to other files and must store what it declares.
"""

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from bittrue.errors import ModelError
from bittrue.frontends.arrays.hdf5 import Group, damage_as_model_error, group_at, plain_array, root_of, text_attribute
from bittrue.frontends.arrays.stored import StoredArray
from bittrue.frontends.keras.keras2 import in_keras3_form, is_keras2
from bittrue.wording import excerpt

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"

MAXIMUM_EXPANSION = 20
"""A member that claims to unpack to more than this multiple of its size in the file is refused; weights never do."""

UNSUSPICIOUS_BYTES = 1 << 24
"""…unless it is no larger than this."""

_PART = 1 << 20  # bytes that are unpacked at a time


@dataclass(frozen=True)
class ArchiveWeights:
    """The group of an HDF5 file that holds one layer's arrays, and its inner layers' groups.

    names_matter: whether it must be of the layer of that name; a model that is built anew numbers its layers anew, and
    inner layers without a name may have any.
    """

    root: Group
    path: str = ""
    layer: str = ""
    names_matter: bool = True

    @property
    def key(self) -> object:
        """Equal for two uses of one layer."""
        return self.path

    def child(self, layer: str, stored_name: str) -> "ArchiveWeights":
        return ArchiveWeights(self.root, f"{self.path}layers/{stored_name}/", layer, self.names_matter)

    def inner(self, attribute: str, layer: str) -> "ArchiveWeights":
        return ArchiveWeights(self.root, f"{self.path}{attribute}/", layer, self.names_matter and bool(layer))

    def arrays(self) -> list[StoredArray]:
        """The layer's arrays in Keras's order: trainable ones first.

        Raises: ModelError where the group is missing, belongs to another layer, or holds anything but plain arrays.
        """
        with damage_as_model_error(WEIGHTS):
            group = group_at(self.root, f"{self.path}vars")
            if group is None:
                raise ModelError(
                    f"{WEIGHTS} holds no weights of layer {excerpt(self.layer)}: save the whole model again, "
                    "or pass the model object where nested models share the layer"
                )
            stored_for = text_attribute(group, "name")
            if self.names_matter and stored_for not in (None, self.layer):
                raise ModelError(
                    f"{WEIGHTS} holds weights of {excerpt(stored_for)} in the place of layer {excerpt(self.layer)}'s"
                )
            return [plain_array(WEIGHTS, group, str(index), self.layer) for index in range(len(group.members))]


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[tuple[Mapping[str, object], ArchiveWeights]]:
    """The configuration and the weights of the `.keras` file at `path`; the weights are readable until the exit.

    Raises: ModelError for a file that is missing or damaged.
    """
    if not path.is_file():
        raise ModelError("there is no such file: check the path")
    with tempfile.TemporaryFile(prefix="bittrue-") as weights:
        config = _read_members(path, weights)
        with damage_as_model_error(WEIGHTS):
            root = root_of(weights)
        yield config, ArchiveWeights(root)


def _read_members(path: Path, weights: BinaryIO) -> Mapping[str, object]:
    """The configuration; the weights are unpacked to a file."""
    with damage_as_model_error("the archive"), zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if not {CONFIG, METADATA} <= names:
            raise ModelError(f"it holds no {CONFIG} and {METADATA} as Keras's files do: save the model in Keras again")
        version = _json(archive, METADATA).get("keras_version")
        if not isinstance(version, str):
            raise ModelError(f"its {METADATA} names no version of Keras: save the model in Keras again")
        if WEIGHTS not in names:
            raise ModelError(f"it holds no {WEIGHTS}: save the whole model in Keras with model.save")
        config = _json(archive, CONFIG)
        with archive.open(_member(archive, WEIGHTS)) as member:
            _unpack(member, weights)
        return in_keras3_form(config, version) if is_keras2(version) else config


def _unpack(member: IO[bytes], target: BinaryIO) -> None:
    while part := member.read(_PART):
        try:
            target.write(part)
            target.flush()
        except OSError as error:
            raise ModelError(
                f"its weights can't be unpacked to {tempfile.gettempdir()} ({error.strerror}): "
                "name a folder with more room in TMPDIR"
            ) from error


def _json(archive: zipfile.ZipFile, name: str) -> Mapping[str, object]:
    value = json.loads(archive.read(_member(archive, name)))
    if not isinstance(value, dict):
        raise ModelError(f"its {name} is damaged: save the model in Keras again")
    return value


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    member = archive.getinfo(name)
    if member.file_size > UNSUSPICIOUS_BYTES and member.file_size > MAXIMUM_EXPANSION * member.compress_size:
        raise ModelError(f"its {name} claims to unpack to {member.file_size:,} bytes: save the model in Keras again")
    return member
