"""Daybook runs parameterised Jupyter notebooks as Airflow runs.

The rooms of this package, and which may import which, are listed in `pyproject.toml` under `[tool.importlinter]`;
`docs/architecture.md` says what each is for.
"""

__version__ = "0.1.0"
