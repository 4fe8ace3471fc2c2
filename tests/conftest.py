"""Places and stores of their own for tests, and synthetic records with numbers chosen by the test."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest

# A machine that does other things as well takes its time.
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")

# Workers share the processor, and one's waiting threads would take it from the others. Before torch is there.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from lossbook.results import Record, Store  # noqa: E402
from lossbook.results.attestation import Trust  # noqa: E402

MakeRecord = Callable[..., Record]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

sys.path.insert(0, str(Path(__file__).parent))  # for tiny.py, which a killed process imports too


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A build folder of the test's own."""
    monkeypatch.setenv("LOSSBOOK_BUILD", str(tmp_path / "build"))
    return tmp_path / "build"


@pytest.fixture
def store(place: Path, tmp_path: Path) -> Store:
    """A store without records."""
    return Store(published=tmp_path / "published")


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are fresh, but for those whose provenance says another ``trust``."""
    monkeypatch.setattr(
        Record,
        "trust",
        property(lambda record: Trust(record.provenance.get("trust", "fresh"), 6, "no run was compared")),
    )


@pytest.fixture
def make_record() -> MakeRecord:
    """Build a finished run of yao2018/table1 from its test accuracies by epoch."""

    def make(
        accuracy: Sequence[float | None] | float,
        *,
        loss: str = "ce",
        dataset: str = "mnist",
        profile: str = "quick",
        seed: int = 0,
        epochs: int | None = None,
        status: str = "finished",
        trained_on: str | None = None,
        test_loss: Sequence[float | None] | None = None,
        test_ce: float = 0.1,
        config: dict[str, Any] | None = None,
        **provenance: Any,
    ) -> Record:
        curve = list(accuracy) if isinstance(accuracy, Sequence) else [accuracy]
        own = list(test_loss) if test_loss is not None else [0.2] * len(curve)
        epochs = len(curve) if epochs is None else epochs
        curves = {
            "train_loss": own,
            "train_accuracy": curve,
            "test_loss": own,
            "test_accuracy": curve,
            "test_ce": [test_ce] * len(curve),
        }
        return Record(
            key=f"{profile}-{dataset}-{loss}-{epochs}-{seed}",
            experiment="yao2018/table1",
            profile=profile,
            labels={"dataset": dataset, "loss": loss, "epochs": epochs},
            config=config
            or {"dataset": trained_on or dataset, "loss": loss, "train_size": 2000, "epochs": epochs},
            seed=seed,
            status=status,
            metrics={name: values[-1] for name, values in curves.items()},
            curves=curves,
            provenance={
                "code": "0123456789ab",
                "git": "5a4ef87000000000",
                "data": "fedcba9876543210",
                "data_notes": [],
                "train_size": 2000 if profile in ("quick", "smoke") else 60_000,
                "test_size": 1000,
                "device": "cpu",
                "precision": "float32",
                "versions": {"python": "3.11", "torch": "2.15"},
                "seconds": 12.5,
                "finished": "2026-01-02T03:04:05Z",
                **provenance,
            },
        )

    return make


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless browser with an empty profile; one for all tests, as Playwright has one per process."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        reason = f"no browser to open pages with: none of {', '.join(BROWSERS)} is on the PATH"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield launched
        launched.close()
