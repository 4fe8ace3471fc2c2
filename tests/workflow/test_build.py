"""Whole builds of a small checkout: what runs again after which change, and what a failure leaves."""

import os
import re
import signal
import time
from pathlib import Path

import filelock
import jupytext
import nbformat
import pytest


def _ran(output: str) -> set[str]:
    """The notebooks a build executed."""
    return set(re.findall(r"^\[(\S+)\] running", output, re.MULTILINE))


BOTH = {"paper/first", "paper/second"}


def test_build_runs_what_changed_and_nothing_else(checkout):
    first = checkout.build()
    assert first.returncode == 0, first.stdout
    assert _ran(first.stdout) == BOTH
    assert "trained table/one smoke True" in first.stdout
    page = checkout.top / "_build" / "smoke" / "book" / "intro.html"
    assert first.stdout.splitlines()[-3:] == ["Note: digits stand in", "The book's first page:", str(page)]
    assert page.is_file()
    shown = page.parent / "paper" / "first.html"
    assert "value 1 smoke" in shown.read_text()
    assert (page.parent / "files" / "paper" / "first" / "first.md").is_file()

    again = checkout.build()
    assert "Nothing has changed" in again.stdout
    assert again.stdout.splitlines()[-3:] == first.stdout.splitlines()[-3:]

    # What would run again after each of these changes, one at a time.
    second = {"notebooks/paper/second", "book"}
    for name, old, new, expected in [
        (
            "src/lossbook/toy/used.py",
            "VALUE = 1",
            "VALUE = 1  # a remark",
            {"book"},
        ),  # its source is on no page
        ("src/lossbook/toy/used.py", "VALUE = 1", "VALUE = 2", {"notebooks/paper/first", "book"}),
        ("src/lossbook/toy/table.py", ", 1", ", 2", {"experiments/table/one", *second}),
        ("notebooks/paper/second.md", "print('second')", "print('edited')", second),
        ("notebooks/paper/second.md", "# paper/second", "# A new title", {"book"}),
        ("book/intro.md", "Words", "Other words", {"book"}),
        ("data/published/paper/table.csv", "1", "2", {"notebooks/paper/first", *second}),
        ("data/results/table/one/paper.jsonl", "", "{}", second),
        ("_build/results/table/one/paper.jsonl", "", "{}", second),
    ]:
        with checkout.changed(name, old, new):
            assert checkout.plan() == expected, (name, new)

    used = checkout.top / "src" / "lossbook" / "toy" / "used.py"
    used.write_text(used.read_text().replace("VALUE = 1", "VALUE = 2"))
    assert _ran(checkout.build().stdout) == {"paper/first"}
    assert "value 2 smoke" in shown.read_text()

    # Records that change behind the workflow's back.
    with checkout.changed("_build/results/table/one/smoke.jsonl", "1", "2"):
        assert checkout.plan() == {"experiments/table/one", *second}


def test_book_of_recorded_runs_trains_nothing(checkout):
    made = {"replays/table/one", "notebooks/paper/first", "notebooks/paper/second", "book"}
    assert checkout.plan("recorded") == made
    assert "experiments/table/one" in checkout.plan("smoke")


def test_data_that_arrive_are_used(checkout):
    """Digits stood in for a set; now it may be there."""
    assert checkout.build().returncode == 0
    checkout.write("datasets/mnist/there", "")
    again = checkout.build()
    assert "trained table/one smoke True" in again.stdout
    assert _ran(again.stdout) == {"paper/second"}


def test_failed_notebook_stops_the_build_and_a_resumed_one_goes_on(checkout):
    source = checkout.notebook("paper/second", "1 / 0", "[table/one]")
    failed = checkout.build()
    assert failed.returncode == 1
    assert "notebook paper/second failed in code cell 2 of 2: ZeroDivisionError" in failed.stdout
    assert failed.stdout.splitlines()[-1] == "The book was not built."
    built = checkout.top / "_build" / "smoke"
    assert (built / "notebooks" / "paper" / "second.partial.ipynb").is_file()
    assert not (built / "book").exists()

    source.write_text(source.read_text().replace("1 / 0", "1 / 1"))
    mended = checkout.build()
    assert mended.returncode == 0, mended.stdout
    assert "paper/second" in _ran(mended.stdout)

    source.write_text(source.read_text().replace("1 / 1", "1 / 0"))
    page = built / "book" / "intro.html"
    before = page.stat().st_mtime_ns
    failed = checkout.build()
    assert failed.returncode == 1
    assert re.search(r"The book was not built; .* is still the one of ", failed.stdout.splitlines()[-1])
    assert page.stat().st_mtime_ns == before
    # A failure is not forgotten.
    assert checkout.build().returncode == 1


def _pretend_executed(checkout):
    for name in BOTH:
        folder = checkout.top / "_build" / "smoke"
        notebook = jupytext.read(checkout.top / "notebooks" / f"{name}.md")
        (folder / "files" / name).mkdir(parents=True)
        (folder / "notebooks" / name).parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")


def test_warning_stops_the_book_every_time(checkout):
    _pretend_executed(checkout)
    checkout.write("book/intro.md", "# Introduction\n\n[there](nowhere.md)\n")
    for _ in range(2):  # Sphinx alone would forget a warning about a page it has read.
        failed = checkout.run("lossbook.build", "book", "--profile", "smoke")
        assert failed.returncode == 2
        assert "nowhere.md" in failed.stdout
        assert not (checkout.top / "_build" / "smoke" / "book").exists()


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("book/extra.md", "# Extra\n", "extra.md is in no chapter of _toc.yml"),
        (
            "_toc.yml",
            "format: jb-book\nroot: intro\nchapters:\n  - file: missing\n",
            "_toc.yml lists 'missing', but neither book/missing.md nor notebooks/missing.md is there",
        ),
    ],
)
def test_pages_and_contents_must_agree(checkout, name, text, complaint):
    _pretend_executed(checkout)
    checkout.write(name, text)
    failed = checkout.run("lossbook.build", "book", "--profile", "smoke")
    assert failed.returncode == 2
    assert complaint in failed.stdout


def test_links_to_notebook_sources_lead_to_their_pages(checkout):
    _pretend_executed(checkout)
    checkout.write("book/intro.md", "[a](paper/first.md#top) [b](other.md) [c](paper/first.md)\n")
    checkout.run("lossbook.build", "book", "--profile", "smoke")
    staged = (checkout.top / "_build" / "smoke" / "stage" / "intro.md").read_text()
    assert staged == "[a](paper/first.ipynb#top) [b](other.md) [c](paper/first.ipynb)\n"


def test_build_under_way_is_left_alone(checkout):
    folder = checkout.top / "_build" / "smoke"
    folder.mkdir(parents=True)
    with filelock.FileLock(folder / ".lock"):
        refused = checkout.build()
    assert refused.returncode == 2
    assert "another build is under way" in refused.stdout


def test_mistake_in_the_package_is_named(checkout):
    source = checkout.write("src/lossbook/toy/used.py", "VALUE = 1\nVALUE = (\n")
    failed = checkout.build()
    assert failed.returncode == 2
    assert f"{source}, line 2: '(' was never closed" in failed.stdout


def test_unknown_profile_is_refused(checkout):
    refused = checkout.build("smok")
    assert refused.returncode == 2
    there = "There are: recorded, smoke, quick, paper"
    assert f"unknown PROFILE 'smok'; did you mean 'smoke'? {there}" in refused.stdout


NOTEBOOK_THAT_WAITS = """
import os, pathlib, time
pathlib.Path('kernel.txt').write_text(f'{os.getpid()} {os.getppid()}')
time.sleep(600)
"""


def _running(number):
    status = Path(f"/proc/{number}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


def _descendants(number):
    found = [
        int(n) for path in Path(f"/proc/{number}/task").glob("*/children") for n in path.read_text().split()
    ]
    return found + [each for child in found for each in _descendants(child)]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks at /proc")
@pytest.mark.parametrize(
    ("victim", "kind"), [("make", "SIGKILL"), ("build", "SIGTERM"), ("build", "SIGKILL")]
)
def test_killed_build_leaves_nothing_running(checkout, victim, kind):
    """make is a shell that waits, as make does; a kernel is in a process group of its own."""
    checkout.notebook("paper/second", NOTEBOOK_THAT_WAITS)
    make = checkout.start("lossbook.build", "all", "--profile", "recorded")
    written = checkout.top / "kernel.txt"
    try:
        deadline = time.monotonic() + 240
        while not (written.is_file() and written.read_text()):
            assert make.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        started = _descendants(make.pid)
        assert int(written.read_text().split()[0]) in started
        assert len(started) >= 4  # build, Snakemake, step, kernel
        os.kill(make.pid if victim == "make" else started[0], getattr(signal, kind))
        deadline = time.monotonic() + 60
        while left := [number for number in started if _running(number)]:
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
        assert not (checkout.top / "_build" / "recorded" / "notebooks" / "paper" / "second.ipynb").exists()
    finally:
        make.kill()
        make.wait()
