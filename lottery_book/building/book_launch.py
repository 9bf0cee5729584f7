"""A Sphinx extension for the book: launch buttons only where `repository: url` says where they should lead.

Without it the theme either fails or links to nowhere.
"""

from __future__ import annotations


def launch_options(options: dict) -> dict:
    """The theme's `options`, without repository and launch buttons when the repository's address is empty."""
    if options.get("repository_url"):
        return options
    return {name: value for name, value in options.items() if name not in ("repository_url", "launch_buttons")}


def _settle(app, config) -> None:
    config.html_theme_options = launch_options(config.html_theme_options)


def setup(app) -> dict:
    """Register with Sphinx; runs before the theme reads its options."""
    app.connect("config-inited", _settle, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
