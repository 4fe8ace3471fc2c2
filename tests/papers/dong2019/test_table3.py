"""Few labels beside many classes: the grid, the rates that follow from records, and the page."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from said import numbers

from lossbook import datasets, experiments, losses, models, paths
from lossbook.evidence import recorded
from lossbook.evidence.claims import judge
from lossbook.evidence.notrun import runs_not_made
from lossbook.evidence.select import Evidence
from lossbook.papers.dong2019 import table3, table3_figures
from lossbook.papers.dong2019.names import FREQUENCIES, OWN, TABLE3, USUAL
from lossbook.papers.dong2019.table3 import DATASETS, LOSSES, MEASURES, RATE, RATES, choose
from lossbook.results import Record, Store
from lossbook.training import plan_run, select, train

MakeRecord = Callable[..., Record]
Value = Callable[[Mapping[str, Any], int], float]


@pytest.fixture
def made(make_record: MakeRecord) -> Callable[..., list[Record]]:
    """A record of every cell and seed of a profile with these labels; all measures have the same value."""

    def make(profile: str, value: Value, *, seeds: int = 3, **only: object) -> list[Record]:
        found = []
        for cell, spec in experiments.get(TABLE3).profile(profile).runs(seeds):
            if any(cell.labels[name] != wanted for name, wanted in only.items()):
                continue
            number = value(cell.labels, spec.seed)
            curves = {"train_loss": [9.0, 3.0, 2.0], "test_loss": [5.0] * 3, "test_bce": [8.0, 4.0, 4.5]}
            found.append(
                replace(
                    make_record(0.5, test_size=500, train_size=4500),
                    key=spec.key,
                    experiment=TABLE3,
                    profile=profile,
                    labels=dict(cell.labels),
                    config=spec.config,
                    seed=spec.seed,
                    metrics={**dict.fromkeys(MEASURES, number), **{k: v[-1] for k, v in curves.items()}},
                    curves=curves,
                )
            )
        return found

    return make


def evidence(store: Store, records: list[Record]) -> Evidence:
    for record in records:
        store.append(record)
    return recorded(TABLE3, store=store)


# --- the grid ---


def test_the_papers_protocol() -> None:
    profile = experiments.get(TABLE3).profile("paper")
    assert profile.seeds == 10
    assert {(c.labels["network"], c.labels["loss"]) for c in profile.cells} == {
        (network, loss) for network in ("resnet50", "mobilenet") for loss in ("lr", "hs_lr", "ss_lr")
    }
    for cell in profile.cells:
        spec = cell.spec
        assert (spec.dataset, spec.batch_size, spec.epochs) == ("deepfashion", 32, 50)
        assert spec.optimizer_options == {"lr": 1e-4, "momentum": 0.9, "weight_decay": 4e-5}
        plan = plan_run(spec)
        (optimizer,), (schedule,) = plan.optimizers(torch.nn.Linear(2, 2))
        assert isinstance(optimizer, torch.optim.Adam)
        assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)
        assert schedule is not None
    assert {c.spec.loss: c.spec.loss_options for c in profile.cells} == {
        "lr": {},
        "hs_lr": {"m": 0.25, "beta": 10.0},
        "ss_lr": {"r": 2.0, "beta": 10.0},
    }


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet50", 25_557_032), ("mobilenet", 4_231_976)],
    ids=["resnet50", "mobilenet"],
)
def test_the_papers_networks(name: str, parameters: int) -> None:
    network = models.build(name, (3, 224, 224), 1000)
    assert sum(p.numel() for p in network.parameters()) == parameters
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    if name == "mobilenet":
        assert len(layers) == 28
        assert models.takes(name) == "images"
    small = models.build(name, (3, 64, 64), 7).eval()
    assert small(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_every_loss_runs_at_both_rates_and_low_biases_at_that_of_lr() -> None:
    cells = experiments.get(TABLE3).profile("reference").cells
    assert len(cells) == len({cell.spec.key for cell in cells})
    for dataset in DATASETS:
        mine = {
            (c.labels["loss"], c.labels["start"], c.labels["lr"]) for c in cells if c.spec.dataset == dataset
        }
        one = RATE[dataset]["lr"]
        assert mine == {
            ("lr", FREQUENCIES, one),
            ("lr", FREQUENCIES, RATE[dataset][table3.LOW]),
            *((loss, USUAL, rate) for loss in LOSSES for rate in (one, RATE[dataset][loss])),
            *((loss, USUAL, RATE[dataset][loss]) for loss in table3.PUBLISHED),
        }
    for cell in cells:
        assert cell.spec.optimizer_options == {"lr": cell.labels["lr"]}
        assert cell.spec.measures == "several_labels"
        assert (cell.spec.validation_size, cell.spec.test_size) == (None, None)
        assert cell.spec.output_bias == (FREQUENCIES if cell.labels["start"] == FREQUENCIES else None)
        assert cell.spec.loss_options == table3.OPTIONS.get(cell.labels["loss"], cell.spec.loss_options)
    assert all(c.spec.validation_size == 500 for c in experiments.get(TABLE3).profile("rates").cells)
    asl = losses.get("asymmetric")
    assert (asl.gamma_neg, asl.gamma_pos, asl.clip) == (4, 1, 0.05)


@pytest.mark.parametrize("own", ["hs_lr", "ss_lr"])
def test_the_published_reading_divides_the_labels_terms_by_their_number(own: str) -> None:
    """A batch whose examples all have the mean number of labels: both parts as in the authors' code."""
    few, classes, size = 4, 40, 3
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(size, classes, generator=generator, dtype=torch.float64)
    target = torch.zeros(size, classes, dtype=torch.float64)
    for row in target:
        row[torch.randperm(classes, generator=generator)[:few]] = 1
    options = table3.published_options("corel5k", own) | {"beta": 10.0 * few}
    found = losses.get(own, **options)(logits, target)
    softplus = torch.nn.functional.softplus
    positive = (target * softplus(-logits)).sum() / target.sum()
    if own == "hs_lr":
        hardest = (1 - target) * softplus(logits)
        chosen = hardest.topk(int(0.25 * classes)).values
        negative = chosen.sum() / chosen.numel()
    else:
        weighted = (1 - target) * logits.sigmoid() ** 2 * softplus(logits)
        negative = weighted.sum() / (1 - target).sum()
    torch.testing.assert_close(found / few, positive + 10 * negative)
    for dataset, facts in table3.FACTS.items():
        assert table3.published_options(dataset, own)["beta"] == pytest.approx(
            10 * facts["Labels per example"]
        )


def test_a_run_measures_what_the_paper_measures() -> None:
    cells = {c.labels["loss"]: c.spec for c in experiments.get(TABLE3).profile("smoke").cells}
    data = datasets.load("made_labels")
    for loss in ("lr", "asymmetric"):
        result = train(plan_run(cells[loss]), select(data, cells[loss]))
        found = plan_run(cells[loss]).end_measures[0](result.trained)
        assert set(MEASURES) <= set(found)
        assert result.curves["train_loss"][-1] < result.curves["train_loss"][0]
        assert 0.3 < found["map_example"] < 1


@pytest.mark.parametrize("dataset", DATASETS)
def test_facts_are_those_of_the_data(dataset: str) -> None:
    if not datasets.present(dataset):
        pytest.skip(f"{dataset} is not here")
    part = datasets.load(dataset, download=False).parts["train"]
    assert table3.FACTS[dataset] == {
        "Features": part.inputs.shape[1],
        "Labels per example": round(float(part.targets.double().sum(1).mean()), 2),
        "Most labels": int(part.targets.sum(1).max()),
        "Examples of the median class": int(part.targets.sum(0).median()),
    }


# --- rates ---


def test_the_rates_are_those_that_the_published_records_choose() -> None:
    path = paths.data_file("results", "dong2019", "table3", "rates.jsonl")
    if not path.is_file():
        pytest.skip("no records of the rates are published")
    published = Store(working=path.parent / "none").records(TABLE3)
    chosen = choose(r for r in published if r.profile == "rates")
    assert chosen, "no loss has all of its rates"
    for dataset, rates in chosen.items():
        assert rates.items() <= RATE[dataset].items()


def test_the_rate_with_the_highest_mean_is_chosen(made: Callable[..., list[Record]]) -> None:
    best = {"lr": 1e-2, "hs_lr": 1e-3, "ss_lr": 3e-3, "asymmetric": 3e-4, table3.LOW: 1e-3}
    best |= {"hs_lr_published": 3e-4, "ss_lr_published": 1e-3}

    def value(labels: Mapping[str, Any], seed: int) -> float:
        # The first seed by itself would choose the least rate.
        name = table3.LOW if labels["start"] == FREQUENCIES else labels["loss"]
        right = labels["lr"] == best[name]
        return (0.3 if right else 0.25) + (0.1 if seed == 0 and labels["lr"] == RATES[0] else 0)

    records = made("rates", value, dataset="bibtex")
    assert choose(records) == {"bibtex": best}
    assert choose(r for r in records if r.seed == 0)["bibtex"]["hs_lr"] == 1e-4
    # Of equal ones the least; one that broke down never; a loss without all of its rates is left out.
    assert choose(made("rates", lambda *_: 0.2, loss="lr", start=USUAL, dataset="corel5k")) == {
        "corel5k": {"lr": 1e-4}
    }
    broken = [replace(r, status="diverged") if r.labels["lr"] == 1e-2 else r for r in records]
    assert choose(broken)["bibtex"]["lr"] == 1e-4
    assert (
        "lr"
        not in choose(
            r
            for r in records
            if (r.labels["loss"], r.labels["lr"]) != ("lr", 1e-2) or r.labels["start"] != USUAL
        )["bibtex"]
    )


# --- the page ---


def test_without_records_nothing_is_claimed(store: Store) -> None:
    found = evidence(store, [])
    for claim in table3.CLAIMS:
        assert claim.judge({TABLE3: found}).finding == "not tested"
    assert len(table3.differences_table(found)) == 0
    assert table3.published_text(found) == ""
    assert len(table3.table(found, "reference")[0]) == 0
    assert "lossbook run dong2019/table3 --profile reference" in runs_not_made(found, "reference")
    assert table3_figures.shown(found) == []


LEVEL = {"lr": 0.30, "hs_lr": 0.33, "ss_lr": 0.335, "asymmetric": 0.28}
LEVEL |= {"hs_lr_published": 0.32, "ss_lr_published": 0.34}


def value(labels: Mapping[str, Any], seed: int) -> float:
    low = 0.01 if labels["start"] == FREQUENCIES else 0.0
    # LR moves from seed to seed, the others follow it with a little noise of their own.
    noise = {"lr": 1.5 * low / 10, "ss_lr": 0.0005}.get(labels["loss"], 0.001)
    own = noise * (-1) ** seed
    return LEVEL[labels["loss"]] + low + 0.01 * seed + own


def test_differences_and_claims_on_known_numbers(store: Store, made: Callable[..., list[Record]]) -> None:
    found = evidence(store, made("reference", value))
    superior, similar = (judge(table3.CLAIMS, key, found) for key in ("sparse-superior", "sparse-similar"))
    # Better everywhere, but on three tables: in part.
    assert superior.finding == "holds in part"
    # Bibtex counts once: LR's rate there is that of hard and of soft selection too.
    assert superior.count == (40, 40)
    assert len({each.what for each in superior.differences}) == 40
    assert similar.finding == "holds in part"
    assert similar.count == (20, 20)
    # At own rates all 24, and at that of LR 16: on Bibtex it is their own.
    assert numbers(table3.number(superior)) == [*numbers(superior.number), "24", "24", "0", "16", "16", "0"]
    own = table3.at_rates(superior, OWN)
    assert len(own) == 24
    worse = replace(own[0], interval=replace(own[0].interval, low=-0.02, high=-0.01))
    mixed = replace(
        superior, differences=tuple(worse if each is own[0] else each for each in superior.differences)
    )
    assert numbers(table3.number(mixed))[-6:] == ["23", "24", "1", "16", "16", "0"]
    by_measure = table3.differences_table(found)
    assert list(by_measure.columns[2:]) == ["HS-LR", "SS-LR", "ASL", "LR, biases at −log(K − 1)"]
    assert len(by_measure) == len(DATASETS) * len(MEASURES) + 1
    assert (str(by_measure["HS-LR"][0]), str(by_measure["ASL"][0])) == ("+3.03 ± 0.29", "-1.97 ± 0.29")
    assert list(by_measure.iloc[-1, 2:5]) == ["12 / 0 of 12", "12 / 0 of 12", "0 / 12 of 12"]
    # Low biases are worth 1 point here, hard selection 3.
    assert table3.low_biases_table(found)["HS-LR"].iloc[-1] == "12 / 0 of 12"
    assert table3.low_biases_table(found)["HS-LR as in the code"].iloc[-1] == "12 / 0 of 12"
    assert numbers(table3.published_text(found)) == ["24", "24", "0"]
    read = table3.published_table(found)
    assert list(map(str, read.iloc[0, 2:])) == ["–", "+2.03 ± 0.29", "+0.52 ± 0.14", "+4.03 ± 0.29"]
    low = table3.against_low_biases(found)
    assert numbers(low.partition("HS-LR ")[2])[:3] == ["12", "0", "12"]
    frame, notes = table3.table(found, "reference", ("map_example",))
    assert list(frame["Data"].unique()) == ["Corel5k", "Bibtex", "Delicious"]
    assert str(frame["mAP per image, %"][0]) == "31.00 ± 2.48 (n = 3)"
    assert str(frame.iloc[0, 4]) == "–"
    assert notes == []
    assert runs_not_made(found, "reference").startswith("In profile `reference` every cell has 3 of 10 seeds")
    assert "SS-LR 34.5" in table3_figures.measure_alt(found)
    assert len(table3_figures.measure_figure(found).axes) == 3
    assert len(table3_figures.training_figure(found, "bibtex").axes) == 2
    assert "LR from 9 to 2" in table3_figures.training_alt(found, "bibtex")


def test_a_difference_beyond_the_margin_is_not_similar(
    store: Store, made: Callable[..., list[Record]]
) -> None:
    far = made("reference", lambda labels, seed: value(labels, seed) + 0.1 * (labels["loss"] == "ss_lr"))
    verdict = judge(table3.CLAIMS, "sparse-similar", evidence(store, far))
    assert verdict.finding == "does not carry over"
    assert verdict.count == (0, 20)


def test_two_seeds_have_no_interval(store: Store, made: Callable[..., list[Record]]) -> None:
    found = evidence(store, made("reference", value, seeds=2, dataset="corel5k"))
    frame, _ = table3.table(found, "reference", ("map_example",))
    assert str(frame["mAP per image, %"][0]) == "30.50 (2 runs)"
    assert "±" not in "".join(map(str, frame.to_numpy().ravel()))
    assert len(table3.differences_table(found)) == 0


def test_rates_as_far_as_they_have_been_run(store: Store, made: Callable[..., list[Record]]) -> None:
    records = made(
        "rates", lambda labels, _: 0.2 + labels["lr"], seeds=1, dataset="corel5k", loss="lr", start=USUAL
    )
    frame = table3.rates_table(evidence(store, records[:3]))
    assert list(frame.columns) == ["Data", "Loss", "0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03"]
    assert [str(cell) for cell in frame.iloc[0, 2:]] == ["20.01", "20.03", "20.10", "–", "–", "–"]
    frame = table3.rates_table(evidence(store, records[3:]))
    assert str(frame.iloc[0, 7]) == "23.00 *"


def test_low_biases_are_those_of_one_class_in_all() -> None:
    cells = experiments.get(TABLE3).profile("smoke").cells
    (spec,) = (c.spec for c in cells if c.labels["start"] == FREQUENCIES)
    network = plan_run(spec).build_model((20,), 12)
    assert network[-1].bias.tolist() == pytest.approx([-math.log(11)] * 12)


def test_gradients_before_the_first_step_by_hand() -> None:
    # 374 classes and 4 labels: of 1/2 each with LR; beta / 2 in all with HS-LR.
    assert table3.start_ratio("corel5k", "lr") == pytest.approx(4 / 370)
    assert table3.start_ratio("corel5k", "hs_lr") == pytest.approx(4 / 10)
    # The other classes of SS-LR: beta p^2 (2 (1 - p) log 2 + p) at p = 1/2.
    assert table3.start_ratio("corel5k", "ss_lr") == pytest.approx(2 / (10 / 4 * (math.log(2) + 0.5)))
    # p = 1/K: the labels (K - 1) / K each, the others 1 / K.
    assert table3.start_ratio("corel5k", "lr", FREQUENCIES) == pytest.approx(4 * 373 / 370)
    frame = table3.start_table()
    assert list(frame["Loss"]) == ["LR", "HS-LR", "SS-LR", "ASL", "LR, biases at −log(K − 1)"]
    # What the page says of them.
    low = [table3.start_ratio(dataset, "lr", FREQUENCIES) for dataset in DATASETS]
    others = [max(table3.start_ratio(dataset, loss) for loss in LOSSES) for dataset in DATASETS]
    assert all(mine > other for mine, other in zip(low, others, strict=True))
    labels, classes = 3.52, 374
    assert classes * math.log(2) == pytest.approx(259, abs=0.5)
    assert labels * (1 + math.log(classes / labels)) == pytest.approx(20, abs=0.5)


def test_the_number_of_epochs_is_about_where_lr_was_best_on_held_out_examples(
    tmp_path: Path,
) -> None:
    text = table3.lengths_text(recorded(TABLE3, store=Store(working=tmp_path)))
    # After how many examples and the rate; before of how many epochs.
    best = [int(number) for number in numbers(text)[2:-1]]
    assert len(best) == 3
    assert abs(sum(best) / 3 - table3.EPOCHS["corel5k"]) < 3


def test_what_follows_is_what_low_biases_do(store: Store, tmp_path: Path) -> None:
    # Without runs nothing follows; from the published runs low biases come first.
    assert table3.follows(recorded(TABLE3, store=store)) == ""
    assert "biases of LR" in table3.follows(recorded(TABLE3, store=Store(working=tmp_path / "none")))
