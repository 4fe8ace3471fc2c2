"""Sets of image files, each on a tiny copy in its own layout."""

import dataclasses
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lossbook import datasets
from lossbook.datasets import arrays, folders, verification
from lossbook.datasets.registry import Content, FileInfo


def picture(value, size=(4, 4), mode="RGB", form="PNG"):
    """A file of one colour."""
    packed = io.BytesIO()
    Image.new(mode, size, value).save(packed, form)
    return packed.getvalue()


def lay(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def zipped(files):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def entry(name, **changes):
    return dataclasses.replace(datasets.info(name), contents={}, **changes)


# --- Omniglot -----------------------------------------------------------------------------------------------


def drawing(ink):
    """An 8 x 8 drawing in one bit, as Omniglot's: 0 is ink."""
    bits = np.ones((8, 8), dtype=bool)
    bits.flat[:ink] = False
    packed = io.BytesIO()
    Image.fromarray(bits).save(packed, "PNG")
    return packed.getvalue()


OMNIGLOT = {
    "images_background": {
        "images_background/Greek/character01/0001_01.png": drawing(1),
        "images_background/Greek/character01/0001_02.png": drawing(2),
        "images_background/Greek/character02/0002_01.png": drawing(3),
        "images_background/Braille/character01/0003_02.png": drawing(4),
    },
    "images_evaluation": {"images_evaluation/Tibetan/character01/0004_20.png": drawing(5)},
}


@pytest.fixture
def omniglot():
    packed = {f"{name}.zip": zipped(files) for name, files in OMNIGLOT.items()}
    files = tuple(
        FileInfo(name, md5=hashlib.md5(content).hexdigest(), unpacked=FileInfo(name.removesuffix(".zip")))
        for name, content in packed.items()
    )
    parts = {"train": 4, "evaluation": 1}
    return entry("omniglot", files=files, parts=parts, label_count=3, image_shape=(8, 8, 1)), packed


def is_tiny_omniglot(data):
    train, evaluation = data.parts["train"], data.parts["evaluation"]
    # Braille comes before Greek; unseen characters go on from the number of seen ones.
    assert train.targets.tolist() == [0, 1, 1, 2]
    assert evaluation.targets.tolist() == [3]
    assert train.groups.tolist() == [2, 1, 2, 1]
    assert evaluation.groups.tolist() == [20]
    assert (train.inputs == 0).sum((1, 2, 3)).tolist() == [4, 1, 2, 3]
    assert train.inputs.unique().tolist() == [0, 255]
    assert data.num_classes == 3
    assert data.class_names == ("Braille/character01", "Greek/character01", "Greek/character02")


def test_omniglot_is_downloaded_read_from_its_archives_and_cached(root, server, omniglot):
    info, packed = omniglot
    server.files = dict(packed)
    info = dataclasses.replace(info, mirrors=(server.url,))
    first = datasets.load(info)
    is_tiny_omniglot(first)
    assert first.notes == info.notes
    assert [name for name, _ in server.asked] == list(packed)
    for name in packed:
        (root / "omniglot-py" / name).unlink()
    second = datasets.load(info, download=False)
    is_tiny_omniglot(second)
    assert second.checksum == first.checksum
    assert datasets.verify(info).ok


def test_a_damaged_archive_of_omniglot_is_named(root, omniglot):
    info, packed = omniglot
    lay(root / "omniglot-py", {**packed, "images_evaluation.zip": b"truncated"})
    with pytest.raises(datasets.DataDamagedError, match=r"images_evaluation.zip is truncated or altered"):
        datasets.load(info, download=False)


def test_the_folders_of_omniglot_are_verified_by_what_they_hold(root, omniglot):
    info, _ = omniglot
    for files in OMNIGLOT.values():
        lay(root / "omniglot-py", files)
    # Nothing is known of them: a note says so, also when they come from the cache.
    for _ in range(2):
        data = datasets.load(info, download=False)
        is_tiny_omniglot(data)
        assert folders.UNVERIFIED in data.notes
    known = {
        f"{part}_{what}": (Content(arrays.content_checksum(getattr(held, attribute).numpy())),)
        for part, held in data.parts.items()
        for what, attribute in (("images", "inputs"), ("labels", "targets"), ("groups", "groups"))
    }
    for path in (root / "omniglot").iterdir():
        path.unlink()
    info = dataclasses.replace(info, contents=known)
    assert datasets.verify(info).ok
    lay(root / "omniglot-py", {"images_background/Greek/character02/0002_01.png": drawing(9)})
    (problem,) = datasets.verify(info).problems
    assert "does not hold Omniglot as published: train_images has content sha256" in problem
    with pytest.raises(datasets.DataDamagedError, match="does not hold Omniglot as published"):
        datasets.load(info, download=False)
    lay(root / "omniglot-py", OMNIGLOT["images_background"])
    assert datasets.load(info, download=False).notes == info.notes


def test_a_drawing_without_its_drawer_is_named(root, omniglot):
    for files in OMNIGLOT.values():
        lay(root / "omniglot-py", files)
    lay(root / "omniglot-py", {"images_background/Greek/character02/copy.png": drawing(1)})
    with pytest.raises(datasets.DataDamagedError, match=r"copy.png does not end in the number of its drawer"):
        datasets.load(omniglot[0], download=False)


def test_the_background_characters_of_omniglot_are_split_by_drawer(root):
    files = {
        f"images_background/{character}_{drawer:02}.png": drawing(drawer)
        for character in ("Greek/character01/0001", "Braille/character01/0003")
        for drawer in (1, 16, 17, 20)
    }
    packed = zipped(files)
    (archive,) = datasets.info("omniglot_background").files
    archive = dataclasses.replace(archive, md5=hashlib.md5(packed).hexdigest())
    # The evaluation characters are not asked for.
    lay(root / "omniglot-py", {archive.name: packed})
    parts = {"train": 4, "test": 4}
    info = entry("omniglot_background", files=(archive,), parts=parts, label_count=2, image_shape=(8, 8, 1))
    data = datasets.load(info, download=False)
    train, test = data.parts["train"], data.parts["test"]
    assert train.targets.tolist() == test.targets.tolist() == [0, 0, 1, 1]
    assert train.groups.tolist() == [1, 16, 1, 16]
    assert test.groups.tolist() == [17, 20, 17, 20]
    assert (test.inputs == 0).sum((1, 2, 3)).tolist() == [17, 20, 17, 20]
    assert data.class_names == ("Braille/character01", "Greek/character01")
    assert data.notes == info.notes


# --- Tiny ImageNet ------------------------------------------------------------------------------------------


@pytest.fixture
def tiny_imagenet():
    files = {
        "wnids.txt": b"n02\nn01\n",
        "words.txt": b"n01\tgoldfish, Carassius auratus\nn02\tbullfrog\nn03\tabsent\n",
        "train/n01/images/n01_0.JPEG": picture((10, 0, 0)),
        "train/n01/images/n01_1.JPEG": picture((20, 0, 0)),
        "train/n01/n01_boxes.txt": b"n01_0.JPEG\t0\t0\t1\t1\n",
        "train/n02/images/n02_0.JPEG": picture(30, mode="L"),
        "val/images/val_0.JPEG": picture((40, 0, 0)),
        "val/images/val_1.JPEG": picture((50, 0, 0)),
        "val/val_annotations.txt": b"val_0.JPEG\tn02\t0\t0\t1\t1\nval_1.JPEG\tn01\t0\t0\t1\t1\n",
        "test/images/test_0.JPEG": picture((60, 0, 0)),
    }
    info = entry("tiny_imagenet", parts={"train": 3, "test": 2}, label_count=2, image_shape=(4, 4, 3))
    return info, files


def packed_as(info, name, content):
    return dataclasses.replace(info, archive=FileInfo(name, len(content), hashlib.md5(content).hexdigest()))


def test_tiny_imagenet_is_downloaded_and_read_from_its_archive(root, server, tiny_imagenet):
    info, files = tiny_imagenet
    content = zipped({f"tiny-imagenet-200/{name}": content for name, content in files.items()})
    info = dataclasses.replace(packed_as(info, "tiny-imagenet-200.zip", content), mirrors=(server.url,))
    server.files = {"tiny-imagenet-200.zip": content}
    server.plan = ["breaks off", "well"]
    data = datasets.load(info)
    assert len(server.asked) == 2
    assert data.parts["train"].targets.tolist() == [0, 0, 1]
    assert data.parts["train"].inputs[:, 0, 0].tolist() == [[10, 0, 0], [20, 0, 0], [30, 30, 30]]
    # Labels of the published validation part come from its list, not from the order of its files.
    assert data.parts["test"].targets.tolist() == [1, 0]
    assert data.parts["test"].inputs[:, 0, 0, 0].tolist() == [40, 50]
    assert data.class_names == ("n01 goldfish, Carassius auratus", "n02 bullfrog")
    assert data.notes == info.notes
    (root / "tiny-imagenet-200.zip").unlink()
    assert datasets.load(info, download=False).class_names == data.class_names
    assert sorted(path.name for path in root.iterdir()) == [".tiny_imagenet.lock", "tiny_imagenet"]


def test_an_unknown_synset_and_a_lost_image_are_named(root, tiny_imagenet):
    info, files = tiny_imagenet
    lay(root / info.folder, files)
    assert folders.UNVERIFIED in datasets.verify(info).notes
    lay(root / info.folder, {"val/val_annotations.txt": b"val_0.JPEG\tn09\t0\n"})
    with pytest.raises(datasets.DataDamagedError, match="has the synset 'n09', which no training image has"):
        datasets.load(info, download=False)
    lay(root / info.folder, {"val/val_annotations.txt": b"val_0.JPEG\tn01\t0\nval_7.JPEG\tn01\t0\n"})
    with pytest.raises(datasets.DataDamagedError, match=r"val_7.JPEG cannot be read as an image"):
        datasets.load(info, download=False)


# --- CINIC-10 -----------------------------------------------------------------------------------------------


def test_cinic10_has_three_parts_and_no_folder_around_them_in_its_archive(root, server):
    names = datasets.info("cinic10").class_names
    files = {
        f"{part}/{name}/cifar10-{part}-1.png": picture((number, len(part), 0))
        for part in ("train", "valid", "test")
        for number, name in enumerate(names)
    }
    content = tarred({"README.md": b"CINIC-10", **files})
    sizes = {"train": 10, "validation": 10, "test": 10}
    info = entry("cinic10", parts=sizes, image_shape=(4, 4, 3), mirrors=(server.url,))
    info = packed_as(info, "CINIC-10.tar.gz", content)
    server.files = {"CINIC-10.tar.gz": content}
    data = datasets.load(info)
    assert list(data.parts) == ["train", "validation", "test"]
    for part, published in (("train", "train"), ("validation", "valid"), ("test", "test")):
        held = data.parts[part]
        assert held.targets.tolist() == list(range(10))
        assert held.inputs[:, 0, 0].tolist() == [[number, len(published), 0] for number in range(10)]
    assert datasets.verify(info).ok
    # The same from the folder it unpacks to.
    (root / "CINIC-10.tar.gz").unlink()
    for path in (root / "cinic10").iterdir():
        path.unlink()
    lay(root / "CINIC-10", files)
    assert datasets.load(info, download=False).checksum == data.checksum
    (root / "CINIC-10/valid/frog/cifar10-valid-1.png").unlink()
    for path in (root / "cinic10").iterdir():
        path.unlink()
    with pytest.raises(datasets.DataDamagedError, match=r"valid/frog has no images"):
        datasets.load(info, download=False)


# --- images that stay on disk -------------------------------------------------------------------------------


def test_image_files_are_decoded_by_rows(tmp_path):
    lay(tmp_path, {f"{value}.png": picture((value, 0, 0)) for value in range(5)})
    files = datasets.ImageFiles(tmp_path, tuple(f"{value}.png" for value in range(5)), (4, 4, 3))
    assert len(files) == 5
    assert files.shape == (5, 4, 4, 3)
    found = files[torch.tensor([3, 0, 3])]
    assert (found.dtype, found.shape) == (torch.uint8, (3, 4, 4, 3))
    assert found[:, 0, 0, 0].tolist() == [3, 0, 3]
    assert files[1:3][:, 0, 0, 0].tolist() == [1, 2]
    assert files[torch.empty(0, dtype=torch.int64)].shape == (0, 4, 4, 3)
    with pytest.raises(IndexError):
        files[torch.tensor([5])]
    (tmp_path / "1.png").write_bytes(b"no image")
    (tmp_path / "2.png").unlink()
    for row in (1, 2):
        with pytest.raises(datasets.DataDamagedError, match=rf"{row}.png cannot be read as an image"):
            files[torch.tensor([row])]


def test_an_image_is_cropped_or_stretched(tmp_path):
    # Left third red, middle green, right blue.
    colours = np.zeros((6, 18, 3), dtype=np.uint8)
    for third in range(3):
        colours[:, 6 * third : 6 * third + 6, third] = 255
    Image.fromarray(colours).save(tmp_path / "wide.png")
    rows = torch.tensor([0])
    cropped = datasets.ImageFiles(tmp_path, ("wide.png",), (6, 6, 3), crop=True)[rows]
    assert cropped[0, :, :].unique(dim=0).tolist() == [[[0, 255, 0]] * 6]
    stretched = datasets.ImageFiles(tmp_path, ("wide.png",), (6, 6, 3))[rows]
    assert [stretched[0, 3, column].argmax().item() for column in (0, 3, 5)] == [0, 1, 2]


def test_imagenet_is_read_from_the_folders_torchvision_makes(root):
    files = {
        f"{part}/{synset}/{synset}_{number}.JPEG": picture((10 * at + number, 0, 0), (6, 4))
        for part, count in (("train", 3), ("val", 1))
        for at, synset in enumerate(("n01", "n02"))
        for number in range(count)
    }
    lay(root / "imagenet", files)
    info = entry("imagenet", parts={"train": 6, "test": 2}, label_count=2, image_shape=(4, 4, 3))
    data = datasets.load(info, download=False)
    assert isinstance(data.parts["train"].inputs, datasets.ImageFiles)
    assert data.parts["train"].targets.tolist() == [0, 0, 0, 1, 1, 1]
    assert data.parts["test"].targets.tolist() == [0, 1]
    assert data.parts["test"].inputs[torch.tensor([1])].shape == (1, 4, 4, 3)
    assert data.class_names == ("n01", "n02")
    assert data.notes == (*info.notes, folders.UNVERIFIED)
    report = datasets.verify(info)
    assert report.ok
    assert folders.UNVERIFIED in report.notes
    assert verification.status(info).here
    datasets.get(info, progress=False)  # nothing to do
    # The checksum depends on names and sizes of the files and on the labels.
    (root / "imagenet/train/n01/n01_0.JPEG").write_bytes(picture((1, 2, 3), (60, 40)))
    assert datasets.load(info, download=False).checksum != data.checksum
    (root / "imagenet/train/n01/n01_0.JPEG").unlink()
    with pytest.raises(datasets.DataDamagedError, match=r"has 5 train images, but ImageNet .* has 6"):
        datasets.load(info, download=False)
    with pytest.raises(datasets.DataUnavailableError, match="It must be asked for"):
        datasets.get(info, progress=False)


MARKET = {
    "bounding_box_train": ["0002_c1s1_000451_03.jpg", "0002_c2s1_000776_01.jpg", "0007_c3s3_077419_03.jpg"],
    "query": ["0001_c1s1_001051_00.jpg", "0003_c4s6_015641_00.jpg"],
    "bounding_box_test": [
        "-1_c1s1_000401_03.jpg",
        "0000_c1s1_000151_01.jpg",
        "0000_c5s1_000151_01.jpg",
        "0001_c2s1_001976_01.jpg",
        "0003_c6s3_074592_02.jpg",
    ],
}


@pytest.fixture
def market(root):
    folder = root / "Market-1501-v15.09.15"
    for within, names in MARKET.items():
        shade = {name: picture((at, 0, 0), (2, 4), form="JPEG") for at, name in enumerate(names)}
        lay(folder / within, {**shade, "Thumbs.db": b"left there by its makers"})
    sizes = {"train": 3, "query": 2, "gallery": 4}
    return entry("market1501", parts=sizes, label_count=2, image_shape=(8, 4, 3))


def test_market1501_follows_its_protocol(market):
    data = datasets.load(market, download=False)
    train, query, gallery = (data.parts[part] for part in ("train", "query", "gallery"))
    assert train.targets.tolist() == [0, 0, 1]
    assert train.groups.tolist() == [1, 2, 3]
    assert data.class_names == ("0002", "0007")
    # Unseen persons go on from the seen: distractors (0000), 0001, 0003.
    assert query.targets.tolist() == [3, 4]
    assert query.groups.tolist() == [1, 4]
    # Junk is not in the gallery; distractors are, and are nobody's match.
    assert gallery.targets.tolist() == [2, 2, 3, 4]
    assert gallery.groups.tolist() == [1, 5, 2, 6]
    assert not set(query.targets.tolist()) & {2}
    assert gallery.inputs[torch.tensor([0])].shape == (1, 8, 4, 3)


def test_a_file_of_another_name_and_a_person_on_both_sides_are_refused(market, root):
    folder = root / market.folder
    lay(folder, {"query/person.jpg": picture((1, 1, 1))})
    with pytest.raises(
        datasets.DataDamagedError, match=r"person.jpg is not named as Market-1501's images are"
    ):
        datasets.load(market, download=False)
    (folder / "query/person.jpg").unlink()
    lay(folder, {"query/0007_c1s1_000001_00.jpg": picture((1, 1, 1))})
    with pytest.raises(datasets.DataDamagedError, match="person 0007 both in training and in testing"):
        datasets.load(market, download=False)


@pytest.fixture
def deepfashion(root):
    names = [f"img/Sheer_Blouse/img_0000000{number}.jpg" for number in range(1, 5)]
    labels = ["-1  1  0", " 1  1 -1", "-1 -1 -1", " 0  0  1"]
    parts = ["train", "val", "test", "train"]
    folder = root / "DeepFashion"
    lay(folder, {name: picture((40 * at, 0, 0)) for at, name in enumerate(names)})
    attributes = (
        "3\nattribute_name  attribute_type\na-line          3\nabstract print  1\nacid wash       2\n"
    )
    listed = "4\nimage_name  attribute_labels\n"
    listed += "".join(f"{name}   {label}\n" for name, label in zip(names, labels, strict=True))
    partition = "4\nimage_name  evaluation_status\n"
    partition += "".join(f"{name}   {part}\n" for name, part in zip(names, parts, strict=True))
    lay(
        folder,
        {
            "Anno_coarse/list_attr_cloth.txt": attributes.encode(),
            "Anno_coarse/list_attr_img.txt": listed.encode(),
            "Eval/list_eval_partition.txt": partition.encode(),
        },
    )
    sizes = {"train": 2, "validation": 1, "test": 1}
    return entry("deepfashion", parts=sizes, label_count=3, image_shape=(4, 4, 3))


def test_deepfashion_has_several_labels_per_image(deepfashion, root):
    data = datasets.load(deepfashion, download=False)
    assert data.class_names == ("a-line", "abstract print", "acid wash")
    assert data.parts["train"].targets.dtype == torch.bool
    # Unknown (0) is not a label.
    assert data.parts["train"].targets.tolist() == [[False, True, False], [False, False, True]]
    assert data.parts["validation"].targets.tolist() == [[True, True, False]]
    assert data.parts["test"].targets.tolist() == [[False, False, False]]
    assert data.parts["train"].inputs[:][:, 0, 0, 0].tolist() == [0, 120]
    (root / "DeepFashion/Anno_coarse").rename(root / "DeepFashion/Anno")
    assert datasets.load(deepfashion, download=False).checksum == data.checksum


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("Anno_coarse/list_attr_img.txt", "4\n", "5\n", "list_attr_img.txt is cut short"),
        ("Anno_coarse/list_attr_img.txt", "-1  1  0", "-1  1", "line 3: not 3 values of -1, 0 or 1"),
        ("Anno_coarse/list_attr_img.txt", "-1  1  0", "-1  1  2", "line 3: not 3 values of -1, 0 or 1"),
        ("Eval/list_eval_partition.txt", "   val\n", "   both\n", "line 4: .* is in no part"),
        ("Eval/list_eval_partition.txt", None, None, "list_eval_partition.txt is missing"),
        ("img/Sheer_Blouse/img_00000003.jpg", None, None, "img_00000003.jpg is missing"),
    ],
)
def test_damaged_lists_of_deepfashion_are_named(deepfashion, root, name, old, new, message):
    path = root / "DeepFashion" / name
    if old is None:
        path.unlink()
    else:
        path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(datasets.DataDamagedError, match=message):
        datasets.load(deepfashion, download=False)
    assert datasets.verify(deepfashion).problems


# --- sets that cannot be downloaded -------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in datasets.names() if datasets.info(name).by_hand])
def test_what_must_be_asked_for_says_where_and_how(root, name):
    info = datasets.info(name)
    for ask in (datasets.load, datasets.get, lambda name: datasets.load(name, download=False)):
        with pytest.raises(datasets.DataUnavailableError) as caught:
            ask(name)
        message = str(caught.value)
        assert "https://" in message
        assert str(root / info.folder) in message
        assert "{" not in message
        assert "LOSSBOOK_DATA" in message
    assert not datasets.present(name)
    assert "must be asked for" in verification.status(name).where


@pytest.mark.parametrize(
    ("name", "words"), [("dukemtmc", "withdrawn by its makers"), ("glue_stsb", "that is regression")]
)
def test_what_is_refused_says_why(root, name, words):
    # Files that lie there make no difference.
    lay(root / name, {"train/0001.jpg": picture((0, 0, 0))})
    for ask in (datasets.load, datasets.get):
        with pytest.raises(datasets.DataUnavailableError, match=words):
            ask(name)
    assert not datasets.present(name)
    assert any(words in note for note in datasets.verify(name).notes)
    assert verification.status(name).where == "cannot be loaded"
    assert Path(root / name).exists()
