"""Training needs no library of the pages, and a loss needs torch alone."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import lossbook

PAGES = {
    *("jupytext", "papermill", "snakemake", "matplotlib", "seaborn", "sympy", "nbformat", "nbconvert"),
    *("IPython", "ipykernel", "jupyter_book", "sphinx", "hypothesis", "mpmath"),
}
BEYOND_TORCH = {"pandas", "scipy", "sklearn", "yaml", "torchvision", "typer", "rich", "matplotlib", "PIL"}

BLOCK = """
    import sys

    def asking():
        frame = sys._getframe(2)
        while frame.f_code.co_filename.startswith("<frozen importlib"):
            frame = frame.f_back
        return frame.f_globals["__name__"].partition(".")[0]

    class Blocker:
        def find_spec(self, name, path=None, target=None):
            # torch's optimisers import sympy, and that mpmath; both come with torch.
            if name.partition(".")[0] in BLOCKED and asking() not in ("torch", "sympy", "mpmath"):
                raise ImportError(f"{name} must not be needed here")

    sys.meta_path.insert(0, Blocker())
"""


def run_without(blocked, code, tmp_path):
    source = f"BLOCKED = {sorted(blocked)!r}\n" + textwrap.dedent(BLOCK) + textwrap.dedent(code)
    environment = os.environ | {
        "PYTHONPATH": str(Path(lossbook.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
        "LOSSBOOK_BUILD": str(tmp_path / "build"),
        "LOSSBOOK_DATA": str(tmp_path / "data"),
    }
    done = subprocess.run(
        [sys.executable, "-c", source], env=environment, cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_an_epoch_on_digits_without_the_libraries_of_the_pages(tmp_path):
    out = run_without(
        PAGES,
        """
        from lossbook import datasets, experiments
        from lossbook.training import RunSpec, plan_run, select, train

        data = datasets.load("digits", download=False)
        sizes = {"batch_size": 32, "epochs": 1, "train_size": 64, "test_size": 50}
        spec = RunSpec("digits", "keras_mnist_cnn", "nllr", "keras_adadelta", **sizes)
        result = train(plan_run(spec), select(data, spec))
        print(result.status, len(result.curves["test_ce"]), "yao2018/table1" in experiments.names())
        """,
        tmp_path,
    )
    assert out.split() == ["finished", "1", "True"]


@pytest.mark.parametrize("name", ["sympy", "matplotlib.pyplot", "papermill"])
def test_the_block_holds(tmp_path, name):
    with pytest.raises(AssertionError, match=f"{name.partition('.')[0]} must not be needed here"):
        run_without(PAGES, f"import {name}", tmp_path)


def test_losses_need_torch_alone(tmp_path):
    out = run_without(
        BEYOND_TORCH,
        """
        import torch
        from lossbook import losses

        print(float(losses.get("nllr")(torch.tensor([[0.0, 2.0]]), torch.tensor([0]))))
        loaded = {name for name in sys.modules if name.startswith("lossbook")}
        print(*sorted(loaded))
        """,
        tmp_path,
    )
    value, loaded = out.splitlines()
    assert float(value) == 2.0
    elsewhere = {name for name in loaded.split() if not name.startswith("lossbook.losses")}
    assert elsewhere == {"lossbook", "lossbook.errors"}


def test_importing_the_package_is_enough_for_its_rooms_and_loads_none(tmp_path):
    code = """
        import lossbook

        assert "torch" not in sys.modules
        assert {"losses", "papers"} <= set(dir(lossbook))
        lossbook.losses.NLLRLoss()
        lossbook.analysis.check("torch is all it takes", True)
        try:
            lossbook.looses
        except AttributeError as error:
            print(error)

    """
    assert "has no attribute 'looses'" in run_without(set(), code, tmp_path)
