"""Tiny sets in the published formats, and a server that misbehaves on request."""

import dataclasses
import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from lossbook import datasets
from lossbook.datasets import transfer
from lossbook.datasets.registry import FileInfo


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """An empty data root."""
    folder = tmp_path / "root"
    folder.mkdir()
    monkeypatch.setenv("LOSSBOOK_DATA", str(folder))
    for variable in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(transfer, "RETRY_SECONDS", 0.0)
    return folder


def file_info(name: str, content: bytes, **more) -> FileInfo:
    return FileInfo(
        name,
        size=len(content),
        md5=hashlib.md5(content).hexdigest(),
        sha256=hashlib.sha256(content).hexdigest(),
        **more,
    )


@dataclasses.dataclass
class TinySet:
    """A made-up set: its registry entry, its published files, and the arrays they hold."""

    info: datasets.DatasetInfo
    files: dict[str, bytes]
    arrays: dict[str, np.ndarray]

    def put(self, root: Path, *names: str) -> None:
        """Lay published files where torchvision keeps them."""
        folder = root if self.info.archive else root / self.info.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name in names or self.files:
            (folder / name).write_bytes(self.files[name])


def _random_arrays(rng, shape, classes, train, test):
    return {
        "train_images": rng.integers(0, 256, (train, *shape), dtype=np.uint8),
        "train_labels": rng.integers(0, classes, train, dtype=np.int64),
        "test_images": rng.integers(0, 256, (test, *shape), dtype=np.uint8),
        "test_labels": rng.integers(0, classes, test, dtype=np.int64),
    }


def _idx(array: np.ndarray) -> bytes:
    # MNIST's own format: two zero bytes, type 8 (unsigned byte), rank, big-endian sizes, values.
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def tiny_kmnist() -> TinySet:
    """Twelve and six images in MNIST's format; the unpacked files have no published checksum."""
    arrays = _random_arrays(np.random.default_rng(1), (28, 28, 1), 10, 12, 6)
    published = datasets.info("kmnist")
    files, entries = {}, []
    for entry in published.files:
        array = arrays[entry.array]
        plain = _idx(array[..., 0] if array.ndim == 4 else array.astype(np.uint8))
        files[entry.name] = gzip.compress(plain, mtime=0)
        unpacked = FileInfo(entry.unpacked.name)
        entries.append(file_info(entry.name, files[entry.name], array=entry.array, unpacked=unpacked))
    info = dataclasses.replace(published, files=tuple(entries), parts={"train": 12, "test": 6})
    return TinySet(info, files, arrays)


def _batch(arrays, split, start, stop, label_key) -> bytes:
    images = arrays[f"{split}_images"][start:stop].transpose(0, 3, 1, 2).reshape(stop - start, -1)
    labels = arrays[f"{split}_labels"][start:stop].tolist()
    return pickle.dumps({"data": np.ascontiguousarray(images), label_key: labels}, protocol=2)


def _archived(published, members, arrays, train, test) -> TinySet:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(f"{published.folder}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive = file_info(published.archive.name, packed.getvalue())
    entries = tuple(
        FileInfo(entry.name, md5=hashlib.md5(members[entry.name]).hexdigest()) for entry in published.files
    )
    parts = {"train": train, "test": test}
    info = dataclasses.replace(published, files=entries, archive=archive, contents={}, parts=parts)
    return TinySet(info, {archive.name: packed.getvalue()}, arrays)


@pytest.fixture
def tiny_cifar100() -> TinySet:
    """Nine and four images in CIFAR-100's pickles, in their archive."""
    arrays = _random_arrays(np.random.default_rng(2), (32, 32, 3), 100, 9, 4)
    published = datasets.info("cifar100")
    members = {
        "train": _batch(arrays, "train", 0, 9, "fine_labels"),
        "test": _batch(arrays, "test", 0, 4, "fine_labels"),
        "meta": pickle.dumps({"fine_label_names": list(published.class_names)}, protocol=2),
    }
    return _archived(published, members, arrays, 9, 4)


@pytest.fixture
def tiny_cifar10() -> TinySet:
    """Ten and three images in CIFAR-10's five batches and one, in their archive."""
    arrays = _random_arrays(np.random.default_rng(3), (32, 32, 3), 10, 10, 3)
    published = datasets.info("cifar10")
    members = {f"data_batch_{n + 1}": _batch(arrays, "train", 2 * n, 2 * n + 2, "labels") for n in range(5)}
    members["test_batch"] = _batch(arrays, "test", 0, 3, "labels")
    members["batches.meta"] = pickle.dumps({"label_names": list(published.class_names)}, protocol=2)
    return _archived(published, members, arrays, 10, 3)


class Server:
    """Serves bytes by name; `plan` says how each request is answered, its last entry all further ones."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.plan: list[str] = ["well"]
        self.asked: list[tuple[str, str | None]] = []
        self.closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_args) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}/"
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, request) -> None:
        name = request.path.lstrip("/")
        wanted = request.headers.get("Range")
        self.asked.append((name, wanted))
        how = self.plan.pop(0) if len(self.plan) > 1 else self.plan[0]
        body = self.files.get(name)
        if body is None or how in ("404", "503"):
            request.send_error(int(how) if how.isdigit() else 404)
            return
        if how == "hangs":
            self.closing.wait(30)
            return
        if how == "wrong bytes":
            body = bytes([body[0] ^ 1]) + body[1:]
        if how == "lacks the end":
            body = body[:-10]
        start = 0
        if wanted and how not in ("ignores Range", "breaks off and ignores Range", "lacks the end"):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body) or how == "416":
                request.send_error(416)
                return
            request.send_response(206)
            start += how == "other part"
            request.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            request.send_response(200)
        sent = body[start:]
        length = len(sent)
        if how.startswith("breaks off"):
            sent = sent[: max(len(body) // 3, 1)]
        elif how == "announces too much":
            length += 100
        elif how == "announces too little":
            length -= 10
        elif how == "sends too much":
            sent += b"more"
            length += 4
        if how != "announces nothing":
            request.send_header("Content-Length", str(length))
        request.end_headers()
        pieces = [sent]
        if how == "slowly":
            step = max(len(sent) // 5, 1)
            pieces = [sent[at : at + step] for at in range(0, len(sent), step)]
        for piece in pieces:
            request.wfile.write(piece)
            request.wfile.flush()
            if how == "slowly":
                time.sleep(0.1)


@pytest.fixture
def server():
    """A server on this machine that does as it is told."""
    running = Server()
    yield running
    running.close()


@pytest.fixture
def second_server():
    """Another one, as a mirror."""
    running = Server()
    yield running
    running.close()
