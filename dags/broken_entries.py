"""Shows broken catalogue entries as this file's import error; the DAGs of the others stay usable (Airflow)."""

from daybook.on_airflow.dags import refuse_broken_entries

refuse_broken_entries()
