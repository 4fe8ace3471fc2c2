"""An experiment divided into jobs, run by Snakemake on this machine; test_slurm.py has those of a cluster."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lossbook import experiments
from lossbook.build import settings
from lossbook.build.__main__ import main
from lossbook.build.errors import UNFINISHED
from lossbook.build.settings import read_settings
from lossbook.errors import LossbookError, UnknownNameError
from lossbook.experiments import locks, runner
from lossbook.results import Store

ROOT = Path(__file__).parents[2]
EXPERIMENT = "li2020/table5"
TARGET = f"experiments/{EXPERIMENT}.json"
SLURM = ROOT / "workflow" / "profiles" / "slurm"


def _environment(build):
    known = {k: v for k, v in os.environ.items() if not k.startswith(("LOSSBOOK_", "SLURM_"))}
    return known | {
        "PYTHONPATH": str(ROOT / "src"),
        "LOSSBOOK_BUILD": str(build),
        "LOSSBOOK_DATA": str(build / "data"),
        "XDG_CACHE_HOME": str(build / "cache"),
        "OMP_NUM_THREADS": "1",
    }


def _python(build, *arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=_environment(build),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _snakemake(build, *options, target=TARGET):
    folder = str(build / "smoke")
    return [
        *("snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", folder, target),
        *("--config", "profile=smoke", "shards=2", "device=cpu", *options),
    ]


def _numbers(build):
    """What the records of the experiment say, without when and where it was found."""
    store = Store(build / "results", build / "none")
    return {r.key: (r.seed, r.status, r.metrics, r.curves) for r in store.records(EXPERIMENT, "smoke")}


def _lines(build):
    """How many records there are, by file."""
    folder = build / "results" / EXPERIMENT
    return {path.name: path.read_text().count("\n") for path in folder.glob("*.jsonl")}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The numbers of an undivided run."""
    build = tmp_path_factory.mktemp("plain")
    done = _python(build, "lossbook.cli", "run", EXPERIMENT, "--profile", "smoke", "--device", "cpu")
    assert done.returncode == 0, done.stdout
    return _numbers(build)


def test_shards_train_what_an_undivided_run_trains(tmp_path, plain):
    done = _python(tmp_path, *_snakemake(tmp_path, "--cores", "2"))
    assert done.returncode == 0, done.stdout
    assert _numbers(tmp_path) == plain
    assert _lines(tmp_path) == {"smoke.jsonl": len(plain)}
    assert not list((tmp_path / "smoke" / "shards").rglob("*.json"))
    # Nothing is done again, unless records change behind the workflow's back.
    again = _snakemake(tmp_path, "--cores", "2", "--dry-run", "--printshellcmds")
    assert "Nothing to be done" in _python(tmp_path, *again).stdout
    common = tmp_path / "results" / EXPERIMENT / "smoke.jsonl"
    common.write_text("".join(common.read_text().splitlines(keepends=True)[1:]))
    planned = _python(tmp_path, *again).stdout
    assert all(f"output: {name}" in planned for name in (TARGET, f"shards/{EXPERIMENT}/1-of-2.json"))
    # The whole is trained where its parts are.
    steps = re.findall(r"-m lossbook\.build (\w+) .*--device cpu", planned)
    assert sorted(steps) == ["experiment", "shard", "shard"]


def test_shard_out_of_time_says_so_and_goes_on(tmp_path, plain):
    stamp = tmp_path / "stamps" / "1-of-2.json"
    step = ("lossbook.build", "shard", EXPERIMENT, "1-of-2", "--profile", "smoke", "--device", "cpu")
    step += ("--stamp", str(stamp))
    stopped = _python(tmp_path, *step, "--budget", "0.0001")
    assert stopped.returncode == UNFINISHED == 75
    assert "3 runs of shard 1-of-2 of li2020/table5 are left; the same command goes on" in stopped.stdout
    assert not stamp.exists()
    done = _python(tmp_path, *step)
    assert done.returncode == 0, done.stdout
    assert stamp.is_file()
    assert _lines(tmp_path) == {"smoke.shard-1-of-2.jsonl": 3}
    assert _numbers(tmp_path).items() < plain.items()


def test_an_experiment_of_which_another_process_has_a_run_in_hand_is_not_done(tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path))
    monkeypatch.setenv("LOSSBOOK_FAILURES", str(tmp_path / "failures"))
    stamp = tmp_path / "stamp.json"
    step = ["experiment", EXPERIMENT, "--profile", "smoke", "--device", "cpu", "--stamp", str(stamp)]
    chosen = experiments.get(EXPERIMENT)
    runs, _ = runner.plan_experiment(chosen, chosen.profile("smoke"))
    with locks.claimed(runs[1]):
        assert main(step) == UNFINISHED
    assert not stamp.exists()
    said = (tmp_path / "failures" / "experiment-li2020-table5.txt").read_text()
    assert f"1 runs of {EXPERIMENT} are left; the same command goes on with them; in hand: " in said
    assert f"process {os.getpid()} on " in said
    assert locks.holders(runs) == []
    assert main(step) == 0
    assert stamp.is_file()


def test_experiments_that_share_a_gpu_train_one_at_a_time(monkeypatch):
    monkeypatch.setattr(settings.Path, "exists", lambda _: False)
    found = {device: settings.Settings(device=device).one_at_a_time for device in ("auto", "cpu", "cuda:1")}
    assert found == {"auto": False, "cpu": False, "cuda:1": True}
    monkeypatch.setattr(settings.Path, "exists", lambda _: True)
    assert settings.Settings(device="auto").one_at_a_time
    assert not settings.Settings(device="cpu").one_at_a_time


def test_settings_say_what_a_shard_is_to_do():
    settings = read_settings({"profile": "paper", "shards": 3, "refresh": False, "device": "cuda"})
    assert settings.stamps("a/b") == [f"shards/a/b/{i}-of-3.json" for i in (1, 2, 3)]
    assert settings.options(240) == "--device cuda --no-refresh --budget 230"
    assert settings.options(4) == "--device cuda --no-refresh --budget 2"
    assert read_settings({}).stamps("a/b") == []
    assert read_settings({}).options(None) == "--device auto"


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ({"shard": 3}, UnknownNameError, "unknown setting 'shard'; did you mean 'shards'"),
        ({"profile": "smok"}, UnknownNameError, "did you mean 'smoke'"),
        ({"shards": 0}, LossbookError, "setting 'shards' must be a whole number from 1; got 0"),
        ({"shards": True}, LossbookError, "a whole number"),
        ({"threads": "all"}, LossbookError, "a whole number"),
        ({"refresh": 1}, LossbookError, "'refresh' must be True or False"),
        ({"device": 0}, LossbookError, "'device' must be a name"),
    ],
)
def test_wrong_settings_are_refused(config, error, message):
    with pytest.raises(error, match=message):
        read_settings(config)


def test_slurm_profile_gives_every_rule_what_it_needs():
    profile = yaml.safe_load((SLURM / "config.yaml").read_text())
    assert profile["executor"] == "slurm"
    assert profile["retries"] >= 1
    assert {"runtime", "mem_mb"} <= set(profile["default-resources"])
    rules = set(re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.MULTILINE))
    assert set(profile["set-resources"]) <= rules
