"""The local stack: localpods, one Spark Connect server and Airflow, each a process group of its own on loopback."""
