"""Whether today's code is known to give a record: by its hash, or by a sample that was trained again."""

from dataclasses import replace

import pytest
from said import numbers

from lossbook import paths
from lossbook.errors import LossbookError
from lossbook.results import Record, attestation
from lossbook.results.attestation import Attestation, Trust, compare, kind, sample

EXPERIMENT = "yao2018/table1"
NOW = {("toy.new",): "today's", ("toy.old",): "yesterday's"}


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Attestations in a place of their own; modules have the hashes of NOW."""
    monkeypatch.setattr(paths, "data_file", tmp_path.joinpath)
    monkeypatch.setattr(attestation, "code_hash", hash_of)
    attestation.forget()
    yield tmp_path / "attestations" / f"{EXPERIMENT}.jsonl"
    attestation.forget()


def hash_of(modules):
    if modules not in NOW:
        raise LookupError(modules)
    return NOW[modules]


def make_record(**changes):
    content = {
        "key": "a" * 16,
        "experiment": EXPERIMENT,
        "profile": "quick",
        "labels": {},
        "config": {},
        "seed": 0,
        "status": "finished",
        "metrics": {"test_accuracy": 0.5},
        "curves": {"test_accuracy": [0.25, 0.5]},
        "provenance": {},
    }
    return Record(**content | changes)


def a_record(key="a" * 16, code="then", modules=("toy.old",), seconds=1.0, profile="quick", **config):
    return make_record(
        key=key,
        profile=profile,
        config={"dataset": "mnist", "model": "cnn", "loss": "ce", "loss_options": {}} | config,
        provenance={"code": code, "modules": list(modules), "seconds": seconds},
    )


def made(record, **changes):
    content = Attestation(
        key=record.key,
        profile=record.profile,
        seed=record.seed,
        kind=kind(record.experiment, record.provenance["code"], record.config),
        sample=(record.key,),
        code_then=record.provenance["code"],
        code_now="today's",
        modules=("toy.new",),
        epochs=2,
        of=2,
        compared=10,
        digits=6,
        differs=(),
        device="cpu",
        device_name="A processor",
        device_then="A processor",
        threads=1,
        versions={"torch": "2.15"},
        finished="2026-01-01T00:00:00Z",
    )
    return replace(content, **changes)


def test_a_record_of_todays_code_is_fresh():
    record = a_record(code="today's", modules=("toy.new",))
    assert (record.trust.state, str(record.trust), record.trust.level) == ("fresh", "fresh", 2)


@pytest.mark.parametrize(
    "provenance", [{}, {"code": "x"}, {"modules": ["toy.new"]}, {"code": "x", "modules": []}]
)
def test_a_record_that_does_not_say_what_made_it_is_unattested(provenance):
    trust = make_record(provenance=provenance).trust
    assert (trust.state, trust.level) == ("unattested", 0)


def test_a_sample_trained_again_attests_its_kind_and_no_other():
    record, seed, other = a_record(), a_record("b" * 16, dataset="cifar10"), a_record("c" * 16, loss="nllr")
    assert record.trust.state == "unattested"
    attestation.add(EXPERIMENT, made(record))
    for each in (record, seed):
        assert (str(each.trust), each.trust.level) == ("attested (exact)", 1)
    assert numbers(record.trust.why) == ["1"], "runs of its kind trained again"
    assert other.trust.state == "unattested"
    assert a_record(code="before").trust.state == "unattested"


def test_it_counts_while_the_code_is_what_it_was(monkeypatch):
    record = a_record()
    attestation.add(EXPERIMENT, made(record))
    assert record.trust.state == "attested"
    monkeypatch.setitem(NOW, ("toy.new",), "tomorrow's")
    attestation.forget()
    assert record.trust.state == "unattested"
    monkeypatch.delitem(NOW, ("toy.new",))
    attestation.forget()
    assert record.trust.state == "unattested"


def test_a_module_that_was_renamed_strands_no_record(monkeypatch):
    record = a_record(modules=("toy.gone",))
    attestation.add(EXPERIMENT, made(record))
    assert record.trust.state == "attested"


def test_the_whole_sample_must_have_been_trained_again():
    records = [a_record(), a_record("b" * 16)]
    keys = tuple(record.key for record in records)
    attestation.add(EXPERIMENT, made(records[0], sample=keys))
    assert [r.trust.state for r in records] == ["unattested"] * 2
    assert numbers(records[0].trust.why) == ["1", "2"], "runs of its sample trained again so far"
    attestation.add(EXPERIMENT, made(records[1], sample=keys))
    assert [r.trust.state for r in records] == ["attested"] * 2


@pytest.mark.parametrize(
    ("digits", "shown"), [(5, "attested (5 digits)"), (3, "attested (3 digits)"), (2, "unattested")]
)
def test_the_worst_of_the_sample_decides(digits, shown):
    records = [a_record(), a_record("b" * 16)]
    keys = tuple(record.key for record in records)
    attestation.add(EXPERIMENT, made(records[0], sample=keys))
    differs = ("metrics m: 0.5 then, 0.6 now",)
    attestation.add(EXPERIMENT, made(records[1], sample=keys, digits=digits, differs=differs))
    assert [str(r.trust) for r in records] == [shown] * 2
    if shown == "unattested":
        assert (
            f"agrees in only {attestation.digits(digits)}: m at the end: 0.5 then, 0.6 now"
            in records[0].trust.why
        )


def test_an_attestation_comes_back_and_takes_the_place_of_an_earlier_one(place):
    record = a_record()
    attestation.add(EXPERIMENT, made(record, epochs=1, digits=4, differs=("x",)))
    attestation.add(EXPERIMENT, made(record, epochs=1))
    assert attestation.read(EXPERIMENT) == [made(record, epochs=1)]
    assert place.read_text().count("\n") == 1
    assert "the first epoch of 2" in record.trust.why


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"digits":6', '"digits":5', "altered since it was written"),
        ('"digits":6', '"digits":"6"', "digits is '6'"),
        ('"compared":10', '"compared":true', "compared is True"),
        ('"modules":["toy.new"]', '"modules":"toy.new"', "modules is 'toy.new'"),
        ('"seed":0,', "", "no seed"),
        ('"seed":0,', '"seed":0,"more":1,', "unknown field more"),
        ("{", "[{", ""),
    ],
)
def test_a_damaged_line_is_named_and_passed_over(place, old, new, why):
    record, other = a_record(), a_record("b" * 16, loss="nllr")
    attestation.add(EXPERIMENT, made(record))
    attestation.add(EXPERIMENT, made(other))
    lines = place.read_text().splitlines()
    damaged = next(i for i, line in enumerate(lines) if record.key in line)
    assert old in lines[damaged]
    lines[damaged] = lines[damaged].replace(old, new)
    place.write_text("\n".join(lines) + "\n")
    attestation.forget()
    with pytest.warns(UserWarning, match=f"jsonl, line {damaged + 1}, is not an attestation .*{why}"):
        assert attestation.read(EXPERIMENT) == [made(other)]
    assert (record.trust.state, other.trust.state) == ("unattested", "attested")


def test_two_that_write_at_once_lose_nothing(place):
    first, second = made(a_record()), made(a_record("b" * 16))
    attestation.add(EXPERIMENT, first)
    attestation.read(EXPERIMENT)
    # As another process would, while this one remembers what it read.
    text = place.read_text()
    attestation.forget()
    place.unlink()
    attestation.add(EXPERIMENT, second)
    attestation.read(EXPERIMENT)
    place.write_text(text + place.read_text())
    attestation.add(EXPERIMENT, replace(second, digits=5, differs=("x",)))
    assert [each.key[0] for each in attestation.read(EXPERIMENT)] == ["a", "b"]


def test_a_folder_that_cannot_be_written_is_a_sentence(place):
    place.parent.parent.mkdir(parents=True)
    place.parent.write_text("")
    with pytest.raises(LossbookError, match="cannot write"):
        attestation.add(EXPERIMENT, made(a_record()))


# --- kinds and samples --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"dataset": "cifar10"}, True),
        ({"epochs": 3}, True),
        ({"optimizer_options": {"lr": 1}}, True),
        ({"class_shares": None}, True),
        ({"loss": "nllr"}, False),
        ({"model": "mlp"}, False),
        ({"measures": ["softmax"]}, False),
        ({"class_shares": [1.0, 0.1]}, False),
        *(({name: "another"}, False) for name in attestation._NAMES),
        *(({name: "another"}, False) for name in ("class_weight", "precision", "pixels", "epoch_measures")),
        ({"step": {"accumulated": 2}}, False),
    ],
)
def test_a_kind_is_what_runs_the_same_code(change, same):
    config = a_record().config
    assert (kind("a/b", "x", config) == kind("a/b", "x", config | change)) == same
    assert kind("a/b", "x", config) != kind("a/b", "y", config) != kind("a/c", "y", config)


def test_records_are_sorted_into_kinds():
    records = [
        a_record(),
        a_record("b" * 16, seed=1),
        a_record("c" * 16, loss="nllr"),
        make_record(provenance={}),
    ]
    assert [[r.key[0] for r in each] for each in attestation.kinds(records).values()] == [["a", "b"], ["c"]]


def test_the_sample_has_the_quickest_of_each_profile_and_data_set():
    records = [
        a_record("a" * 16, seconds=3.0),
        a_record("b" * 16, seconds=2.0),
        a_record("c" * 16, seconds=9.0, dataset="cifar10"),
        a_record("d" * 16, seconds=1.0, profile="paper"),
        a_record("b" * 16, seconds=2.5, profile="part"),  # the same run under another name
    ]
    assert [r.key[0] for r in sample(records)] == ["d", "b", "c"]


def test_on_tables_the_sample_has_short_middle_and_long_runs_of_each_setting():
    records = [
        replace(a_record(f"{name}{i}", seconds=float(i), loss_options={"schedule": name}), curves={})
        for name in "xy"
        for i in range(5)
    ]
    assert [r.key for r in sample(records)] == ["x0", "y0", "x2", "y2", "x4", "y4"]


# --- comparing ----------------------------------------------------------------------------------------------

THEN = {
    "metrics": {"m": 0.5, "count": [[1.0, 0.0], [2.0, None]]},
    "curves": {"m": [0.25, 0.5], "by_class": [[0.1, 0.2], [0.3, 0.4]]},
    "status": "finished",
}


def altered(group, name, value):
    return THEN | {group: THEN[group] | {name: value}}


def test_equal_numbers_are_counted():
    assert compare(THEN, THEN) == (11, 6, ())
    more = THEN | {"metrics": THEN["metrics"] | {"new": 1.0}}
    assert compare(THEN, more) == (11, 6, ())


@pytest.mark.parametrize(
    ("now", "digits", "where"),
    [
        (altered("metrics", "m", 0.50001), 4, "metrics m: 0.5 then, 0.50001 now"),
        (altered("metrics", "m", 0.500001), 5, "metrics m: 0.5 then, 0.500001 now"),
        (altered("metrics", "m", None), 0, "metrics m: 0.5 then, None now"),
        (altered("metrics", "m", -0.5), 0, "metrics m: 0.5 then, -0.5 now"),
        (altered("metrics", "m", [0.5]), 0, "metrics m: 0.5 then, [0.5] now"),
        (altered("metrics", "count", [[1.0, 0.0], [2.0, 3.0]]), 0, "metrics count/1/1: None then, 3.0 now"),
        (altered("metrics", "count", [[1.0, 0.0]]), 0, "metrics count, length: 2 then, 1 now"),
        (altered("curves", "m", [0.25]), 0, "curves m, length: 2 then, 1 now"),
        (
            altered("curves", "by_class", [[0.1, 0.2], [0.3, 0.404]]),
            2,
            "curves by_class/1/1: 0.4 then, 0.404 now",
        ),
        ({k: v for k, v in THEN.items() if k != "metrics"}, 0, "metrics: "),
        (THEN | {"metrics": {"m": 0.5}}, 0, "metrics count: [[1.0, 0.0], [2.0, None]] then, nothing now"),
        (THEN | {"status": "diverged"}, 0, "status: finished then, diverged now"),
    ],
)
def test_a_difference_says_where_it_is(now, digits, where):
    _, found, differs = compare(THEN, now)
    assert (found, differs[0].startswith(where)) == (digits, True), differs


def test_the_first_epochs_alone_are_compared():
    curves = {"curves": THEN["curves"]}
    short = {"curves": {"m": [0.25], "by_class": [[0.1, 0.2]]}}
    assert compare(curves, short, epochs=1) == (3, 6, ())
    assert compare(curves, short)[1] == 0
    _, digits, differs = compare(curves, {"curves": {"m": [0.25], "by_class": [[0.1, 0.3]]}}, epochs=1)
    assert (digits, differs) == (0, ("curves by_class/0/1: 0.2 then, 0.3 now",))
    # A run that ended before, for example because its loss stopped being finite.
    assert compare(curves, short, epochs=2)[1] == 0


def test_nothing_to_compare_is_no_agreement():
    assert compare({"metrics": {}}, THEN) == (0, 0, ("the record has no number to compare",))


def test_the_worst_five_differences_come_first():
    then = {"metrics": {f"m{i}": 1.0 for i in range(8)}}
    now = {"metrics": {f"m{i}": 1 + 10.0**-i for i in range(8)}}
    _, digits, differs = compare(then, now)
    assert digits == 0
    assert [text.split(":")[0] for text in differs] == [f"metrics m{i}" for i in range(5)]


def test_trust_has_an_order():
    states = ("unattested", "attested", "fresh")
    assert [Trust(state).level for state in states] == [0, 1, 2]
