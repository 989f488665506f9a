"""Names of the environment variables that Airflow, the pod, the runner and the kernel share.

On their own and free of imports, so that what runs in a notebook's kernel need not load the models to know them.
"""

from __future__ import annotations

REQUEST_VARIABLE = "DAYBOOK_REQUEST"
"""The pod's environment variable that holds the request."""

RESULTS_VARIABLE = "DAYBOOK_RESULTS"
"""In the kernel: the file for what the notebook tells the runner, one JSON object a line.

`{"kind": "result", "name": …, "value": …}` is a recorded result, `{"kind": "spark", …}` names the Spark application.
What the kernel `databricks` tells of its cluster stands in `daybook.databricks.telling`.
"""
OUTPUTS_VARIABLE = "DAYBOOK_OUTPUTS"
"""In the kernel: the folder whose files become the run's outputs."""
WORKSPACE_VARIABLE = "DAYBOOK_WORKSPACE"
RUN_VARIABLE = "DAYBOOK_RUN"
NOTEBOOK_VARIABLE = "DAYBOOK_NOTEBOOK"
USER_VARIABLE = "DAYBOOK_USER"
SPARK_REMOTE_VARIABLE = "SPARK_REMOTE"
"""pyspark's own variable for the address of a Spark Connect server."""
SPARK_TOKEN_VARIABLE = "SPARK_CONNECT_AUTHENTICATE_TOKEN"  # noqa: S105 - the variable's name, pyspark's own
SECRET_VARIABLE_PREFIX = "DAYBOOK_SECRET_"  # noqa: S105 - the prefix of a variable's name
"""A secret input `token` reaches the kernel as `DAYBOOK_SECRET_token`, filled in by Kubernetes."""

CATALOGUE_VARIABLE = "DAYBOOK_CATALOGUE"
"""On Airflow's side: folders of notebook folders and JSON lists, separated like PATH."""
WORKSPACES_VARIABLE = "DAYBOOK_WORKSPACES"
"""On Airflow's side: the path of `workspaces.yaml`."""
PUBLIC_URL_VARIABLE = "DAYBOOK_PUBLIC_URL"
"""On Airflow's side: how a browser reaches Airflow."""
ATTEMPT_VARIABLE = "DAYBOOK_ATTEMPT"
"""In the worker: marks the runner of an attempt and all that it starts, so that they are found."""
NOTEBOOK_ENVIRONMENT_VARIABLE = "DAYBOOK_NOTEBOOK_ENV"
"""Outside of pods: the notebooks' virtual environment."""
STATE_VARIABLE = "DAYBOOK_STATE"
"""On Airflow's side: a folder that Daybook may write to, by default `$AIRFLOW_HOME/daybook`."""
VOUCHER_KEY_VARIABLE = "DAYBOOK_VOUCHER_KEY_FILE"
"""On Airflow's side: the file with the key that vouchers are signed with, the same for API server and workers."""
DOWNLOADS_VARIABLE = "DAYBOOK_DOWNLOADS"
"""Where browsers get large outputs from: `streamed` by the API server, or `signed` links to the bucket."""
JUPYTER_LINK_VARIABLE = "DAYBOOK_JUPYTER_LINK"
"""On Airflow's side: a link that opens a run's notebook in JupyterLab; see `WebSettings.jupyter_link`."""
RUNS_PER_MINUTE_VARIABLE = "DAYBOOK_RUNS_PER_MINUTE"
"""On Airflow's side: how many runs one user may ask for in a minute on the pages and over their API."""
METRICS_TOKEN_VARIABLE = "DAYBOOK_METRICS_TOKEN_FILE"  # noqa: S105 - the variable's name
"""On Airflow's side: the file with the token with which a scraper reads the metrics of all workspaces."""
OIDC_VARIABLES = "DAYBOOK_OIDC_"
"""How the variables begin that say whose bearer tokens count beside Airflow's; see `OidcSettings`."""
STORE_VARIABLES = ("AWS_", "GOOGLE_", "AZURE_")
"""How the variables begin that hold credentials and endpoints of buckets."""
CREDENTIALS_FILE_VARIABLE = "DAYBOOK_CREDENTIALS_FILE"
"""In the pod: the file with the credentials of its bucket that Airflow hands over and renews."""
