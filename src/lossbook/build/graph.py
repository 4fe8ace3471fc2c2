"""What each step depends on, as content hashes, computed once for a run of Snakemake."""

import ast
import functools
import json
from collections.abc import Iterable
from pathlib import Path

from lossbook import paths
from lossbook.build import replay
from lossbook.build.hashing import data_sets_there, files_in, hash_files, hash_text
from lossbook.build.places import RECORDED, TRIALS, checkout, notebook_names
from lossbook.build.source import ALL, Source, read_source
from lossbook.build.stage import address
from lossbook.errors import UnknownNameError
from lossbook.results.code import code_hash, module_closure


class Graph:
    """The notebooks and experiments of the checkout as they are when this is made.

    Nothing is read twice, and nothing imported: importing the experiments is slow.
    """

    def __init__(self, profile: str, replay: int = 0) -> None:
        """Read nothing yet.

        Args:
            profile: The book's profile.
            replay: Seconds for which recorded runs are replayed.
        """
        self.profile, self.replay = profile, replay
        self._sources: dict[str, Source] = {}

    @functools.cached_property
    def notebooks(self) -> list[str]:
        """Names of all notebooks."""
        return notebook_names()

    @functools.cached_property
    def experiments(self) -> list[str]:
        """Names of all experiments, read from the sources of ``lossbook.papers``."""
        found = []
        for path in (checkout() / "src" / "lossbook" / "papers").glob("*/__init__.py"):
            items = _listed(ast.parse(path.read_text(encoding="utf-8")))
            found += [f"{path.parent.name}/{item}" for item in items]
        return sorted(found)

    def source(self, notebook: str) -> Source:
        """A notebook's source."""
        if notebook not in self._sources:
            self._sources[notebook] = read_source(notebook)
        return self._sources[notebook]

    def shown_by(self, notebook: str) -> list[str]:
        """The experiments whose records a notebook shows, as it declares them.

        Raises:
            UnknownNameError: It declares one that the package does not have.
        """
        declared = self.source(notebook).experiments
        if declared == ALL:
            return self.experiments
        for name in declared:
            if name not in self.experiments:
                raise UnknownNameError(
                    f"experiment in the front matter of {notebook}", name, self.experiments
                )
        return sorted(declared)

    def also(self, experiment: str) -> list[str]:
        """The other experiments whose records count for one: ``ALSO`` in the module that declares it."""
        path = checkout() / "src" / "lossbook" / "papers" / f"{experiment}.py"
        if not path.is_file():
            return []
        return list(_listed(ast.parse(path.read_text(encoding="utf-8")), "ALSO"))

    def trained_for(self, notebook: str) -> list[str]:
        """The experiments that are trained before a notebook runs."""
        return [] if self.profile == RECORDED else self.shown_by(notebook)

    @functools.cached_property
    def replayed(self) -> list[str]:
        """The experiments of which a recorded run is replayed where its data are, a step for each."""
        if not data_sets_there():
            return []  # To say of each in a step of its own that its data are missing would take longer.
        return [name for name, choice in replay.plan(self.replay).items() if not choice.refusal]

    @functools.cached_property
    def passed_over(self) -> list[str]:
        """The other experiments: one step says why no run of theirs is replayed."""
        return [name for name in self.experiments if name not in self.replayed]

    def replayed_for(self, notebook: str) -> list[str]:
        """The experiments of which a page says what their replay gave, or why there was none."""
        return self.shown_by(notebook) if self.profile == RECORDED else []

    def replay_inputs(self, experiment: str | None = None) -> str:
        """What a replay depends on: code, the records to choose from, the budget, and the data there are.

        Args:
            experiment: Whose; None where nothing is replayed, whatever the code.
        """
        records = hash_files([checkout() / "data" / "results"])
        there = hash_text(str(self.replay), *data_sets_there())
        code = None if experiment is None else self.experiment_inputs(experiment)
        return json.dumps({"code": code, "records": records, "there": there})

    def notebook_inputs(self, notebook: str) -> str:
        """What the executed notebook depends on, besides the stamps of its experiments, as content hashes.

        These are its code, the package's modules it uses (comments and docstrings apart), the libraries'
        versions, the papers' own numbers, the errata, and the records its experiments have at other profiles
        or among the published.

        Returns:
            JSON text, equal if and only if all of it is.
        """
        source = self.source(notebook)
        closure = module_closure(source.modules)
        paper = notebook.partition("/")[0]
        data = checkout() / "data"
        files = [data / "published" / ("" if paper == "synthesis" else paper)]
        if "lossbook.pages.errata" in closure:
            files.append(data / "errata.yaml")
        if any(module.startswith("lossbook.datasets") for module in closure):
            files.append(data / "datasets.yaml")
        shown = self.shown_by(notebook)
        others = {other for name in shown for other in self.also(name)} - set(shown)
        records = "".join(self._records(experiment) for experiment in (*shown, *sorted(others)))
        return json.dumps(
            {
                "source": source.code_hash,
                "code": code_hash(source.modules),
                "libraries": hash_files([checkout() / "requirements.lock"]),
                "data": hash_files(files),
                "records": records,
            }
        )

    def _records(self, experiment: str) -> str:
        """A hash of the records of an experiment that pages show; of this profile's own the stamp tells."""
        working = paths.build_dir() / "results" / experiment
        apart = {self.profile, *TRIALS}
        shown = [path for path in files_in([working]) if path.name.partition(".")[0] not in apart]
        return hash_files([checkout() / "data" / "results" / experiment, *shown])

    def experiment_inputs(self, experiment: str) -> str:
        """The code that declares and trains an experiment, as a hash."""
        return code_hash([f"lossbook.papers.{experiment.replace('/', '.')}"])

    def book_inputs(self) -> str:
        """What the pages depend on besides the executed notebooks: written pages, docstrings, settings."""
        top = checkout()
        names = ["book", "notebooks", "src", "workflow", "_config.yml", "_toc.yml", "requirements.lock"]
        files: Iterable[Path] = [top / name for name in names]
        return json.dumps({"files": hash_files(files), "address": address()})


def _listed(tree: ast.Module, wanted: str = "EXPERIMENTS") -> Iterable[str]:
    """The texts in a constant of a module, which are written out there."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == wanted for target in targets):
            items: Iterable[str] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            return items
    return ()
