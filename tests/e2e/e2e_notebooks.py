"""The notebooks that the end-to-end tests add to the examples."""

import json
from pathlib import Path

NOTEBOOKS = {
    "one_cell": ('print("hello")', None),
    "echo": (
        'from daybook.notebook import outputs, record, workspace\nrecord("given", [word, times])\n'
        'record("who", workspace().user)\noutputs("echo.txt").write_text(" ".join([word] * times))',
        {
            "inputs": {
                "word": {"type": "string", "default": "hey"},
                "times": {"type": "integer", "minimum": 1, "default": 2},
            }
        },
    ),
    "failing": (
        'from daybook.notebook import outputs\noutputs("before.txt").write_text("kept")\n'
        'raise ValueError("no such luck")',
        None,
    ),
    "sleeper": (
        'import time\nprint("asleep", flush=True)\ntime.sleep(seconds)',
        {"inputs": {"seconds": {"type": "number", "default": 600}}},
    ),
    "gated": (
        'import time\nfrom pathlib import Path\nfrom daybook.notebook import outputs, record\nrecord("given", word)\n'
        "while not Path(gate).exists():\n    time.sleep(0.05)",
        'while not Path(gate + "-2").exists():\n    time.sleep(0.05)\noutputs("words.txt").write_text(word)',
        {
            "inputs": {
                "word": {"type": "string"},
                "gate": {"type": "string", "title": "File that lets it go on; then another, its name with -2"},
            }
        },
    ),
    "ticking": (
        'from daybook.notebook import record\nrecord("minute", minute)',
        {
            "inputs": {"minute": "datetime"},
            "schedule": {"cron": "* * * * *", "parameters": {"minute": "{{ data_interval_start.isoformat() }}"}},
        },
    ),
    "after_echo": ('print("echo was here")', {"schedule": {"assets": ["echo"]}}),
    "unknown_kernel": ("1 + 1", {"run": {"kernel": "no-such-kernel"}}),
    "keyed": (
        'from daybook.notebook import record, secret\nrecord("length", len(secret("token")))',
        {"inputs": {"token": "secret"}},
    ),
    "out_of_reach": ("1 + 1", {"run": {"image": "nowhere.example/none:1"}}),
    "greedy": ("1 + 1", {"run": {"gpu": 1}}),
    "broken": ("1 + 1", {"inputs": {"day": {"type": "dat"}}}),
}
PARAMETERS = {
    "echo": 'word = "hey"\ntimes = 2',
    "sleeper": "seconds = 600",
    "gated": 'word = gate = ""',
    "ticking": 'minute = ""',
}


def write_notebooks(folder: Path) -> None:
    """One folder a notebook; a spec where the entry has one."""
    for name, (*sources, spec) in NOTEBOOKS.items():
        (folder / name).mkdir()
        cells = [PARAMETERS[name]] if name in PARAMETERS else []
        (folder / name / "notebook.ipynb").write_text(notebook([*cells, *sources], parameters=bool(cells)))
        if spec is not None:
            (folder / name / "spec.yaml").write_text(json.dumps(spec, indent=1))  # JSON is YAML


def notebook(sources: list[str], *, parameters: bool = False) -> str:
    """A notebook of code cells, the first one tagged `parameters` if so asked."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell-{index}",
            "metadata": {"tags": ["parameters"]} if parameters and index == 0 else {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for index, source in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells})
