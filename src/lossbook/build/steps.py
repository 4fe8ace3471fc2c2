"""The steps of the Snakefile."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lossbook import paths
from lossbook.build.errors import UnfinishedError
from lossbook.build.execute import run_notebook
from lossbook.build.pages import build_pages
from lossbook.build.parameters import notebook_parameters, notebook_profiles
from lossbook.build.places import RECORDED, profile_dir
from lossbook.build.replay import plan, replay
from lossbook.build.stage import first_page
from lossbook.build.stamps import experiment_state
from lossbook.results.store import Store


def step_shard(
    name: str,
    profile: str,
    shard: str,
    stamp: Path,
    device: str = "auto",
    budget: float | None = None,
    refresh: bool | None = None,
) -> None:
    """Train what a part of an experiment misses, and write the stamp of that part.

    A run whose data are unavailable stops nothing.

    Raises:
        UnfinishedError: The budget is used up, or another process has some of the runs in hand.
    """
    from lossbook import experiments

    if profile not in experiments.get(name).profiles:
        paths.atomic_write(stamp, "{}\n")  # The experiment's own step says so.
        return
    index, _, count = shard.partition("-of-")
    again = refresh if refresh is not None else profile != "paper"
    outcome = experiments.run(
        name,
        profile=profile,
        device=device,
        budget_minutes=budget,
        refresh=again,
        shard=(int(index), int(count)),
    )
    _check_finished(outcome, f"shard {shard} of {name}", again)
    paths.atomic_write(stamp, "{}\n")


def step_experiment(
    name: str, profile: str, stamp: Path, device: str = "auto", refresh: bool | None = None
) -> None:
    """Merge what shards have trained of an experiment, train what it misses, and write its stamp.

    Raises:
        UnfinishedError: Another process has some of the runs in hand.
    """
    from lossbook import experiments

    if profile not in experiments.get(name).profiles:
        content = {"notes": [], "runs": [], "state": experiment_state(name, profile, [])}
        print(f"[{name}] has no profile {profile}: nothing to train", flush=True)
        paths.atomic_write(stamp, json.dumps(content, indent=1))
        return
    Store().merge(name, profile)
    # At the paper's own profile a change of code asks for days of training: that is for the user to start.
    again = refresh if refresh is not None else profile != "paper"
    outcome = experiments.run(name, profile=profile, device=device, refresh=again)
    _check_finished(outcome, name, again)
    runs = {f"{r.key} {r.provenance.get('code')} {r.provenance.get('finished')}" for r in outcome.records}
    notes = list(outcome.notes)
    content = {"notes": notes, "runs": sorted(runs), "state": experiment_state(name, profile, notes)}
    paths.atomic_write(stamp, json.dumps(content, indent=1))


def _check_finished(outcome: Any, what: str, again: bool) -> None:
    left = [run for run in outcome.left if run.spec.dataset not in outcome.unavailable]
    old = [r for r in outcome.unattested if again and r.config["dataset"] not in outcome.unavailable]
    if left or old:
        from lossbook.experiments.locks import holders

        held = "".join(f"; in hand: {holder}" for holder in holders(left))
        number = len(left) + len(old)
        raise UnfinishedError(f"{number} runs of {what} are left; the same command goes on with them{held}")


def step_replay(names: Sequence[str], folder: Path, budget: float) -> None:
    """Replay a recorded run of each experiment, or say why not, and write what this machine gave.

    Args:
        names: The experiments.
        folder: Where to write ``<paper>/<item>.json``.
        budget: Seconds of replays, in all.
    """
    chosen = plan(budget)
    for name in names:
        if len(names) == 1:
            print(f"[{name}] replaying a recorded run", flush=True)
        found = json.dumps(replay(name, chosen), indent=1, ensure_ascii=False)
        paths.atomic_write(folder / f"{name}.json", found)


def step_notebook(name: str, profile: str) -> None:
    """Execute a notebook of the book."""
    folder = profile_dir(profile)
    (folder / "files" / name).mkdir(parents=True, exist_ok=True)  # Also for a page that saves nothing.
    parameters = {}
    if "profile" in notebook_parameters(name):
        # Of a profile that one of its experiments does not have, the page shows the recorded runs.
        parameters["profile"] = profile if profile in notebook_profiles(name) else RECORDED
    output = folder / "notebooks" / f"{name}.ipynb"
    os.environ["LOSSBOOK_REPLAYS"] = str(folder / "replays")
    run_notebook(name, parameters, output, files=folder / "files")


def step_book(profile: str) -> None:
    """Build the pages and write the book's stamp."""
    print("[book] building the pages", flush=True)
    build_pages(profile)
    paths.atomic_write(profile_dir(profile) / "book.json", json.dumps({"first page": first_page()}))
