"""The 121 tables of Fernandez-Delgado et al. (JMLR 15, 2014), and their stand-ins inside scikit-learn.

A set is a folder ``<data root>/uci121/<set>/`` of text files, as published:

- ``<set>.txt`` describes it: number of features (``n_entradas``) and classes (``n_clases``), the data files
  (``fich1``, ``fich2``) and their numbers of examples (``n_patrons1``, ``n_patrons2``);
- ``<set>_R.dat``, or ``<set>_train_R.dat`` and ``<set>_test_R.dat`` for the 19 sets that the UCI repository
  divides itself: a heading, then one example a line: its number from 1, its features, its class from 0;
- ``conxuntos.dat``: two lines of row numbers from 0 that halve the first data file for tuning;
- ``conxuntos_kfold.dat``: eight lines, four pairs of a training part and a held-out part of the first file.

Other files of a folder (raw data, scripts, ``.arff``, tables left over under other names) are not read.
"""

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lossbook import paths
from lossbook.datasets import official
from lossbook.datasets.arrays import content_checksum
from lossbook.datasets.errors import DataDamagedError, DataUnavailableError
from lossbook.datasets.registry import DatasetInfo
from lossbook.datasets.registry import info as find
from lossbook.errors import LossbookError, UnknownNameError

if TYPE_CHECKING:
    import torch

COLLECTION = "uci121"
PARTITIONS = 4
# Names in the set's own description file.
_FEATURES, _CLASSES, _FILES = "n_entradas", "n_clases", "n_arquivos"
# scikit-learn's loaders, by the names the sets have here.
_EMBEDDED = {
    "iris": "load_iris",
    "wine": "load_wine",
    "breast_cancer": "load_breast_cancer",
    "digits": "load_digits",
}
# How far means and deviations of standardised features may be from 0 and 1. The files round to six digits,
# which moves them by less than 1e-5; in a file that is not standardised some are off by more than 0.1.
_STANDARDISED = 1e-3
_SCALES = "the training file and the test file are on different scales; standardise_files mends that"


@dataclass(frozen=True, eq=False)
class UciSet:
    """A table in memory.

    Attributes:
        name: The set's name.
        features: float32 ``[N, D]``, as published (see :func:`load_uci`).
        labels: int64 ``[N]``, from 0 to K-1.
        num_classes: Number of classes K.
        first_file: Number of examples in the first data file. Those are the rows from 0; what follows is the
            published test file. Equal to N where there is none.
        tuning: The published halves of the first file, (training, validation): row numbers, int64.
        partitions: The four published pairs (training part, held-out part) of the first file, likewise.
        checksum: SHA-256 over the content of all of these.
        notes: What a reader must know of the files, a sentence each.
    """

    name: str
    features: "torch.Tensor"
    labels: "torch.Tensor"
    num_classes: int
    first_file: int
    tuning: tuple["torch.Tensor", "torch.Tensor"]
    partitions: tuple[tuple["torch.Tensor", "torch.Tensor"], ...]
    checksum: str
    notes: tuple[str, ...] = ()

    @property
    def num_features(self) -> int:
        """Number of features D."""
        return int(self.features.shape[1])

    @property
    def has_test_file(self) -> bool:
        """Whether the set is published as a training file and a test file."""
        return self.first_file < len(self.labels)


@dataclass(frozen=True, eq=False)
class UciSplit:
    """Row numbers of a set, int64 and ascending; every row is in exactly one of the three."""

    train: "torch.Tensor"
    validation: "torch.Tensor"
    test: "torch.Tensor"


def uci_names() -> list[str]:
    """The names of the 121 sets, in alphabetical order; :func:`uci_absent` says which are not at hand."""
    return list(_files(find(COLLECTION)))


def is_there(name: str, root: Path) -> bool:
    """Whether a set has all its files in a data root."""
    return not _missing(find(COLLECTION), root, name)


def has_two_scales(uci: UciSet) -> bool:
    """Whether a set's training file and test file are on different scales, as published."""
    return _SCALES in uci.notes


def uci_absent(root: Path | None = None) -> list[str]:
    """The sets that lack a file, so cannot be loaded.

    Args:
        root: The data root; :func:`lossbook.paths.data_root` if None.
    """
    return _absent(find(COLLECTION), root or paths.data_root())


def load_uci(name: str, root: Path | None = None) -> UciSet:
    """Load one of the 121 sets, its files verified.

    Features are those of the files, rounded to float32. In the files, categories are numbers, and every
    feature of a one-file set has mean 0 and standard deviation 1 (divisor N-1) over *all* examples, those
    that a partition holds out included.

    Of the 19 sets with two files, 8 have each file standardised by itself. In the other 11 only one of the
    two is: annealing, hayes-roth, hill-valley, horse-colic, image-segmentation, monks-1, monks-2, monks-3,
    soybean, spect and spectf. Their training and test examples are on different scales (in hill-valley by a
    factor of 18,000), and a network trained on the one cannot be expected to fit the other. Such a set says
    so in its ``notes``; :func:`standardise_files` puts both on one scale.

    Args:
        name: One of :func:`uci_names`.
        root: The data root; :func:`lossbook.paths.data_root` if None.

    Raises:
        UnknownNameError: There is no such set.
        DataUnavailableError: A file of it is not there. (Copies of the collection may lack miniboone's.)
        DataDamagedError: A file is there but is not what it should be.
    """
    return read_uci(find(COLLECTION), root or paths.data_root(), name)


def read_uci(info: DatasetInfo, root: Path, name: str) -> UciSet:
    """:func:`load_uci` for a collection with a registry entry of its own.

    A file that the entry has no checksum of is read all the same, and a note says so.
    """
    known = _files(info)
    if name not in known:
        raise UnknownNameError("UCI set", name, list(known))
    if missing := _missing(info, root, name):
        raise DataUnavailableError(
            f"The set {name} cannot be loaded: {missing[0]} is missing. {_remedy(info, root, name)}"
        )
    folder = root / info.folder / name
    description = _description(info, root, name)
    tables = _tables_of(description)
    notes = []
    for file in (f"{name}.txt", *(file for file, _ in tables), "conxuntos.dat", "conxuntos_kfold.dat"):
        if file in known[name]:
            official.check_file(folder / file, known[name][file], info.name)
        else:
            notes.append(f"{file} could not be verified: no checksum of it is known")
    parts = [
        _table(folder / file, examples, description[_FEATURES], description[_CLASSES], info)
        for file, examples in tables
    ]
    features = np.concatenate([part[0] for part in parts])
    labels = np.concatenate([part[1] for part in parts])
    if absent := sorted(set(range(description[_CLASSES])) - set(labels.tolist())):
        raise DataDamagedError(f"{folder} has no example of class {absent[0]}. {_again(info)}")
    first = tables[0][1]
    halves = _row_numbers(folder / "conxuntos.dat", 1, first, info)
    partitions = _row_numbers(folder / "conxuntos_kfold.dat", PARTITIONS, first, info)
    if len(parts) > 1 and not all(_is_standardised(values) for values, _ in parts):
        notes.append(_SCALES)
    return _uci_set(name, features, labels, description[_CLASSES], first, halves[0], partitions, notes)


def split(uci: UciSet, partition: int = 0) -> UciSplit:
    """Training, validation and test rows of a set, all from published row numbers; nothing is drawn.

    - *One data file*: test is the held-out quarter of published partition `partition`. Of the rest,
      validation is what the next partition holds out, and training is what remains: about 19 and 56 per cent
      of all examples, as the partitions were drawn independently. If the next one holds out none of the rest,
      as can happen among the 10 examples of trains, the one after it is taken.
    - *Two data files*: test is the test file. Validation is the held-out quarter of published partition
      `partition` of the training file, and training is the rest of that file.

    The four published partitions are not the folds of a cross-validation: their held-out parts overlap, and
    together hold about 68 per cent of the examples, as four independent draws of a quarter do (1 - 0.75^4).

    battash2021, section "UCI Datasets", says that the train/test splits are those provided by the authors of
    Klambauer et al. (2017), and that learning rate and epoch are chosen on "the validation set". It does not
    say how the validation set is made, which of several splits is meant, or whether the data were
    standardised again. Klambauer et al. offer, beside the files read here, a processed copy with row numbers
    of its own. Its sizes, as others list them, agree with what is done here: test is the test file where
    there is one, else a quarter of the examples. The row numbers themselves are not among the files read
    here. So the validation part differs from the paper's, and the test part of a one-file set may.

    Args:
        uci: A set.
        partition: Which published partition, 0 to 3.

    Raises:
        LossbookError: Another number, or a set too small to leave anything for training or validation.
    """
    import torch

    if not 0 <= partition < len(uci.partitions):
        raise LossbookError(f"a set has partitions 0 to {len(uci.partitions) - 1}; got {partition}")
    rest, held_out = uci.partitions[partition]
    if uci.has_test_file:
        train, validation = rest, held_out
        test = torch.arange(uci.first_file, len(uci.labels))
    else:
        test, validation = held_out, held_out[:0]
        for step in range(1, len(uci.partitions)):
            other = uci.partitions[(partition + step) % len(uci.partitions)][1]
            validation = rest[torch.isin(rest, other)]
            if len(validation):
                break
        train = rest[~torch.isin(rest, validation)]
    if not len(train) or not len(validation) or not len(test):
        raise LossbookError(
            f"{uci.name} is too small: partition {partition} leaves nothing for training or validation"
        )
    return UciSplit(train.sort().values, validation.sort().values, test.sort().values)


def standardise_files(uci: UciSet) -> UciSet:
    """The same set with each data file standardised by itself.

    Every feature gets mean 0 and standard deviation 1 (divisor N-1) within its file; one that is constant
    there becomes 0. This is what the published two-file sets are, except for the 11 that :func:`load_uci`
    names. Where the files are standardised already, nothing changes but their rounding to six digits.

    This takes both files for samples of one distribution, and uses the means of the test examples. It does
    not suit spectf, whose training file has 40 examples of each class and whose test file has 15 and 172.
    """
    values = uci.features.numpy().astype(np.float64)
    files = np.split(values, [uci.first_file]) if uci.has_test_file else [values]
    features = np.concatenate([_standardised(file) for file in files])
    tuning, partitions = _as_numpy(uci.tuning), [_as_numpy(pair) for pair in uci.partitions]
    notes = [note for note in uci.notes if note != _SCALES]
    notes.append("each data file was standardised by itself")
    return _uci_set(
        uci.name, features, uci.labels.numpy(), uci.num_classes, uci.first_file, tuning, partitions, notes
    )


def embedded_uci_names() -> list[str]:
    """The names of the sets that come with scikit-learn and need no files."""
    return list(_EMBEDDED)


def load_embedded_uci(name: str) -> UciSet:
    """One of scikit-learn's own sets, in the form of the 121: a stand-in where those are not at hand.

    Constant features are dropped and the others standardised over all examples, as in the published files.
    Partitions are made here without random numbers: of each class, every fourth example is held out,
    beginning with the first, second, third or fourth. Unlike the published ones these do not overlap. The
    halves for tuning take every other example of a class.

    Args:
        name: One of :func:`embedded_uci_names`.

    Raises:
        UnknownNameError: There is no such set.
    """
    if name not in _EMBEDDED:
        raise UnknownNameError("embedded set", name, list(_EMBEDDED))
    import sklearn.datasets

    values, labels = getattr(sklearn.datasets, _EMBEDDED[name])(return_X_y=True)
    values = values[:, values.std(axis=0) > 0]
    labels = labels.astype(np.int64)
    rank = np.empty(len(labels), dtype=np.int64)
    for label in range(labels.max() + 1):
        rank[labels == label] = np.arange((labels == label).sum())
    halves = (np.flatnonzero(rank % 2 == 0), np.flatnonzero(rank % 2 == 1))
    partitions = [
        (np.flatnonzero(rank % PARTITIONS != held), np.flatnonzero(rank % PARTITIONS == held))
        for held in range(PARTITIONS)
    ]
    note = f"scikit-learn's {name}, with partitions made by this package"
    return _uci_set(
        name, _standardised(values), labels, int(labels.max()) + 1, len(labels), halves, partitions, [note]
    )


def _files(info: DatasetInfo) -> dict[str, dict[str, Any]]:
    """Set -> file name in its folder -> what the registry knows of the file."""
    found: dict[str, dict[str, Any]] = {}
    for file in info.files:
        name, _, inside = file.name.partition("/")
        found.setdefault(name, {})[inside] = file
    return dict(sorted(found.items()))


def notes(info: DatasetInfo, root: Path) -> list[str]:
    """What to tell of the collection in a data root: how many of its sets can be loaded, and which cannot."""
    absent, number = _absent(info, root), len(_files(info))
    if not absent:
        return []
    named = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
    return [f"{number - len(absent)} of the {number} sets are here; not here: {named}"]


def _absent(info: DatasetInfo, root: Path) -> list[str]:
    return [name for name in _files(info) if _missing(info, root, name)]


def _missing(info: DatasetInfo, root: Path, name: str) -> list[Path]:
    folder = root / info.folder / name
    wanted = [folder / f"{name}.txt", folder / "conxuntos.dat", folder / "conxuntos_kfold.dat"]
    if wanted[0].is_file():
        # A damaged description is there all the same: that is for whoever loads it.
        with contextlib.suppress(DataDamagedError):
            wanted += [folder / file for file, _ in _tables_of(_description(info, root, name))]
    return [path for path in wanted if not path.is_file()]


def _remedy(info: DatasetInfo, root: Path, name: str) -> str:
    archive = info.archive.name if info.archive else "its files"
    place = f" (the archive {archive} at {info.mirrors[0]} has it)" if info.mirrors else ""
    if (root / info.folder).is_dir():
        return (
            f"Put the file there by hand{place}, or remove {root / info.folder} and run "
            f"`lossbook data get {info.name}`."
        )
    folder = f"{info.folder}/{name}"
    return f"Run `lossbook data get {info.name}`, or set LOSSBOOK_DATA to a folder that has {folder} in it."


def _again(info: DatasetInfo) -> str:
    return f"Remove it and run `lossbook data get {info.name}`."


def _description(info: DatasetInfo, root: Path, name: str) -> dict[str, Any]:
    """The description file: numbers as int, file names as they stand, the tables' names and sizes checked."""
    path = root / info.folder / name / f"{name}.txt"
    try:
        lines = [line.split("=", 1) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        entries = {key.strip(): value.strip() for key, value in lines}
        found: dict[str, Any] = {key: int(entries[key]) for key in (_FEATURES, _CLASSES, _FILES)}
        if found[_FILES] not in (1, 2) or min(found.values()) < 1:
            raise ValueError(f"{_FILES} must be 1 or 2, the others positive")
        for number in range(1, found[_FILES] + 1):
            file, examples = entries[f"fich{number}"], int(entries[f"n_patrons{number}"])
            if Path(file).name != file or examples < 1:
                raise ValueError(f"fich{number} is {file!r} with {examples} examples")
            found[f"fich{number}"], found[f"n_patrons{number}"] = file, examples
    except (ValueError, KeyError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise DataDamagedError(f"{path} is damaged: {reason}. {_again(info)}") from error
    return found


def _tables_of(description: dict[str, Any]) -> list[tuple[str, int]]:
    """Each data file of a set with its number of examples."""
    numbers = range(1, description[_FILES] + 1)
    return [(description[f"fich{number}"], description[f"n_patrons{number}"]) for number in numbers]


def _table(
    path: Path, examples: int, features: int, classes: int, info: DatasetInfo
) -> tuple[np.ndarray, np.ndarray]:
    """Features float64 ``[n, D]`` and labels int64 ``[n]`` of one data file."""
    try:
        values = np.loadtxt(path, dtype=np.float64, skiprows=1, ndmin=2, comments=None)
    except ValueError as error:
        raise DataDamagedError(f"{path} is damaged: {error}. {_again(info)}") from error
    what = None
    if values.shape != (examples, features + 2):
        what = (
            f"it has {len(values)} examples with {values.shape[1] - 2} features, "
            f"but its description says {examples} with {features}"
        )
    elif not np.isfinite(values).all():
        line = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0]) + 2
        what = f"line {line} has a value that is not finite"
    elif not np.array_equal(values[:, 0], np.arange(1, examples + 1)):
        what = "its lines are not numbered from 1 on"
    elif not np.isin(values[:, -1], np.arange(classes)).all():
        what = f"it has a class other than 0 to {classes - 1}"
    if what:
        raise DataDamagedError(f"{path} is damaged: {what}. {_again(info)}")
    return values[:, 1:-1], values[:, -1].astype(np.int64)


def _row_numbers(
    path: Path, pairs: int, examples: int, info: DatasetInfo
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs of lines of row numbers, each pair naming every row of the first file once."""
    try:
        lines = [
            np.array(line.split(), dtype=np.int64) for line in path.read_text().splitlines() if line.strip()
        ]
    except ValueError as error:
        raise DataDamagedError(f"{path} is damaged: {error}. {_again(info)}") from error
    if len(lines) != 2 * pairs:
        raise DataDamagedError(f"{path} is damaged: {len(lines)} lines, not {2 * pairs}. {_again(info)}")
    found = list(zip(lines[::2], lines[1::2], strict=True))
    for number, pair in enumerate(found):
        if not np.array_equal(np.sort(np.concatenate(pair)), np.arange(examples)):
            raise DataDamagedError(
                f"{path} is damaged: lines {2 * number + 1} and {2 * number + 2} together do not name each "
                f"of the {examples} rows once. {_again(info)}"
            )
    return found


def _is_standardised(values: np.ndarray) -> bool:
    varying = np.ptp(values, axis=0) > 0
    means, deviations = values.mean(axis=0), values[:, varying].std(axis=0, ddof=1)
    return bool((np.abs(means) < _STANDARDISED).all() and (np.abs(deviations - 1) < _STANDARDISED).all())


def _standardised(values: np.ndarray) -> np.ndarray:
    centred = values - values.mean(axis=0)
    # Rounding leaves a constant feature a tiny deviation, not 0.
    constant = np.ptp(values, axis=0) == 0
    deviation = centred.std(axis=0, ddof=1)
    return np.where(constant, 0.0, centred / np.where(constant, 1.0, deviation))


def _as_numpy(pair: tuple["torch.Tensor", "torch.Tensor"]) -> tuple[np.ndarray, np.ndarray]:
    return pair[0].numpy(), pair[1].numpy()


def _uci_set(
    name: str,
    features: np.ndarray,
    labels: np.ndarray,
    classes: int,
    first: int,
    tuning: tuple[np.ndarray, np.ndarray],
    partitions: list[tuple[np.ndarray, np.ndarray]],
    notes: list[str],
) -> UciSet:
    # Imported where it is used: listing and verifying data sets should not wait for it.
    import torch

    features = np.ascontiguousarray(features, dtype=np.float32)
    rows = [part for pair in (tuning, *partitions) for part in pair]
    contents = [features, labels, np.array([classes, first]), *rows]
    return UciSet(
        name=name,
        features=torch.from_numpy(features),
        labels=torch.from_numpy(labels),
        num_classes=classes,
        first_file=first,
        tuning=(torch.from_numpy(tuning[0]), torch.from_numpy(tuning[1])),
        partitions=tuple((torch.from_numpy(rest), torch.from_numpy(held)) for rest, held in partitions),
        checksum=hashlib.sha256("\n".join(map(content_checksum, contents)).encode()).hexdigest(),
        notes=tuple(notes),
    )
