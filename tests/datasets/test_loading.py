import dataclasses
import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch

from lossbook import datasets, paths
from lossbook.datasets import arrays, official, verification
from lossbook.datasets.registry import ARRAYS, Content

# Content checksums of the published sets, and of the one that comes with scikit-learn.
CHECKSUMS = {
    "mnist": "4da18052fb96",
    "fashion_mnist": "7dfd17a6ac6e",
    "cifar10": "f6c19c800761",
    "cifar100": "49dda0331afa",
    "omniglot": "f5bb91138288",
    "omniglot_background": "f6fb7a7d5da5",
    "corel5k": "956baf3a60fb",
    "delicious": "e733c5d52207",
    "bibtex": "4bb4ffa5cfe9",
    "womens_clothing": "ae9df10062c0",
    "glue_cola": "e7b1f914e57c",
    "glue_sst2": "a68ec2546974",
    "glue_mrpc": "feba9c4ff1a0",
    "glue_rte": "906ce33cef8a",
    "glue_wnli": "68705d0f6d63",
    "digits": "a3df1b9f6280",
}


def write_arrays(root, info, values):
    (root / info.name).mkdir(exist_ok=True)
    for array in ARRAYS:
        np.save(root / info.name / f"{array}.npy", values[array])


def known(info, values):
    """The registry entry with these contents registered."""
    contents = {array: (Content(arrays.content_checksum(values[array])),) for array in ARRAYS}
    return dataclasses.replace(info, contents=contents)


def same(data, values):
    held = {"images": "inputs", "labels": "targets"}
    return all(
        torch.equal(getattr(data.parts[part], held[what]), torch.from_numpy(values[f"{part}_{what}"]))
        for part, what in (array.split("_") for array in ARRAYS)
    )


def alter(path):
    """Change one byte; size and time stay."""
    stat = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("name", [name for name in datasets.names() if datasets.info(name).parts])
def test_sets_that_are_here(name):
    """The real sets, as far as this machine has them; digits always."""
    if not datasets.present(name):
        pytest.skip(f"{name} is not in {paths.data_root()}")
    data, info = datasets.load(name, download=False), datasets.info(name)
    assert (data.kind, list(data.parts)) == (info.kind, list(info.parts))
    assert len(data.class_names) == len(set(data.class_names)) == data.num_classes == info.num_classes
    assert info.class_names in ((), data.class_names)
    for part, held in data.parts.items():
        assert len(held.inputs) == len(held.targets)
        if len(held.targets) != info.parts[part]:
            assert any(f"of the {info.parts[part]:,} published images" in note for note in data.notes)
        if data.kind == "images":
            assert held.inputs[:1].dtype == torch.uint8
            assert held.inputs.shape[1:] == info.image_shape
        if data.kind == "features":
            assert (held.inputs.dtype, held.targets.dtype) == (torch.float32, torch.bool)
            assert held.targets.shape[1] == data.num_classes
        else:
            assert held.targets.dtype == torch.int64
    if data.kind != "features":
        assert data.parts["train"].targets.unique().tolist() == list(range(info.num_classes))
    assert data.checksum.startswith(CHECKSUMS.get(name, ""))


def test_digits_are_split_by_class_and_nothing_is_lost():
    from sklearn.datasets import load_digits

    data, whole = datasets.load("digits"), load_digits()
    train, test = data.parts["train"], data.parts["test"]
    share = test.targets.bincount() / torch.from_numpy(np.bincount(whole.target))
    assert share.min() > 0.215
    assert share.max() < 0.23
    # Each pixel stands four times, and 16 became 255.
    images = torch.cat([train.inputs, test.inputs])[..., 0]
    blocks = images.reshape(-1, 8, 2, 8, 2)
    assert torch.equal(blocks.amax((2, 4)), blocks.amin((2, 4)))
    found = sorted(map(bytes, blocks[:, :, 0, :, 0].numpy()))
    assert found == sorted(np.rint(image * 255 / 16).astype(np.uint8).tobytes() for image in whole.images)


def test_another_digits_is_refused(monkeypatch):
    values = official._digits()
    values["test_labels"] = values["test_labels"][::-1]
    monkeypatch.setattr(official, "_digits", lambda: values)
    with pytest.raises(
        datasets.DataDamagedError, match=r"test_labels has content sha256 \w+, but \w+ was expected"
    ):
        datasets.load("digits")


@pytest.mark.parametrize("tiny", ["tiny_kmnist", "tiny_cifar100", "tiny_cifar10"])
def test_published_files_are_decoded_and_cached(tiny, root, request):
    tiny = request.getfixturevalue(tiny)
    tiny.put(root)
    first = datasets.load(tiny.info, download=False)
    assert same(first, tiny.arrays)
    shutil.rmtree(root / tiny.info.folder, ignore_errors=True)
    for name in tiny.files:
        (root / name).unlink(missing_ok=True)
    second = datasets.load(tiny.info, download=False)
    assert same(second, tiny.arrays)
    assert second.checksum == first.checksum
    assert not list(root.glob(f".{tiny.info.name}-*"))


def test_unpacked_batches_are_read_too(root, tiny_cifar100):
    tiny_cifar100.put(root)
    official.extract(root / "cifar-100-python.tar.gz", root)
    (root / "cifar-100-python.tar.gz").unlink()
    assert same(datasets.load(tiny_cifar100.info, download=False), tiny_cifar100.arrays)


def test_the_checksum_depends_on_every_array_and_not_on_the_layout(root, tiny_kmnist):
    tiny_kmnist.put(root)
    checksum = datasets.load(tiny_kmnist.info).checksum
    shutil.rmtree(root / "kmnist")
    info = known(tiny_kmnist.info, tiny_kmnist.arrays)
    write_arrays(root, info, {array: np.asfortranarray(tiny_kmnist.arrays[array]) for array in ARRAYS})
    assert datasets.load(info, download=False).checksum == checksum
    for array in ARRAYS:
        other = {**tiny_kmnist.arrays, array: tiny_kmnist.arrays[array][::-1]}
        write_arrays(root, info, other)
        assert datasets.load(known(info, other), download=False).checksum != checksum


def test_arrays_are_mapped_and_writing_to_them_leaves_the_file(root, tiny_kmnist):
    info = known(tiny_kmnist.info, tiny_kmnist.arrays)
    write_arrays(root, info, tiny_kmnist.arrays)
    datasets.load(info).parts["train"].inputs.zero_()
    assert same(datasets.load(info), tiny_kmnist.arrays)


def test_a_set_that_is_not_here(root, tiny_kmnist):
    assert not datasets.present("kmnist")
    with pytest.raises(datasets.DataUnavailableError, match=r"lossbook data get kmnist.*LOSSBOOK_DATA"):
        datasets.load("kmnist", download=False)


def test_an_altered_published_file_is_named(root, tiny_kmnist):
    tiny_kmnist.put(root)
    path = root / "KMNIST/raw/t10k-labels-idx1-ubyte.gz"
    alter(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(datasets.DataDamagedError) as caught:
        datasets.load(tiny_kmnist.info)
    message = str(caught.value)
    assert str(path) in message
    assert found in message
    assert tiny_kmnist.info.files[3].sha256 in message
    assert "lossbook data get kmnist" in message
    assert not (root / "kmnist").exists()


def test_an_unpacked_file_without_its_packed_one_cannot_be_verified(root, tiny_kmnist):
    tiny_kmnist.put(root)
    packed = root / "KMNIST/raw/train-labels-idx1-ubyte.gz"
    packed.with_suffix("").write_bytes(b"anything")
    assert same(datasets.load(tiny_kmnist.info), tiny_kmnist.arrays)
    shutil.rmtree(root / "kmnist")
    packed.unlink()
    with pytest.raises(datasets.DataUnavailableError, match=r"train-labels-idx1-ubyte cannot be verified"):
        datasets.load(tiny_kmnist.info)


def test_an_altered_batch_is_named(root, tiny_cifar100):
    tiny_cifar100.put(root)
    official.extract(root / "cifar-100-python.tar.gz", root)
    alter(root / "cifar-100-python/train")
    with pytest.raises(
        datasets.DataDamagedError, match=r"cifar-100-python/train is truncated or altered: its md5 is"
    ):
        datasets.load(tiny_cifar100.info)


def test_a_truncated_array_is_named(root, tiny_kmnist):
    tiny_kmnist.put(root)
    datasets.load(tiny_kmnist.info)
    path = root / "kmnist/train_images.npy"
    path.write_bytes(path.read_bytes()[:-100])
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(datasets.DataDamagedError) as caught:
        datasets.load(tiny_kmnist.info)
    assert str(path) in str(caught.value)
    assert found in str(caught.value)
    path.write_bytes(b"")
    with pytest.raises(datasets.DataDamagedError, match=r"train_images.npy is truncated"):
        datasets.load(tiny_kmnist.info)


def test_an_altered_array_is_found_when_its_time_changed_and_by_verify_when_not(root, tiny_kmnist):
    tiny_kmnist.put(root)
    datasets.load(tiny_kmnist.info)
    path = root / "kmnist/test_images.npy"
    alter(path)
    assert datasets.load(tiny_kmnist.info).checksum
    report = datasets.verify(tiny_kmnist.info)
    assert not report.ok
    assert len(report.problems) == 1
    assert str(path) in report.problems[0]
    assert arrays.content_checksum(tiny_kmnist.arrays["test_images"]) in report.problems[0]
    os.utime(path)
    with pytest.raises(datasets.DataDamagedError, match=r"test_images.npy holds uint8 \[6, 28, 28, 1\]"):
        datasets.load(tiny_kmnist.info)


def test_a_file_that_was_checked_is_not_read_again(root, tiny_kmnist, monkeypatch):
    info = known(tiny_kmnist.info, tiny_kmnist.arrays)
    write_arrays(root, info, tiny_kmnist.arrays)
    read = []
    real = arrays.content_checksum
    monkeypatch.setattr(arrays, "content_checksum", lambda array: read.append(1) or real(array))
    first = datasets.load(info).checksum
    assert len(read) == 4
    assert datasets.load(info).checksum == first
    assert len(read) == 4


def test_arrays_nobody_vouches_for_are_refused(root, tiny_kmnist):
    write_arrays(root, tiny_kmnist.info, tiny_kmnist.arrays)
    with pytest.raises(
        datasets.DataDamagedError, match=r"no checksum is known that it could be verified against"
    ):
        datasets.load(tiny_kmnist.info)
    # Nor does a sidecar that only remembers what was seen.
    arrays._write_sidecar(root / "kmnist" / arrays.SIDECAR, {"decoded_here": False, "arrays": {}})
    with pytest.raises(datasets.DataDamagedError):
        datasets.load(tiny_kmnist.info)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"arrays": 3}', '{"arrays": {}, "decoded_here": "yes"}'])
def test_a_damaged_sidecar_vouches_for_nothing(root, tiny_kmnist, content):
    tiny_kmnist.put(root)
    datasets.load(tiny_kmnist.info)
    (root / "kmnist" / arrays.SIDECAR).write_text(content)
    with pytest.raises(datasets.DataDamagedError):
        datasets.load(tiny_kmnist.info)
    assert same(datasets.load(known(tiny_kmnist.info, tiny_kmnist.arrays)), tiny_kmnist.arrays)


def test_wrong_types_are_named(root, tiny_kmnist):
    info = known(tiny_kmnist.info, tiny_kmnist.arrays)
    write_arrays(root, info, {**tiny_kmnist.arrays, "train_labels": np.arange(12, dtype=np.int32)})
    with pytest.raises(
        datasets.DataDamagedError, match=r"train_labels.npy holds int32 \[12\] with content sha256"
    ):
        datasets.load(info)


def test_images_and_labels_of_different_variants_do_not_mix(root, tiny_kmnist):
    shorter = {**tiny_kmnist.arrays, "test_labels": tiny_kmnist.arrays["test_labels"][:5]}
    info = known(tiny_kmnist.info, shorter)
    write_arrays(root, info, shorter)
    with pytest.raises(datasets.DataDamagedError, match=r"6 test images but 5 test labels"):
        datasets.load(info)
    assert datasets.verify(info).problems


def test_a_known_variant_says_so(root, tiny_kmnist):
    info = known(tiny_kmnist.info, tiny_kmnist.arrays)
    fewer = {**tiny_kmnist.arrays, **{a: tiny_kmnist.arrays[a][:5] for a in ARRAYS if "test" in a}}
    note = "the test split here has 5 of the 6 published images"
    more = {
        array: (*info.contents[array], Content(arrays.content_checksum(fewer[array]), "test-5", note))
        for array in ("test_images", "test_labels")
    }
    info = dataclasses.replace(info, contents={**info.contents, **more})
    write_arrays(root, info, fewer)
    assert datasets.load(info).notes == (note,)
    assert datasets.verify(info).notes == (note,)
    write_arrays(root, info, tiny_kmnist.arrays)
    assert datasets.load(info).notes == ()


def test_a_data_root_that_cannot_be_written_still_loads(root, tiny_kmnist, monkeypatch):
    error = OSError(errno.EROFS, "Read-only file system", str(root))

    def refuse(*_args, **_kwargs):
        raise error

    tiny_kmnist.put(root)
    # Only the folder made in the data root: unpacking elsewhere goes on.
    real = tempfile.mkdtemp
    monkeypatch.setattr(
        tempfile, "mkdtemp", lambda *a, **k: refuse() if k.get("dir") == root else real(*a, **k)
    )
    monkeypatch.setattr(paths, "atomic_write", refuse)
    with pytest.warns(UserWarning, match=r"not cached as arrays in .*Read-only file system") as caught:
        uncached = datasets.load(tiny_kmnist.info)
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert same(uncached, tiny_kmnist.arrays)
    info = known(tiny_kmnist.info, tiny_kmnist.arrays)
    write_arrays(root, info, tiny_kmnist.arrays)
    assert datasets.load(info).checksum == uncached.checksum


def test_a_full_disk_leaves_no_half_cache(root, tiny_kmnist, monkeypatch):
    real, saved = np.save, []

    def fill_up(path, array):
        saved.append(path)
        if len(saved) == 3:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path, array)

    tiny_kmnist.put(root)
    monkeypatch.setattr(arrays.np, "save", fill_up)
    with pytest.warns(UserWarning, match="No space left on device"):
        assert same(datasets.load(tiny_kmnist.info), tiny_kmnist.arrays)
    assert sorted(path.name for path in root.iterdir()) == ["KMNIST"]


def test_an_incomplete_cache_is_written_anew(root, tiny_kmnist):
    tiny_kmnist.put(root)
    checksum = datasets.load(tiny_kmnist.info).checksum
    (root / "kmnist/test_labels.npy").unlink()
    (root / "kmnist/train_labels.npy").write_bytes(b"left from something else")
    assert datasets.load(tiny_kmnist.info).checksum == checksum
    assert datasets.verify(tiny_kmnist.info).ok
    assert json.loads((root / "kmnist" / arrays.SIDECAR).read_text())["decoded_here"] is True


def test_an_unreadable_file_is_a_sentence(root, tiny_kmnist, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", "train_images.npy")

    info = known(tiny_kmnist.info, tiny_kmnist.arrays)
    write_arrays(root, info, tiny_kmnist.arrays)
    monkeypatch.setattr(arrays.np, "load", refuse)
    with pytest.raises(datasets.DataUnavailableError, match=r"could not be read from .*Permission denied"):
        datasets.load(info)


@pytest.mark.parametrize("form", ["archive", "damaged archive"])
def test_an_archive_in_place_of_an_array_is_named(root, tiny_kmnist, form):
    tiny_kmnist.put(root)
    datasets.load(tiny_kmnist.info)
    path = root / "kmnist/test_labels.npy"
    with path.open("wb") as file:
        np.savez(file, labels=tiny_kmnist.arrays["test_labels"])
    if form != "archive":
        path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(datasets.DataDamagedError, match=r"test_labels.npy is truncated or not a NumPy file"):
        datasets.load(tiny_kmnist.info)
    assert datasets.verify(tiny_kmnist.info).problems


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": {"train": 13, "test": 6}}, "there are 12 train images, not 13"),
        ({"parts": {"train": 12, "test": 5}}, "there are 6 test images, not 5"),
        ({"image_shape": (28, 28, 3)}, r"train images are \[28, 28, 1\], not \[28, 28, 3\]"),
        ({"class_names": ("a", "b")}, "train labels go from 0 to 9, but there are 2 class names"),
    ],
)
@pytest.mark.parametrize("as_arrays", [False, True])
def test_a_set_that_is_not_what_its_entry_says_is_refused(root, tiny_kmnist, change, message, as_arrays):
    tiny_kmnist.put(root)
    tiny_kmnist.arrays["train_labels"][:2] = 0, 9  # for the message
    info = dataclasses.replace(known(tiny_kmnist.info, tiny_kmnist.arrays), **change)
    if as_arrays:
        write_arrays(root, info, tiny_kmnist.arrays)
    elif "class_names" in change:
        message = "class names"
    (problem,) = datasets.verify(info).problems
    with pytest.raises(datasets.DataDamagedError, match=message) as caught:
        datasets.load(info)
    assert problem == str(caught.value)
    assert (root / "kmnist").is_dir() == as_arrays
    assert verification.status(info).verified == ("NO" if as_arrays else "when loaded")


def closed(monkeypatch, folder):
    """Let nobody look into a folder."""
    real = Path.is_file

    def is_file(path):
        if folder in path.parents:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "is_file", is_file)


@pytest.mark.parametrize("name", ["kmnist", "KMNIST"])
def test_a_folder_that_must_not_be_read_is_a_sentence(root, tiny_kmnist, monkeypatch, name):
    tiny_kmnist.put(root)
    closed(monkeypatch, root / name)
    for ask in (datasets.present, datasets.load, datasets.get):
        with pytest.raises(datasets.DataUnavailableError, match=rf"{name}.* cannot be read: Permission den"):
            ask(tiny_kmnist.info)
    (problem,) = datasets.verify(tiny_kmnist.info).problems
    assert "cannot be read: Permission denied" in problem
    state = verification.status(tiny_kmnist.info)
    assert (state.here, state.verified) == (False, "NO")
    assert "Permission denied" in state.notes[0]
    # Others are none the worse for it.
    assert datasets.present("digits")
    assert not datasets.present("mnist")


def test_arrays_that_must_not_be_read_are_a_sentence_for_get(root, tiny_kmnist, monkeypatch):
    tiny_kmnist.put(root)
    datasets.load(tiny_kmnist.info)

    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(arrays.np, "load", refuse)
    with pytest.raises(datasets.DataUnavailableError, match=r"train_images.npy cannot be read: Permission"):
        datasets.get(tiny_kmnist.info)


def test_tables_that_must_not_be_read_are_a_sentence(root, monkeypatch):
    (root / "uci121/abalone").mkdir(parents=True)
    closed(monkeypatch, root / "uci121")
    for ask in (datasets.get, datasets.get_table):
        with pytest.raises(datasets.DataUnavailableError, match="cannot be read: Permission denied"):
            ask("uci121" if ask is datasets.get else "uci121/abalone")
    assert "Permission denied" in datasets.verify("uci121").problems[0]
    assert verification.status("uci121").verified == "NO"
