"""Bits on which published records rest: two-dimensional logits on a processor, digest by digest.

A record is trained again bit for bit only where the losses round as they did. The digests in ``golden.json``
hold for one version of PyTorch and one set of vector instructions, which stand beside them; elsewhere there
is nothing to compare with. Makers of processors differ too: on Intel's, PyTorch's library for exponentials
takes other code than on AMD's, on which the records were made. So the digests are taken in a process of their
own that asks for the code they have in common. To write the file anew, which makes every record look old::

    python tests/losses/test_golden.py
"""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from lossbook import losses

GOLDEN = Path(__file__).parent / "golden.json"
CASES = [
    ("ce", {}),
    ("lr", {}),
    ("hs_lr", {}),
    ("ss_lr", {}),
    ("lgl_inr", {}),
    ("lgl_inr", {"beta": 0.0}),
    ("lgl_inr", {"beta": 4.0}),
    ("lgl_inr", {"detach": True}),
    ("lgl_inr", {"class_reduction": "mean"}),
    ("nllr", {}),
    ("nllr", {"clip": 1e-7}),
    ("bce", {}),
    ("ceel", {}),
    ("ceel", {"beta": 0.0}),
    *(("ceel", {"schedule": [focus]}) for focus in (0.1, 0.2, 0.3, 0.4, 0.5)),
    ("focal", {}),
    ("focal", {"alpha": 0.25}),
    ("focal", {"gamma": 0.5}),
    ("el", {}),
    ("mae", {}),
    ("gce", {}),
    ("tamed_ce", {"alpha": 0.5}),
    ("mpce", {}),
    ("complement_entropy", {}),
    ("asymmetric", {}),
]
DTYPES = {"float32": torch.float32, "float64": torch.float64}


#: Rounding that all processors share, and one thread: threads divide sums over a batch.
ENVIRONMENT = {"MKL_CBWR": "COMPATIBLE", "OMP_NUM_THREADS": "1"}


def environment():
    return f"torch {torch.__version__.partition('+')[0]}, {torch.backends.cpu.get_cpu_capability()}"


def label(name, options):
    return " ".join([name, *(f"{key}={value}" for key, value in options.items())])


def digest(name, options):
    """Of values and gradients: every reduction, dtype and batch, with weights and ignored examples or not."""
    seen = hashlib.sha256()
    for rows, dtype, reduction, plain in itertools.product(
        (1, 64, 96, 128), DTYPES.values(), ("none", "mean", "sum"), (True, False)
    ):
        generator = torch.Generator().manual_seed(rows)
        logits = torch.randn(rows, 10, generator=generator).to(dtype)
        logits *= torch.logspace(-1, 2, rows, dtype=dtype).unsqueeze(1)
        target = torch.randint(10, (rows,), generator=generator)
        settings = {"reduction": reduction}
        if not plain:
            settings["weight"] = torch.linspace(0.5, 2, 10, dtype=dtype)
            settings["ignore_index"] = 3
        leaf = logits.requires_grad_()
        value = losses.get(name, **options, **settings)(leaf, target)
        slopes = torch.linspace(-1, 2, value.numel(), dtype=dtype).view_as(value) if value.ndim else None
        for each in (value, *torch.autograd.grad(value, leaf, slopes)):
            seen.update(each.detach().numpy().tobytes())
    return seen.hexdigest()[:16]


@pytest.fixture(scope="module")
def digests():
    """Those of this machine, by case; skipped where there is nothing to compare with."""
    known = json.loads(GOLDEN.read_text())["environment"]
    if known != environment():
        pytest.skip(f"the digests are for {known}; here is {environment()}")
    ran = subprocess.run([sys.executable, __file__, "-"], stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(ran.stdout)["digests"]


@pytest.mark.parametrize(("name", "options"), CASES, ids=itertools.starmap(label, CASES))
def test_bits_are_those_of_the_published_records(digests, name, options):
    known = json.loads(GOLDEN.read_text())["digests"]
    assert digests[label(name, options)] == known[label(name, options)]


def main(arguments):
    """Write the digests to the file, or with ``-`` to the standard output."""
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):  # read when torch is loaded
        os.execve(sys.executable, [sys.executable, __file__, *arguments], {**os.environ, **ENVIRONMENT})
    found = {label(*case): digest(*case) for case in CASES}
    text = json.dumps({"environment": environment(), "digests": found}, indent=1) + "\n"
    if arguments == ["-"]:
        sys.stdout.write(text)
    else:
        GOLDEN.write_text(text)


if __name__ == "__main__":
    main(sys.argv[1:])
