import pytest
from torchvision import datasets as tv

from lossbook import datasets
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
    assert datasets.names() == [*TORCHVISION, "uci121", "digits"]


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
    assert info.home.startswith("http")
    assert len(info.class_names) == len(set(info.class_names)) == info.num_classes
    assert all(mirror.endswith("/") for mirror in info.mirrors)
    assert set(info.contents) == set(ARRAYS)
    assert info.format in ("sklearn", "uci") or info.download_size
    assert all(file.digest for file in info.files) or info.format == "uci"
    assert all(file.unpacked and file.array for file in info.files) or info.format != "idx"
    assert bool(info.image_shape) == bool(info.class_names) == (info.format != "uci")


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
