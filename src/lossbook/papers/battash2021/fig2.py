"""Fig. 2: a pretrained BERT fine-tuned on the tasks of GLUE, under CE and the three mixtures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from lossbook.evidence import performance, stats, tables
from lossbook.evidence.choosing import best_rate
from lossbook.evidence.claims import Claim
from lossbook.evidence.contrasts import PLAIN, POINTS, Contrast, Contrasts, Difference, Select
from lossbook.evidence.grids import not_run
from lossbook.evidence.rules import Above, CarriesOver, OnceWhole
from lossbook.evidence.select import Evidence, dataset_name
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.models.checkpoints import RANDOM
from lossbook.papers.battash2021 import texts
from lossbook.papers.battash2021.names import Method
from lossbook.papers.battash2021.texts import CE, CONSTANT, GRADUAL, REGIMES, TWO_PHASE, by_name
from lossbook.results import Record
from lossbook.training import RunSpec

FIG2 = "battash2021/fig2"
#: The classification tasks of GLUE, in its order. The paper has seven of the eight and names MNLI alone.
TASKS = tuple(f"glue_{name}" for name in ("cola", "sst2", "mrpc", "qqp", "mnli", "qnli", "rte", "wnli"))
#: Those declared for the smaller network.
RUN = ("glue_cola", "glue_sst2", "glue_mrpc", "glue_rte", "glue_wnli")
#: The profiles that choose a learning rate for the smaller network, and that have it.
TRIED, TUNED = "minilm_rates", "minilm_tuned"
BERT_BASE, MINILM = "bert-base-uncased", "all-MiniLM-L6-v2"
CHECKPOINTS = {
    BERT_BASE: "BERT-base",
    MINILM: "all-MiniLM-L6-v2, a sentence encoder",
    RANDOM: "a tiny BERT with random weights",
}
#: Training examples of a task at the profiles that were run, evenly spaced; WNLI has fewer.
PART = 1500
#: The paper's learning rate, and those tried for CE with the smaller network on held-out training examples.
PAPER_RATE = 2e-5
RATES = (PAPER_RATE, 1e-4, 3e-4)
#: On the tasks whose training part is large enough to hold examples out of it, besides `PART`.
CHOSEN_ON, HELD_OUT = ("glue_cola", "glue_sst2"), 500
#: Of the rates, the one that the records choose.
CHOSEN = 1e-4

#: "BERT on the GLUE Benchmark": at most 64 tokens, a rate of 2e-5, six epochs. The paper is silent on the
#: batch, on the course of the rate and on dropout: 32, a straight line to zero and 0.1 are those of the
#: example of the library that it cites.
_RECIPE = RunSpec(
    dataset="glue_cola",
    model="bert",
    loss="ce",
    optimizer="adam",
    optimizer_options={"lr": PAPER_RATE},
    schedule={"name": "one_cycle", "peak": 0},
    batch_size=32,
    epochs=6,
    measures="binary",
)


def rate_text(rate: float) -> str:
    """A learning rate as the paper writes it: ``2e-5``."""
    return f"{rate:.0e}".replace("e-0", "e-")


def _cells(
    checkpoint: str,
    tasks: Iterable[str],
    lr: float = PAPER_RATE,
    regimes: Sequence[Method] = REGIMES,
    **changes: Any,
) -> tuple[Cell, ...]:
    chosen = {"checkpoint": checkpoint}
    settings = {
        "model_options": chosen,
        "text": {"name": "word_pieces", "longest": 64, **chosen},
        "optimizer_options": {"lr": lr},
    }
    return tuple(
        texts.cell(
            _RECIPE,
            method,
            {**chosen, "lr": lr},
            **{**settings, **_measured(task), "dataset": task, **changes},
        )
        for task in tasks
        for method in regimes
    )


def _measured(task: str) -> dict[str, Any]:
    """F1 and Matthews' correlation are for two classes; MNLI has three, and accuracy alone."""
    return {"measures": None} if task == "glue_mnli" else {}


def _tiny(**changes: Any) -> tuple[Cell, ...]:
    return _cells(RANDOM, ["made_up_pairs"], lr=0.003, **changes)


EXPERIMENT = Experiment(
    name=FIG2,
    title="Fig. 2: a BERT fine-tuned on GLUE",
    profiles=by_name(
        Profile(
            PAPER,
            "the paper's protocol with BERT-base, on all eight classification tasks of GLUE",
            _cells(BERT_BASE, TASKS),
            seeds=4,
        ),
        Profile(
            TUNED,
            f"all-MiniLM-L6-v2, a sentence encoder, on {PART:,} examples of each of four tasks and on WNLI, "
            f"at a learning rate of {rate_text(CHOSEN)}, chosen for CE on held-out training examples",
            _cells(MINILM, RUN, CHOSEN, train_size=PART, precision="native"),
            seeds=4,
        ),
        Profile(
            "minilm",
            f"all-MiniLM-L6-v2 on the same examples, at the paper's learning rate of {rate_text(PAPER_RATE)}",
            _cells(MINILM, RUN, train_size=PART, precision="native"),
            seeds=4,
        ),
        Profile(
            TRIED,
            f"all-MiniLM-L6-v2 with CE at three learning rates, on {PART:,} training examples of CoLA and of "
            f"SST-2, measured on {HELD_OUT} others of each",
            tuple(
                each
                for lr in RATES
                for each in _cells(
                    MINILM,
                    CHOSEN_ON,
                    lr,
                    (CE,),
                    train_size=PART,
                    validation_size=HELD_OUT,
                    precision="native",
                )
            ),
            seeds=2,
        ),
        Profile(
            "quick",
            "all-MiniLM-L6-v2 on 128 examples of RTE and of WNLI",
            _cells(MINILM, ("glue_rte", "glue_wnli"), train_size=128, test_size=64, precision="native"),
            seeds=1,
            embedded_cells=_tiny(),
        ),
        Profile(
            "smoke",
            "a tiny BERT with random weights on made-up pairs of sentences, to see that everything runs",
            _tiny(train_size=64, test_size=40),
            seeds=2,
        ),
    ),
)
HOW = {
    PAPER: "the paper's protocol",
    TUNED: "another network than BERT-base, at a rate of its own, on a part of the training examples",
    "minilm": "another network than BERT-base, on a part of the training examples",
}
DECISIVE = tuple(HOW)
#: The profiles that compare losses, and not learning rates.
COMPARED = tuple(name for name in EXPERIMENT.profiles if name != TRIED)

#: What a task is scored by, as GLUE does: its name, and how it is read of a run.
Score = Callable[[Record], float | None]


def _matthews(record: Record) -> float | None:
    return record.metric("matthews")


def _accuracy(record: Record) -> float | None:
    return record.metric("test_accuracy")


def _f1_and_accuracy(record: Record) -> float | None:
    f1, accuracy = record.metric("f1"), record.metric("test_accuracy")
    return None if f1 is None or accuracy is None else (f1 + accuracy) / 2


_SCORES: dict[str, tuple[str, Score]] = {
    "glue_cola": ("Matthews' correlation", _matthews),
    "glue_mrpc": ("mean of F1 and accuracy", _f1_and_accuracy),
    "glue_qqp": ("mean of F1 and accuracy", _f1_and_accuracy),
}


def score(task: str) -> tuple[str, Score]:
    """The name of a task's own measure, and what reads it of a run; accuracy for most."""
    return _SCORES.get(task, ("accuracy", _accuracy))


def tasks(evidence: Evidence, profile: str) -> list[str]:
    """The tasks that all four regimes have been run on at a profile, in the order they are declared."""
    if profile not in COMPARED:
        return []
    declared = [c.labels["dataset"] for c in _declared(profile)]
    return [
        task
        for task in dict.fromkeys(map(str, declared))
        if all(_values(evidence, profile, task, method) for method in REGIMES)
    ]


def _declared(profile: str) -> tuple[Cell, ...]:
    chosen = EXPERIMENT.profile(profile)
    return (*chosen.cells, *chosen.embedded_cells)


def _values(evidence: Evidence, profile: str, task: str, method: Method) -> dict[int, float]:
    select = _select(task, method)
    return select.values(select.runs(evidence, profile))


def _select(task: str, method: Method) -> Select:
    labels = {"dataset": task, "loss": method.loss, "schedule": method.schedule}
    return Select(labels, value=score(task)[1])


def scores(evidence: Evidence, profile: str) -> tuple[list[str], np.ndarray]:
    """The tasks that a performance profile can have, and mean scores over seeds ``[tasks, 4]``.

    A task on which no regime has a positive mean score is left out: there ratios mean nothing.
    """
    means = {
        task: [float(np.mean(list(_values(evidence, profile, task, m).values()))) for m in REGIMES]
        for task in tasks(evidence, profile)
    }
    kept = {task: values for task, values in means.items() if max(values) > 0}
    return list(kept), np.array(list(kept.values())).reshape(len(kept), len(REGIMES))


def _by_seed(records: Iterable[Record], task: str) -> dict[int, float]:
    """Scores by seed; that of a run that broke down is below any other."""
    found = {r.seed: score(task)[1](r) if r.status == "finished" else None for r in records}
    return {seed: -math.inf if value is None else value for seed, value in found.items()}


def choose(evidence: Evidence) -> float | None:
    """The rate at which CE has the best mean score over the tasks that a rate is chosen on.

    Rates are compared on the seeds that all of them have on all tasks. Of equal ones the least is chosen,
    never one with a run that broke down, and none before one seed is whole.
    """
    found = {
        rate: [_by_seed(evidence.runs(TRIED, dataset=task, lr=rate).records, task) for task in CHOSEN_ON]
        for rate in RATES
    }
    seeds = set.intersection(*(set(each) for tasks in found.values() for each in tasks))
    means = {
        rate: float(np.mean([t[s] for t in tasks for s in seeds])) for rate, tasks in found.items() if seeds
    }
    return best_rate(means) if means and max(means.values()) > -math.inf else None


def chosen(evidence: Evidence) -> str:
    """Which rate that is, and whether the runs have it."""
    rate = choose(evidence)
    if rate is None:
        return "No rate can be chosen: not every one has been tried on both tasks, or runs broke down."
    said = f"CE does best at {rate_text(rate)}."
    if rate != CHOSEN:
        said += f" The runs have {rate_text(CHOSEN)}."
    found = evidence.runs(TRIED, dataset="glue_cola", lr=PAPER_RATE).records
    if all(r.metric("test_accuracy") == r.metric("majority_share") for r in found):
        said += (
            f" At {rate_text(PAPER_RATE)}, the paper's rate for BERT-base, it predicts the more frequent "
            "class for every held-out example of CoLA."
        )
    return said


def rates_table(evidence: Evidence) -> pd.DataFrame:
    """CE's score on held-out training examples by task and learning rate."""
    rows = []
    for task in CHOSEN_ON:
        cells: dict[str, Any] = {}
        for rate in RATES:
            runs = evidence.runs(TRIED, dataset=task, lr=rate)
            values = {s: v for s, v in _by_seed(runs.records, task).items() if v > -math.inf}
            if values:
                cells[rate_text(rate)] = _mean(values, runs.keys)
        if cells:
            rows.append({"Task": dataset_name(task), "Measure": score(task)[0], **cells})
    return pd.DataFrame(rows)


def gain(task: str, method: Method, base: Method = CE) -> Contrast:
    """A mixture minus another regime in a task's own measure, paired by seed."""
    accuracy = score(task)[0] == "accuracy"
    return Contrast(
        f"{method.name} minus {base.name}, {{left[dataset]}}, {score(task)[0]}",
        _select(task, method),
        _select(task, base),
        unit=POINTS if accuracy else PLAIN,
        resolved=accuracy,
    )


GLUE_CLAIM = Claim(
    "glue",
    "On GLUE CE+EL 0-0.5 outperforms the other settings.",
    "BERT on the GLUE Benchmark; Fig. 2",
    "Each task's own measure after the last epoch, CE+EL 0-0.5 minus CE and minus each of the other "
    "mixtures, paired by seed.",
    {
        "": Contrasts(
            FIG2, [gain(t, GRADUAL, base) for t in RUN for base in (CE, CONSTANT, TWO_PHASE)], only=COMPARED
        )
    },
    CarriesOver(OnceWhole(Above()), "the paper's seven tasks with BERT-base have not been run"),
    decisive=DECISIVE,
    basis=lambda records: texts.basis(records, HOW),
)


GLUE_MIXTURES = Claim(
    "glue-mixtures",
    "On GLUE CE is mostly below CE+EL 0 and CE+EL 0,0.5, too.",
    "BERT on the GLUE Benchmark; Fig. 2",
    "Each task's own measure after the last epoch, CE+EL 0 and CE+EL 0,0.5 minus CE, paired by seed.",
    {"": Contrasts(FIG2, [gain(t, method) for t in RUN for method in (CONSTANT, TWO_PHASE)], only=COMPARED)},
    CarriesOver(OnceWhole(Above()), "the paper's seven tasks with BERT-base have not been run"),
    decisive=DECISIVE,
    basis=lambda records: texts.basis(records, HOW),
)


def differences(evidence: Evidence, profile: str) -> list[tuple[str, Method, Difference]]:
    """Every mixture minus CE that has been run at a profile, task by task."""
    return [
        (task, method, found)
        for task in tasks(evidence, profile)
        for method in REGIMES[1:]
        if (found := gain(task, method).at(evidence, profile)) is not None
    ]


def table(evidence: Evidence, profile: str) -> tuple[pd.DataFrame, list[str | tables.Cell]]:
    """Scores by task and regime at a profile, their differences from CE, and the notes this needs.

    Returns:
        The table, with a row for every cell that has been run on all its regimes.
    """
    found = differences(evidence, profile)
    adjusted = stats.holm([each.interval.p for *_, each in found])
    minus = {(task, m.name): (each, p) for (task, m, each), p in zip(found, adjusted, strict=True)}
    rows, used = [], []
    for task in tasks(evidence, profile):
        for method in REGIMES:
            runs = _select(task, method).runs(evidence, profile)
            used.append(runs)
            difference, p = minus.get((task, method.name), (None, float("nan")))
            rows.append(
                {
                    "Task": dataset_name(task, runs.records),
                    "Loss": texts.LABELS["loss"][method.loss],
                    "F": method.schedule or "–",
                    "Measure": score(task)[0],
                    "Score": _mean(_values(evidence, profile, task, method), runs.keys),
                    "Minus CE": "–" if difference is None else _minus(difference),
                    "p (Holm)": tables.p_text(p),
                    "Accuracy, %": tables.mean_cell(runs, "test_accuracy", percent=True),
                    "Majority, %": _majority(runs.records),
                }
            )
    shown = len(rows)
    declared = len(EXPERIMENT.profile(profile).cells)
    return pd.DataFrame(rows), [*tables.notes(used), *not_run(max(declared, shown), shown)]


def _mean(values: dict[int, float], keys: Sequence[str]) -> tables.Cell:
    interval = stats.mean_interval(values.values())
    text = f"{interval.mean:.3f}{tables.band(interval, 3)} (n = {interval.n})"
    return tables.Cell(text, {"mean": interval.mean, "n": interval.n}, tuple(keys))


def _minus(difference: Difference) -> tables.Cell:
    d = difference.interval
    return tables.Cell(
        f"{tables.signed(d.mean, 3)}{tables.band(d, 3)}",
        {"mean": d.mean, "low": d.low, "high": d.high, "n": d.n},
        tuple(dict.fromkeys((*difference.runs.keys, *difference.base.keys))),
    )


def _majority(records: Sequence[Record]) -> str:
    shares = [value for r in records if (value := r.metric("majority_share")) is not None]
    return f"{100 * shares[0]:.1f}" if shares else "–"


def hidden(evidence: Evidence, profile: str) -> str:
    """How many of the differences behind the performance profile are beyond chance."""
    found = differences(evidence, profile)
    if not found:
        return ""
    adjusted = stats.holm([each.interval.p for *_, each in found])
    kept = [
        f"{method.name} on {dataset_name(task)}"
        for (task, method, _), p in zip(found, adjusted, strict=True)
        if p < stats.LEVEL
    ]
    beyond = sum(each.above or each.below for *_, each in found)
    return (
        f"Of the {len(found)} differences from CE behind the curves, {beyond} have a 95% interval without "
        f"zero, and {len(kept)} are left after Holm's adjustment{': ' if kept else ''}{', '.join(kept)}."
    )


def best(evidence: Evidence, profile: str) -> str:
    """On how many tasks each regime has the best mean score: the curves at a threshold of 1."""
    names, found = scores(evidence, profile)
    if not names:
        return ""
    wins = performance.profile(performance.ratios(found), np.ones(1))[0]
    each = ", ".join(f"{m.name} {round(w * len(names))}" for m, w in zip(REGIMES, wins, strict=True))
    which = ", ".join(dataset_name(task).removeprefix("GLUE: ") for task in names)
    return (
        f"Of {len(names)} tasks ({which}), those on which each has the best mean score, ties included: "
        f"{each}."
    )


def left_out(evidence: Evidence, profile: str) -> str:
    """The tasks that the performance profile cannot have."""
    missing = [task for task in tasks(evidence, profile) if task not in scores(evidence, profile)[0]]
    if not missing:
        return ""
    return (
        f"{', '.join(map(dataset_name, missing))}: no regime has a score above zero, so it is no part of the "
        "curves."
    )
