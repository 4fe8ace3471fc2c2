"""The tasks of GLUE, and the clothing reviews."""

import dataclasses
import hashlib
import io
import zipfile

import pytest

from lossbook import datasets
from lossbook.datasets.registry import FileInfo

MRPC = "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def task(name, root, train, dev, known=True):
    """The entry of a task with two tiny files, and those files in place."""
    info = datasets.info(name)
    folder = root / info.folder
    folder.mkdir(parents=True)
    files = []
    for file, text in (("train.tsv", train), ("dev.tsv", dev)):
        (folder / file).write_text(text, encoding="utf-8")
        files.append(FileInfo(file, sha256=sha256(text) if known else None))
    heading = not isinstance(info.columns["label"], int)
    parts = {
        part: len(text.rstrip("\n").split("\n")) - heading for part, text in (("train", train), ("test", dev))
    }
    return dataclasses.replace(info, files=tuple(files), parts=parts)


def test_cola_has_no_heading_and_one_sentence(root):
    # The last line of the published files has no end.
    info = task(
        "glue_cola", root, 'gj04\t1\t\tThe "car" honked.\ngj04\t0\t*\tCar the honked.', "ad03\t1\t\tNA"
    )
    data = datasets.load(info, download=False)
    assert data.kind == "texts"
    assert data.parts["train"].inputs == (('The "car" honked.',), ("Car the honked.",))
    assert data.parts["train"].targets.tolist() == [1, 0]
    # Neither quotation marks nor "NA" mean anything in these files.
    assert data.parts["test"].inputs == (("NA",),)
    assert data.class_names == ("unacceptable", "acceptable")
    assert any("the test part here is dev.tsv" in note for note in data.notes)


def test_a_quotation_mark_that_is_not_closed_is_part_of_the_text(root):
    dev = MRPC + '1\t1\t2\t" He said .\tHe said " no .\n0\t3\t4\tYes .\tNo .\n'
    data = datasets.load(task("glue_mrpc", root, dev, dev), download=False)
    assert data.parts["test"].inputs == (('" He said .', 'He said " no .'), ("Yes .", "No ."))
    assert data.parts["test"].targets.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("name", "heading", "labels"),
    [
        ("glue_rte", "index\tsentence1\tsentence2\tlabel", ("not_entailment", "entailment")),
        ("glue_qnli", "index\tquestion\tsentence\tlabel", ("not_entailment", "entailment")),
        ("glue_wnli", "index\tsentence1\tsentence2\tlabel", ("1", "0")),
    ],
)
def test_labels_are_names_or_numbers(root, name, heading, labels):
    text = f"{heading}\n0\tA one.\tA two.\t{labels[0]}\n1\tB one.\tB two.\t{labels[1]}\n"
    data = datasets.load(task(name, root, text, text), download=False)
    assert data.parts["train"].inputs == (("A one.", "A two."), ("B one.", "B two."))
    assert data.parts["train"].targets.tolist() == [1, 0]


def test_sst2(root):
    text = "sentence\tlabel\nunflinchingly bleak \t0\n"
    data = datasets.load(task("glue_sst2", root, text, text), download=False)
    assert data.parts["test"].inputs == (("unflinchingly bleak ",),)
    assert data.num_classes == 2


def test_the_checksum_depends_on_texts_labels_and_parts(root):
    heading = "sentence\tlabel\n"
    versions = [
        ("ab\t0\nc\t1\n", "d\t1\n"),
        ("a\t0\nbc\t1\n", "d\t1\n"),
        ("ab\t1\nc\t1\n", "d\t1\n"),
        ("ab\t0\n", "c\t1\nd\t1\n"),
    ]
    found = set()
    for number, (train, dev) in enumerate(versions):
        info = task("glue_sst2", root / str(number), heading + train, heading + dev)
        info = dataclasses.replace(info, folder=f"{number}/{info.folder}")
        found.add(datasets.load(info, download=False).checksum)
    assert len(found) == len(versions)


def test_an_altered_file_is_named(root):
    text = "sentence\tlabel\nbleak\t0\n"
    info = task("glue_sst2", root, text, text)
    assert len(datasets.verify(info).verified) == 2
    (root / "glue/SST-2/dev.tsv").write_text(text.replace("bleak", "blank"))
    with pytest.raises(datasets.DataDamagedError, match=r"dev.tsv is truncated or altered"):
        datasets.load(info, download=False)
    assert not datasets.verify(info).ok


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sentence\tlabel\nbleak\t2\n", "has the label '2', which is none of negative, positive"),
        ("sentence\tscore\nbleak\t0\n", "is damaged: 'label'"),
        ("", "is damaged: No columns to parse"),
    ],
)
def test_files_without_a_known_checksum_are_read_with_a_note_and_still_checked(root, text, message):
    right = "sentence\tlabel\nbleak\t0\n"
    info = task("glue_sst2", root, right, right, known=False)
    data = datasets.load(info, download=False)
    assert "dev.tsv could not be verified: no checksum of it is known" in data.notes
    report = datasets.verify(info)
    assert report.ok
    assert "dev.tsv could not be verified: no checksum of it is known" in report.notes
    (root / "glue/SST-2/dev.tsv").write_text(text)
    with pytest.raises(datasets.DataDamagedError, match=message):
        datasets.load(info, download=False)
    (root / "glue/SST-2/dev.tsv").write_text(right + "good\t1\n")
    with pytest.raises(datasets.DataDamagedError, match="has 2 test texts, but GLUE: SST-2 has 1"):
        datasets.load(info, download=False)


@pytest.mark.parametrize("known", [True, False])
def test_a_task_is_downloaded_and_unpacked(root, server, known, capfd):
    text = "sentence\tlabel\nbleak\t0\n"
    info = task("glue_sst2", root, text, text, known)
    for file in info.files:
        (root / info.folder / file.name).unlink()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in info.files:
            archive.writestr(f"SST-2/{file.name}", text)
    server.files = {"SST-2.zip": packed.getvalue()}
    # The archive that is made here is not the one that is known.
    archive = dataclasses.replace(info.archive, size=None, md5=None, sha256=None)
    info = dataclasses.replace(info, mirrors=(server.url,), archive=archive)
    datasets.get(info)
    said = capfd.readouterr().err.splitlines()[-1]
    assert (
        said
        == f"GLUE: SST-2: {'verified' if known else 'without a known checksum'}, in {root / 'glue/SST-2'}"
    )
    assert datasets.load(info, download=False).parts["train"].inputs == (("bleak",),)
    # The archive is not kept.
    assert sorted(path.name for path in root.iterdir()) == [".glue_sst2.lock", "glue"]
    server.files = {"SST-2.zip": b"no archive"}
    (root / "glue/SST-2/dev.tsv").unlink()
    with pytest.raises(datasets.DataDamagedError, match=r"SST-2.zip is not the archive of GLUE: SST-2"):
        datasets.get(info, progress=False)


def reviews(root, rows):
    info = datasets.info("womens_clothing")
    text = ",Clothing ID,Age,Title,Review Text,Rating,Recommended IND\n"
    text += "".join(f'{at},1,33,,"{review}",{rating},1\n' for at, (review, rating) in enumerate(rows))
    (root / info.folder).mkdir()
    (root / info.folder / info.files[0].name).write_text(text)
    return dataclasses.replace(info, files=(FileInfo(info.files[0].name, sha256=sha256(text)),))


def test_reviews_are_divided_within_each_rating(root):
    rows = [(f'Review ""{at}"", short.', 1 + at % 5) for at in range(50)]
    info = reviews(root, [*rows, ("", 5), ("", 1)])
    info = dataclasses.replace(info, parts={"train": 40, "test": 10})
    data = datasets.load(info, download=False)
    train, test = data.parts["train"], data.parts["test"]
    assert test.targets.bincount().tolist() == [2] * 5
    assert train.targets.bincount().tolist() == [8] * 5
    given = {text.replace('""', '"'): rating - 1 for text, rating in rows}
    held = [*zip(train.inputs, train.targets.tolist(), strict=True)]
    held += zip(test.inputs, test.targets.tolist(), strict=True)
    assert len(held) == 50  # a review without text is left out
    assert {texts[0]: label for texts, label in held} == given
    assert not set(train.inputs) & set(test.inputs)


def test_a_rating_of_zero_is_no_rating(root):
    with pytest.raises(datasets.DataDamagedError, match="has the label '0', which is none of 1, 2, 3, 4, 5"):
        datasets.load(reviews(root, [("Good.", 0)]), download=False)
