"""Leaving out of the built pages what no page needs."""

import hashlib
from pathlib import Path

from lossbook.build.hashing import files_in

#: Read by tools alone, or fallbacks for browsers older than the theme's own scripts allow.
_NEVER = {".map", ".ttf", ".eot", ".po", ".mo", ".doctree"}
_TEXT = {".html", ".css", ".js"}


def slim(site: Path) -> None:
    """Delete source maps, fonts in old formats, and files that come with the theme but that nothing names.

    Args:
        site: The built pages. Only what lies in folders for static files is deleted, and empty folders.
    """
    for path in _static(site):
        if path.suffix in _NEVER:
            path.unlink()
    while unused := _unused(site):
        for path in unused:
            path.unlink()
    for folder in sorted((path for path in site.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def once(site: Path) -> None:
    """Keep one of the pages' files that have the same name and the same bytes, and link to it.

    Pages that show the same runs have the same list of runs.

    Args:
        site: The built pages, with their files in ``files``.
    """
    kept: dict[tuple[str, str], str] = {}
    gone: dict[str, str] = {}
    for path in files_in([site / "files"]):
        name = path.relative_to(site).as_posix()
        first = kept.setdefault((path.name, hashlib.sha256(path.read_bytes()).hexdigest()), name)
        if first != name:
            gone[name] = first
            path.unlink()
    if not gone:
        return
    for page in site.rglob("*.html"):
        before = page.read_text(encoding="utf-8")
        after = before
        for name, first in gone.items():
            after = after.replace(f'/{name}"', f'/{first}"')
        if after != before:
            page.write_text(after, encoding="utf-8")


def _static(site: Path) -> list[Path]:
    """What lies in the folders for static files, whose names begin with an underscore."""
    return list(files_in(folder for folder in sorted(site.glob("_*")) if folder.name != "_sources"))


def _unused(site: Path) -> list[Path]:
    static = _static(site)
    texts = {
        path: path.read_text(encoding="utf-8", errors="replace") for path in static if path.suffix in _TEXT
    }
    pages = [path for path in site.rglob("*.html") if path not in texts]
    pages += site.glob("*.js")
    said = "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in pages)
    return [
        path
        for path in static
        if path.name not in said
        and not any(path.name in text for other, text in texts.items() if other != path)
    ]
