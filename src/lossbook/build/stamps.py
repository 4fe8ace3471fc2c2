"""Stamps that no longer say the truth."""

from collections.abc import Sequence

from lossbook import paths
from lossbook.build.graph import Graph
from lossbook.build.hashing import hash_files, hash_text, read_json, things_there
from lossbook.build.places import profile_dir
from lossbook.build.stage import first_page
from lossbook.results.store import shard_files


def drop_outdated_stamps(graph: Graph) -> None:
    """Delete stamps that no longer say the truth, and what was made by them, so that their steps run again.

    That is an experiment's stamp after its records changed behind the workflow's back, for example by
    ``lossbook run``, or after data arrived that it had to do without; and the book's, after somebody deleted
    the book.
    """
    folder = profile_dir(graph.profile)
    for path in (folder / "experiments").glob("*/*.json"):
        stamp = read_json(path)
        experiment = path.relative_to(folder / "experiments").with_suffix("").as_posix()
        if not stamp or stamp["state"] != experiment_state(experiment, graph.profile, stamp["notes"]):
            path.unlink()
            # Snakemake makes nothing anew that no step waits for, so what was made of it goes too.
            for name in graph.notebooks:
                if experiment in graph.shown_by(name):
                    (folder / "notebooks" / f"{name}.ipynb").unlink(missing_ok=True)
            (folder / "book.json").unlink(missing_ok=True)
    if not (folder / "book" / first_page()).is_file():
        (folder / "book.json").unlink(missing_ok=True)


def experiment_state(experiment: str, profile: str, notes: Sequence[str]) -> str:
    """What a stamp holds on to: the records and, if there is a note, what data and weights are there."""
    common = paths.build_dir() / "results" / experiment / f"{profile}.jsonl"
    records = hash_files([common, *shard_files(common)])
    return hash_text(records, *(things_there() if notes else []))
