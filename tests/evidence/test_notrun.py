"""What of an experiment has been run, profile by profile."""

from lossbook.evidence import recorded
from lossbook.evidence.notrun import profiles_table


def test_every_profile_but_trials_has_a_row_with_its_command(store):
    frame = profiles_table(recorded("yao2018/table1", store=store))
    rows = frame.set_index("Profile")
    assert {"quick", "smoke"}.isdisjoint(rows.index)
    assert rows.loc["keras12", "Command"] == "lossbook run yao2018/table1 --profile keras12"
    # Published records count wherever they are read from.
    made, of = map(int, rows.loc["keras12", "Runs made"].split(" of "))
    assert 0 <= made <= of == 12
