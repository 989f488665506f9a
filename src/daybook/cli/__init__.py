"""The command line: what people type, and the local stack behind `daybook up`. Knows nothing of Airflow's code."""
