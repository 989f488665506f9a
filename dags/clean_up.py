"""Seals abandoned runs, removes orphan pods and Secrets, applies retention (an Airflow DAG file)."""

from daybook.on_airflow.clean_up import clean_up_dag

clean_up = clean_up_dag()
