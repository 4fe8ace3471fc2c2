"""What the API reference shows: one page a room of the package, with the names the room makes public."""

from typing import Any


def _hide_inside(_app: Any, what: str, name: str, _obj: Any, skip: bool, _options: list[str]) -> bool:
    """Skip the modules inside a room: their public names stand on the room's own page."""
    return skip or (what in ("module", "package") and name.count(".") > 1)


def setup(app: Any) -> dict[str, bool]:
    """Connect to sphinx-autoapi."""
    app.connect("autoapi-skip-member", _hide_inside)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
