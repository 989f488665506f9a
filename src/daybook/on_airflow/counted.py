"""By which Airflow's scheduler knows a task that runs a notebook, and reads where it does.

The scheduler has an operator's serialized form only: the class is a name there, which a subclass changes, and of its
arguments only template fields are left. So the fields are what such a task is known by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

FIELDS = ("notebook", "parameters", "workspace", "parameters_from")
"""Template fields that a task which runs a notebook has, and others have not all of."""


class Counted:
    """What operators that run notebooks have in common: their tasks are counted in their workspace's pool.

    A subclass may add to the template fields.

    Raises:
        TypeError: when a subclass is defined that leaves one of them out, for its tasks would not be counted.
    """

    template_fields: Sequence[str] = FIELDS

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        missing = [field for field in FIELDS if field not in cls.template_fields]
        if missing:
            raise TypeError(f"{cls.__name__}.template_fields must hold {', '.join(missing)} of NotebookOperator's, too")


def is_counted(task: Any) -> bool:
    """Whether a task, mapped or not, serialized or not, runs a notebook."""
    return set(FIELDS) <= set(task.template_fields)
