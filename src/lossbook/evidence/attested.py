"""What became of recorded runs that were trained again: how far the numbers agree, and where they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from lossbook.evidence.tables import Cell
from lossbook.results import Record, attestation


def trained_again(
    experiment: str,
    records: Sequence[Record],
    headings: Mapping[str, str],
    names: Mapping[str, Mapping[Any, str]] | None = None,
) -> pd.DataFrame:
    """One row per recorded run that was trained again: on what processors, and how far the numbers agree.

    Args:
        experiment: ``<paper>/<item>``, whose attestations are read.
        records: The records that a page shows; attestations of others are left out.
        headings: The labels that name a run, and their headings.
        names: Label -> its values' names.

    Returns:
        The table; the last column has the five worst differences, the record's number first.
    """
    shown = {record.key: record for record in records}
    rows = []
    for made in attestation.read(experiment):
        record = shown.get(made.key)
        if record is None:
            continue
        rows.append(
            {
                **{
                    title: (names or {}).get(label, {}).get(record.labels[label], record.labels[label])
                    for label, title in headings.items()
                },
                "Seed": made.seed,
                "Compared": f"{made.compared} numbers, {made.extent}",
                "Digits that agree": Cell(f"{made.digits} or more", {"digits": made.digits}, (made.key,)),
                "Recorded on": made.device_then,
                "Again on": made.device_name,
                "Differences": "; ".join(map(attestation.in_words, made.differs)) or "none",
            }
        )
    return pd.DataFrame(rows)
