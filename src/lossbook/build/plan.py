"""What a build would do, and why.

Nothing is run. Stamps that are known to be outdated go, as they do when a build starts.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from lossbook.build.errors import StepFailedError
from lossbook.build.locks import only_build
from lossbook.build.places import check_profile, profile_dir
from lossbook.build.whole import snakemake_command, snakemake_environment

_JOB = re.compile(r"^(?:local)?rule (\w+):\n((?:    .*\n)+)", re.MULTILINE)
_FIELD = re.compile(r"^    (wildcards|reason): (.*)$", re.MULTILINE)
_PARAMS = re.compile(r"before: '(\{.*?\})' now: '(\{.*?\})'")
#: Snakemake's reasons, by how they begin.
_WORDS = {
    "Missing output files": "not made yet",
    "Input files updated by another job": "an earlier step runs",
    "Code has changed": "the step itself has changed",
    "Set of input files has changed": "it depends on other steps than before",
}


@dataclass(frozen=True)
class Step:
    """A step of a build that is out of date.

    Attributes:
        name: For example ``notebook dong2019/table1``.
        why: The reason, in words.
    """

    name: str
    why: str


def plan(profile: str, replay: int = 0, device: str = "auto") -> list[Step]:
    """The steps that a build would run now.

    Args:
        profile: The book's profile.
        replay: Seconds for which recorded runs are replayed, where their data are there.
        device: Where to train.

    Raises:
        LossbookError: An unknown profile, or a build is under way.
        StepFailedError: Snakemake could not tell; the message has what it said.
    """
    check_profile(profile)
    # A build that is under way would change what is read here.
    with only_build(profile_dir(profile)):
        done = subprocess.run(
            [*snakemake_command(profile, replay, device), "--dryrun"],
            env=snakemake_environment(profile),
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise StepFailedError(f"Snakemake could not tell what is out of date.\n{done.stderr.strip()}")
    return list(steps_in(done.stdout + done.stderr))


def steps_in(said: str) -> Iterator[Step]:
    """The steps that Snakemake names in a dry run."""
    for rule, lines in _JOB.findall(said):
        fields = dict(_FIELD.findall(lines))
        if rule != "all":
            chosen = dict(part.split("=", 1) for part in fields.get("wildcards", "").split(", ") if part)
            name = "/".join(chosen.values())
            yield Step(f"{rule} {name}".strip(), _why(fields.get("reason", "")))


def _why(reason: str) -> str:
    parts = []
    for each in reason.split("; "):
        known = next((words for begins, words in _WORDS.items() if each.startswith(begins)), None)
        parts.append(known or _changed(each) or each.strip())
    return "; ".join(dict.fromkeys(part for part in parts if part))


def _changed(reason: str) -> str:
    """Which of the inputs of a step have changed, by their names."""
    names: dict[str, None] = {}
    for before, now in _PARAMS.findall(reason):
        then, today = json.loads(before), json.loads(now)
        names.update(dict.fromkeys(key for key in {**then, **today} if then.get(key) != today.get(key)))
    if names:
        return f"changed: {', '.join(names)}"
    return "what it reads has changed" if reason.startswith("Params have changed") else ""
