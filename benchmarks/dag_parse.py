"""The DAG file with a catalogue of 100 notebooks: seconds beyond its imports, and what importing it pulls in."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import CHECKOUT, in_turns, keep, medians, table

COUNT = 100
UNWANTED = ("papermill", "pandas", "pyspark", "nbclient", "nbconvert", "boto3", "pyarrow")

CHILD = """
import json, sys, time
import airflow.sdk
began = time.process_time()
import daybook.on_airflow.dags
imported = time.process_time() - began
unwanted = [name for name in {unwanted!r} if name in sys.modules]
began = time.perf_counter()
exec(compile(open({file!r}).read(), {file!r}, "exec"), {{"__name__": "dag_file"}})
print("\\n" + json.dumps({{"parse": time.perf_counter() - began, "imports": imported, "unwanted": unwanted}}))
"""

HAND_WRITTEN = """
from airflow.sdk import DAG, Param
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
for i in range({count}):
    params = {{"a": Param(1, type="integer"), "b": Param("x", type="string")}}
    with DAG(f"dag_{{i}}", params=params, schedule=None) as dag:
        KubernetesPodOperator(task_id="run", image="x", name="x", deferrable=True)
    globals()[f"dag_{{i}}"] = dag
"""

SPEC = """
title: Notebook {i}
description: One of many.
inputs:
  origin: {{type: enum, choices: [EWR, JFK, LGA], default: JFK}}
  minimum: {{type: integer, minimum: 0, default: {i}}}
  day: {{type: date, default: 2013-01-31}}
  area: {{type: bbox, default: [-1, 50, 1, 52]}}
"""


def a_catalogue(folder: Path) -> Path:
    """100 folders; half of the entries say their inputs, half have them inferred from the parameters cell."""
    cell = {
        "cell_type": "code",
        "id": "a",
        "metadata": {"tags": ["parameters"]},
        "execution_count": None,
        "outputs": [],
    }
    cell["source"] = 'origin = "JFK"\nminimum: int = 3\nshare = 0.5\n'
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    for i in range(COUNT):
        entry = folder / "notebooks" / f"notebook_{i}"
        entry.mkdir(parents=True)
        (entry / "notebook.ipynb").write_text(json.dumps(document))
        if i % 2:
            (entry / "spec.yaml").write_text(SPEC.format(i=i))
    workspaces = {"workspaces": [{"name": "local", "members": ["*"], "bucket": (folder / "bucket").as_uri()}]}
    (folder / "workspaces.yaml").write_text(json.dumps(workspaces))
    return folder


def parse(file: Path, folder: Path) -> dict:
    """One cold process."""
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "DAYBOOK_CATALOGUE": str(folder / "notebooks"),
        "DAYBOOK_WORKSPACES": str(folder / "workspaces.yaml"),
    }
    code = CHILD.format(unwanted=UNWANTED, file=str(file))
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    """Measures, prints, keeps."""
    with tempfile.TemporaryDirectory() as name:
        folder = a_catalogue(Path(name))
        by_hand = folder / "by_hand.py"
        by_hand.write_text(HAND_WRITTEN.format(count=COUNT))
        ours = CHECKOUT / "dags" / "notebooks.py"
        last = parse(ours, folder)
        found = in_turns(
            {
                f"{COUNT} hand-written DAGs": lambda: parse(by_hand, folder)["parse"],
                f"dags/notebooks.py, {COUNT} notebooks": lambda: parse(ours, folder)["parse"],
            }
        )
    figures = medians(found)
    table("The DAG file beyond its imports, median of five", "s", figures, f"{COUNT} hand-written DAGs")
    print(f"  imports of daybook.on_airflow.dags beyond airflow.sdk: {last['imports']:.2f} CPU s")
    print(f"  of {', '.join(UNWANTED)} it pulls in: {', '.join(last['unwanted']) or 'none'}")
    keep("dag_parse", {"unit": "s", "all": found, "medians": figures, "imports": last})


if __name__ == "__main__":
    main()
