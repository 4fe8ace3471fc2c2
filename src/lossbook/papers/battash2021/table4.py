"""Table 4 and Fig. 3: six methods on the tables of the UCI repository; what is run."""

from __future__ import annotations

from collections.abc import Sequence

from lossbook.datasets import embedded_uci_names, uci_names
from lossbook.experiments.grid import PAPER, Cell, Experiment, Profile
from lossbook.papers.battash2021.names import METHODS, TABLE4
from lossbook.training import TABLE_NETWORKS, RunSpec

LEARNING_RATES = (0.01, 0.005, 0.001)
MOMENTUM = 0.9

# Small and large, few and many classes and features, with one file and with two; less than a minute
# on two cores.
QUICK = (
    *("balance-scale", "blood", "breast-cancer-wisc", "congressional-voting", "credit-approval"),
    *("dermatology", "ecoli", "flags", "glass", "heart-cleveland", "ionosphere", "iris", "libras"),
    *("lymphography", "monks-1", "parkinsons", "pima", "seeds", "spect", "synthetic-control"),
    *("teaching", "wine", "zoo"),
)


def _cells(sets: Sequence[str], collection: str, epochs: int) -> tuple[Cell, ...]:
    return tuple(
        Cell(
            {
                "dataset": name,
                "classifier": network,
                "loss": method.loss,
                "schedule": method.schedule,
                "learning_rate": rate,
            },
            RunSpec(
                dataset=f"{collection}/{name}",
                model=network,
                loss=method.loss,
                optimizer="sgd",
                batch_size=8,
                epochs=epochs,
                loss_options=dict(method.options),
                optimizer_options={"lr": rate, "momentum": MOMENTUM},
            ),
        )
        for name in sets
        for network in TABLE_NETWORKS
        for method in METHODS
        for rate in LEARNING_RATES
    )


EXPERIMENT = Experiment(
    name=TABLE4,
    title="Table 4 and Fig. 3: six methods on the tables of the UCI repository",
    profiles={
        profile.name: profile
        for profile in (
            Profile(
                PAPER,
                "the paper's protocol: 121 tables, 50 epochs, two seeds",
                _cells(uci_names(), "uci121", 50),
                seeds=2,
            ),
            Profile(
                "quick",
                f"{len(QUICK)} of the 121 tables, 50 epochs, two seeds",
                _cells(QUICK, "uci121", 50),
                seeds=2,
                embedded_cells=_cells(embedded_uci_names()[:3], "sklearn", 50),
            ),
            Profile(
                "smoke",
                "the tables that come with scikit-learn, for 6 epochs, to see that everything runs",
                _cells(embedded_uci_names(), "sklearn", 6),
                seeds=2,
            ),
        )
    },
)
