"""``python -m lossbook.build STEP``: what the Makefile and the Snakefile call."""

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from lossbook import paths
from lossbook.build import steps
from lossbook.build.errors import UNFINISHED, StepFailedError, UnfinishedError
from lossbook.build.places import RECORDED, check_profile, make_absolute
from lossbook.build.plan import Step, plan
from lossbook.build.processes import STARTED_BY_BUILD, end_group_with_parent
from lossbook.build.settings import REPLAY
from lossbook.build.whole import build
from lossbook.errors import LossbookError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``python -m lossbook.build``; the exit status."""
    make_absolute()
    parser = argparse.ArgumentParser("python -m lossbook.build", description="Steps of building the book.")
    known = parser.add_subparsers(dest="step", required=True)
    for step, text in {
        "all": "build the whole book, or the parts of it that are out of date",
        "plan": "say what that would run, and why",
        "shard": "train the missing runs of a part of an experiment",
        "experiment": "train the missing runs of an experiment",
        "replay": "train one recorded run again, and compare",
        "notebook": "execute one notebook of the book",
        "book": "build the pages from executed notebooks",
    }.items():
        sub = known.add_parser(step, help=text)
        sub.add_argument("--profile", default=RECORDED)
        if step in ("shard", "experiment", "notebook"):
            sub.add_argument("name")
        if step == "replay":
            sub.add_argument("names", nargs="+")
            sub.add_argument("--folder", type=Path, required=True, help="where to write what was found")
        if step in ("shard", "experiment"):
            sub.add_argument("--stamp", type=Path, required=True, help="the file that says it is done")
        if step in ("all", "plan", "replay"):
            sub.add_argument("--replay", type=_seconds, default=REPLAY, help="seconds of replays, in all")
        if step in ("all", "plan", "shard", "experiment"):
            sub.add_argument("--device", default="auto", help="where to train: auto, cpu, cuda or cuda:N")
        if step == "all":
            sub.add_argument("--cores", type=_cores, default="all", help="how many, or all")
        if step in ("shard", "experiment"):
            sub.add_argument("--refresh", action=argparse.BooleanOptionalAction)
        if step == "shard":
            sub.add_argument("shard", help="for example 1-of-8")
            sub.add_argument("--budget", type=float, help="stop after this many minutes")
    given = parser.parse_args(arguments)
    if given.step != "all":
        end_group_with_parent()
    try:
        check_profile(given.profile)
        match given.step:
            case "all":
                build(given.profile, given.replay, given.device, given.cores)
            case "plan":
                _show(plan(given.profile, given.replay, given.device))
            case "shard":
                steps.step_shard(
                    given.name,
                    given.profile,
                    given.shard,
                    given.stamp,
                    device=given.device,
                    budget=given.budget,
                    refresh=given.refresh,
                )
            case "experiment":
                steps.step_experiment(given.name, given.profile, given.stamp, given.device, given.refresh)
            case "replay":
                steps.step_replay(given.names, given.folder, given.replay)
            case "notebook":
                steps.step_notebook(given.name, given.profile)
            case "book":
                steps.step_book(given.profile)
    except KeyboardInterrupt:
        if given.step == "all":
            print("Stopped. The same command goes on where it was.", file=sys.stderr)
        return 130
    except UnfinishedError as error:
        _report(given, str(error))
        return UNFINISHED
    except Exception as error:
        expected = isinstance(error, LossbookError | StepFailedError)
        _report(given, str(error) if expected else traceback.format_exc())
        return 2 if isinstance(error, LossbookError) else 1
    return 0


def _seconds(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"a whole number of seconds is expected, 0 for none; got {text!r}")
    return int(text)


def _cores(text: str) -> str:
    if text != "all" and not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"a number of cores from 1 or 'all' is expected; got {text!r}")
    return text


def _show(found: Sequence[Step]) -> None:
    for step in found:
        print(f"{step.name}: {step.why}")
    steps = "1 step is" if len(found) == 1 else f"{len(found) or 'no'} steps are"
    print(f"{steps[0].upper()}{steps[1:]} out of date.")


def _report(given: argparse.Namespace, text: str) -> None:
    """Say why a step stopped: to the reader, or to the build, which shows it below what other steps say."""
    folder = os.environ.get(STARTED_BY_BUILD)
    if folder and given.step != "all":
        name = getattr(given, "name", "").replace("/", "-")
        paths.atomic_write(Path(folder) / f"{given.step}-{name}.txt", text)
    else:
        print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
