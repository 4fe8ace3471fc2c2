"""What a build would do is said without doing it."""

from pathlib import Path

import pytest

from lossbook.build import Graph, __main__, plan
from lossbook.build.hashing import hash_files
from lossbook.build.plan import Step, steps_in

SAID = """Building DAG of jobs...
[Sun Nov 29 21:11:30 2026]
localrule notebook:
    input: replays/dong2019/table1.json
    output: notebooks/dong2019/fig5.ipynb, files/dong2019/fig5
    jobid: 3
    reason: Params have changed since last execution: Union of exclusive params before and now across all \
output: before: '{"notebook": "a", "records": "b"}' now: '{"notebook": "c", "records": "b"}'
    wildcards: paper=dong2019, item=fig5
    resources: tmpdir=/tmp
[Sun Nov 29 21:11:30 2026]
rule experiment:
    output: experiments/li2020/table3.json
    jobid: 4
    reason: Missing output files: experiments/li2020/table3.json; Code has changed since last execution
    wildcards: paper=li2020, item=table3
[Sun Nov 29 21:11:30 2026]
rule book:
    output: book.json
    jobid: 1
    reason: Input files updated by another job: notebooks/dong2019/fig5.ipynb
    threads: 2
[Sun Nov 29 21:11:30 2026]
rule all:
    input: book.json
    jobid: 0
    reason: Input files updated by another job: book.json
"""


def test_the_steps_of_a_dry_run_and_their_reasons() -> None:
    assert list(steps_in(SAID)) == [
        Step("notebook dong2019/fig5", "changed: notebook"),
        Step("experiment li2020/table3", "not made yet; the step itself has changed"),
        Step("book", "an earlier step runs"),
    ]


def test_a_new_folder_needs_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path))
    assert __main__.main(["plan", "--profile", "smoke"]) == 0
    *lines, count = capsys.readouterr().out.splitlines()
    made = {line.partition(":")[0] for line in lines}
    assert {f"notebook {name}" for name in Graph("smoke", 0).notebooks} < made
    assert "book" in made
    assert count == f"{len(lines)} steps are out of date."
    assert not (tmp_path / "smoke" / "book.json").exists()


def test_what_snakemake_cannot_do_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path))
    monkeypatch.setattr(plan, "snakemake_command", lambda *_: ["false"])
    with pytest.raises(plan.StepFailedError, match="could not tell"):
        plan.plan("smoke")


def test_the_lock_of_a_store_is_no_change(tmp_path: Path) -> None:
    (tmp_path / "paper.jsonl").write_text("{}\n")
    before = hash_files([tmp_path])
    (tmp_path / ".lock").touch()
    assert hash_files([tmp_path]) == before
    (tmp_path / "paper.jsonl").write_text("{} \n")
    assert hash_files([tmp_path]) != before
