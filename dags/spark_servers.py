"""Starts and stops workspaces' Spark servers when people ask for it (an Airflow DAG file)."""

from daybook.on_airflow.spark_dag import spark_dag

spark_servers = spark_dag()
