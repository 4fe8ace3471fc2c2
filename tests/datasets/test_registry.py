import pytest
from torchvision import datasets as tv

from lossbook import datasets
from lossbook.datasets.loading import EMBEDDED
from lossbook.datasets.registry import ARRAYS
from lossbook.errors import UnknownNameError

TORCHVISION = {
    "mnist": tv.MNIST,
    "fashion_mnist": tv.FashionMNIST,
    "kmnist": tv.KMNIST,
    "cifar10": tv.CIFAR10,
    "cifar100": tv.CIFAR100,
}


def test_names():
    images = ["omniglot", "omniglot_background", "tiny_imagenet", "cinic10", "imagenet"]
    images += ["market1501", "dukemtmc", "deepfashion"]
    features = ["corel5k", "delicious", "bibtex"]
    texts = [
        "womens_clothing",
        *(f"glue_{task}" for task in ("cola", "sst2", "mrpc", "rte", "wnli", "qnli", "qqp", "mnli", "stsb")),
    ]
    embedded = ["digits", "made_labels", "made_up_reviews", "made_up_pairs"]
    assert datasets.names() == [*TORCHVISION, *images, *features, *texts, "uci121", *embedded]


def test_an_unknown_name_names_the_nearest():
    with pytest.raises(
        UnknownNameError, match=r"unknown data set 'fashion-mnist'; did you mean 'fashion_mnist'\?"
    ):
        datasets.info("fashion-mnist")


@pytest.mark.parametrize("name", datasets.names())
def test_every_entry_is_complete(name):
    info = datasets.info(name)
    assert info.licence
    assert info.citation
    assert info.home.startswith("http") or info.format == "made_up"
    assert len(info.class_names) == len(set(info.class_names))
    assert not (info.class_names and info.label_count)
    assert all(mirror.endswith("/") for mirror in info.mirrors)
    # Where a set comes from, if it is not embedded.
    assert bool(info.mirrors) + bool(info.by_hand) + bool(info.refusal) + (info.format in EMBEDDED) == 1
    if info.refusal:
        return
    assert info.by_hand or (info.format in EMBEDDED) or info.files or info.archive.digest
    assert set(info.contents) <= {*info.arrays, "x", "y"}
    assert all(file.unpacked and file.array for file in info.files) or info.format != "idx"
    assert bool(info.image_shape) == (info.kind == "images")
    assert bool(info.parts) == bool(info.num_classes) == (info.kind != "tables")
    assert bool(info.columns) == (info.kind == "texts" and info.format not in EMBEDDED)


@pytest.mark.parametrize("name", TORCHVISION)
def test_files_of_images_have_sizes_and_checksums(name):
    info = datasets.info(name)
    assert info.download_size
    assert all(file.digest for file in info.files)
    assert info.arrays == ARRAYS


def test_superclasses_are_those_of_the_published_batches():
    """The coarse label of each of the 100 classes, as CIFAR-100's own files have them."""
    info = datasets.info("cifar100")
    # fmt: off
    coarse = (
        4, 1, 14, 8, 0, 6, 7, 7, 18, 3, 3, 14, 9, 18, 7, 11, 3, 9, 7, 11, 6, 11, 5, 10, 7, 6, 13, 15, 3, 15,
        0, 11, 1, 10, 12, 14, 16, 9, 11, 5, 5, 19, 8, 8, 15, 13, 14, 17, 18, 10, 16, 4, 17, 4, 2, 0, 17, 4,
        18, 17, 10, 3, 2, 12, 12, 16, 12, 1, 9, 19, 2, 10, 0, 1, 16, 12, 9, 13, 15, 13, 16, 19, 2, 4, 6, 19,
        5, 5, 8, 19, 18, 1, 2, 15, 6, 0, 17, 8, 14, 13,
    )
    # fmt: on
    assert info.superclass_of == coarse
    assert len(info.superclasses) == 20
    assert all(len(classes) == 5 for classes in info.superclasses.values())
    assert datasets.info("cifar10").superclass_of == ()


def test_omniglot_is_where_torchvision_keeps_it():
    info, reference = datasets.info("omniglot"), tv.Omniglot
    assert {file.unpacked.name: file.md5 for file in info.files} == reference.zips_md5
    assert (info.folder, info.mirrors[0]) == (reference.folder, f"{reference.download_url_prefix}/")
    background = datasets.info("omniglot_background")
    assert background.files == info.files[:1]
    assert (background.folder, background.mirrors) == (info.folder, info.mirrors)
    # All drawings of the background characters, 20 of each, are in one of the two parts.
    assert background.train_size == 964 * 16
    assert background.train_size + background.test_size == info.train_size


def test_the_archives_of_imagenet_are_those_torchvision_knows():
    asked = datasets.info("imagenet").by_hand
    assert all(name in asked and md5 in asked for name, md5 in tv.imagenet.ARCHIVE_META.values())


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_files_are_those_torchvision_knows(name):
    info, reference = datasets.info(name), TORCHVISION[name]
    assert [(file.name, file.md5) for file in info.files] == reference.resources
    assert [file.array for file in info.files] == list(ARRAYS)
    assert info.folder == f"{reference.__name__}/raw"
    assert set(reference.mirrors) <= set(info.mirrors)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_batches_are_those_torchvision_knows(name):
    info, reference = datasets.info(name), TORCHVISION[name]
    meta = [reference.meta["filename"], reference.meta["md5"]]
    assert [[file.name, file.md5] for file in info.files] == [
        *reference.train_list,
        *reference.test_list,
        meta,
    ]
    assert (info.archive.name, info.archive.md5) == (reference.filename, reference.tgz_md5)
    assert info.folder == reference.base_folder
    assert info.mirrors[0] + info.archive.name == reference.url
