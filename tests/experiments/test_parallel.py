"""The command that trains an experiment's networks on several processes."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import lossbook
from lossbook import experiments
from lossbook.experiments import parallel
from lossbook.experiments.runner import run_experiment
from lossbook.results import Store

EXPERIMENT = "li2020/table5"

if not torch.distributed.is_gloo_available():
    pytest.skip("this PyTorch has no gloo", allow_module_level=True)


def _torchrun(build, *arguments):
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {
        "PYTHONPATH": str(Path(lossbook.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "LOSSBOOK_BUILD": str(build),
        "CUDA_VISIBLE_DEVICES": "",
    }
    return subprocess.run(
        [sys.executable, "-m", *launch, "-m", "lossbook.experiments.parallel", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_records_of_two_processes_are_those_of_one(place, tmp_path):
    # What has a record is left alone.
    done = run_experiment(experiments.get(EXPERIMENT), profile="smoke", seeds=1, device="cpu", progress=False)
    common = place / "results" / EXPERIMENT / "smoke.jsonl"
    lines = common.read_text().splitlines(keepends=True)
    common.write_text(lines[0])

    said = _torchrun(place, EXPERIMENT, "--profile", "smoke", "--seeds", "1")
    assert said.returncode == 0, said.stderr
    assert said.stdout == f"{EXPERIMENT} [smoke]: {len(lines) - 1} runs trained now, 0 left\n"
    assert common.read_text().startswith(lines[0])
    assert common.read_text().count("\n") == len(lines)
    assert not list(place.rglob("*.pt"))

    together = {record.key: record for record in Store(published=tmp_path).records(EXPERIMENT, "smoke")}
    for alone in done.records:
        record = together.pop(alone.key)
        assert (record.labels, record.status, record.stale) == (alone.labels, alone.status, False)
        assert record.metrics == pytest.approx(alone.metrics, rel=1e-4, abs=1e-6)
        assert record.provenance.get("processes") == (None if record == alone else 2)
    assert not together


def test_experiment_on_tables_is_refused(place):
    (run, *_), _ = parallel.plan_experiment(
        experiments.get("battash2021/table4"), experiments.get("battash2021/table4").profile("smoke")
    )
    with pytest.raises(parallel.LossbookError, match="divide it by `lossbook run --shard`"):
        parallel._divided(run)


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A process group of this process alone, which the command takes for the one it makes."""
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    destroy = torch.distributed.destroy_process_group
    monkeypatch.setenv("LOCAL_RANK", "0")
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda *_: None)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", lambda: None)
    yield
    destroy()


def test_stand_in_data_are_noted(place, group, monkeypatch, capsys):
    monkeypatch.setattr(parallel, "plan_experiment", lambda *_: ([], ("digits stand in for mnist",)))
    assert parallel.main([EXPERIMENT, "--profile", "smoke"]) == 0
    assert capsys.readouterr().out.endswith("0 left\nnote: digits stand in for mnist\n")


@pytest.mark.parametrize("minutes", [0, -1, math.nan])
def test_budget_that_is_none_is_refused(minutes):
    with pytest.raises(parallel.LossbookError, match="a positive number of minutes"):
        parallel.run_parallel(experiments.get(EXPERIMENT), profile="smoke", budget_minutes=minutes)


def test_command_says_how_it_is_started(monkeypatch, capsys):
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    assert parallel.main([EXPERIMENT]) == 2
    assert (
        f"torchrun --nproc-per-node 2 -m lossbook.experiments.parallel {EXPERIMENT}"
        in capsys.readouterr().err
    )
