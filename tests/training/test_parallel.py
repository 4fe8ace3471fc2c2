"""A run divided among two processes is the run of one, up to the order of sums."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import lossbook
from lossbook.training import train
from lossbook.training.parallel import DividedNetwork, train_parallel

PROGRAM = Path(__file__).with_name("divided.py")
_spec = importlib.util.spec_from_file_location("divided", PROGRAM)
divided = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(divided)

if not torch.distributed.is_gloo_available():
    pytest.skip("this PyTorch has no gloo", allow_module_level=True)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes say, started by torchrun."""
    folder = tmp_path_factory.mktemp("divided")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = os.environ | {
        "PYTHONPATH": str(Path(lossbook.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "LOSSBOOK_BUILD": str(folder / "build"),
    }
    done = subprocess.run(
        [*command, str(PROGRAM), str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("name", divided.plans())
def test_two_processes_train_what_one_trains(two, name):
    plan = divided.plans()[name]
    alone = train(plan, divided.digits(plan.spec)).curves
    together = two[0]["results"][name]
    assert two[1]["results"][name] == together
    assert len(set(alone["train_loss"])) == 3  # It moves.
    for curve, values in alone.items():
        # Twelve steps in float32, whose precision is 1e-7; seen were differences of up to 1e-6.
        assert together[curve] == pytest.approx(values, rel=1e-5), curve


def test_stopped_by_the_first_clock_and_continued(two):
    for each in two:
        assert each["results"]["continued"] == each["results"]["norm"]
        assert each["epochs"] == [3]
        assert each["saved"] == ["0/run.2-processes.pt"]
        assert each["left"] == 0


@pytest.mark.parametrize(
    "layer",
    [nn.AlphaDropout(0.1), nn.RReLU(), nn.LSTM(4, 4, 2, dropout=0.1), nn.TransformerEncoderLayer(4, 2)],
    ids=lambda layer: type(layer).__name__,
)
def test_random_numbers_that_cannot_be_divided_are_refused(layer):
    with pytest.raises(ValueError, match="cannot be divided among processes"):
        DividedNetwork(nn.Sequential(nn.Linear(4, 4), layer))


def test_needs_processes():
    plan = divided.plans()["ce"]
    with pytest.raises(RuntimeError, match="start this by torchrun"):
        train_parallel(plan, divided.digits(plan.spec))
