import pytest
from typer.testing import CliRunner

from lossbook import datasets
from lossbook.cli.data import app
from lossbook.datasets import transfer


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An empty data root, and no network."""
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path))
    monkeypatch.setattr(transfer, "_knock", lambda place, answers: answers.put((place, "no network")))
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, arguments)


def test_list_shows_every_set_with_its_licence(root):
    result = run("list")
    assert result.exit_code == 0
    lines = {line.split()[0]: line for line in result.stdout.splitlines() if line.split()}
    for name in datasets.names():
        assert datasets.info(name).licence in lines[name]
    assert lines["mnist"].split()[1] == "no"
    assert "11.6 MB" in lines["mnist"]
    assert "lossbook data get mnist" in lines["mnist"]
    assert lines["digits"].split()[1] == "yes"
    assert str(root) in result.stdout


def test_list_says_what_is_damaged(root):
    (root / "mnist").mkdir()
    for array in ("train_images", "train_labels", "test_images", "test_labels"):
        (root / f"mnist/{array}.npy").write_bytes(b"no array")
    line = next(line for line in run("list").stdout.splitlines() if line.split()[:1] == ["mnist"])
    assert line.split()[1:3] == ["yes", "NO"]


def test_get_without_a_network_says_what_to_do(root):
    result = run("get", "kmnist")
    assert isinstance(result.exception, datasets.DataUnavailableError)
    assert "codh.rois.ac.jp: no network" in str(result.exception)
    assert str(root / "KMNIST/raw") in str(result.exception)


def test_get_of_an_unknown_set_names_the_nearest(root):
    assert "did you mean 'cifar100'?" in str(run("get", "cifar-100").exception)


def test_verify_of_what_is_here(root):
    result = run("verify")
    assert result.exit_code == 0
    assert "digits: scikit-learn verified" in result.stdout
    assert f"cifar10: not in {root}" in result.stdout


def test_verify_of_one_that_is_not_here_fails(root):
    result = run("verify", "cifar10")
    assert result.exit_code == 1
    assert "lossbook data get cifar10" in result.stdout


def test_verify_names_what_is_wrong(root):
    folder = root / "MNIST/raw"
    folder.mkdir(parents=True)
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(b"truncated")
    for arguments in (["verify", "mnist"], ["verify"]):
        result = run(*arguments)
        assert result.exit_code == 1
        problem = next(line for line in result.stderr.splitlines() if line.startswith("mnist:"))
        assert str(path) in problem
        assert datasets.info("mnist").files[3].sha256 in problem
        assert "lossbook data get mnist" in problem


def test_sets_that_cannot_be_downloaded_say_so(root):
    lines = {line.split()[0]: line for line in run("list").stdout.splitlines() if line.split()}
    assert "must be asked for: lossbook data get imagenet says where" in lines["imagenet"]
    assert "cannot be loaded" in lines["dukemtmc"]
    for name, words in (("imagenet", "https://www.image-net.org/"), ("dukemtmc", "withdrawn by its makers")):
        result = run("get", name)
        assert isinstance(result.exception, datasets.DataUnavailableError)
        assert words in str(result.exception)
    asked, refused = run("verify", "imagenet"), run("verify", "dukemtmc")
    assert asked.exit_code == refused.exit_code == 1
    assert "`lossbook data get imagenet` says where to ask for it" in asked.stdout
    assert "withdrawn by its makers" in refused.stdout
    assert "data get" not in refused.stdout


def test_get_all_goes_on_where_one_fails(root, monkeypatch):
    asked = []

    def get(name):
        asked.append(name)
        if name == "kmnist":
            raise datasets.DataUnavailableError("no server could be reached")

    monkeypatch.setattr(datasets, "get", get)
    result = run("get", "all")
    assert {"mnist", "kmnist", "cifar100", "uci121", "digits"} <= set(asked)
    assert not {"imagenet", "dukemtmc"} & set(asked)
    assert "passed over; `lossbook data get imagenet` says where to ask" in result.stderr
    assert "passed over; it cannot be loaded" in result.stderr
    assert "kmnist: no server could be reached" in result.stderr
    assert str(result.exception) == "1 data sets could not be downloaded: kmnist"
    monkeypatch.setattr(datasets, "get", asked.append)
    assert run("get", "all").exit_code == 0
