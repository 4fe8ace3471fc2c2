import dataclasses
import hashlib
import io
import tarfile
from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets
import torch

from lossbook import datasets, paths
from lossbook.datasets import uci121
from lossbook.datasets.registry import FileInfo
from lossbook.errors import LossbookError, UnknownNameError

ABSENT = "miniboone"
# The two-file sets of which the publishers standardised one file only.
MIXED_SCALES = {
    "annealing",
    "hayes-roth",
    "hill-valley",
    "horse-colic",
    "image-segmentation",
    "monks-1",
    "monks-2",
    "monks-3",
    "soybean",
    "spect",
    "spectf",
}


def table(features, labels) -> str:
    """A data file as published: tabs, a heading, six digits."""
    heading = "\t" + "\t".join(f"f{n + 1}" for n in range(features.shape[1])) + "\tclase\n"
    rows = zip(features, labels, strict=True)
    return heading + "".join(
        f"{n}\t" + "\t".join(f"{value:g}" for value in row) + f"\t{label}\n"
        for n, (row, label) in enumerate(rows, 1)
    )


def row_numbers(*parts) -> str:
    """A file of row numbers as published: a line each, with a blank at its end."""
    return "".join(" ".join(map(str, part)) + " \n" for part in parts)


def described(features, classes, files) -> str:
    lines = [f"n_entradas= {features}", f"n_clases= {classes}", f"n_arquivos= {len(files)}"]
    for number, (file, examples) in enumerate(files, 1):
        lines += [f"fich{number}= {file}", f"n_patrons{number}= {examples}"]
    return "\n".join([*lines, "n_conxuntos= 1", ""])


# Four partitions of eight rows that overlap: 0 is held out twice, 7 never.
HELD_OUT = ([0, 1], [0, 3], [4, 2], [6, 5])
FOLDS = row_numbers(*(part for held in HELD_OUT for part in ([n for n in range(8) if n not in held], held)))


@dataclasses.dataclass
class Collection:
    """A made-up collection: its registry entry and its files, by their names in the folder."""

    info: datasets.DatasetInfo
    files: dict[str, str]

    def put(self, root: Path) -> None:
        for name, content in self.files.items():
            (root / "uci121" / name).parent.mkdir(parents=True, exist_ok=True)
            (root / "uci121" / name).write_text(content)

    def archive(self) -> bytes:
        """As published: no folder around the sets, and files that are not read."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            for name, content in {**self.files, "one/one.arff": "@relation one"}.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content.encode()))
        return packed.getvalue()


@pytest.fixture
def tiny(root, monkeypatch) -> Collection:
    """Set ``one`` in one file, ``two`` in a training file and a test file on another scale."""
    rng = np.random.default_rng(4)
    files = {
        "one/one.txt": described(3, 2, [("one_R.dat", 8)]),
        "one/one_R.dat": table(np.arange(24.0).reshape(8, 3) / 7, [0, 1] * 4),
        "two/two.txt": described(2, 3, [("two_train_R.dat", 8), ("two_test_R.dat", 3)]),
        "two/two_train_R.dat": table(rng.normal(size=(8, 2)) * 50 + 100, [0, 1, 2, 0, 1, 2, 0, 1]),
        "two/two_test_R.dat": table(rng.normal(size=(3, 2)), [2, 1, 0]),
    }
    for name in ("one", "two"):
        files[f"{name}/conxuntos.dat"] = row_numbers([1, 3, 5, 7], [0, 2, 4, 6])
        files[f"{name}/conxuntos_kfold.dat"] = FOLDS
    entries = tuple(
        FileInfo(name, size=len(content), sha256=hashlib.sha256(content.encode()).hexdigest())
        for name, content in files.items()
    )
    info = dataclasses.replace(datasets.info("uci121"), files=entries)
    monkeypatch.setattr(uci121, "find", lambda _name: info)
    made = Collection(info, files)
    made.put(root)
    return made


def known(collection: Collection, **changed: str) -> datasets.DatasetInfo:
    """The registry entry with the checksums of other contents."""
    replaced = {key.replace("__", "/", 1) + ".dat": value for key, value in changed.items()}
    return dataclasses.replace(
        collection.info,
        files=tuple(
            dataclasses.replace(file, sha256=hashlib.sha256(replaced[file.name].encode()).hexdigest())
            if file.name in replaced
            else file
            for file in collection.info.files
        ),
    )


def test_names():
    names = datasets.uci_names()
    assert len(names) == len(set(names)) == 121
    assert names == sorted(names)
    assert ABSENT in names
    with pytest.raises(UnknownNameError, match=r"unknown UCI set 'Iris'; did you mean 'iris'\?"):
        datasets.load_uci("Iris")


def test_a_set_in_one_file(tiny, root):
    one = datasets.load_uci("one")
    assert (one.name, one.num_classes, one.num_features, one.first_file) == ("one", 2, 3, 8)
    assert not one.has_test_file
    expected = [[float(f"{value / 7:g}") for value in range(row * 3, row * 3 + 3)] for row in range(8)]
    assert torch.equal(one.features, torch.tensor(expected))
    assert one.features.dtype == torch.float32
    assert one.labels.tolist() == [0, 1] * 4
    assert one.labels.dtype == torch.int64
    assert [part.tolist() for part in one.tuning] == [[1, 3, 5, 7], [0, 2, 4, 6]]
    assert [held.tolist() for _, held in one.partitions] == [list(held) for held in HELD_OUT]
    assert one.notes == ()
    assert datasets.load_uci("one", root).checksum == one.checksum


def test_a_set_in_two_files_and_its_scales(tiny):
    two = datasets.load_uci("two")
    assert two.has_test_file
    assert (two.first_file, len(two.labels)) == (8, 11)
    assert two.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 1, 0]
    assert two.notes == (
        "the training file and the test file are on different scales; standardise_files mends that",
    )
    same = datasets.standardise_files(two)
    for part in (same.features[:8], same.features[8:]):
        assert part.mean(0).abs().max() < 1e-6
        assert (part.std(0) - 1).abs().max() < 1e-6
    assert same.notes == ("each data file was standardised by itself",)
    assert same.checksum != two.checksum
    assert torch.equal(same.labels, two.labels)


def test_a_feature_that_is_constant_in_a_file_becomes_0(tiny):
    one = datasets.load_uci("one")
    one.features[:, 1] = 0.1
    features = datasets.standardise_files(one).features
    assert torch.equal(features[:, 1], torch.zeros(8))
    assert features.isfinite().all()


def test_the_split_of_one_file_takes_validation_from_the_next_partition(tiny):
    one = datasets.load_uci("one")
    # Row 0 is held out by partitions 0 and 1: it is a test example, so no validation example.
    found = datasets.split(one)
    assert (found.train.tolist(), found.validation.tolist(), found.test.tolist()) == (
        [2, 4, 5, 6, 7],
        [3],
        [0, 1],
    )
    last = datasets.split(one, partition=3)
    assert (last.validation.tolist(), last.test.tolist()) == ([0, 1], [5, 6])


def test_the_split_passes_over_a_partition_that_leaves_no_validation(tiny):
    one = datasets.load_uci("one")
    repeated = (one.partitions[0], one.partitions[0], *one.partitions[2:])
    found = datasets.split(dataclasses.replace(one, partitions=repeated))
    assert (found.validation.tolist(), found.test.tolist()) == ([2, 4], [0, 1])
    with pytest.raises(LossbookError, match="one is too small: partition 0"):
        datasets.split(dataclasses.replace(one, partitions=(one.partitions[0],) * 4))


def test_the_split_of_two_files_tests_on_the_second(tiny):
    found = datasets.split(datasets.load_uci("two"), partition=2)
    assert found.test.tolist() == [8, 9, 10]
    assert found.validation.tolist() == [2, 4]
    assert found.train.tolist() == [0, 1, 3, 5, 6, 7]


@pytest.mark.parametrize("partition", [-1, 4])
def test_a_partition_that_is_not_there(tiny, partition):
    with pytest.raises(LossbookError, match=f"partitions 0 to 3; got {partition}"):
        datasets.split(datasets.load_uci("one"), partition)


def test_the_checksum_depends_on_everything(tiny, root):
    one = datasets.load_uci("one")
    checksums = {one.checksum}
    others = {
        "one__one_R": table(np.arange(24.0).reshape(8, 3) / 9, [0, 1] * 4),
        "one__conxuntos": row_numbers([1, 3, 5], [7, 0, 2, 4, 6]),
        "one__conxuntos_kfold": row_numbers(*([[7, 6], [0, 1, 2, 3, 4, 5]] * 4)),
    }
    for key, content in others.items():
        tiny.put(root)
        (root / "uci121" / (key.replace("__", "/", 1) + ".dat")).write_text(content)
        checksums.add(uci121.read_uci(known(tiny, **{key: content}), root, "one").checksum)
    assert len(checksums) == 4


@pytest.mark.parametrize("file", ["one.txt", "one_R.dat", "conxuntos.dat", "conxuntos_kfold.dat"])
def test_a_missing_or_altered_file_is_named(tiny, root, file):
    path = root / "uci121/one" / file
    path.write_text(path.read_text().replace("1", "2", 1) if file != "one.txt" else path.read_text() + "\n")
    with pytest.raises(datasets.DataDamagedError) as caught:
        datasets.load_uci("one")
    for words in (str(path), "truncated or altered", "lossbook data get uci121"):
        assert words in str(caught.value)
    assert str(path) in datasets.verify(tiny.info).problems[0]
    path.unlink()
    assert datasets.uci_absent() == ["one"]
    with pytest.raises(datasets.DataUnavailableError) as unavailable:
        datasets.load_uci("one")
    for words in (
        f"{path} is missing",
        "by hand",
        "data.tar.gz",
        tiny.info.mirrors[0],
        "lossbook data get uci121",
    ):
        assert words in str(unavailable.value)
    # The other set does not suffer.
    assert datasets.load_uci("two").name == "two"


ROWS = table(np.arange(24.0).reshape(8, 3) / 7, [0, 1] * 4)


@pytest.mark.parametrize(
    ("key", "content", "what"),
    [
        ("one__one_R", ROWS.replace("0.142857", "x"), "could not convert string 'x'"),
        ("one__one_R", ROWS.replace("0.142857", "nan"), "line 2 has a value that is not finite"),
        (
            "one__one_R",
            "\n".join(ROWS.split("\n")[:5]),
            "it has 4 examples with 3 features, but its description",
        ),
        ("one__one_R", ROWS.replace("\n3\t", "\n4\t"), "its lines are not numbered from 1 on"),
        ("one__one_R", ROWS.replace("\t1\n", "\t2\n"), "it has a class other than 0 to 1"),
        ("one__one_R", ROWS.replace("\t1\n", "\t0\n"), "has no example of class 1"),
        ("one__one_R", ROWS.replace("\t1\n", "\t1\t1\n", 1), "the number of columns changed"),
        (
            "one__conxuntos",
            row_numbers([1, 3, 5, 7], [0, 2, 4, 4]),
            "lines 1 and 2 together do not name each",
        ),
        ("one__conxuntos", row_numbers([1, 3, 5, 7], [0, 2, 4, 8]), "do not name each of the 8 rows once"),
        ("one__conxuntos", row_numbers([0, 1, 2, 3, 4, 5, 6, 7]), "1 lines, not 2"),
        ("one__conxuntos_kfold", FOLDS.replace("7", "seven", 1), "invalid literal for int"),
        ("one__conxuntos_kfold", row_numbers([0, 1, 2, 3], [4, 5, 6, 7]), "2 lines, not 8"),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tiny, root, key, content, what):
    """Also where its checksum is right, or none is known."""
    path = root / "uci121" / (key.replace("__", "/", 1) + ".dat")
    path.write_text(content)
    with pytest.raises(datasets.DataDamagedError) as caught:
        uci121.read_uci(known(tiny, **{key: content}), root, "one")
    assert what in str(caught.value)
    assert str(path.parent) in str(caught.value)
    assert "lossbook data get uci121" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "what"),
    [
        ("n_clases= 2\n", "", "it has no 'n_clases'"),
        ("n_entradas= 3", "n_entradas= three", "invalid literal for int"),
        ("n_arquivos= 1", "n_arquivos= 3", "n_arquivos must be 1 or 2"),
        ("fich1= one_R.dat", "fich1= ../two/two_test_R.dat", "fich1 is '../two/two_test_R.dat'"),
        ("fich1= one_R.dat", "fich1 one_R.dat", "is damaged"),
    ],
)
def test_a_damaged_description_is_named(tiny, root, before, after, what):
    path = root / "uci121/one/one.txt"
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(datasets.DataDamagedError) as caught:
        datasets.load_uci("one")
    assert what in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_file_without_a_known_checksum_is_read_with_a_note(tiny, root):
    info = dataclasses.replace(
        tiny.info, files=tuple(f for f in tiny.info.files if f.name != "one/one_R.dat")
    )
    one = uci121.read_uci(info, root, "one")
    assert one.notes == ("one_R.dat could not be verified: no checksum of it is known",)


def test_verify_and_list_name_the_sets_that_are_not_here(tiny, root):
    report = datasets.verify(tiny.info)
    assert report.ok
    assert len(report.verified) == len(tiny.files)
    assert report.notes == ()
    (root / "uci121/two/two_test_R.dat").unlink()
    assert datasets.verify(tiny.info).notes == ("1 of the 2 sets are here; not here: two",)
    assert not datasets.present(tiny.info)


def test_tables_are_no_images():
    with pytest.raises(LossbookError, match="load_uci"):
        datasets.load("uci121")


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_archive_is_fetched_unpacked_and_checked_file_by_file(tiny, root, server, by_hand, capfd):
    for path in sorted((root / "uci121").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    (root / "uci121").rmdir()
    server.files["data.tar.gz"] = tiny.archive()
    if by_hand:
        (root / "data.tar.gz").write_bytes(tiny.archive())
    info = dataclasses.replace(tiny.info, mirrors=(server.url,))
    datasets.get(info, progress=False)
    assert len(server.asked) == (0 if by_hand else 1)
    assert (root / "data.tar.gz").exists() == by_hand
    assert (root / "uci121/one/one.arff").is_file()
    assert datasets.verify(info).ok
    assert datasets.load_uci("two").has_test_file
    assert not list(root.glob(".uci121-*"))
    datasets.get(info, progress=False)
    assert len(server.asked) == (0 if by_hand else 1)
    # A file that was lost comes back.
    (root / "uci121/two/conxuntos.dat").unlink()
    datasets.get(info, progress=False)
    assert datasets.uci_absent() == []


@pytest.mark.parametrize("damage", ["cut short", "another file", "no archive"])
def test_an_archive_that_is_not_the_published_one_leaves_nothing(tiny, root, damage):
    content = tiny.archive()
    (root / "uci121").rename(root / "elsewhere")
    if damage == "cut short":
        content = content[: len(content) // 2]
    elif damage == "another file":
        content = Collection(tiny.info, {**tiny.files, "one/one_R.dat": "other"}).archive()
    else:
        content = b"<html>moved</html>"
    (root / "data.tar.gz").write_bytes(content)
    with pytest.raises(datasets.DataDamagedError) as caught:
        datasets.get(tiny.info, progress=False)
    assert str(root / "data.tar.gz") in str(caught.value)
    assert "Remove it and run `lossbook data get uci121`" in str(caught.value)
    assert not (root / "uci121").exists()
    assert not list(root.glob(".uci121-*"))


@pytest.mark.parametrize("name", datasets.embedded_uci_names())
def test_embedded_sets_have_the_same_form(name):
    found = datasets.load_embedded_uci(name)
    whole = getattr(sklearn.datasets, f"load_{name}")()
    varying = whole.data[:, np.ptp(whole.data, axis=0) > 0]
    assert found.features.shape == varying.shape
    assert found.labels.tolist() == whole.target.tolist()
    assert found.num_classes == len(whole.target_names)
    assert found.features.mean(0).abs().max() < 1e-6
    assert (found.features.std(0) - 1).abs().max() < 1e-5
    everything = torch.arange(len(found.labels))
    # Each example is held out once, and every class by every partition, in its share.
    assert torch.equal(torch.cat([held for _, held in found.partitions]).sort().values, everything)
    for rest, held in (*found.partitions, found.tuning):
        assert torch.equal(torch.cat([rest, held]).sort().values, everything)
    for _, held in found.partitions:
        counts = found.labels.bincount()
        assert ((found.labels[held].bincount() - counts / 4).abs() < 1).all()
    check_split(found, datasets.split(found))


def test_an_unknown_embedded_set():
    with pytest.raises(UnknownNameError, match=r"did you mean 'wine'\?"):
        datasets.load_embedded_uci("wines")


def check_split(found, parts):
    """Disjoint, complete, and every class that the first file has is trained on."""
    rows = torch.cat([parts.train, parts.validation, parts.test])
    assert torch.equal(rows.sort().values, torch.arange(len(found.labels)))
    assert min(len(parts.train), len(parts.validation), len(parts.test)) > 0
    assert found.labels[parts.train].unique().tolist() == found.labels[: found.first_file].unique().tolist()


HERE = paths.data_root()
real = pytest.mark.skipif(not (HERE / "uci121").is_dir(), reason=f"uci121 is not in {HERE}")


def counted(path: Path) -> tuple[int, int, list[str]]:
    """Examples, features and labels of a data file, by plain text handling alone."""
    heading, *lines = path.read_text().rstrip("\n").split("\n")
    return len(lines), heading.split().index("clase"), [line.rsplit("\t", 1)[1].strip() for line in lines]


@real
@pytest.mark.parametrize("name", datasets.uci_names())
def test_sets_that_are_here(name):
    """The real sets, as far as this machine has them."""
    folder = HERE / "uci121" / name
    tables = [folder / f"{name}_R.dat"]
    if not tables[0].is_file():
        tables = [folder / f"{name}_train_R.dat", folder / f"{name}_test_R.dat"]
    if not tables[-1].is_file():
        pytest.skip(f"{name} is not in {HERE}")
    found = datasets.load_uci(name)
    counts = [counted(table) for table in tables]
    labels = [label for count in counts for label in count[2]]
    assert found.features.shape == (sum(count[0] for count in counts), counts[0][1])
    assert found.first_file == counts[0][0]
    assert [str(label) for label in found.labels.tolist()] == labels
    assert found.labels.unique().tolist() == list(range(found.num_classes))
    assert found.num_classes == len(set(labels))
    assert found.features.dtype == torch.float32
    assert found.features.isfinite().all()
    # Some lines, number by number.
    lines = [line for table in tables for line in table.read_text().rstrip("\n").split("\n")[1:]]
    for row in {0, len(lines) // 2, len(lines) - 1}:
        expected = [np.float32(float(value)) for value in lines[row].split()[1:-1]]
        assert found.features[row].numpy().tolist() == [float(value) for value in expected]
    for partition in range(4):
        parts = datasets.split(found, partition)
        check_split(found, parts)
        tested = found.first_file / 4 if len(tables) == 1 else counts[1][0]
        assert abs(len(parts.test) - tested) <= 1
    # As the docstring of load_uci says.
    assert any("different scales" in note for note in found.notes) == (name in MIXED_SCALES)
    if len(tables) == 1:
        assert found.features.double().mean(0).abs().max() < 1e-4
        assert (found.features.double().std(0) - 1).abs().max() < 1e-4
    same = datasets.standardise_files(found).features
    if name not in MIXED_SCALES:
        assert (same - found.features).abs().max() < 1e-3


@real
def test_the_collection_that_is_here():
    absent = datasets.uci_absent()
    loaded = [datasets.load_uci(name) for name in datasets.uci_names() if name not in absent]
    assert len(loaded) + len(absent) == 121
    if absent not in ([], [ABSENT]):
        pytest.skip(f"only {len(loaded)} sets are in {HERE}")
    assert sum(found.has_test_file for found in loaded) == 19
    assert {found.name for found in loaded if found.notes} - {ABSENT} == MIXED_SCALES
    assert len({found.checksum for found in loaded}) == len(loaded)
    # As the docstring of standardise_files says.
    spectf = next(found for found in loaded if found.name == "spectf")
    assert spectf.labels[:80].bincount().tolist() == [40, 40]
    assert spectf.labels[80:].bincount().tolist() == [15, 172]
    # The published partitions are independent draws, not folds.
    shares = [
        torch.cat([held for _, held in found.partitions]).unique().numel() / found.first_file
        for found in loaded
    ]
    assert np.mean(shares) == pytest.approx(1 - 0.75**4, abs=0.01)
    # Two sets against the copies inside scikit-learn, which come by another way.
    for embedded, name in (("wine", "wine"), ("breast_cancer", "breast-cancer-wisc-diag")):
        theirs, ours = datasets.load_embedded_uci(embedded), datasets.load_uci(name)
        assert (theirs.features - ours.features).abs().max() < 1e-4
        assert torch.equal(theirs.labels, ours.labels if name == "wine" else 1 - ours.labels)


@real
def test_verify_of_what_is_here():
    report = datasets.verify("uci121")
    assert report.problems == ()
    assert len(report.verified) == sum(
        (HERE / "uci121" / file.name).is_file() for file in datasets.info("uci121").files
    )
