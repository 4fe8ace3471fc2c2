"""Time and memory of every loss, beside PyTorch's own and beside the formula a user would write.

    .venv/bin/python benchmarks/losses.py [--shape 1024x1000] [--loss el nllr] [--threads 1] [--compiled]
    .venv/bin/python benchmarks/losses.py --profile softmax_bce --shape 1024x1000

Each row is a forward and a backward pass from float32 logits on the CPU. A shape of more than two numbers is
that of a batch of images, ``BxKxHxW``. All contestants run in turn within one process, round after round,
each twice with the second time counted; a time is the least of the medians of five stretches of rounds, and
every ratio is of two times of the same rounds. "Plain" is what a user would write: on ``F.cross_entropy`` for
the losses of p_y, else from the paper's formula. Memory is the most that was allocated at once beyond the
logits, gradient included, as PyTorch's allocator reports it, in units of the logits. "Floor" is the time to
copy the logits: 8 bytes per element, the least that reading logits and writing a gradient can cost. Leave the
machine otherwise idle. ``--compiled`` needs a C++ compiler.

Seen once on two otherwise idle cores of an AMD EPYC (Zen 5, AVX-512), torch 2.15: times in units of the plain
loss's, for large batches also of F.cross_entropy's, and memory in units of the logits, of which
F.cross_entropy takes 3. "Images" are logits [2, 21, 256, 256]. The two columns before the memory are with two
threads.

                       [128,    [128,    [1024, 1000]    [32768, 21]  images   [1024, images  memory
                         10]     100]                                           1000]
                      /plain   /plain  /plain    /CE  /plain    /CE     /CE     /CE     /CE
    nllr                  0.81     0.98    0.36   0.35    0.71    1.7    0.53     1.1    0.60     1.0
    el                     1.6      1.9    0.81   0.24     1.5    1.7    0.45    0.93    0.62     1.0
    focal                  1.2      1.5    0.40    1.1    0.86    1.9    0.85     1.4     1.2     1.0
    gce                    1.5      1.8    0.84    1.0     1.5    1.9    0.63     1.1     1.2     1.0
    bce (softmax)          2.0      1.8    0.43    3.1     1.4    4.4     2.8     3.1     4.9     1.5
    mpce                   1.1      1.2    0.42    1.2    0.68    2.1    0.94     1.3     1.1     1.3
    complement_entropy    0.75     0.75    0.28    1.6    0.57    2.3    0.89     1.9     1.1     1.5
    lr                     2.4      1.7    0.81    1.9     1.1    1.3    0.82     2.0     1.4     1.3
    hs_lr                 0.94     0.74    0.13    2.7    0.26    2.6     2.8     4.0     4.4     1.3
    ss_lr                 0.87     0.81    0.43    2.3    0.59    1.9     1.4     2.6     1.6     1.5
    lgl_inr               0.04        -       -    4.6       -    2.2     2.9     5.3     3.0     3.5

Beside F.cross_entropy at [1024, 1000] the losses of p_y came out anywhere from 0.2 to 1.1 in five runs: it
took 0.9 ms in some rounds and up to four times that in others, and they did not. With two threads
F.cross_entropy gains more than most losses do.

Compiled, in units of compiled F.cross_entropy at [1024, 1000], one thread, by processor time:

    nllr 1.2   el 1.3   focal 1.2   gce 1.3   mpce 1.6   complement_entropy 1.9
    lr 2.1     ss_lr 2.6   bce 3.0   hs_lr 3.0   lgl_inr 5.0

Where a time is above 1, the profile says why (``--profile``). On a small batch it is the number of calls: of
the 80 microseconds of el at [128, 10], 23 are 20 operations of about one each, 25 the backward pass of a
``torch.autograd.Function`` (an empty one takes 14), and the rest checks and bookkeeping; the plain loss takes
56, a fused binary cross-entropy 22. At [1024, 1000] el is six passes through cache, 0.4 of the 0.9 ms of
F.cross_entropy, and what goes between blocks. softmax BCE takes log(1 - p) of every class; hs_lr spends a
third of its time on finding the hardest classes. LGL-INR has three functions that PyTorch's kernels take
2.1 ms for: softplus 1.1, softmax over the classes that are there 0.8, and sigmoid 0.2. Compiled, the losses
from mpce on, but not lr, are the code that runs uncompiled, and one more pass to scale the gradient.
"""

import argparse
import dataclasses
import os
import platform
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # The profiler reports on itself otherwise.

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile

from lossbook import losses

SHAPES = ("128x10", "128x100", "1024x1000", "32768x21", "2x21x256x256", "8x5x128x128", "256x32000")
LOGISTIC = ("lr", "hs_lr", "ss_lr", "lgl_inr")
OPTIONS: dict[str, dict[str, float]] = {"tamed_ce": {"alpha": 0.5}}
# About so many elements are worked on in each contestant's rounds together.
WORK, ROUNDS, STRETCHES = 4e7, (10, 400), 5


@dataclasses.dataclass
class Batch:
    """Logits, class indices, and the indices as one-hot floats."""

    logits: Tensor
    target: Tensor
    one_hot: Tensor


Loss = Callable[[Batch], Tensor]


def _at(z: Tensor, y: Tensor) -> Tensor:
    return z.gather(1, y[:, None]).squeeze(1)


def _ce(b: Batch) -> Tensor:
    return F.cross_entropy(b.logits, b.target, reduction="none")


def _p(b: Batch) -> Tensor:
    return torch.exp(-_ce(b))


def _softmax_bce(b: Batch) -> Tensor:
    p = b.logits.softmax(1)
    return -(b.one_hot * p.log() + (1 - b.one_hot) * (1 - p).log()).sum(1).mean()


def _mpce(b: Batch) -> Tensor:
    p = b.logits.softmax(1)
    at_target = _at(p, b.target)
    return -((p.amax(1) - at_target) * at_target.log()).mean()


def _complement_entropy(b: Batch) -> Tensor:
    p = b.logits.softmax(1)
    q = p / (1 - _at(p, b.target))[:, None]
    return ((1 - b.one_hot) * q * (q + 1e-7).log()).sum(1).mean()


def _hs_lr(b: Batch) -> Tensor:
    p = b.logits.sigmoid()
    negatives = -(1 - b.one_hot) * (1 - p + 1e-7).log()
    hardest = negatives.topk((b.logits.shape[1] - 1) // 4, 1).values
    return -(_at(p, b.target) + 1e-7).log().mean() + 10 * hardest.mean()


def _ss_lr(b: Batch) -> Tensor:
    p = b.logits.sigmoid()
    negatives = -(1 - b.one_hot) * p**2 * (1 - p + 1e-7).log()
    return (-(_at(p, b.target) + 1e-7).log() + 10 * negatives.sum(1) / (p.shape[1] - 1)).mean()


def _lgl_inr(b: Batch) -> Tensor:
    p = b.logits.sigmoid()
    present = b.target.unique()
    total = b.logits.new_zeros(())
    for k in range(b.logits.shape[1]):
        others = [p[b.target == j, k] for j in present.tolist() if j != k]
        weights = torch.stack([each.mean() for each in others]).softmax(0)
        total = total - (weights * torch.stack([(1 - each + 1e-7).log().mean() for each in others])).sum()
        own = p[b.target == k, k]
        if len(own):
            total = total - (own + 1e-7).log().mean()
    return total


#: What a user would write, from the papers' formulas.
PLAIN: dict[str, Loss] = {
    "nllr": lambda b: -(_p(b) / (1 - _p(b))).log().mean(),
    "el": lambda b: (1 - _p(b)).mean(),
    "mae": lambda b: (b.logits.softmax(1) - b.one_hot).abs().sum(1).mean(),
    "ceel": lambda b: (_ce(b) + 1 - _p(b)).mean(),
    "focal": lambda b: ((1 - _p(b)) ** 2 * _ce(b)).mean(),
    "gce": lambda b: ((1 - _p(b) ** 0.7) / 0.7).mean(),
    "tamed_ce": lambda b: (((1 + _ce(b)) ** 0.5 - 1) / 0.5).mean(),
    "bce": _softmax_bce,
    "mpce": _mpce,
    "complement_entropy": _complement_entropy,
    "lr": lambda b: F.binary_cross_entropy_with_logits(b.logits, b.one_hot) * b.logits.shape[1],
    "hs_lr": _hs_lr,
    "ss_lr": _ss_lr,
    "lgl_inr": _lgl_inr,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time and memory of every loss.")
    parser.add_argument("--shape", nargs="+", default=SHAPES, help="BxK or BxKxHxW (default: %(default)s)")
    parser.add_argument("--loss", nargs="+", default=list(PLAIN), choices=list(PLAIN))
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--compiled", action="store_true", help="also under torch.compile (slow to start)")
    parser.add_argument("--profile", choices=list(PLAIN), help="show where the time of one loss goes")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(
        f"{platform.machine()}, {given.threads} threads, {torch.backends.cpu.get_cpu_capability()}, "
        f"torch {torch.__version__}"
    )
    for shape in given.shape:
        batch = _batch(*(int(size) for size in shape.split("x")))
        if given.profile:
            _profile(batch, _ours(given.profile))
        else:
            _compare(shape, batch, given.loss, compiled=given.compiled)


def _batch(rows: int, classes: int, *positions: int) -> Batch:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, classes, *positions, generator=generator).requires_grad_()
    target = torch.randint(classes, (rows, *positions), generator=generator)
    return Batch(logits, target, F.one_hot(target, classes).movedim(-1, 1).float().contiguous())


def _ours(name: str) -> Loss:
    loss = losses.get(name, **OPTIONS.get(name, {}))
    return lambda b: loss(b.logits, b.target)


def _compiled(loss: Loss) -> Loss:
    def inner(logits: Tensor, target: Tensor, one_hot: Tensor) -> Tensor:
        return loss(Batch(logits, target, one_hot))

    made = torch.compile(inner, fullgraph=True, dynamic=False)
    return lambda b: made(b.logits, b.target, b.one_hot)


def _step(loss: Loss, batch: Batch) -> None:
    batch.logits.grad = None
    loss(batch).backward()


def _compare(shape: str, batch: Batch, names: list[str], *, compiled: bool) -> None:
    ce: Loss = lambda b: F.cross_entropy(b.logits, b.target)  # noqa: E731
    bce: Loss = lambda b: F.binary_cross_entropy_with_logits(b.logits, b.one_hot)  # noqa: E731
    copy = torch.empty_like(batch.logits)
    (floor,) = _times(batch, [], extra=lambda: copy.copy_(batch.logits.detach()))
    ce_memory, bce_memory = _memory(ce, batch), _memory(bce, batch)
    (ce_time, bce_time) = _times(batch, [ce, bce])
    print(f"\n{shape}: floor {floor:.3f} ms, F.cross_entropy {ce_time:.3f} ms and memory {ce_memory:.2f},")
    print(f"    F.binary_cross_entropy_with_logits {bce_time:.3f} ms and memory {bce_memory:.2f}")
    print(f"{'':20}{'ms':>9}{'/CE':>7}{'/BCE':>7}{'/plain':>8}{'memory':>8}", end="")
    print(f"{'compiled':>10}{'/CE':>7}{'/plain':>8}" if compiled else "")
    for name in names:
        ours = _ours(name)
        # The plain LGL-INR takes minutes for many classes and knows no images.
        slow = name == "lgl_inr" and (batch.logits.shape[1] > 10 or batch.logits.ndim > 2)
        contestants = [ours, ce, bce] if slow else [ours, ce, bce, PLAIN[name]]
        time_ours, time_ce, time_bce, *time_plain = _times(batch, contestants)
        plain = f"{time_ours / time_plain[0]:8.2f}" if time_plain else f"{'-':>8}"
        memory = _memory(ours, batch)
        print(
            f"{name:20}{time_ours:9.3f}{time_ours / time_ce:7.2f}{time_ours / time_bce:7.2f}{plain}", end=""
        )
        print(f"{memory:8.2f}", end="", flush=True)
        if compiled:
            torch.compiler.reset()  # The compiler gives up on a function that it has seen too often.
            both = [_compiled(ours), _compiled(ce)]
            if not slow:
                both.append(_compiled(PLAIN[name]))
            fast, fast_ce, *fast_plain = _times(batch, both)
            plain = f"{fast / fast_plain[0]:8.2f}" if fast_plain else f"{'-':>8}"
            print(f"{fast:10.3f}{fast / fast_ce:7.2f}{plain}", end="")
        print(flush=True)


def _times(
    batch: Batch, contestants: list[Loss], *, extra: Callable[[], object] | None = None
) -> list[float]:
    """Milliseconds of a step: the least of the medians of stretches of rounds in which all run in turn."""
    steps: list[Callable[[], object]] = [lambda loss=loss: _step(loss, batch) for loss in contestants]  # type: ignore[misc]
    if extra is not None:
        steps.append(extra)
    least, most = ROUNDS
    rounds = int(min(most, max(least, WORK / batch.logits.numel())))
    for step in steps:
        step()
    taken: list[list[float]] = [[] for _ in steps]
    for _ in range(rounds):
        for step, times in zip(steps, taken, strict=True):
            step()  # Or the memory that the one before has left decides.
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
    part = max(1, rounds // STRETCHES)
    starts = range(0, rounds - part + 1, part)
    return [1e3 * min(statistics.median(times[start : start + part]) for start in starts) for times in taken]


def _memory(loss: Loss, batch: Batch) -> float:
    """What is allocated at once during a step, at most, in units of the logits."""
    _step(loss, batch)
    batch.logits.grad = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        _step(loss, batch)
    assert seen.profiler is not None
    assert seen.profiler.kineto_results is not None
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most / (4 * batch.logits.numel())


def _profile(batch: Batch, loss: Loss) -> None:
    for _ in range(3):
        _step(loss, batch)
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(10):
            _step(loss, batch)
    print(seen.key_averages().table(sort_by="self_cpu_time_total", row_limit=15, max_name_column_width=30))


if __name__ == "__main__":
    main()
