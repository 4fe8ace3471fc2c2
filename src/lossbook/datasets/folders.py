"""Sets that are published as folders of image files.

Three are small enough to be decoded once and kept in the plain array layout, straight from their archives:

- *Omniglot*: ``images_background`` and ``images_evaluation``, each ``<alphabet>/characterNN/NNNN_NN.png``,
  the last number being the drawer (1 to 20). Training classes are the 964 background characters, and labels
  of the evaluation part go on from 964: characters that are not seen in training. An entry with a part
  ``test`` takes the background characters alone and tests on other drawings of the same ones, by drawers
  17 to 20.
- *Tiny ImageNet*: ``train/<synset>/images/*.JPEG``, ``val/images`` with ``val/val_annotations.txt``. The
  labels of its test images are not published, so its validation part is the test part.
- *CINIC-10*: ``train``, ``valid`` and ``test``, each ``<class>/*.png``.

Three are read file by file when asked for (:class:`~lossbook.datasets.ImageFiles`):

- *ImageNet*: ``train/<synset>/*`` and ``val/<synset>/*``; the validation part is the test part.
- *Market-1501*: ``bounding_box_train``, ``query``, ``bounding_box_test``. A file ``0002_c1s1_000451_03.jpg``
  shows person 2, seen by camera 1. In the gallery, person 0000 is a distractor and stays (a false detection,
  which matches no query), and person -1 is junk that the protocol ignores, so it is left out.
- *DeepFashion*, category and attribute prediction: ``img/...``, ``Anno_coarse/list_attr_cloth.txt`` (the
  attributes), ``Anno_coarse/list_attr_img.txt`` (1 has, -1 has not, 0 unknown: only 1 counts as a label) and
  ``Eval/list_eval_partition.txt`` (train, val or test). Early copies call ``Anno_coarse`` ``Anno``.
"""

import contextlib
import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from lossbook.datasets import official
from lossbook.datasets.arrays import Arrays, content_checksum
from lossbook.datasets.data import Dataset, ImageFiles, Part, read_image
from lossbook.datasets.errors import DataDamagedError
from lossbook.datasets.registry import DatasetInfo

UNVERIFIED = "the image files were taken as they are: no checksum of them is known"
_MARKET_NAME = re.compile(r"(-1|\d{4})_c(\d)s\d_\d+_\d+\.jpg")


def is_lazy(info: DatasetInfo) -> bool:
    """Whether the images of a set stay on disk as files."""
    return info.format in _LAZY


def decode(info: DatasetInfo, root: Path) -> Arrays:
    """Decode a set from its verified archives, or from the folder that they unpack to.

    Returns:
        The arrays, with the names of the classes; a note where nothing vouches for the files.

    Raises:
        DataDamagedError: A file is missing or is not what it should be.
    """
    with _unpacked(info, root) as (folder, verified):
        arrays, names = _DECODERS[info.format](info, folder)
    return Arrays(arrays, {}, () if verified else (UNVERIFIED,), names)


def read(info: DatasetInfo, root: Path) -> Dataset:
    """A set whose images stay on disk.

    Raises:
        DataDamagedError: A list is damaged, or files are missing.
    """
    import torch

    folder = root / info.folder
    names, parts = _LAZY[info.format](folder)
    loaded, checksums = {}, []
    height, width, channels = info.image_shape
    for part, (files, targets, groups) in parts.items():
        if len(files) != info.parts[part]:
            raise DataDamagedError(
                f"{folder} has {len(files):,} {part} images, but {info.title} has {info.parts[part]:,}. "
                "Lay the files out as published."
            )
        images = ImageFiles(folder, tuple(files), (height, width, channels), info.crop)
        loaded[part] = Part(
            images, torch.from_numpy(targets), None if groups is None else torch.from_numpy(groups)
        )
        listed = "\n".join(f"{name} {_size(folder / name)}" for name in files)
        checksums += [hashlib.sha256(listed.encode()).hexdigest(), content_checksum(targets)]
        checksums += [] if groups is None else [content_checksum(groups)]
    if len(names) != info.num_classes:
        raise DataDamagedError(
            f"{folder} has {len(names):,} classes, but {info.title} has {info.num_classes:,}. "
            "Lay the files out as published."
        )
    return Dataset(
        name=info.name,
        kind=info.kind,
        parts=loaded,
        num_classes=info.num_classes,
        class_names=names,
        checksum=hashlib.sha256("\n".join(checksums).encode()).hexdigest(),
        notes=(*info.notes, UNVERIFIED),
    )


@contextlib.contextmanager
def _unpacked(info: DatasetInfo, root: Path) -> Iterator[tuple[Path, bool]]:
    """The folder of a set's images, and whether it was unpacked here from verified archives."""
    folder = root / info.folder
    packed = [(root / info.archive.name, info.archive)] if info.archive else []
    packed += [(folder / file.name, file) for file in info.files]
    if not all(path.is_file() for path, _ in packed):
        yield folder, False
        return
    for path, file in packed:
        official.check_file(path, file, info.name)
    with tempfile.TemporaryDirectory() as temporary:
        inside = official.inside(info, Path(temporary))
        for path, _ in packed:
            official.extract(path, inside)
        yield Path(temporary) / Path(info.folder).name, True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError as error:
        raise DataDamagedError(f"{path} is missing. Lay the files out as published.") from error


_Decoded = tuple[dict[str, np.ndarray], tuple[str, ...]]


#: Drawers whose drawings are for training, where the same characters are tested on.
_TRAINING_DRAWERS = range(1, 17)


def _omniglot(info: DatasetInfo, folder: Path) -> _Decoded:
    background, names = _drawings(folder / "images_background", 0)
    if "test" in info.parts:
        parts = {
            "train": [(label, path) for label, path in background if _drawer(path) in _TRAINING_DRAWERS],
            "test": [(label, path) for label, path in background if _drawer(path) not in _TRAINING_DRAWERS],
        }
    else:
        evaluation, _ = _drawings(folder / "images_evaluation", len(names))
        parts = {"train": background, "evaluation": evaluation}
    arrays: dict[str, np.ndarray] = {}
    for part, files in parts.items():
        arrays[f"{part}_images"] = _images(info, [path for _, path in files])
        arrays[f"{part}_labels"] = np.array([label for label, _ in files], dtype=np.int64)
        arrays[f"{part}_groups"] = np.array([_drawer(path) for _, path in files], dtype=np.int64)
    return arrays, names


def _drawings(folder: Path, first: int) -> tuple[list[tuple[int, Path]], tuple[str, ...]]:
    """Labels, counted from ``first``, and files of all drawings in a folder; the names of its characters."""
    characters = sorted(path for path in folder.glob("*/character*") if path.is_dir())
    files = [(first + at, path) for at, one in enumerate(characters) for path in _files(one, "*.png")]
    return files, tuple(f"{path.parent.name}/{path.name}" for path in characters)


def _drawer(path: Path) -> int:
    number = path.stem.rpartition("_")[2]
    if not number.isdigit():
        raise DataDamagedError(
            f"{path} does not end in the number of its drawer, as 0001_01.png does. Remove it."
        )
    return int(number)


def _tiny_imagenet(info: DatasetInfo, folder: Path) -> _Decoded:
    synsets = _subfolders(folder / "train")
    number = {synset: at for at, synset in enumerate(synsets)}
    train = [
        (at, path) for at, name in enumerate(synsets) for path in _files(folder / "train" / name / "images")
    ]
    test = []
    annotations = folder / "val" / "val_annotations.txt"
    for line in _lines(annotations):
        name, _, rest = line.partition("\t")
        synset = rest.split("\t")[0]
        if synset not in number:
            raise DataDamagedError(f"{annotations} has the synset {synset!r}, which no training image has.")
        test.append((number[synset], folder / "val" / "images" / name))
    words = dict(line.split("\t", 1) for line in _lines(folder / "words.txt") if "\t" in line)
    arrays = {}
    for part, files in (("train", train), ("test", test)):
        arrays[f"{part}_images"] = _images(info, [path for _, path in files])
        arrays[f"{part}_labels"] = np.array([label for label, _ in files], dtype=np.int64)
    # Several synsets share their first word, so the synset stays in the name.
    return arrays, tuple(f"{synset} {words[synset]}" if synset in words else synset for synset in synsets)


def _cinic10(info: DatasetInfo, folder: Path) -> _Decoded:
    arrays = {}
    for part, within in (("train", "train"), ("validation", "valid"), ("test", "test")):
        files = [
            (at, path) for at, name in enumerate(info.class_names) for path in _files(folder / within / name)
        ]
        arrays[f"{part}_images"] = _images(info, [path for _, path in files])
        arrays[f"{part}_labels"] = np.array([label for label, _ in files], dtype=np.int64)
    return arrays, ()


# The files of a part, their targets, their groups.
_Listed = tuple[list[str], np.ndarray, np.ndarray | None]


def _imagenet(folder: Path) -> tuple[tuple[str, ...], dict[str, _Listed]]:
    synsets = _subfolders(folder / "train")
    parts: dict[str, _Listed] = {}
    for part, within in (("train", "train"), ("test", "val")):
        files = [(at, path) for at, name in enumerate(synsets) for path in _files(folder / within / name)]
        targets = np.array([label for label, _ in files], dtype=np.int64)
        parts[part] = ([path.relative_to(folder).as_posix() for _, path in files], targets, None)
    return tuple(synsets), parts


def _market1501(folder: Path) -> tuple[tuple[str, ...], dict[str, _Listed]]:
    found: dict[str, list[tuple[str, int, str]]] = {}
    for part, within in (
        ("train", "bounding_box_train"),
        ("query", "query"),
        ("gallery", "bounding_box_test"),
    ):
        found[part] = []
        for path in _files(folder / within, "*.jpg"):
            name = _MARKET_NAME.fullmatch(path.name)
            if name is None:
                raise DataDamagedError(
                    f"{path} is not named as Market-1501's images are (0002_c1s1_000451_03.jpg). Remove it."
                )
            if name[1] != "-1":
                found[part].append((name[1], int(name[2]), f"{within}/{path.name}"))
    seen = sorted({person for person, _, _ in found["train"]})
    unseen = sorted({person for part in ("query", "gallery") for person, _, _ in found[part]})
    if both := set(seen) & set(unseen):
        raise DataDamagedError(f"{folder} has person {min(both)} both in training and in testing.")
    number = {person: at for at, person in enumerate([*seen, *unseen])}
    return tuple(seen), {
        part: (
            [file for _, _, file in files],
            np.array([number[person] for person, _, _ in files], dtype=np.int64),
            np.array([camera for _, camera, _ in files], dtype=np.int64),
        )
        for part, files in found.items()
    }


def _deepfashion(folder: Path) -> tuple[tuple[str, ...], dict[str, _Listed]]:
    lists = next((folder / name for name in ("Anno_coarse", "Anno") if (folder / name).is_dir()), None)
    if lists is None:
        raise DataDamagedError(f"{folder} has no folder Anno_coarse. Lay the files out as published.")
    names = tuple(line.rsplit(maxsplit=1)[0].strip() for line in _listed(lists / "list_attr_cloth.txt"))
    part_of = dict(line.split() for line in _listed(folder / "Eval" / "list_eval_partition.txt"))
    published = {"train": "train", "val": "validation", "test": "test"}
    files: dict[str, list[str]] = {part: [] for part in published.values()}
    rows: dict[str, list[np.ndarray]] = {part: [] for part in published.values()}
    path = lists / "list_attr_img.txt"
    for number, line in enumerate(_listed(path), start=3):
        name, _, values = line.partition(" ")
        row = np.array(values.split(), dtype="U2")
        if len(row) != len(names) or not np.isin(row, ("-1", "0", "1")).all():
            raise DataDamagedError(f"{path}, line {number}: not {len(names)} values of -1, 0 or 1.")
        if part_of.get(name) not in published:
            raise DataDamagedError(f"{path}, line {number}: {name} is in no part of list_eval_partition.txt.")
        part = published[part_of[name]]
        files[part].append(name)
        rows[part].append(row == "1")
    return names, {
        part: (files[part], np.array(rows[part], dtype=bool).reshape(-1, len(names)), None) for part in files
    }


def _listed(path: Path) -> list[str]:
    """The lines of one of DeepFashion's lists: their number, a heading, then the lines."""
    lines = _lines(path)
    if len(lines) < 2 or not lines[0].strip().isdigit() or int(lines[0]) != len(lines) - 2:
        raise DataDamagedError(
            f"{path} is cut short: its first line is not the number of lines after the second."
        )
    return lines[2:]


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (FileNotFoundError, UnicodeDecodeError) as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged: {error}"
        raise DataDamagedError(f"{path} {what}. Lay the files out as published.") from error


def _subfolders(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if path.is_dir())


def _files(folder: Path, pattern: str = "*.*") -> list[Path]:
    found = sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    if not found:
        raise DataDamagedError(f"{folder} has no images. Lay the files out as published.")
    return found


def _images(info: DatasetInfo, paths: Sequence[Path]) -> np.ndarray:
    images = np.empty((len(paths), *info.image_shape), dtype=np.uint8)
    for at, path in enumerate(paths):
        images[at] = read_image(path, info.image_shape)
    return images


_DECODERS: dict[str, Callable[[DatasetInfo, Path], _Decoded]] = {
    "omniglot": _omniglot,
    "tiny_imagenet": _tiny_imagenet,
    "cinic10": _cinic10,
}
_LAZY: dict[str, Callable[[Path], tuple[tuple[str, ...], dict[str, _Listed]]]] = {
    "imagenet": _imagenet,
    "market1501": _market1501,
    "deepfashion": _deepfashion,
}
