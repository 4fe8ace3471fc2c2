"""Table 2 of battash2021: what is declared, what the paper's numbers show, and its protocol on tiny files."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from said import numbers
from scipy.stats import ttest_ind_from_stats

from lossbook import datasets, experiments
from lossbook.evidence import Evidence
from lossbook.experiments.costs import OPERATIONS
from lossbook.losses import MixingSchedule
from lossbook.models.photographs import Photographs
from lossbook.pages import style
from lossbook.papers.battash2021 import images_figures, table2, verdict
from lossbook.papers.battash2021.protocol import CE, GRADUAL, MIXTURES, REGIMES, TWO_PHASE
from lossbook.results import Record, Store, published
from lossbook.training import plan_run, select, train

NAME = "battash2021/table2"
PAPER = experiments.get(NAME).profile("paper")


def made(accuracy: Callable[..., float], seeds: int = 3) -> Evidence:
    """Records of the paper's cells; ``accuracy`` is given labels and seed."""
    style.theme()
    found = []
    for cell in PAPER.cells:
        for seed in range(seeds):
            spec = replace(cell.spec, seed=seed)
            last = accuracy(seed=seed, **cell.labels)
            found.append(
                Record(
                    key=spec.key,
                    experiment=NAME,
                    profile="paper",
                    labels=dict(cell.labels),
                    config=spec.config,
                    seed=seed,
                    status="finished",
                    metrics={"test_accuracy": last},
                    curves={"test_accuracy": [last] * spec.epochs},
                    provenance={
                        "train_size": 1_281_167,
                        "test_size": 50_000,
                        "data_notes": [],
                        "seconds": 1.0,
                    },
                )
            )
    return Evidence(NAME, "recorded", {"paper": found})


# --- what is declared ---


def test_the_paper_profile_is_the_papers_protocol():
    assert PAPER.seeds == 3  # Two, as the paper has, would give no interval.
    assert len(PAPER.cells) == 7 * 4
    for cell in PAPER.cells:
        spec = cell.spec
        assert spec.dataset == "imagenet"
        assert (spec.optimizer, spec.batch_size, spec.epochs) == ("sgd", 256, 90)
        assert spec.optimizer_options == {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-4}
        assert spec.schedule == {"name": "steps", "at": [30, 60]}
        assert spec.augmentation == "resized_crop_flip"
        # The network standardises, with the script's constants.
        assert spec.pixels is None
        plan_run(spec)
    assert {(c.labels["loss"], c.labels["schedule"]) for c in PAPER.cells} == set(REGIMES)
    assert {p.epochs for p in MixingSchedule("0-0.5").phases(90)} == {15}
    last = MixingSchedule("0,0.5").phases(90)[-1]
    assert (last.start, last.epochs, last.alpha) == (85, 5, 0.0)


def test_every_printed_cell_is_declared_and_no_other():
    declared = {(c.labels["network"], c.labels["loss"], c.labels["schedule"]) for c in PAPER.cells}
    assert declared == set(table2.printed())
    rows = published("battash2021", "table2")
    assert sum(each.seeds for each in table2.printed().values()) == rows["seeds"].astype(int).sum() == 56
    assert len(PAPER.runs()) == 84


def test_a_run_costs_what_its_network_does(tmp_path):
    """Without records by operations: ShuffleNet has 0.145 billion multiplications, ResNeXt-101 16.414."""
    store = Store(published=tmp_path / "published", working=tmp_path / "working")
    said = table2.not_run_text(Evidence(NAME, "recorded", {}), store=store)
    assert numbers(said)[:2] == ["28", "28"]
    assert "glance.html#glance-open" in said
    images = 90 * (1_281_167 + 50_000 / 3)
    days = [3 * 2e9 * g * images / OPERATIONS / 86_400 for g in (0.144908, 16.414016)]
    years = days[1] / 365.25
    assert f"{days[0]:.0f} days (ShuffleNet)" in said
    assert f"{years:.1f} years (ResNeXt-101)" in said
    done = made(lambda **_: 0.7)
    assert table2.not_run_text(done, store=store) == ""


# --- what the paper's numbers show ---


@pytest.mark.parametrize("network", table2.PAPER_NETWORKS)
@pytest.mark.parametrize("regime", MIXTURES)
def test_welchs_test_is_scipys(network, regime):
    found = table2.printed_gain(network, regime)
    mine, other = (table2.printed()[network, *each] for each in (regime, CE))
    assert found.gain == pytest.approx(mine.mean - other.mean)
    if mine.deviation == other.deviation == 0:
        assert math.isnan(found.p)
        assert math.isnan(found.half)
        return
    test = ttest_ind_from_stats(mine.mean, mine.deviation, 2, other.mean, other.deviation, 2, equal_var=False)
    assert found.p == pytest.approx(test.pvalue)
    # The interval touches zero where p is 5%.
    assert (abs(found.gain) > found.half) == (found.p < 0.05)


def test_what_two_seeds_show():
    gains = table2.printed_gains()
    assert len(gains) == 21
    assert [math.isnan(each.p) for each in gains].count(True) == 1
    by = {(each.network, each.left): each for each in gains}
    first = by["imagenet_resnet18", GRADUAL]
    assert (round(first.gain, 2), round(first.half, 2), round(first.p, 3)) == (0.68, 0.96, 0.070)
    spread = table2.pooled()
    assert spread.freedom == 28
    # Student's t with 28 degrees of freedom; two seeds of either side.
    assert spread.half / spread.deviation == pytest.approx(2.0484, abs=1e-4)
    assert spread.half_by_n / spread.half == pytest.approx(math.sqrt(2))
    assert round(spread.deviation, 4) == 0.1193
    order, alone, together, last = table2.printed_text()
    # CE is the lowest with 7 of 7 and F = 0-0.5 the highest with 7; its gains from least to largest, and p.
    gradual = ["0", "0.5"]
    assert numbers(order) == ["7", "7", *gradual, "7", *gradual, "+0.61", "+0.95", "0.016"]
    # Intervals above zero, and the smallest p.
    assert numbers(alone)[:3] == ["7", "20", "0.08"]
    # Gains beyond the pooled interval, those of F = 0-0.5 among them, and its leads over F = 0,0.5.
    assert numbers(together)[5:13] == ["0.24", "19", "21", "7", "7", *gradual, "4"]
    # The same three counts where deviations divide by n.
    assert numbers(together)[-4:] == ["0.35", "15", "7", "1"]
    assert numbers(last)[2:7] == ["85", "90", "-0.41", "+0.47", "5"]
    assert numbers(table2.printed_in_short()) == ["7", "20", "95", "19", "21"]


def test_the_printed_table_and_its_figure():
    frame = table2.printed_table()
    assert frame["Network"].tolist()[:2] == ["ResNet-18", "ResNet-34"]
    assert str(frame["CE+EL 0-0.5 minus CE"][0]) == "+0.68 ± 0.96"
    # ResNeXt-101 has no spread in either cell.
    assert str(frame["CE+EL 0,0.5 minus CE"][6]) == "+0.53"
    axes = images_figures.imagenet_gains().axes[0]
    # 21 gains, 20 intervals, the line at zero and three entries of the legend.
    assert len(axes.lines) == 21 + 20 + 1 + 3
    assert "ResNeXt-101: CE+EL 0 +0.25, CE+EL 0,0.5 +0.53, CE+EL 0-0.5 +0.79" in (
        images_figures.imagenet_gains_alt()
    )


# --- findings ---


def gained(**points: float) -> Callable[..., float]:
    """Accuracy 0.7 for CE, and so many points more for each F, whose seeds scatter more the later it is."""
    scatter = {"": 0, "0": 1, "0,0.5": 2, "0-0.5": 3}

    def accuracy(seed: int, schedule: str, **_: Any) -> float:
        return 0.7 + points.get(schedule, 0.0) / 100 + 0.0001 * seed * scatter[schedule]

    return accuracy


def test_gains_with_every_network_hold_and_the_papers_stand_beside():
    found = made(gained(**{"0": 0.4, "0,0.5": 0.6, "0-0.5": 0.8}))
    judged = verdict.judge("imagenet", found)
    assert (judged.finding, judged.count, judged.open) == ("holds", (21, 21), 0)
    assert "ImageNet (ILSVRC 2012), 90 epochs, 3 seeds" in judged.basis
    assert judged.basis.endswith("the paper's protocol")
    papers = [round(d.contrast.paper or 0, 2) for d in judged.differences[:3]]
    assert papers == [0.37, 0.43, 0.68]
    first = verdict.judge("imagenet-gradual", found)
    assert (first.finding, first.count) == ("holds", (21, 21))
    frame, _ = table2.TABLE.frame(found, "paper")
    rows = {(r["Network"], r["Loss"], r["F"]): r for r in frame.to_dict("records")}
    assert len(rows) == 28
    mixed = rows["ResNet-50", "CE+EL", "0-0.5"]
    assert (mixed["Paper"], mixed["Paper minus CE"]) == ("76.35", "+0.61")


def test_another_first_does_not_make_the_gradual_mixture_best():
    found = made(gained(**{"0": 0.4, "0,0.5": 2.8, "0-0.5": 0.8}))
    assert verdict.judge("imagenet", found).finding == "holds"
    judged = verdict.judge("imagenet-gradual", found)
    assert judged.finding == "holds in part"
    behind = [d for d in judged.differences if d.contrast.right.labels["schedule"] == TWO_PHASE[1]]
    assert len(behind) == 7
    assert not any(d.above for d in behind)


def test_without_records_nothing_is_tested():
    for key in ("imagenet", "imagenet-gradual"):
        judged = verdict.judge(key, Evidence(NAME, "recorded", {}))
        assert (judged.finding, judged.basis, judged.open) == ("not tested", "no runs", 21)


# --- the protocol on tiny files ---


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """ImageNet's layout with two classes of small photographs of two colours; 6 to train, 4 to test."""
    monkeypatch.setenv("LOSSBOOK_DATA", str(tmp_path))
    noise = np.random.default_rng(0)
    for part, count in (("train", 3), ("val", 2)):
        for at, synset in enumerate(("n01440764", "n01443537")):
            folder = tmp_path / "imagenet" / part / synset
            folder.mkdir(parents=True)
            for number in range(count):
                size = [(60, 40), (40, 60), (50, 50)][number]
                pixels = noise.integers(0, 90, (size[1], size[0], 3), dtype=np.uint8)
                pixels[..., at] += 150
                Image.fromarray(pixels).save(folder / f"{synset}_{number}.JPEG")
    info = replace(datasets.info("imagenet"), contents={}, parts={"train": 6, "test": 4}, label_count=2)
    return datasets.load(info, download=False)


@pytest.mark.parametrize(("regime", "epochs"), [(CE, 2), (GRADUAL, 6)])
def test_the_declared_protocol_trains_on_tiny_files(tiny, regime, epochs, monkeypatch):
    """Six photographs in batches of three, six epochs for six phases; the rest as declared for ImageNet."""
    (cell,) = (
        c
        for c in PAPER.cells
        if c.labels["network"] == "imagenet_shufflenet_v2"
        and (c.labels["loss"], c.labels["schedule"]) == regime
    )
    spec = replace(cell.spec, batch_size=3, epochs=epochs)
    seen: list[tuple[bool, tuple[int, ...]]] = []
    forward = Photographs.forward

    def watched(network: Photographs, images: torch.Tensor) -> torch.Tensor:
        seen.append((network.training, tuple(images.shape)))
        return forward(network, images)

    monkeypatch.setattr(Photographs, "forward", watched)
    result = train(plan_run(spec), select(tiny, spec))
    assert result.status == "finished"
    # Cropped to 224 pixels in training; whole in testing, where the network takes the centre.
    epoch = [(True, (3, 3, 224, 224))] * 2 + [(False, (4, 3, 256, 256))]
    assert seen == epochs * epoch
    names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy", "test_ce")
    assert {name: len(curve) for name, curve in result.curves.items()} == dict.fromkeys(names, epochs)
    assert all(math.isfinite(v) for curve in result.curves.values() for v in curve)
    assert result.weights["first"] != result.weights["end"]
    # In its last phase the mixture is 1 - p alone, which no example can take above 1.
    assert (result.curves["test_loss"] == result.curves["test_ce"]) == (regime == CE)
    if regime == GRADUAL:
        assert 0 <= result.curves["test_loss"][-1] <= 1


def test_the_notebook_declares_what_it_reads():
    text = (Path(__file__).parents[3] / "notebooks/battash2021/table2.md").read_text(encoding="utf-8")
    assert "experiments: [battash2021/table2]" in text
    assert 'gather("battash2021/table2"' in text
