"""What this book asks of Sphinx beyond its settings."""

from typing import Any


def _hide_inside(_app: Any, what: str, name: str, _obj: Any, skip: bool, _options: list[str]) -> bool:
    """Skip the modules inside a room: their public names stand on the room's own page."""
    return skip or (what in ("module", "package") and name.count(".") > 1)


def setup(app: Any) -> dict[str, bool]:
    """Make this an extension."""
    app.connect("autoapi-skip-member", _hide_inside)
    # Sphinx loads MathJax where a page's source has mathematics; here some are in outputs alone.
    app.set_html_assets_policy("always")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
