"""A whole build: what is not up to date of the book."""

import ast
import datetime
import json
import os
import shutil
import sys
import time
from pathlib import Path

from lossbook import paths
from lossbook.build.errors import StepFailedError
from lossbook.build.hashing import files_in, hash_files, hash_text, read_json, things_there
from lossbook.build.kernel import matplotlib_folder
from lossbook.build.locks import only_build
from lossbook.build.places import RECORDED, check_profile, checkout, profile_dir
from lossbook.build.processes import STARTED_BY_BUILD, end_with_make, run_group, stopped_by_signals
from lossbook.build.stage import address, first_page
from lossbook.errors import LossbookError


def build(profile: str, replay: int = 0, device: str = "auto", cores: str = "all") -> None:
    """Build the book; Snakemake runs what is not up to date. Prints where the first page is.

    Args:
        profile: The book's profile.
        replay: Seconds for which recorded runs are replayed, where their data are there.
        device: Where to train.
        cores: On how many processor cores to work, or ``all``.

    Raises:
        LossbookError: An unknown profile, or another build is under way.
        StepFailedError: A step failed; the message says which and why.
    """
    check_profile(profile)
    start = time.monotonic()
    folder = profile_dir(profile)
    end_with_make()
    with stopped_by_signals(), only_build(folder):
        state = folder / "state.json"
        inputs = _build_inputs(replay)
        if read_json(state) == {"inputs": inputs, "made": _made(profile)}:
            print("Nothing has changed since the last build.")
        else:
            state.unlink(missing_ok=True)
            _check_sources()
            _snakemake(profile, replay, device, cores)
            paths.atomic_write(state, json.dumps({"inputs": inputs, "made": _made(profile)}))
            print(
                f"Built at profile {profile} in {time.monotonic() - start:.0f} s: {weight(folder / 'book')}."
            )
    for note in _notes(folder):
        print(f"Note: {note}")
    print(f"The book's first page:\n{folder / 'book' / first_page()}")


def weight(site: Path) -> str:
    """The size of the built pages with all their files, and the heaviest page, its figures apart."""
    sizes = {path: path.stat().st_size for path in files_in([site])}
    total = f"{sum(sizes.values()) / 1e6:.1f} MB"
    pages = {path: size for path, size in sizes.items() if path.suffix == ".html"}
    if not pages:
        return total
    heaviest = max(pages, key=lambda path: pages[path])
    return f"{total}; heaviest page {heaviest.relative_to(site).as_posix()}, {pages[heaviest] / 1e6:.2f} MB"


def _check_sources() -> None:
    for path in (checkout() / "src").rglob("*.py"):
        try:
            ast.parse(path.read_text(encoding="utf-8"))
        except SyntaxError as error:
            raise LossbookError(f"{path}, line {error.lineno}: {error.msg}") from error


def _build_inputs(replay: int) -> str:
    """Everything a build reads, at a glance: what Snakemake needs seconds to find out in detail."""
    top = checkout()
    names = ["src", "notebooks", "book", "data", "workflow", "Snakefile", "_config.yml", "_toc.yml"]
    names.append("requirements.lock")  # Other versions of the libraries may draw or compute otherwise.
    return hash_text(hash_files([top / name for name in names]), sys.executable, str(replay), *address())


def _made(profile: str) -> str:
    folder = profile_dir(profile)
    places = [folder / name for name in ("book", "experiments", "notebooks")]
    listing = [f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files_in(places)]
    data = things_there() if profile == RECORDED or _notes(folder) else []
    return hash_text(hash_files([paths.build_dir() / "results"]), *listing, *data)


def snakemake_command(profile: str, replay: int, device: str = "auto", cores: str = "all") -> list[str]:
    """What starts Snakemake on a profile's book."""
    top = checkout()
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(top / "Snakefile")),
        *("--directory", str(profile_dir(profile)), "--config", f"profile={profile}", f"replay={replay}"),
        *(f"device={device}", "--cores", cores),
        # No lock of Snakemake's own: one left behind by a killed build would stop the next.
        *("--workflow-profile", str(top / "workflow" / "profiles" / "default"), "--nolock"),
    ]


def snakemake_environment(profile: str) -> dict[str, str]:
    """The environment that Snakemake runs in. A new home for its cache must not move the data root."""
    return {
        **os.environ,
        "MPLCONFIGDIR": str(matplotlib_folder()),
        "LOSSBOOK_DATA": str(paths.data_root()),
        "XDG_CACHE_HOME": str(paths.build_dir() / "cache"),
        STARTED_BY_BUILD: str(profile_dir(profile) / "failures"),
    }


def _snakemake(profile: str, replay: int, device: str, cores: str) -> None:
    folder = profile_dir(profile)
    failures, log = folder / "failures", folder / "snakemake.log"
    shutil.rmtree(failures, ignore_errors=True)
    # Snakemake talks to stderr, its steps to stdout: only those are for the reader, unless Snakemake fails.
    with log.open("wb") as file:
        status = run_group(
            snakemake_command(profile, replay, device, cores), snakemake_environment(profile), file
        )
    if not status:
        return
    said = [path.read_text(encoding="utf-8").strip() for path in sorted(failures.glob("*.txt"))]
    if not said:
        text = log.read_text(encoding="utf-8", errors="replace")
        said = [text.partition("Building DAG of jobs...\n")[2].strip() or text.strip()]
    book = folder / "book" / first_page()
    if book.is_file():
        made = datetime.datetime.fromtimestamp(book.stat().st_mtime)
        said.append(f"The book was not built; {book.parent} is still the one of {made:%Y-%m-%d %H:%M}.")
    else:
        said.append("The book was not built.")
    raise StepFailedError("\n\n".join(said))


def _notes(folder: Path) -> list[str]:
    notes: dict[str, None] = {}
    for path in sorted((folder / "experiments").glob("*/*.json")):
        notes.update(dict.fromkeys(json.loads(path.read_text(encoding="utf-8"))["notes"]))
    return list(notes)
