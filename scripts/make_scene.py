"""Writes the synthetic two-band scene of `ndvi_calculation` to a file: python scripts/make_scene.py FILE [--size N].

A made-up landscape, red and near infrared, as a cloud-optimised GeoTIFF whose metadata say that it is synthetic. The
notebook makes the same scene when it is given no URL; its cell is the one home of the code, and is run here. Needs
the notebook environment: `.venv-notebook/bin/python scripts/make_scene.py scene.tif`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

NOTEBOOK = Path(__file__).resolve().parent.parent / "include" / "notebooks" / "ndvi_calculation" / "notebook.ipynb"
CELL_TAG = "synthetic-scene"
DEFAULT_SIZE = 512
"""Pixels a side; the scene is always 10.24 km wide, so this sets the size of a pixel."""


def scene_writer() -> Callable[..., None]:
    """The function of the notebook that writes the scene."""
    import numpy
    import rasterio
    from rasterio.transform import from_origin

    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    (source,) = (cell.source for cell in cells if CELL_TAG in cell.metadata.get("tags", []))
    names: dict[str, Any] = {"np": numpy, "rasterio": rasterio, "from_origin": from_origin}
    exec(compile(source, f"{NOTEBOOK.name}[{CELL_TAG}]", "exec"), names)
    writer: Callable[..., None] = names["write_synthetic_scene"]
    return writer


def main() -> None:
    """Reads the command line and writes the scene."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="where to write; folders are made, a file there is overwritten")
    parser.add_argument("--size", type=int, default=DEFAULT_SIZE, help=f"pixels a side, {DEFAULT_SIZE} by default")
    given = parser.parse_args()
    if given.size < 1:
        parser.error(f"--size must be at least 1, not {given.size}")
    given.file.parent.mkdir(parents=True, exist_ok=True)
    scene_writer()(given.file, size=given.size)
    print(f"{given.file.resolve().as_uri()} (synthetic, {given.file.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
