"""Learning rates chosen from records of examples that were held out of training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from lossbook.results import Record


def best_rate(accuracies: Mapping[float, float]) -> float:
    """The rate with the highest accuracy; of equal ones the least."""
    return max(sorted(accuracies), key=lambda rate: (accuracies[rate], -rate))


def best_rates(
    records: Iterable[Record], by: Collection[str], tried: Callable[..., Collection[float]]
) -> dict[tuple[Any, ...], float]:
    """The rate with the highest accuracy after the last epoch, for everything that has one of its own.

    Rates are compared on the seeds that all of them have; what has no such seed is left out. A run that broke
    down is never chosen.

    Args:
        records: Their test accuracies are those of held-out examples. Of several seeds the mean counts.
        by: The labels that tell apart what has a rate of its own, for example ``("dataset", "loss")``.
        tried: From their values to the rates that are tried; to none for what is not asked for.

    Returns:
        Values of the labels -> rate.
    """
    seen: dict[tuple[Any, ...], dict[float, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for record in records:
        accuracy = record.metric("test_accuracy") if record.status == "finished" else None
        which = tuple(record.labels[name] for name in by)
        seen[which][record.labels["lr"]][record.seed] = -1.0 if accuracy is None else accuracy
    found = {}
    for which, rates in seen.items():
        wanted = set(tried(*which))
        if not wanted or not wanted <= set(rates):
            continue
        seeds = sorted(set.intersection(*(set(rates[rate]) for rate in wanted)))
        means = {
            rate: -1.0 if min(rates[rate].values()) < 0 else sum(rates[rate][s] for s in seeds) / len(seeds)
            for rate in wanted
            if seeds
        }
        if means and max(means.values()) >= 0:
            found[which] = best_rate(means)
    return found
