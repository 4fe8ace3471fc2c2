"""Table 3 on pixels from 0 to 1 and on standardised ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
from li2020_runs import cells

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.papers.li2020 import pixels as li2020_pixels
from lossbook.papers.li2020.names import PIXELS
from lossbook.results import Record

#: Accuracies in percent: scaling -> data set -> loss -> one a seed.
ACCURACY = {
    "unit": {
        "fashion_mnist": {
            "sml": (88.0, 88.5, 89.0),
            "lgl": (89.0, 89.4, 89.8),
            "lgl_inr": (90.0, 90.4, 91.0),
        },
        "mnist": {"sml": (98.7, 98.8, 98.9), "lgl": (99.0, 99.0, 99.1), "lgl_inr": (98.8, 98.7, 98.9)},
    },
    "standardised": {
        "fashion_mnist": {
            "sml": (90.5, 90.4, 90.9),
            "lgl": (90.0, 89.9, 90.1),
            "lgl_inr": (89.7, 89.7, 90.2),
        },
        "mnist": {"sml": (98.7, 98.8, 98.9), "lgl": (98.9, 98.9, 99.1), "lgl_inr": (99.3, 99.3, 99.4)},
    },
}


def evidence(scaling: str, profile: str = "paper", embedded: bool = False) -> Evidence:
    name = "li2020/table3" if scaling == "unit" else PIXELS
    found = []
    for cell in experiments.get(name).profiles[profile].cells:
        labels = cell.labels
        if labels["network"] != "cnn2c" or labels["loss"] == "lgl_mean" or labels["dataset"] == "kmnist":
            continue
        for seed, value in enumerate(ACCURACY[scaling][labels["dataset"]][labels["loss"]]):
            found.append(
                Record(
                    key=f"{scaling}-{cell.spec.key}-{seed}",
                    experiment=name,
                    profile=profile,
                    labels=dict(labels),
                    config=cell.spec.config | ({"dataset": "digits"} if embedded else {}),
                    seed=seed,
                    status="finished",
                    metrics={"test_accuracy": value / 100},
                    curves={"test_accuracy": [value / 100]},
                    provenance={"train_size": 60_000, "test_size": 10_000, "data_notes": []},
                )
            )
    return Evidence(name, "quick", {profile: found})


def both(profile: str = "paper", embedded: bool = False) -> tuple[Evidence, Evidence]:
    return evidence("unit", profile, embedded), evidence("standardised", profile, embedded)


def test_accuracies_stand_beside_the_papers():
    frame, _ = li2020_pixels.accuracy_table(*both(), "paper")
    rows = {(row["Data"], row["Loss"]): row for row in frame.to_dict("records")}
    assert len(rows) == 6
    sml = rows["Fashion-MNIST", "CE"]
    assert sml["Paper, %"] == "91.15"
    assert sml["0 to 1, %"].text.startswith("88.50 ± 1.24")
    assert sml["Standardised, %"].text.startswith("90.60 ± 0.66")
    # By hand: 2.5, 1.9 and 1.9 have the mean 2.1, deviation 0.3464, times 4.3027 / sqrt(3).
    assert sml["Standardised minus 0 to 1, points"].text == "+2.10 ± 0.86 (n = 3)"


def test_leads_are_paired_by_seed_within_one_scaling():
    frame, _ = li2020_pixels.lead_table(*both(), "paper")
    rows = {(row["Data"], row["LGL-INR minus"]): row for row in frame.to_dict("records")}
    sml = rows["Fashion-MNIST", "CE"]
    assert sml["Paper"] == "+0.00"
    assert sml["0 to 1, points"].text == "+1.97 ± 0.14 (n = 3)"
    assert sml["Standardised, points"].text == "-0.73 ± 0.14 (n = 3)"
    assert rows["MNIST", "LR"]["Standardised, points"].text.startswith("+0.37 ")


def test_runs_that_are_not_there_take_no_row():
    frame, _ = li2020_pixels.accuracy_table(evidence("unit"), Evidence(PIXELS, "quick", {}), "paper")
    assert frame.empty


def test_the_page_shows_the_twins_of_its_runs():
    table3, pixels = both()
    shown = li2020_pixels.shown(table3, pixels)
    assert len(shown) == 36
    assert {r.experiment for r in shown} == {"li2020/table3", "li2020/pixels"}
    assert li2020_pixels.shown(table3, Evidence(PIXELS, "quick", {})) == []


@pytest.mark.parametrize("profile", ["paper", "quick", "smoke"])
def test_standardised_pixels_are_all_that_sets_a_run_apart_from_table_3(profile):
    plain = {cell.spec.key for cell in cells("table3", profile)}
    scaled = cells("pixels", profile)
    assert {replace(cell.spec, pixels=None).key for cell in scaled} < plain
    assert {cell.spec.pixels for cell in scaled} == {"standardised"}
    assert {(c.labels["dataset"], c.labels["loss"]) for c in scaled} == {
        (dataset, loss)
        for dataset in (("mnist",) if profile == "smoke" else ("mnist", "fashion_mnist"))
        for loss in ("sml", "lgl", "lgl_inr")
    }
