"""A run on two processes beside the same run on one."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

from lossbook.experiments import distributed
from lossbook.experiments.runner import run_experiment
from lossbook.results import Store

# A network without dropout and batch normalisation, on images without augmentation.
EXPERIMENT = textwrap.dedent(
    """
    from lossbook.experiments import Cell, Experiment, Profile
    from lossbook.training import RunSpec

    def toy(step=None, model="li2020_cnn2c", epochs=3):
        settings = {"optimizer_options": {"lr": 0.1, "momentum": 0.9}, "batch_size": 32, "epochs": epochs}
        sizes = {"train_size": 81, "test_size": 50, "step": step}
        spec = RunSpec("digits", model, "ce", "sgd", **settings, **sizes)
        cell = Cell({"loss": "ce", "epochs": epochs}, spec)
        return Experiment("toy/divided", "A toy", {"smoke": Profile("smoke", "tiny", (cell,), seeds=2)})
    """
)
exec(EXPERIMENT)


def torchrun(place, code, processes=2):
    script = place / "divided.py"
    script.write_text(EXPERIMENT + textwrap.dedent(code))
    environment = os.environ | {"LOSSBOOK_BUILD": str(place), "OMP_NUM_THREADS": "1"}
    # Unbuffered, a line and its end are written apart, and two processes mix theirs.
    environment.pop("PYTHONUNBUFFERED", None)
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    return subprocess.run(
        [sys.executable, "-m", *launch, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )


DIVIDED = """
    from lossbook.errors import LossbookError
    from lossbook.experiments.distributed import run_distributed
    from lossbook.training import distributed

    distributed.start()
    try:
        made, left = run_distributed(toy(**OPTIONS), profile="smoke", **MORE)
        said = f"done {made} {left}"
    except LossbookError as error:
        said = f"refused {error}"
    # One write: torchrun does not buffer, and what two processes write in pieces can mix.
    print(said + "\\n", end="", flush=True)
    distributed.stop()
"""


def divided(place, options="{}", more="{}"):
    done = torchrun(place, f"OPTIONS, MORE = {options}, {more}\n" + textwrap.dedent(DIVIDED))
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_two_processes_give_what_one_does_but_for_rounding(tmp_path, store):
    # 81 examples in batches of 32 leave 17 for the last: shares of 9 and 8, which must not count alike.
    assert divided(tmp_path).splitlines() == ["done 2 0"] * 2
    whole = run_experiment(toy(), profile="smoke", store=store, device="cpu", progress=False)  # noqa: F821
    made = Store(working=tmp_path / "results", published=tmp_path / "none").records()
    assert [record.key for record in made] == [record.key for record in whole.records]
    for record, alone in zip(made, whole.records, strict=True):
        assert record.provenance["processes"] == 2
        for name, curve in alone.curves.items():
            assert record.curves[name] == pytest.approx(curve, rel=2e-4), name
    assert not list((tmp_path / "checkpoints").glob("*.pt"))
    # What has a record is left alone.
    assert divided(tmp_path).splitlines() == ["done 0 0"] * 2
    lines = (tmp_path / "results/toy/divided/smoke.jsonl").read_text().splitlines()
    assert len({json.loads(line)["key"] for line in lines}) == len(lines) == 2


def test_a_budget_ends_all_processes(tmp_path):
    stopped = divided(tmp_path, '{"epochs": 100_000}', '{"budget_minutes": 0.05}')
    assert stopped.count("done 0 2") == 2


def test_steps_of_two_passes_are_refused(tmp_path):
    assert (
        divided(tmp_path, '{"step": "complement"}').count("refused toy/divided takes steps of two passes")
        == 2
    )


def test_the_command_says_how_it_is_started(capsys):
    assert distributed.main(["li2020/table5", "--profile", "smoke"]) == 2
    assert "torchrun --nproc-per-node 2 -m lossbook.experiments.distributed" in capsys.readouterr().err
