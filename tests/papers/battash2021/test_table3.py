"""Table 3 of battash2021: what is declared, and tables and findings whose answer is known."""

from dataclasses import replace

import pytest
from said import numbers

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.papers.battash2021 import table3, table3_figures, verdict
from lossbook.papers.battash2021.texts import CE, CONSTANT, GRADUAL, MIXTURES, TWO_PHASE
from lossbook.results import Record

PROFILES = table3.EXPERIMENT.profiles


def records(profile, accuracy, seeds=8, **labels):
    """Runs of a profile; `accuracy` gives that of a cell and seed, or None where it has not been run."""
    found = []
    for cell in PROFILES[profile].cells:
        for seed in range(seeds):
            value = accuracy(cell.labels, seed)
            if value is None or any(cell.labels[name] != wanted for name, wanted in labels.items()):
                continue
            curve = [value, value + 0.02, value]
            found.append(
                Record(
                    key=f"{profile}-{cell.spec.key}-{seed}",
                    experiment=table3.TABLE3,
                    profile=profile,
                    labels=dict(cell.labels),
                    config=cell.spec.config,
                    seed=seed,
                    status="finished",
                    metrics={
                        "test_accuracy": value,
                        "balanced_accuracy": value / 2,
                        "absolute_error": 1 - value,
                        "majority_share": 0.5478,
                        "majority_error": 0.81,
                        "count": [[1] * 5] * 5,
                    },
                    curves={"test_accuracy": curve, "test_ce": [1.2, 1.0, 1.1]},
                    provenance={"train_size": 18_113, "test_size": 4528, "data_notes": []},
                )
            )
    return found


def gains(by_schedule, noise=0.001):
    """Accuracies with these gains over CE in points, and a little noise by seed."""

    def accuracy(labels, seed):
        return (
            0.6 + by_schedule[labels["schedule"]] / 100 + noise * (seed % 2 - 0.5) * bool(labels["schedule"])
        )

    return accuracy


AS_CLAIMED = {"": 0.0, "0": 0.5, "0,0.5": 0.5, "0-0.5": 1.0}


def evidence(**by_profile):
    return Evidence(table3.TABLE3, "recorded", by_profile)


def judged(found):
    return table3.REVIEWS_CLAIM.judge({table3.TABLE3: found})


def test_the_paper_profile_is_the_published_protocol():
    profile = PROFILES["paper"]
    assert profile.seeds == 8
    assert len(profile.cells) == 20
    for cell in profile.cells:
        config = cell.spec.config
        assert (config["optimizer"], config["optimizer_options"]) == ("adam", {"lr": 0.01})
        assert (config["batch_size"], config["epochs"], config["redraw"]) == (1024, 90, 0.2)
        assert config["text"] == {"name": "pooled_words", "longest": 70}
        assert config["model_options"]["padded_to"] == 70
    sizes = {
        cell.labels["architecture"]: tuple(
            cell.spec.model_options[name] for name in ("layers", "hidden", "embedding")
        )
        for cell in profile.cells
    }
    assert list(sizes.values()) == [(1, 50, 50), (1, 75, 75), (1, 100, 100), (2, 50, 50), (2, 100, 100)]


def test_the_clean_protocol_has_none_of_the_faults():
    for cell in PROFILES["clean"].cells:
        config = cell.spec.config
        assert "redraw" not in config
        assert config["text"]["name"] == "words"
        assert "padded_to" not in config["model_options"]
    assert {cell.spec.validation_size for cell in PROFILES["lengths"].cells} == {2000}
    assert PROFILES["published"].part_of == "paper"
    whole = {cell.spec.key for cell in PROFILES["paper"].cells}
    assert {cell.spec.key for cell in PROFILES["published"].cells} < whole


def test_the_claim_leaves_out_what_the_paper_leaves_out():
    assert len(table3.CLAIMED) == 13
    assert [m for a, m in table3.CLAIMED if a == "arch4"] == [GRADUAL]
    assert judged(evidence()).finding == "not tested"
    assert "reviews" in {claim.key for claim in verdict.CLAIMS}


def test_findings_follow_from_the_runs():
    both = judged(evidence(clean=records("clean", gains(AS_CLAIMED))))
    assert (both.finding, both.count) == ("holds in part", (13, 13))
    assert both.basis.startswith("Women's Clothing E-Commerce Reviews, 7 epochs, 8 seeds")
    worse = judged(evidence(clean=records("clean", gains({**AS_CLAIMED, "0": -1, "0,0.5": -1, "0-0.5": -1}))))
    assert (worse.finding, worse.count) == ("does not carry over", (0, 13))
    noisy = judged(evidence(clean=records("clean", gains(AS_CLAIMED, noise=0.05))))
    assert noisy.finding == "not settled"


def test_the_paper_differences_are_its_own():
    assert table3.gain("arch1", CONSTANT, "clean").paper == pytest.approx(-0.27)
    assert table3.gain("arch3", GRADUAL, "published").paper == pytest.approx(1.20)
    assert table3.gain("arch3", GRADUAL, "clean", dataset="made_up_reviews").paper is None
    found = evidence(clean=records("clean", gains(AS_CLAIMED)))
    sentence = judged(found).evidence[0]
    assert "4,528 test texts" in sentence
    assert "-0.27" in sentence


def test_the_table_has_the_paper_beside_the_same_network_and_loss():
    found = evidence(clean=records("clean", gains(AS_CLAIMED)))
    frame, notes = table3.table(found, "clean", "clean")
    assert len(frame) == 20
    row = frame[(frame["Network"] == "5: 2 × 100") & (frame["F"] == "0-0.5")].iloc[0]
    assert row["Paper"] == "63.77"
    assert str(row["Last epoch, %"]).startswith("61.00 ± ")
    assert str(row["Best test epoch, %"]).startswith("63.00 ± ")
    assert str(row["Ours minus CE"]).startswith("+1.00 ± ")
    assert str(row["Mean error, ratings"]).startswith("0.390")
    assert not notes
    made_up, _ = table3.table(evidence(smoke=records("smoke", gains(AS_CLAIMED))), "smoke", "clean")
    assert "Paper" not in made_up


def test_what_is_said_of_a_profile():
    found = evidence(
        clean=records("clean", gains(AS_CLAIMED)),
        lengths=records("lengths", lambda labels, seed: 0.6, seeds=1),
    )
    # Of 15, 15 means are higher, 15 95% intervals above zero and 0 below; after Holm's adjustment 15.
    assert numbers(table3.summary(found, "clean", "clean")) == ["15", "15", "95", "15", "0", "15"]
    # The share of the most frequent rating, its balanced accuracy and its mean error.
    assert numbers(table3.baseline(found.records)) == ["54.8", "20", "0.81"]
    assert "CE 2.00, CE+EL 0 2.00" in table3.best_epoch(found, "clean", "clean")
    lengths = table3.lengths_table(found).iloc[0]
    assert (str(lengths["Highest accuracy, %"]), lengths["After epoch"]) == ("62.0", 2)
    assert lengths["Lowest cross-entropy after epoch"] == 2
    errors = table3.errors_table(found, "clean", "clean")
    assert len(errors) == 5 * 3
    gradual = errors[errors["Mixture"] == "CE+EL 0-0.5"]
    assert set(gradual["Network"]) == set(table3.NAMES.values())
    assert str(gradual["Mean error, ratings"].iloc[0]).startswith("-0.010")


def test_the_mean_over_the_networks():
    found = evidence(clean=records("clean", gains(AS_CLAIMED)))
    mean = table3.over_networks(found)
    # By seed 1.05 and 0.95 in turn, whatever the network.
    assert (mean.interval.mean, mean.interval.n) == (pytest.approx(1.0), 8)
    assert mean.interval.half == pytest.approx(2.3646 * 0.05 * (8 / 7) ** 0.5 / 8**0.5, rel=1e-3)
    # The paper's five differences are 0.49, 0.90, 1.20, 0.20 and 0.63.
    both = ["+1.00", "0.04", "+1.00", "0.04"]
    assert numbers(table3.headline(found))[2:9] == [*both, "+0.68", "+0.50", "0.02"]
    frame = table3.means_table(found)
    assert frame["Mixture"].tolist() == ["CE+EL 0-0.5", "CE+EL 0,0.5", "CE+EL 0"]
    # The paper's means over its five networks.
    assert frame["Paper"].tolist() == ["+0.68", "+0.51", "+0.49"]
    assert frame["After the last epoch"][0].values["mean"] == pytest.approx(1.0)
    assert frame["Balanced accuracy"][0].values["mean"] == pytest.approx(0.5)
    assert len(frame["Balanced accuracy"][0].runs) == 2 * 5 * 8
    # The accuracy at the best epoch is read apart from that of the last.
    early = [
        replace(r, curves=r.curves | {"test_accuracy": [0.7, r.metrics["test_accuracy"]]})
        for r in found.records
    ]
    assert numbers(table3.headline(evidence(clean=early)))[4] == "+0.00"
    assert table3.follows(found) == ""
    behind = evidence(clean=records("clean", gains({**AS_CLAIMED, "0-0.5": -1.0})))
    # Where all are ahead none is named; where one is behind, that one alone.
    assert numbers(table3.follows(behind)) == numbers("CE+EL 0-0.5")
    # Seeds that a network lacks do not count; before all networks have been run there is no mean.
    part = [r for r in found.records if r.seed < 3 or r.labels["architecture"] != "arch4"]
    assert table3.over_networks(evidence(clean=part)).interval.n == 3
    assert table3.headline(evidence(clean=records("clean", gains(AS_CLAIMED), architecture="arch2"))) == ""


def test_nothing_is_said_without_runs():
    empty = evidence()
    assert table3.headline(empty) == table3.follows(empty) == ""
    assert table3.means_table(empty).empty
    assert table3.summary(empty, "clean", "clean") == ""
    assert table3.baseline([]) == ""
    assert table3.best_epoch(empty, "clean", "clean") == ""
    assert table3.lengths_table(empty).empty
    assert table3.errors_table(empty, "clean", "clean").empty


def test_the_figure_has_our_differences_and_the_papers():
    one = evidence(clean=records("clean", gains(AS_CLAIMED), architecture="arch2"))
    (ax,) = table3_figures.gains(one, "clean", "clean").axes
    open_marks = [float(m.get_xdata()[0]) for m in ax.lines if m.get_fillstyle() == "none"]
    assert open_marks == pytest.approx([1.06, 1.06, 0.90])
    filled = [
        float(m.get_xdata()[0])
        for m in ax.lines
        if m.get_marker() not in ("None", None, "")
        and m.get_fillstyle() != "none"
        and len(m.get_xdata()) == 1
    ]
    assert filled == pytest.approx([0.5, 0.5, 1.0])
    alt = table3_figures.gains_alt(one, "clean", "clean")
    assert all(method.name in alt for method in MIXTURES)


def test_quick_takes_made_up_reviews_where_there_are_no_real_ones():
    quick = PROFILES["quick"]
    assert {cell.spec.dataset for cell in quick.cells} == {table3.REVIEWS}
    assert {cell.spec.dataset for cell in quick.embedded_cells} == {"made_up_reviews"}
    assert {c.labels["schedule"] for c in quick.cells} == {
        m.schedule for m in (CE, CONSTANT, TWO_PHASE, GRADUAL)
    }
    assert experiments.get(table3.TABLE3) is table3.EXPERIMENT
