"""x."""

from __future__ import annotations

import typer


def add_to(app: typer.Typer, panel: str) -> None:
    """Adds this family's commands."""
