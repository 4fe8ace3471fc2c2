"""Which records a page shows."""

from dataclasses import replace

import pytest

from lossbook import experiments
from lossbook.errors import UnknownNameError
from lossbook.evidence import Evidence, gather, recorded, select
from lossbook.results import Record, Store

EXPERIMENT = "battash2021/table4"


def record_of(cell, profile):
    spec = replace(cell.spec, seed=0)
    return Record(
        key=spec.key,
        experiment=EXPERIMENT,
        profile=profile,
        labels=dict(cell.labels),
        config=spec.config,
        seed=0,
        status="finished",
        metrics={"test_accuracy": 0.5},
        curves={},
        provenance={},
    )


def test_tables_at_hand_everywhere_stand_in_only_where_there_are_no_others(tmp_path):
    profile = experiments.get(EXPERIMENT).profiles["quick"]
    assert profile.embedded_cells
    store = Store(working=tmp_path / "working", published=tmp_path / "published")

    def sets():
        found = recorded(EXPERIMENT, "quick", store=store)
        assert found.notes == ()
        return {record.config["dataset"] for each in found.by_profile.values() for record in each}

    stand_in, real = profile.embedded_cells[0], profile.cells[0]
    store.append(record_of(stand_in, "quick"))
    assert sets() == {stand_in.spec.dataset}
    store.append(record_of(real, "quick"))
    assert sets() == {real.spec.dataset}


def test_a_part_is_shown_once_and_under_the_name_of_the_whole(tmp_path):
    store = Store(working=tmp_path / "working", published=tmp_path / "published")
    cells = experiments.get("li2020/table3").profiles["cnn2c"].cells
    for cell in cells[:2]:
        store.append(replace(record_of(cell, "cnn2c"), experiment="li2020/table3"))
    found = recorded("li2020/table3", "quick", store=store)
    assert list(found.by_profile) == ["paper"]
    assert {record.profile for record in found.records} == {"paper"}
    assert len(found.records) == 2
    # A page made at the part has it under its own name.
    assert set(recorded("li2020/table3", "cnn2c", store=store).by_profile) == {"paper", "cnn2c"}


@pytest.mark.parametrize(
    ("profile", "labels", "message"),
    [
        ("papper", {"loss": "ce"}, "unknown profile of yao2018/table1 'papper'; did you mean 'paper'"),
        ("quick", {"los": "ce"}, "unknown label of yao2018/table1 'los'; did you mean 'loss'"),
    ],
)
def test_a_name_that_the_experiment_does_not_have_is_refused(make_record, profile, labels, message):
    found = Evidence("yao2018/table1", "quick", {"quick": [make_record(0.9)]})
    assert found.runs("quick", loss="ce").records
    assert found.runs("paper", loss="ce").records == ()
    with pytest.raises(UnknownNameError, match=message):
        found.runs(profile, **labels)
    if profile == "quick":
        with pytest.raises(UnknownNameError, match=message):
            found.best(**labels)


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A store with a record of the paper's own protocol, and what is asked to be trained."""
    store = Store(working=tmp_path / "working", published=tmp_path / "published")
    record = record_of(experiments.get(EXPERIMENT).profiles["paper"].cells[0], "paper")
    store.append(replace(record, provenance={"data_notes": ["a row is missing"]}))
    asked = []

    def run(experiment, **options):
        asked.append((experiment.name, options["profile"], options["seeds"], options["device"]))
        return experiments.RunOutcome(
            [record_of(experiment.profiles["quick"].cells[0], "quick")], 1, [], [], ("n",)
        )

    monkeypatch.setattr(select, "run_experiment", run)
    return store, asked


def test_a_page_of_recorded_runs_trains_nothing_and_says_what_data_lack(small):
    store, asked = small
    found = gather(EXPERIMENT, seeds=3, device="cpu", store=store)
    assert asked == []
    assert list(found.by_profile) == ["paper"]
    assert [note.partition(": ")[2] for note in found.notes] == ["a row is missing"]


def test_a_page_made_at_a_profile_trains_it_and_shows_just_that(small):
    store, asked = small
    found = gather(EXPERIMENT, "quick", device="cpu", store=store)
    assert asked == [(EXPERIMENT, "quick", None, "cpu")]
    assert list(found.by_profile) == ["paper", "quick"]
    assert len(found.by_profile["quick"]) == 1
    assert found.notes == ("n",)
