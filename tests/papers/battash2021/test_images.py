"""What the image experiments of battash2021 have in common."""

from dataclasses import replace
from pathlib import Path

import pytest
from battash2021_runs import evidence, gains, made

from lossbook import experiments
from lossbook.evidence import power
from lossbook.losses import MixingSchedule
from lossbook.papers.battash2021 import (
    gradient_norm,
    images_figures,
    table1,
    table5,
    table6,
    verdict,
)
from lossbook.papers.battash2021.protocol import CE, CONSTANT, GRADUAL, TWO_PHASE

ITEMS = ("table1", "motivation", "gradient_norm", "table5", "table6", "escaping")


NOTEBOOKS = Path(__file__).parents[3] / "notebooks" / "battash2021"


@pytest.mark.parametrize("item", ITEMS)
def test_twelve_epochs_make_six_equal_phases_and_leave_one_for_el_alone(item):
    """A schedule in whole epochs is the paper's only where its phases come out even."""
    for name, profile in experiments.get(f"battash2021/{item}").profiles.items():
        for cell in profile.cells:
            epochs = cell.spec.epochs
            if cell.labels["schedule"] == "0-0.5" and name not in ("paper",):
                assert {p.epochs for p in MixingSchedule("0-0.5").phases(epochs)} == {epochs // 6}
    last = MixingSchedule("0,0.5").phases(12)[-1]
    assert (last.start, last.epochs, last.alpha) == (11, 1, 0.0)


@pytest.mark.parametrize(
    ("item", "profile"),
    [
        ("motivation", "reference"),
        ("gradient_norm", "reference"),
        ("table5", "reference"),
        ("table6", "cifar10"),
    ],
)
def test_nothing_that_table_1_has_is_trained_again(item, profile):
    def plain(cell):
        return replace(cell.spec, epoch_measures=None).key

    table = {plain(c) for c in experiments.get("battash2021/table1").profile(profile).cells}
    mine = {plain(c) for c in experiments.get(f"battash2021/{item}").profile(profile).cells}
    assert not table & mine
    # What is read beside it has the labels that it is selected by.
    labels = {name for c in experiments.get("battash2021/table1").profile(profile).cells for name in c.labels}
    own = experiments.get(f"battash2021/{item}").profile(profile).cells[0].labels
    assert labels <= set(own)


def test_every_regime_has_a_look_of_its_own():
    looks = [(look.color, look.marker, str(look.dash)) for look in images_figures.LOOKS.values()]
    assert len(set(looks)) == len(looks)
    assert set(images_figures.LOOKS) >= {CE, CONSTANT, TWO_PHASE, GRADUAL, table5.COT, *gradient_norm.SIZED}


@pytest.mark.parametrize("item", [*ITEMS, "fig1"])
def test_pages_are_there_and_declare_what_they_read(item):
    text = (NOTEBOOKS / f"{item}.md").read_text(encoding="utf-8")
    if item == "fig1":
        assert "gather(" not in text
        return
    read = {line.split('gather("')[1].split('"')[0] for line in text.splitlines() if 'gather("' in line}
    declared = text.split("experiments: [")[1].split("]")[0].split(", ")
    assert read == set(declared)


def test_without_records_no_claim_on_images_is_tested():
    empty = [evidence(item) for item in ITEMS]
    for key in (
        "images",
        "left-behind",
        "size",
        "complement",
        "regularisation",
        "escapes",
        "escapes-at-scale",
    ):
        judged = verdict.judge(key, *empty)
        assert judged.finding == "not tested"
        assert judged.basis == "no runs"


@pytest.mark.parametrize(("module", "least", "most"), [(table5, 0.86, 1.12), (table6, 0.26, 1.13)])
def test_pages_say_how_many_runs_the_papers_gains_take(module, least, most):
    found = evidence("table1", made("table1", "reference", gains(**{"CE+EL 0-0.5": 1.0}), seeds=8))
    spread = power.deviation(table1.gain(GRADUAL).at(found, "reference")) * 100
    said = module.before(found)
    assert f"{spread:.2f} points over the seeds" in said
    assert f"3 seeds show a difference that exceeds {power.reach(3) * spread:.2f} points" in said
    assert f"{least:.2f} to {most:.2f} points" in said
    few, many = (power.seeds_for(gain, spread) for gain in (most, least))
    assert f"the smallest takes {many} seeds and the largest {few}." in said
    assert module.before(evidence("table1")) == ""
