"""Executes a notebook and leaves its record: fetch → prepare → execute → publish. What the pod runs; knows no Airflow.

Heavy libraries are imported where they are used, for the kernel boots meanwhile and the run's start waits for neither.
"""
