"""One DAG for each notebook of the catalogue, and `run_notebook` for any of them by id (an Airflow DAG file)."""

from daybook.on_airflow.dags import catalogue_dags

globals().update(catalogue_dags())
