import dataclasses
import errno
import os
import socket
import ssl
import threading
import time

import numpy as np
import pytest
from filelock import FileLock

from lossbook import datasets
from lossbook.datasets import arrays, download, transfer
from lossbook.datasets.registry import ARRAYS, Content

IMAGES = "train-images-idx3-ubyte.gz"
LAST = "t10k-labels-idx1-ubyte.gz"


@pytest.fixture
def offered(root, tiny_kmnist, server):
    """The tiny set, with the server as its only mirror."""
    server.files = dict(tiny_kmnist.files)
    tiny_kmnist.info = dataclasses.replace(tiny_kmnist.info, mirrors=(server.url,))
    return tiny_kmnist


def raw(root):
    """What is in the folder of the set, by name."""
    folder = root / "KMNIST/raw"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


def whole(root, tiny):
    """Whether every published file is there, and nothing that a download leaves on its way."""
    found = raw(root)
    unpacked = {name.removesuffix(".gz") for name in tiny.files}
    return {name: found.get(name) for name in tiny.files} == tiny.files and set(found) == {
        *tiny.files,
        *unpacked,
    }


@pytest.mark.parametrize(
    "how", ["well", "slowly", "announces nothing", "announces too much", "ignores Range"]
)
def test_a_server_that_sends_every_byte(root, offered, server, how):
    server.plan = [how]
    datasets.get(offered.info, progress=False)
    assert whole(root, offered)
    assert len(server.asked) == 4
    assert datasets.verify(offered.info).ok


def test_load_downloads(root, offered, server):
    data = datasets.load(offered.info)
    assert data.parts["train"].inputs.shape == (12, 28, 28, 1)
    assert server.asked
    with pytest.raises(datasets.DataUnavailableError):
        datasets.load(dataclasses.replace(offered.info, name="other", folder="other"), download=False)


def test_what_is_there_is_not_asked_for_again(root, offered, server, capsys):
    datasets.get(offered.info, progress=False)
    server.asked.clear()
    datasets.get(offered.info)
    assert server.asked == []
    assert "already in" in capsys.readouterr().err
    (root / "KMNIST/raw" / LAST).write_bytes(b"altered")
    datasets.get(offered.info, progress=False)
    assert [name for name, _ in server.asked] == [LAST]
    assert whole(root, offered)


def test_a_transfer_that_breaks_off_goes_on_where_it_was(root, offered, server):
    server.plan = ["breaks off", "breaks off", "breaks off", "well"]
    datasets.get(offered.info, progress=False)
    third = len(offered.files[IMAGES]) // 3
    asked = [wanted for name, wanted in server.asked if name == IMAGES]
    assert asked[:3] == [None, f"bytes={third}-", f"bytes={2 * third}-"]
    assert whole(root, offered)


def test_a_later_download_goes_on_where_an_earlier_one_was_stopped(root, offered, server):
    part = root / "KMNIST/raw" / f"{IMAGES}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(offered.files[IMAGES][:1000])
    datasets.get(offered.info, progress=False)
    assert server.asked[0] == (IMAGES, "bytes=1000-")
    assert whole(root, offered)


def test_another_part_than_was_asked_for_is_not_taken(root, offered, server):
    part = root / "KMNIST/raw" / f"{IMAGES}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(offered.files[IMAGES][:1000])
    server.plan = ["other part", "well"]
    datasets.get(offered.info, progress=False)
    assert [wanted for name, wanted in server.asked if name == IMAGES] == ["bytes=1000-"] * 2
    assert whole(root, offered)


@pytest.mark.parametrize("how", ["ignores Range", "416"])
@pytest.mark.parametrize("kept", [1000, None])
def test_a_server_that_cannot_resume_starts_anew(root, offered, server, how, kept):
    part = root / "KMNIST/raw" / f"{IMAGES}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(offered.files[IMAGES][:kept])
    server.plan = [how, "ignores Range"]
    datasets.get(offered.info, progress=False)
    assert whole(root, offered)


@pytest.mark.parametrize("size", [1000, 100_000])
def test_the_rest_of_another_file_is_thrown_away_once(root, offered, server, size):
    part = root / "KMNIST/raw" / f"{IMAGES}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(bytes(size))
    datasets.get(offered.info, progress=False)
    assert whole(root, offered)
    assert [wanted for name, wanted in server.asked if name == IMAGES][-1] is None


def test_wrong_bytes_are_named_and_not_kept(root, offered, server):
    server.plan = ["well", "wrong bytes"]
    with pytest.raises(datasets.DataUnavailableError) as caught:
        datasets.get(offered.info, progress=False)
    message = str(caught.value)
    wanted = next(file for file in offered.info.files if file.name == "train-labels-idx1-ubyte.gz")
    assert wanted.name in message
    assert wanted.sha256 in message
    assert "sent wrong bytes: the sha256 of" in message
    assert str(root / "KMNIST/raw") in message
    assert set(raw(root)) == {IMAGES}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("404", "answered 404 Not Found"),
        ("503", "answered 503 Service Unavailable after 0 of"),
        ("breaks off and ignores Range", "broke off after"),
        ("lacks the end", "broke off after"),
        ("sends too much", "sent more than the"),
    ],
)
def test_a_server_that_does_not_give_the_file(root, offered, server, how, said):
    server.plan = [how]
    with pytest.raises(datasets.DataUnavailableError, match=said):
        datasets.get(offered.info, progress=False)
    assert IMAGES not in raw(root)


def test_an_announced_length_that_is_too_small_is_not_believed(root, offered, server):
    server.plan = ["announces too little", "well"]
    datasets.get(offered.info, progress=False)
    assert server.asked[1] == (IMAGES, f"bytes={len(offered.files[IMAGES]) - 10}-")
    assert whole(root, offered)


def test_a_file_of_unknown_size(root, offered, server):
    files = tuple(dataclasses.replace(file, size=None) for file in offered.info.files)
    info = dataclasses.replace(offered.info, files=files)
    server.plan = ["breaks off", "well", "announces nothing", "well"]
    datasets.get(info, progress=False)
    assert whole(root, offered)


def test_a_server_that_hangs_is_left(root, offered, server, second_server, monkeypatch):
    monkeypatch.setattr(transfer, "STALL_SECONDS", 0.3)
    server.plan = ["hangs"]
    second_server.files = server.files
    info = dataclasses.replace(offered.info, mirrors=(server.url, second_server.url))
    datasets.get(info, progress=False)
    assert whole(root, offered)
    # Once for each of the four files, not three times.
    assert len(server.asked) == 4
    (root / "KMNIST/raw" / LAST).unlink()
    with pytest.raises(datasets.DataUnavailableError, match="no answer in time"):
        datasets.get(offered.info, progress=False)


def test_mirrors_are_tried_in_order(root, offered, server, second_server):
    second_server.files = dict(server.files)
    del server.files[LAST]
    info = dataclasses.replace(offered.info, mirrors=(server.url, second_server.url))
    datasets.get(info, progress=False)
    assert whole(root, offered)
    assert [name for name, _ in second_server.asked] == [LAST]
    (root / "KMNIST/raw" / LAST).unlink()
    second_server.plan = ["wrong bytes"]
    with pytest.raises(datasets.DataUnavailableError) as caught:
        datasets.get(info, progress=False)
    assert f"{server.url} answered 404" in str(caught.value)
    assert f"{second_server.url} sent wrong bytes" in str(caught.value)


def test_a_mirror_may_go_on_where_another_broke_off(root, offered, server, second_server):
    second_server.files = server.files
    server.plan = ["breaks off", "503"]
    info = dataclasses.replace(offered.info, mirrors=(server.url, second_server.url))
    datasets.get(info, progress=False)
    assert second_server.asked[0] == (IMAGES, f"bytes={len(offered.files[IMAGES]) // 3}-")
    assert whole(root, offered)


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def says_what_to_do_by_hand(message, root, tiny):
    return all(word in message for word in (*tiny.files, str(root / "KMNIST/raw"), "LOSSBOOK_DATA"))


def test_no_network(root, offered, monkeypatch):
    """Names that are not found, refused connections, and a name look-up that never ends."""
    ended = threading.Event()
    real = socket.getaddrinfo

    def look_up(host, *args, **kwargs):
        if host == "hangs.invalid":
            ended.wait(30)
        if host.endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(transfer, "REACH_SECONDS", 0.5)
    mirrors = ("https://hangs.invalid/", "http://unknown.invalid/", f"http://127.0.0.1:{closed_port()}/")
    begun = time.monotonic()
    with pytest.raises(datasets.DataUnavailableError) as caught:
        datasets.get(dataclasses.replace(offered.info, mirrors=mirrors), progress=False)
    assert time.monotonic() - begun < 3
    ended.set()
    message = str(caught.value)
    assert says_what_to_do_by_hand(message, root, offered)
    assert "hangs.invalid: no answer within 0.5 seconds" in message
    assert "unknown.invalid: name or service not known" in message
    assert "127.0.0.1: connection refused" in message
    assert "\n" not in message


def test_the_limits_leave_five_seconds_for_all_mirrors():
    assert transfer.REACH_SECONDS <= 3
    assert transfer.STALL_SECONDS >= 10


def test_a_mirror_out_of_reach_does_not_keep_the_other_from_serving(root, offered, server):
    mirrors = (f"http://127.0.0.1:{closed_port()}/", server.url)
    datasets.get(dataclasses.replace(offered.info, mirrors=mirrors), progress=False)
    assert whole(root, offered)


def test_a_proxy_is_what_must_be_reached(root, offered, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    info = dataclasses.replace(offered.info, mirrors=("http://example.invalid/",))
    with pytest.raises(datasets.DataUnavailableError, match=r"127\.0\.0\.1: connection refused"):
        datasets.get(info, progress=False)


def test_progress_is_told_in_lines_where_there_is_no_terminal(root, offered, server, capsys, monkeypatch):
    monkeypatch.setattr("lossbook.progress.LINE_SECONDS", 0.0)
    datasets.get(offered.info)
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert any(IMAGES in line and server.url in line for line in lines)
    assert any("of" in line and "kB/s" in line for line in lines)
    assert lines[-1] == f"KMNIST: verified, in {root / 'KMNIST/raw'}"
    datasets.get(offered.info, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("tiny", ["tiny_cifar100", "tiny_cifar10"])
def test_an_archive_is_unpacked(tiny, root, server, request):
    tiny = request.getfixturevalue(tiny)
    server.files = dict(tiny.files)
    info = dataclasses.replace(tiny.info, mirrors=(server.url,))
    datasets.get(info, progress=False)
    # The archive is not kept, nor is anything it was unpacked through.
    assert sorted(path.name for path in root.iterdir()) == [f".{info.name}.lock", info.folder]
    assert datasets.verify(info).ok
    assert (datasets.load(info).parts["test"].targets.numpy() == tiny.arrays["test_labels"]).all()


def test_an_archive_put_there_by_hand_is_enough(root, server, tiny_cifar100):
    tiny_cifar100.put(root)
    info = dataclasses.replace(tiny_cifar100.info, mirrors=(server.url,))
    datasets.get(info, progress=False)
    assert server.asked == []
    assert [path.name for path in root.iterdir()] == ["cifar-100-python.tar.gz"]
    # One that is altered is replaced by a good one.
    (root / "cifar-100-python.tar.gz").write_bytes(b"altered")
    server.files = dict(tiny_cifar100.files)
    datasets.get(info, progress=False)
    assert datasets.verify(info).ok


def test_an_altered_batch_is_replaced(root, server, tiny_cifar100):
    server.files = dict(tiny_cifar100.files)
    info = dataclasses.replace(tiny_cifar100.info, mirrors=(server.url,))
    datasets.get(info, progress=False)
    (root / "cifar-100-python/test").write_bytes(b"altered")
    assert not datasets.verify(info).ok
    datasets.get(info, progress=False)
    assert datasets.verify(info).ok


def test_an_archive_with_another_batch_in_it_is_refused(root, server, tiny_cifar100):
    server.files = dict(tiny_cifar100.files)
    files = tuple(dataclasses.replace(file, md5="0" * 32) for file in tiny_cifar100.info.files)
    info = dataclasses.replace(tiny_cifar100.info, files=files, mirrors=(server.url,))
    with pytest.raises(datasets.DataDamagedError, match="train is truncated or altered"):
        datasets.get(info, progress=False)
    assert not (root / "cifar-100-python").exists()


def test_a_disk_without_room_is_said_before_the_download(root, offered, server, monkeypatch):
    free = download.shutil.disk_usage(root)._replace(free=1000)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: free)
    with pytest.raises(
        datasets.DataUnavailableError, match=r"needs about .* but its disk has only 1\.0 kB free"
    ):
        datasets.get(offered.info, progress=False)
    assert server.asked == []


def test_a_disk_that_fills_up(root, offered, server, monkeypatch):
    real = transfer.Path.open

    def full(path, mode="r", *args, **kwargs):
        file = real(path, mode, *args, **kwargs)
        if path.suffix == ".part" and mode in ("ab", "wb"):
            file.close()
            return real("/dev/full", "wb")
        return file

    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full here")
    monkeypatch.setattr(transfer.Path, "open", lambda path, *a, **k: full(transfer.Path(path), *a, **k))
    with pytest.raises(
        datasets.DataUnavailableError, match=r"The disk is full: .*train-images.*LOSSBOOK_DATA"
    ):
        datasets.get(offered.info, progress=False)


def test_a_data_root_that_cannot_be_written(root, offered, server, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise OSError(errno.EROFS, "Read-only file system", str(root))

    monkeypatch.setattr(download.FileLock, "acquire", refuse)
    with pytest.raises(datasets.DataUnavailableError) as caught:
        datasets.get(offered.info, progress=False)
    assert str(caught.value).startswith(f"{root} cannot be written: Read-only file system.")
    assert "LOSSBOOK_DATA" in str(caught.value)
    assert server.asked == []
    offered.put(root)
    datasets.get(offered.info, progress=False)


def test_a_data_root_that_is_a_file(tmp_path, offered, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path / "file"))
    with pytest.raises(datasets.DataUnavailableError, match="cannot be written"):
        datasets.get(offered.info, progress=False)


def test_a_second_download_of_the_same_set_waits(root, offered, server, capsys):
    with FileLock(root / ".kmnist.lock"):
        other = threading.Thread(target=datasets.get, args=(offered.info,))
        other.start()
        told = ""
        while "waiting for another download" not in told:
            told += capsys.readouterr().err
            time.sleep(0.01)
        time.sleep(0.3)
        assert server.asked == []
    other.join(60)
    assert whole(root, offered)


def test_arrays_that_are_there_are_not_downloaded_over(root, offered, server, capsys):
    datasets.load(offered.info)
    server.asked.clear()
    (root / "KMNIST/raw" / LAST).unlink()
    datasets.get(offered.info)
    assert server.asked == []
    assert f"already in {root / 'kmnist'}" in capsys.readouterr().err
    (root / "kmnist/test_labels.npy").write_bytes(b"altered")
    with pytest.raises(datasets.DataDamagedError, match="Remove the .npy files"):
        datasets.get(offered.info)


def test_a_variant_that_is_there_is_kept_and_said(root, offered, server, capsys):
    note = "the labels here are all zero"
    values = {array: np.zeros_like(offered.arrays[array]) for array in ARRAYS}
    contents = {a: (Content(arrays.content_checksum(values[a]), "zero", note),) for a in ARRAYS}
    (root / "kmnist").mkdir()
    for array in ARRAYS:
        np.save(root / f"kmnist/{array}.npy", values[array])
    datasets.get(dataclasses.replace(offered.info, contents=contents))
    assert server.asked == []
    assert f"{note}; to download the published set, remove that folder" in capsys.readouterr().err


def test_digits_need_no_download(capsys):
    datasets.get("digits")
    assert "nothing to download" in capsys.readouterr().err


def test_where_the_system_trusts_nobody_the_list_of_certifi_counts(monkeypatch, tmp_path):
    pytest.importorskip("certifi")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "none"))
    assert ssl.create_default_context().cert_store_stats()["x509_ca"] == 0
    assert transfer._certificates().cert_store_stats()["x509_ca"] > 0
