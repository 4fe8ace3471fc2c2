"""The chapter's tables and figures, and its findings, on records whose answer is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from said import numbers

from lossbook import experiments
from lossbook.evidence import Evidence
from lossbook.evidence import claims as verdict
from lossbook.evidence import recorded as choose
from lossbook.evidence.preferred import first
from lossbook.pages import figures, style
from lossbook.papers.yao2018 import long_runs, names, table1
from lossbook.papers.yao2018 import verdict as yao2018
from lossbook.papers.yao2018.table1_figures import Curves
from lossbook.results import Record, Store, published

EXPERIMENT = "yao2018/table1"
MakeRecord = Callable[..., Record]


def _evidence(*records: Record) -> Evidence:
    by_profile: dict[str, list[Record]] = {}
    for name in experiments.get(EXPERIMENT).profiles:
        if found := [r for r in records if r.profile == name]:
            by_profile[name] = found
    return Evidence(EXPERIMENT, "quick", by_profile)


def _group(make: MakeRecord, ends: Sequence[float], **settings: Any) -> list[Record]:
    """One run per seed that ends at the given accuracy."""
    length = settings.pop("length")
    return [make([0.5] * (length - 1) + [end], seed=seed, **settings) for seed, end in enumerate(ends)]


# --- the paper's numbers ---


def test_table_one_is_as_printed() -> None:
    printed = published("yao2018", "table1")
    assert printed["accuracy_percent"].tolist() == ["99.28", "99.27", "99.28", "79.92", "80.01", "86.01"]
    assert printed["epochs"].tolist() == ["100", "100", "500"] * 2
    assert printed["loss"].tolist() == ["ce", "bce", "nllr"] * 2
    assert printed["dataset"].tolist() == ["mnist"] * 3 + ["cifar10"] * 3


def test_the_set_ups_are_the_keras_examples() -> None:
    frame = table1.setup_table()
    assert frame["Parameters"].tolist() == ["1,199,882", "1,250,858"]
    assert frame["Batch"].tolist() == [128, 32]
    assert "learning rate 0.0001" in frame["Optimiser"][1]


# --- which records a page shows ---


@pytest.fixture
def store(tmp_path: Any) -> Store:
    return Store(working=tmp_path / "working", published=tmp_path / "published")


def _declared(make: MakeRecord, profile: str, accuracy: float, **changes: Any) -> list[Record]:
    cells = experiments.get(EXPERIMENT).profiles[profile].cells
    found = []
    for cell in cells:
        labels, config = cell.labels, {**cell.spec.config, **changes}
        record = make(
            [accuracy] * labels["epochs"],
            loss=labels["loss"],
            dataset=labels["dataset"],
            profile=profile,
            config=config,
        )
        found.append(record)
    return found


def test_profiles_come_best_first_and_trials_only_on_pages_of_their_own(
    store: Store, make_record: MakeRecord
) -> None:
    for profile in ("smoke", "quick", "keras12"):
        for record in _declared(make_record, profile, 0.9):
            store.append(record)
    for page in (None, "recorded", "keras12", "paper"):
        assert list(choose(EXPERIMENT, page, store=store).by_profile) == ["keras12"]
    assert list(choose(EXPERIMENT, "quick", store=store).by_profile) == ["keras12", "quick"]
    assert list(choose(EXPERIMENT, "smoke", store=store).by_profile) == ["keras12", "smoke"]


def test_records_of_an_earlier_definition_are_left_out_and_counted(
    store: Store, make_record: MakeRecord
) -> None:
    for record in _declared(make_record, "keras12", 0.9, batch_size=7):
        store.append(record)
    found = choose(EXPERIMENT, "quick", store=store)
    assert found.records == []
    assert numbers(found.notes[0]) == ["4"]


def test_embedded_data_give_way_to_the_real_set(store: Store, make_record: MakeRecord) -> None:
    stand_in = {"dataset": "digits", "train_size": None, "test_size": None}
    for record in _declared(make_record, "quick", 0.5, **stand_in):
        store.append(record)
    assert {r.config["dataset"] for r in choose(EXPERIMENT, "quick", store=store).records} == {"digits"}
    assert choose(EXPERIMENT, "quick", store=store).best(dataset="mnist") is None
    for record in _declared(make_record, "quick", 0.9):
        store.append(Record(**{**record.__dict__, "key": f"real-{record.key}"}))
    found = choose(EXPERIMENT, "quick", store=store)
    assert {r.config["dataset"] for r in found.records} == {"mnist", "cifar10"}
    assert found.notes == ()
    assert found.best(dataset="mnist") == "quick"


def test_what_was_just_run_is_what_is_shown(store: Store, make_record: MakeRecord) -> None:
    records = _declared(make_record, "quick", 0.9)
    for record in records:
        store.append(record)
    outcome = experiments.RunOutcome(records[:2], 0, [], [], ())
    assert choose(EXPERIMENT, "quick", outcome=outcome, store=store).records == records[:2]


def test_a_long_run_serves_as_the_short_one_unless_that_was_made(make_record: MakeRecord) -> None:
    long = make_record([0.5] * 99 + [0.8] + [0.9] * 400, loss="nllr", profile="paper")
    evidence = _evidence(long)
    at_100 = evidence.runs("paper", 100, dataset="mnist", loss="nllr")
    assert at_100.values("test_accuracy") == {0: 0.8}
    assert evidence.runs("paper", 501, dataset="mnist", loss="nllr").records == ()
    short = make_record([0.5] * 99 + [0.7], loss="nllr", profile="paper")
    both = _evidence(long, short).runs("paper", 100, dataset="mnist", loss="nllr")
    assert both.values("test_accuracy") == {0: 0.7}
    with pytest.raises(ValueError, match="more than one cell"):
        _evidence(long, short).runs("paper", dataset="mnist", loss="nllr")


# --- Table I ---


def test_cells_not_run_take_no_row_but_a_cost_from_recorded_runs(make_record: MakeRecord) -> None:
    config = {"dataset": "mnist", "model": "keras_mnist_cnn", "train_size": None, "epochs": 12}
    run = make_record([0.9] * 12, profile="keras12", seconds=1200.0, config=config)
    frame, notes = table1.table_one(_evidence(run), "paper")
    assert (len(frame), notes) == (0, [])
    open_ = table1.not_run(_evidence(run))
    assert len(open_) == 12
    row = open_.set_index(["Data", "Loss", "Epochs"]).loc[("MNIST", "NLLR", 500)]
    # 100 seconds an epoch, 500 epochs, three seeds.
    assert row["Cost, from recorded runs"].values["seconds"] == pytest.approx(150_000)
    assert numbers(row["Cost, from recorded runs"]) == ["41.7"]
    assert numbers(open_.iloc[-1, -1]) == [], "no run of this network on this data is recorded"
    made = make_record([0.9] * 500, loss="nllr", profile="paper")
    assert len(table1.not_run(_evidence(run, made))) == 11


def test_the_paper_profile_reads_each_loss_at_its_published_epoch(make_record: MakeRecord) -> None:
    records = [
        *_group(make_record, [0.80, 0.81, 0.82], length=100, loss="ce", dataset="cifar10", profile="paper"),
        *_group(make_record, [0.10, 0.10, 0.10], length=500, loss="ce", dataset="cifar10", profile="paper"),
        *_group(make_record, [0.86, 0.88, 0.87], length=500, loss="nllr", dataset="cifar10", profile="paper"),
    ]
    frame, _ = table1.table_one(_evidence(*records), "paper")
    rows = {(r["Data"], r["Loss"]): r for r in frame.to_dict("records")}
    assert str(rows["CIFAR-10", "CE"]["Ours, %"]).startswith("81.00 ± ")
    assert str(rows["CIFAR-10", "NLLR"]["Minus CE, points"]).startswith("+6.00 ± ")
    assert rows["CIFAR-10", "NLLR"]["Paper minus CE"] == "+6.09"
    assert ("CIFAR-10", "BCE") not in rows
    equal, _ = table1.equal_epochs_table(_evidence(*records), "paper")
    assert equal["Epochs"].tolist() == [100, 100, 500, 500]


def test_equal_epochs_are_those_of_the_data_set(make_record: MakeRecord) -> None:
    records = [make_record([0.5, 0.6, 0.7], loss=loss) for loss in ("ce", "nllr")]
    records += [make_record([0.2, 0.3], loss=loss, dataset="cifar10") for loss in ("ce", "nllr")]
    frame, _ = table1.equal_epochs_table(_evidence(*records), "quick")
    assert frame["Data"].tolist() == ["MNIST", "MNIST", "CIFAR-10", "CIFAR-10"]
    assert frame["Epochs"].tolist() == [3, 3, 2, 2]


def test_runs_on_stand_in_data_say_so(make_record: MakeRecord) -> None:
    record = make_record([0.5, 0.5, 0.5], trained_on="digits")
    frame, _ = table1.table_one(_evidence(record), "quick")
    assert frame["Data"].tolist()[0] == "MNIST (here: digits)"
    curves = Curves.of(_evidence(record), "quick", "mnist")
    assert "digits" in curves.alt("test")
    assert "digits" in curves.protocol


# --- figures ---


def test_curves_draw_the_longest_runs_and_mark_broken_ones(make_record: MakeRecord) -> None:
    style.theme()
    whole = [make_record([0.9] * 500, loss="nllr", profile="paper", seed=s) for s in range(2)]
    short = make_record([0.9] * 100, loss="nllr", profile="paper")
    broken = make_record([0.9] * 7, epochs=500, loss="nllr", profile="paper", seed=2, status="diverged")
    evidence = _evidence(*whole, short, broken)
    groups = table1.curve_groups(evidence, "paper", "mnist")
    assert [r.key for r in groups["nllr"]] == [r.key for r in (*whole, broken)]
    ax = Curves.of(evidence, "paper", "mnist").draw("test").axes[0]
    crosses = [line for line in ax.lines if line.get_marker() == "X"]
    assert [tuple(line.get_xdata()) for line in crosses] == [(7,)]
    assert crosses[0].get_ydata()[0] == pytest.approx(90)


def test_nllr_as_printed_has_panels_of_its_own(make_record: MakeRecord) -> None:
    style.theme()
    ce = [make_record([0.97, 0.98, 0.99], test_loss=[0.3, 0.2, 0.1], seed=s) for s in range(2)]
    printed = make_record([0.7, 0.7, 0.7], loss="nllr", test_loss=[-1, -9, -1e28])
    alone, both = (Curves.of(_evidence(*runs), "quick", "mnist") for runs in (ce, [*ce, printed]))
    assert [ax.get_yscale() for ax in alone.draw("test").axes] == ["linear", "linear"]
    axes = both.draw("test").axes
    assert [ax.get_title(loc="left") for ax in axes[:2]] == ["Test accuracy, %", "NLLR as printed"]
    assert [ax.get_yscale() for ax in axes] == ["linear", "linear", "linear", "symlog"]
    # The axis of the others is where they are, not where NLLR is.
    assert axes[0].get_ylim()[0] > 96
    assert max(axes[1].get_ylim()) < 80
    assert "NLLR as printed" in both.alt("test")
    assert "NLLR as printed" not in alone.cross_entropy_alt()


def test_unused_panels_are_removed(make_record: MakeRecord) -> None:
    panels = [figures.Panel("test_accuracy", str(i)) for i in range(3)]
    assert len(figures.curves({"ce": [make_record([0.9])]}, panels).axes) == 3


# --- the verdict ---


def _findings(*records: Record) -> dict[str, str]:
    """Verdict -> finding; of claims about NLLR, the finding for the formula as printed."""
    found = {claim.key: _judged(claim.key, *records) for claim in yao2018.CLAIMS}
    return {name: each.readings.get("NLLR as printed", each.finding) for name, each in found.items()}


def _judged(key: str, *records: Record) -> verdict.Verdict:
    return verdict.judge(yao2018.CLAIMS, key, _evidence(*records))


def test_without_runs_only_mathematics_is_settled() -> None:
    findings = _findings()
    assert findings.pop("correct") == "does not hold"
    assert set(findings.values()) == {"not tested"}


def test_runs_on_stand_in_data_are_no_evidence(make_record: MakeRecord) -> None:
    records = [
        make_record([0.9] * 3, seed=s, loss=loss, trained_on="digits")
        for s in range(3)
        for loss in ("ce", "nllr")
    ]
    findings = _findings(*records)
    assert {findings[name] for name in ("mnist", "lower")} == {"not tested"}


@pytest.mark.parametrize(
    ("nllr", "finding"),
    [
        ([0.9930, 0.9926, 0.9928], "holds"),
        ([0.9830, 0.9826, 0.9828], "does not hold"),
        ([0.9930, 0.9900, 0.9945], "not settled"),
        ([0.9928], "not settled"),
    ],
)
def test_mnist_is_comparable_if_the_test_set_cannot_tell(
    make_record: MakeRecord, nllr: list[float], finding: str
) -> None:
    records = [
        *_group(
            make_record, [0.9928, 0.9926, 0.9929], length=100, loss="ce", profile="paper", test_size=10_000
        ),
        *_group(make_record, nllr, length=500, loss="nllr", profile="paper", test_size=10_000),
    ]
    assert _findings(*records)["mnist"] == finding


@pytest.mark.parametrize(
    ("at_100", "at_500", "gain", "equal"),
    [
        (0.80, 0.80, "holds", "holds in part"),  # six points over CE at any length: still one data set
        (0.80, 0.86, "holds", "does not hold"),  # CE catches up when it may train as long
        (0.86, 0.86, "does not hold", "does not hold"),
    ],
)
def test_the_gain_on_cifar_10_is_asked_twice(
    make_record: MakeRecord, at_100: float, at_500: float, gain: str, equal: str
) -> None:
    settings = {"dataset": "cifar10", "profile": "paper", "test_size": 10_000}
    noise = [0.001, -0.001, 0.0]
    records = _group(
        make_record, [0.86 + n for n in (0.0, 0.0005, -0.0005)], length=500, loss="nllr", **settings
    )
    for loss in ("ce", "bce"):
        records += _group(make_record, [at_100 + n for n in noise], length=100, loss=loss, **settings)
        records += _group(make_record, [at_500 + n for n in noise], length=500, loss=loss, **settings)
    findings = _findings(*records)
    assert (findings["cifar10"], findings["equal"]) == (gain, equal)


def test_bce_is_judged_on_both_data_sets(make_record: MakeRecord) -> None:
    def group(dataset: str, loss: str, ends: Sequence[float]) -> list[Record]:
        settings = {"dataset": dataset, "profile": "paper", "test_size": 10_000}
        return _group(make_record, ends, length=100, loss=loss, **settings)

    mnist = group("mnist", "ce", [0.992, 0.993, 0.992]) + group("mnist", "bce", [0.9921, 0.9929, 0.9921])
    cifar = group("cifar10", "ce", [0.80, 0.80, 0.80])
    assert _findings(*mnist)["bce"] == "holds in part"
    assert _findings(*mnist, *cifar, *group("cifar10", "bce", [0.801, 0.80, 0.799]))["bce"] == "holds"
    assert _findings(*mnist, *cifar, *group("cifar10", "bce", [0.84, 0.841, 0.842]))["bce"] == "holds in part"
    assert _findings(*cifar, *group("cifar10", "bce", [0.84, 0.841, 0.842]))["bce"] == "does not hold"
    assert _findings(*mnist, *cifar, *group("cifar10", "bce", [0.90, 0.80, 0.75]))["bce"] == "not settled"


def _rising(length: int, peak: int, fall: float) -> tuple[list[float], list[float]]:
    """Accuracy that rises to 0.8 until ``peak`` and then loses ``fall``; a loss that mirrors it."""
    up = [0.2 + 0.6 * min(1.0, (e + 1) / peak) for e in range(length)]
    accuracy = [a - fall * max(0.0, (e - peak) / (length - peak)) for e, a in enumerate(up)]
    return accuracy, [2.5 - 2 * a for a in accuracy]


def test_overfitting_is_a_loss_of_accuracy_and_of_descent(make_record: MakeRecord) -> None:
    def runs(fall: float) -> list[Record]:
        accuracy, loss_curve = _rising(100, 50, fall)
        return [
            make_record(accuracy, loss=loss, dataset="cifar10", profile="paper", test_loss=loss_curve, seed=s)
            for loss in ("ce", "bce")
            for s in range(2)
        ]

    assert _findings(*runs(0.05))["overfit"] == "holds"
    assert _findings(*runs(0.0))["overfit"] == "does not hold"


def test_a_loss_that_rises_at_the_end_has_no_descent_there(make_record: MakeRecord) -> None:
    def late(test_loss: list[float]) -> float:
        record = make_record([0.9] * 20, loss="ce", dataset="mnist", profile="paper", test_loss=test_loss)
        return long_runs.LongRuns("paper", "mnist", "ce", (record,), 20).late_share

    falling = [20.0 - epoch for epoch in range(20)]
    # Windows of two epochs: the last differs by two from the one before it, of a descent from 20 to 1.5.
    assert late(falling) == pytest.approx(2 / 18.5)
    assert late([*falling[:18], 5.0, 7.0]) < 0


def test_nllr_keeps_improving_only_if_it_gets_better_after_epoch_100(make_record: MakeRecord) -> None:
    def runs(peak: int, fall: float) -> list[Record]:
        found = []
        for seed in range(3):
            accuracy, loss_curve = _rising(500, peak + seed, fall)
            found.append(
                make_record(
                    accuracy, loss="nllr", dataset="cifar10", profile="paper", test_loss=loss_curve, seed=seed
                )
            )
        return found

    assert _findings(*runs(450, 0.0))["improves"] == "holds"
    assert _findings(*runs(150, 0.2))["improves"] == "does not hold"
    assert _findings(*runs(450, 0.0)[:1])["improves"] == "not settled"


def test_a_run_that_breaks_down_is_not_stable(make_record: MakeRecord) -> None:
    def runs(loss_curve: list[float]) -> list[Record]:
        settings: dict[str, Any] = {"loss": "nllr", "profile": "paper", "test_loss": loss_curve}
        return [make_record([0.99] * 500, seed=seed, **settings) for seed in range(2)]

    at_rest = runs([2.0 * 0.9**e for e in range(500)])
    broken = make_record([0.99] * 80, epochs=500, loss="nllr", profile="paper", seed=2, status="diverged")
    assert _findings(*at_rest)["stable"] == "holds"
    assert _findings(*runs([1.0 - e for e in range(500)]))["stable"] == "holds in part"
    assert _findings(*at_rest, broken)["stable"] == "does not hold"


def test_twelve_epochs_can_refute_stability_and_not_show_it(make_record: MakeRecord) -> None:
    settings: dict[str, Any] = {"length": 12, "profile": "keras12"}
    base = _group(make_record, [0.991, 0.992, 0.991], loss="ce", **settings)
    good = _group(make_record, [0.99, 0.99, 0.99], loss="nllr", **settings)
    assert _findings(*base, *good)["stable"] == "not tested"
    running = [-(10.0**e) for e in range(12)]
    bad = _group(make_record, [0.74, 0.73, 0.74], loss="nllr", test_loss=running, **settings)
    assert _findings(*base, *bad)["stable"] == "does not hold"
    said = " ".join(yao2018.meaning(_evidence(*base, *bad)))
    # The difference of accuracies, and the test loss in the mean over seeds and in the lowest.
    assert "-25.47" in said
    assert said.count("-1.0e11") == 2


def test_the_test_loss_of_nllr_is_said_to_be_a_mean_or_the_lowest_seed(make_record: MakeRecord) -> None:
    records = _group(make_record, [0.991, 0.992], loss="ce", length=12, profile="keras12")
    for seed, end in enumerate((-1e11, -3e11)):
        records.append(
            make_record(
                [0.7] * 12, loss="nllr", profile="keras12", seed=seed, test_loss=[0.0] * 11 + [end], epochs=12
            )
        )
    said = " ".join(yao2018.meaning(_evidence(*records)))
    assert [number for number in numbers(said) if "e" in number] == ["-2.0e11", "-3.0e11"]
    lower = " ".join(_judged("lower", *records).evidence)
    assert numbers(lower)[:2] == ["2", "-2.0e11"]


def test_both_readings_of_nllr_are_tested(make_record: MakeRecord) -> None:
    settings: dict[str, Any] = {"length": 12, "profile": "keras12", "test_size": 10_000}
    base = _group(make_record, [0.9928, 0.9926, 0.9929], loss="ce", **settings)
    printed = _group(make_record, [0.74, 0.75, 0.73], loss="nllr", **settings)
    good = _group(make_record, [0.9930, 0.9926, 0.9928], loss="nllr_clipped", **settings)
    unclear = _group(make_record, [0.9930, 0.99, 0.9945], loss="nllr_clipped", **settings)

    def claim(*records: Record) -> verdict.Verdict:
        return _judged("mnist", *base, *records)

    both = claim(*printed, *good)
    assert both.finding == "holds in part"
    assert both.verdict == "holds in part (NLLR as printed: does not hold; NLLR clipped: holds)"
    assert both.short == "holds in part, 1 of 2"
    assert "NLLR as printed minus CE on MNIST (both after 12 epochs): -25.28 ± " in both.number
    assert claim(*printed, *unclear).finding == "not settled"
    # The paper may have trained the reading that nobody has run yet.
    alone = claim(*printed)
    assert alone.verdict == "not settled (NLLR as printed: does not hold; NLLR clipped: not tested)"
    agreeing = [Record(**{**r.__dict__, "labels": {**r.labels, "loss": "nllr"}}) for r in good]
    assert claim(*good, *agreeing).verdict == "holds"


def test_a_finding_on_a_subset_says_so(make_record: MakeRecord) -> None:
    quick = [make_record([0.9] * 3, seed=s) for s in range(2)]
    assert "small subset" in verdict.basis(quick)
    assert numbers(verdict.basis(quick)) == ["2,000", "1,000", "3", "2"]
    whole = [make_record([0.9] * 12, profile="keras12", train_size=60_000)]
    assert verdict.basis(whole).startswith("shorter training")
    assert verdict.basis([make_record(0.9, profile="paper")]) == "the paper's protocol (1 seed)"


def test_cells_with_fewer_seeds_are_counted(make_record: MakeRecord) -> None:
    runs = [make_record(0.9, seed=s, loss=loss, profile="paper") for loss in ("ce", "nllr") for s in range(3)]
    assert verdict.seeds_text(runs) == "3 seeds"
    assert verdict.seeds_text(runs[:-1]) == "2 to 3 seeds"
    assert verdict.seeds_text(runs[:1]) == "1 seed"


def test_runs_on_a_part_of_the_images_leave_claims_open(make_record: MakeRecord) -> None:
    settings: dict[str, Any] = {"length": 12, "profile": "keras12", "test_size": 10_000, "train_size": 53_000}
    base = _group(make_record, [0.9928, 0.9926, 0.9929], loss="ce", **settings)
    same = [
        r
        for loss in ("nllr", "nllr_clipped", "bce")
        for r in _group(make_record, [0.9930, 0.9926, 0.9928], loss=loss, **settings)
    ]
    found = _findings(*base, *same)
    assert {found[name] for name in ("mnist", "bce")} == {"not settled"}
    # A copy that lacks some images is whole.
    nearly = [replace(r, provenance=r.provenance | {"train_size": 59_000}) for r in (*base, *same)]
    assert _findings(*nearly)["mnist"] == "holds"


def test_the_better_profile_is_the_evidence(make_record: MakeRecord) -> None:
    quick = [make_record([0.9] * 3, seed=s, loss=loss) for s in range(2) for loss in ("ce", "nllr")]
    better = [
        make_record([0.99] * 12, seed=s, loss=loss, profile="keras12", train_size=60_000)
        for s in range(2)
        for loss in ("ce", "nllr")
    ]
    claim = _judged("mnist", *quick, *better)
    assert {r.profile for r in claim.records} == {"keras12"}
    # Where the better profile lacks the baseline, the lesser one is shown, and settles nothing.
    claim = _judged("mnist", *quick, *(r for r in better if r.labels["loss"] == "nllr"))
    assert {r.profile for r in claim.records} == {"quick"}
    assert claim.readings["NLLR as printed"] == "not settled"


def test_of_several_lengths_the_longest_that_both_have_is_compared(make_record: MakeRecord) -> None:
    settings: dict[str, Any] = {"profile": "paper", "test_size": 10_000}
    ce = _group(make_record, [0.80, 0.81, 0.805], length=100, **settings)
    nllr = _group(make_record, [0.86, 0.88, 0.87], length=500, loss="nllr", **settings)
    ways = table1.compared("mnist", "nllr", published=True)
    found = first(ways, _evidence(*ce, *nllr))
    assert found is not None
    assert found.interval.mean == pytest.approx(0.065)
    assert "(NLLR as printed after 500 epochs, CE after 100)" in found.what
    equal = first(ways[1:], _evidence(*ce, *nllr))
    assert equal is not None
    assert "(both after 100 epochs)" in equal.what
    assert equal.interval.mean == pytest.approx(0.5 - 0.805)
    # Two seeds give no interval: another length with three comes first.
    more = _group(make_record, [0.9, 0.9], length=500, **settings)
    again = first(ways[1:], _evidence(*ce, *nllr, *more))
    assert again is not None
    assert again.interval.n == 3


def test_the_names_are_those_of_the_book() -> None:
    assert {loss: style.loss_style(loss).name for loss in names.LOSSES} == names.NAMES


def test_prose_follows_the_numbers(make_record: MakeRecord) -> None:
    def said(nllr: Sequence[float], test_ce: float) -> str:
        records = _group(make_record, [0.90, 0.91, 0.92], length=3, loss="ce")
        records += _group(make_record, nllr, length=3, loss="nllr", test_ce=test_ce)
        return " ".join(yao2018.meaning(_evidence(*records)))

    more, less, open_ = (
        said(nllr, 0.3) for nllr in ([0.951, 0.96, 0.97], [0.851, 0.86, 0.87], [0.92, 0.90, 0.92])
    )
    heads = [text.split("**")[1] for text in (more, less, open_)]
    assert [("more" in head, "less" in head) for head in heads] == [
        *((True, False), (False, True), (False, False))
    ]
    assert ["no worse" in text for text in (more, said([0.951, 0.96, 0.97], 0.05))] == [False, True]
    assert ("0.300" in more, numbers(more.rpartition("CIFAR-10 ")[2])) == (True, [])
