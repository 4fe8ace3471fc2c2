"""The registry of data sets, read from ``data/datasets.yaml``."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from lossbook import paths
from lossbook.errors import UnknownNameError

# The arrays of a set with a training and a test part, in this order.
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


@dataclass(frozen=True)
class FileInfo:
    """One published file: what it is called and how to know it.

    Attributes:
        name: File name within the set's folder.
        size: Bytes, None where not known.
        md5: Hex digest, None where not known.
        sha256: Hex digest, None where not known.
        array: Which of the four arrays the file holds, for formats with one file an array.
        unpacked: The file inside, for a gzip file.
    """

    name: str
    size: int | None = None
    md5: str | None = None
    sha256: str | None = None
    array: str | None = None
    unpacked: "FileInfo | None" = None

    @property
    def digest(self) -> tuple[str, str] | None:
        """The strongest known checksum as (algorithm, hex digest), or None."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None


@dataclass(frozen=True)
class Content:
    """A known content of one array; ``note`` says in what it departs from the published one."""

    sha256: str
    variant: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """What is known of a data set before any of it is read.

    Attributes:
        name: The name it is asked for by.
        title: Its name in print.
        home: Address of its own page.
        licence: As its own page states it.
        citation: Whom to cite.
        format: Which reader the set needs: ``idx`` (MNIST's own), ``cifar`` (pickled batches), ``sklearn``
            (comes with scikit-learn), ``made_up`` (texts that this package makes up), ``omniglot``,
            ``tiny_imagenet``, ``cinic10``, ``imagenet``, ``market1501``, ``deepfashion`` (see
            :mod:`lossbook.datasets.folders`), ``mulan``, ``glue``, ``clothing``, or ``uci`` (a collection of
            tables, see :mod:`lossbook.datasets.uci121`).
        kind: What an example is: ``images``, ``features``, ``texts``, or ``tables`` for a collection of them.
        parts: Number of examples of each part; empty for a collection of tables.
        image_shape: (height, width, channels) as loaded; empty for what is not images.
        crop: Whether images of other proportions are cropped to that shape, centred, rather than stretched.
        class_names: One name for each label, in label order; empty where they come with the files.
        label_count: Number of classes where the registry does not name them. In a set whose test classes are
            not seen in training, the number of training classes.
        superclasses: The classes of each superclass, where the publisher groups them.
        groups: What the group of an example is (the camera, the drawer); empty where there are none.
        columns: Of a text file, the columns that hold the ``texts`` and the ``label``: names, or numbers from
            0 where the file has no heading.
        folder: Where the files are kept, relative to the data root: torchvision's own place where it has one.
        files: The published files in that folder.
        archive: The archive that holds them, where they are published in one; it lies in the data root.
        mirrors: Addresses that the files or the archive can be downloaded from; each ends in a slash.
        by_hand: How to get the files and lay them out, where they cannot be downloaded; ``{folder}`` stands
            for the folder they belong in.
        refusal: Why the set cannot be loaded at all.
        notes: What whoever uses the set must know, a sentence each.
        contents: Known content checksums of each array.
    """

    name: str
    title: str
    home: str
    licence: str
    citation: str
    format: str
    kind: str = "images"
    parts: dict[str, int] = field(default_factory=dict)
    image_shape: tuple[int, ...] = ()
    crop: bool = False
    class_names: tuple[str, ...] = ()
    label_count: int = 0
    superclasses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    groups: str = ""
    columns: dict[str, Any] = field(default_factory=dict)
    folder: str = ""
    files: tuple[FileInfo, ...] = ()
    archive: FileInfo | None = None
    mirrors: tuple[str, ...] = ()
    by_hand: str = ""
    refusal: str = ""
    notes: tuple[str, ...] = ()
    contents: dict[str, tuple[Content, ...]] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names) or self.label_count

    @property
    def train_size(self) -> int:
        """Number of training examples."""
        return self.parts.get("train", 0)

    @property
    def test_size(self) -> int:
        """Number of test examples; 0 where no part is called so."""
        return self.parts.get("test", 0)

    @property
    def arrays(self) -> tuple[str, ...]:
        """The arrays of the set in the plain array layout, in their fixed order."""
        holds = ("images", "labels", "groups") if self.groups else ("images", "labels")
        return tuple(f"{part}_{what}" for part in self.parts for what in holds)

    @property
    def superclass_of(self) -> tuple[int, ...]:
        """For each class the number of its superclass, in the order of :attr:`superclasses`."""
        number = {fine: at for at, classes in enumerate(self.superclasses.values()) for fine in classes}
        return tuple(number[name] for name in self.class_names) if number else ()

    @property
    def read_from_archive(self) -> bool:
        """Whether images are decoded straight from the published archives, which then stay packed."""
        return self.format in ("omniglot", "tiny_imagenet", "cinic10")

    @property
    def download_size(self) -> int | None:
        """Bytes to download; None where not known."""
        sizes = [file.size for file in ((self.archive,) if self.archive else self.files)]
        return sum(size for size in sizes if size) if sizes and all(sizes) else None


def names() -> list[str]:
    """The names of all data sets."""
    return list(_registry())


def info(name: str) -> DatasetInfo:
    """What is known of the data set called `name`.

    Raises:
        UnknownNameError: There is no such data set; the message names the nearest.
    """
    if name not in _registry():
        raise UnknownNameError("data set", name, names())
    return _registry()[name]


def read_registry(path: Path) -> dict[str, DatasetInfo]:
    """Read a registry file of the form of ``data/datasets.yaml``."""
    # The loader written in C, where there is one, is seven times faster.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    entries = yaml.load(path.read_text(encoding="utf-8"), Loader=loader)
    return {name: _dataset(name, entry) for name, entry in entries.items()}


@cache
def _registry() -> dict[str, DatasetInfo]:
    return read_registry(paths.data_file("datasets.yaml"))


def _dataset(name: str, entry: dict[str, Any]) -> DatasetInfo:
    entry = dict(entry)
    contents: dict[str, list[Content]] = {}
    for array, sha256 in entry.pop("contents", {}).items():
        contents.setdefault(array, []).append(Content(sha256))
    for variant in entry.pop("variants", []):
        for array, sha256 in variant["contents"].items():
            contents.setdefault(array, []).append(Content(sha256, variant["name"], variant["note"]))
    archive = entry.pop("archive", None)
    return DatasetInfo(
        name=name,
        image_shape=tuple(entry.pop("image_shape", [])),
        class_names=tuple(str(label) for label in entry.pop("class_names", [])),
        superclasses={coarse: tuple(fine) for coarse, fine in entry.pop("superclasses", {}).items()},
        files=tuple(_file(one) for one in entry.pop("files", [])),
        archive=_file(archive) if archive else None,
        mirrors=tuple(entry.pop("mirrors", [])),
        notes=tuple(entry.pop("notes", [])),
        contents={array: tuple(known) for array, known in contents.items()},
        **entry,
    )


def _file(entry: dict[str, Any]) -> FileInfo:
    entry = dict(entry)
    unpacked = entry.pop("unpacked", None)
    return FileInfo(**entry, unpacked=_file(unpacked) if unpacked else None)
