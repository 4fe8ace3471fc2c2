"""How far something is, on a terminal and elsewhere."""

import io

import pytest
from rich.console import Console

from lossbook import progress


@pytest.fixture
def clock(monkeypatch):
    """The time, set by the test."""
    moment = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: moment[0])
    return moment


def test_where_there_is_no_terminal_a_line_now_and_then_says_all(clock, capsys):
    with progress.Progress() as shown:
        bar = shown.bar("images", 1_000_000, "bytes")
        bar.at(200_000)  # What an earlier download left.
        clock[0] = 5.0
        bar.at(300_000)
        clock[0] = 10.0
        bar.at(400_000)
        other = shown.bar("mnist ce", 12, "epoch")
        other.at(4)
        shown.tell(now=True)
        shown.tell(now=True)  # Nothing is new.
        shown.say("[half] of it")
    assert capsys.readouterr().err.splitlines() == [
        "images, 400.0 kB of 1.0 MB, 20.0 kB/s, about 30 s left",
        "images, 400.0 kB of 1.0 MB, 20.0 kB/s, about 30 s left; mnist ce, epoch 4/12",
        "[half] of it",
    ]


def test_a_bar_that_starts_anew_or_ends_elsewhere_is_measured_anew(clock, capsys):
    with progress.Progress() as shown, shown.bar("a", 100) as bar:
        bar.at(50)
        clock[0] = 1.0
        bar.at(0, label="b", total=80)
        clock[0] = 3.0
        bar.at(20)
        shown.tell(now=True)
    shown.tell(now=True)
    assert capsys.readouterr().err.splitlines() == ["b, about 6 s left"]


def test_nothing_is_shown_where_nothing_is_asked_for(capsys):
    with progress.Progress(show=False) as shown:
        shown.bar("a", 2).at(1)
        shown.say("b")
        shown.tell(now=True)
    assert capsys.readouterr().err == ""


def test_on_a_terminal_there_are_bars_and_no_lines(monkeypatch, clock):
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=80)
    monkeypatch.setattr(progress, "Console", lambda **_: terminal)
    with progress.Progress() as shown:
        bar = shown.bar("mnist ce", 12, "epoch")
        bar.at(3)
        shown.tell(now=True)
        shown.say("a word")
        bar.at(12)
    text = screen.getvalue()
    assert "━" in text
    assert "epoch 12/12" in text
    assert "a word\n" in text


def test_sizes_and_durations_are_in_words():
    assert [progress.amount(size) for size in (5, 9_900, 9_900_000, 9.9e9)] == [
        "5 bytes",
        "9.9 kB",
        "9.9 MB",
        "9.9 GB",
    ]
    assert [progress.duration(seconds) for seconds in (45, 700, 12_000, 190_000, 8e6, 2.6e9, 4e10)] == [
        "45 s",
        "12 min",
        "3.3 h",
        "2.2 days",
        "93 days",
        "82.4 years",
        "1,268 years",
    ]
