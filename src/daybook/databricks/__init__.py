"""A Jupyter kernel whose cells run on a Databricks cluster, on the Command Execution API.

Knows nothing of Airflow or of Daybook's runs; `docs/databricks.md` tells people how to use it. The SDK is imported
only by what talks to a workspace, never by importing this package.
"""
