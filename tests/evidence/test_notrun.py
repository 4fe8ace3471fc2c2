"""What of an experiment has been run, profile by profile."""

from lossbook.evidence import recorded
from lossbook.evidence.notrun import profiles_table, runs_not_made


def test_every_profile_but_trials_has_a_row_with_its_command(store):
    frame = profiles_table(recorded("yao2018/table1", store=store))
    rows = frame.set_index("Profile")
    assert {"quick", "smoke"}.isdisjoint(rows.index)
    assert rows.loc["keras12", "Command"] == "lossbook run yao2018/table1 --profile keras12"
    # Published records count wherever they are read from.
    made, of = map(int, rows.loc["keras12", "Runs made"].split(" of "))
    assert 0 <= made <= of == 12


def test_what_is_left_of_a_profile_is_a_sentence_with_the_command(store):
    left = runs_not_made(recorded("dong2019/table2", store=store), "reference")
    assert left == (
        "Nothing has been run of profile `reference` (80 runs). "
        "To make them: `lossbook run dong2019/table2 --profile reference`."
    )
    assert runs_not_made(recorded("dong2019/table2", store=store), "reference", "paper").endswith(
        "`lossbook run dong2019/table2 --profile NAME`."
    )
    assert runs_not_made(recorded("dong2019/table3"), "lengths") == ""
