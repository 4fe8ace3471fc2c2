"""What the numbers of a page come from: runs, seeds, code, data, machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from lossbook.experiments.costs import spent
from lossbook.progress import duration
from lossbook.results import Record

_MOST_SETS = 6  # named in the one line; the details name all
#: In a file of runs a column per number of a metric is of use up to a matrix of ten classes.
MOST_NUMBERS = 100
_LIBRARIES = ("python", "torch", "numpy", "torchvision")


@dataclass(frozen=True)
class Provenance:
    """A summary of the records behind a page. A run that two experiments share counts once."""

    records: Sequence[Record]

    @property
    def runs(self) -> list[Record]:
        """One record per run."""
        return list({record.key: record for record in self.records}.values())

    def line(self) -> str:
        """Return the summary in one line."""
        facts = self.facts()
        parts = [
            facts["Runs"],
            f"profile {facts['Profiles']}",
            f"seeds {facts['Seeds']}",
            f"code {self._code()}",
            self._trust(),
            f"git {facts['Git commit']}",
            f"data {self._data()}",
            f"on {facts['Device']}",
            facts["Computing time"],
        ]
        return "; ".join(parts) + "."

    def _code(self) -> str:
        hashes = list(dict.fromkeys(str(r.provenance.get("code") or "not recorded") for r in self.records))
        return hashes[0] if len(hashes) == 1 else f"{hashes[0]} and {len(hashes) - 1} more"

    def _trust(self) -> str:
        """How many runs are fresh, attested and unattested."""
        states = Counter(str(record.trust) for record in self.runs)
        if len(states) == 1:
            return next(iter(states))
        return ", ".join(f"{count} {state}" for state, count in sorted(states.items()))

    def _sets(self) -> list[str]:
        sets = (f"{r.config.get('dataset')} {_short(r.provenance.get('data'))}" for r in self.records)
        return list(dict.fromkeys(sets))

    def _data(self) -> str:
        sets = self._sets()
        return ", ".join(sets) if len(sets) <= _MOST_SETS else f"of {len(sets)} sets"

    def facts(self) -> dict[str, str]:
        """Return every fact by its name, as text."""
        source = [record.provenance for record in self.records]
        code = _listed(str(p.get("code") or "not recorded") for p in source)
        origins = Counter(record.origin for record in self.runs)
        origin = ", ".join(f"{n} {name}" for name, n in sorted(origins.items()))
        data = _listed(self._sets())
        facts = {
            "Runs": f"{_count(len(self.runs), 'run')} ({origin})",
            "Diverged": str(sum(record.status == "diverged" for record in self.runs)),
            "Profiles": _listed(record.profile for record in self.records),
            "Seeds": _listed(str(s) for s in sorted({record.seed for record in self.records})),
            "Code": code,
            "Trust": self._trust(),
            "Git commit": _listed(
                _short(p.get("git")) + (" with uncommitted changes" if p.get("dirty") else "") for p in source
            ),
            "Data": data,
            "Device": _listed(
                str(p.get("device", "?")) + (f" ({p['device_name']})" if p.get("device_name") else "")
                for p in source
            ),
            "Precision": _listed(str(p.get("precision", "not recorded")) for p in source),
            "Libraries": _listed(
                ", ".join(f"{name} {p['versions'][name]}" for name in _LIBRARIES if name in p["versions"])
                for p in source
                if p.get("versions")
            ),
            "Computing time": duration(spent(self.records).seconds) + " of computing",
            "Finished": _span(str(p["finished"]) for p in source if p.get("finished")),
        }
        notes = _listed(str(note) for p in source for note in p.get("data_notes") or ())
        if notes:
            facts["About the data"] = notes
        return {key: value for key, value in facts.items() if value}

    def frame(self) -> pd.DataFrame:
        """Return one row per run: its key, what it is, its metrics and where it comes from.

        Runs of several experiments come without their metrics: experiments measure different things, so most
        of the table would be empty, and the pages of the experiments have them. A metric of more than
        :data:`MOST_NUMBERS` numbers is left to ``lossbook results show KEY --format json``.
        """
        several = len({record.experiment for record in self.records}) > 1
        frame = pd.DataFrame(
            {
                "key": r.key,
                "experiment": r.experiment,
                "profile": r.profile,
                **r.labels,
                "trained_on": r.config.get("dataset"),
                "seed": r.seed,
                "status": r.status,
                **({} if several else _columns(r)),
                **{name: r.provenance.get(name) for name in ("code", "git", "data", "device", "seconds")},
                "trust": str(r.trust),
                "origin": r.origin,
            }
            for r in self.records
        )
        # Elements of an array that no run has.
        empty = [name for name in frame if "/" in str(name) and frame[name].isna().all()]
        return frame.drop(columns=empty)


def _columns(record: Record) -> dict[str, float | None]:
    numbers = record.numbers()
    many = Counter(name.partition("/")[0] for name in numbers)
    return {name: value for name, value in numbers.items() if many[name.partition("/")[0]] <= MOST_NUMBERS}


def _count(n: int, thing: str) -> str:
    return f"{n} {thing}" if n == 1 else f"{n} {thing}s"


def _listed(items: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(items))


def _short(digest: object) -> str:
    return str(digest)[:8] if digest else "not recorded"


def _span(times: Iterable[str]) -> str:
    ordered = sorted(set(times))
    return " to ".join(dict.fromkeys((ordered[0], ordered[-1]))) if ordered else ""
