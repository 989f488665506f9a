"""What the processes get in which tests run whole DAGs against localpods."""

import json
import os


def environment(home, localpods):
    """An Airflow of its own below a folder, whose catalogue, workspaces and DAGs lie there, too."""
    extra = {"kube_config_path": str(localpods.kubeconfig), "in_cluster": False, "namespace": "default"}
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "PYTHONPATH": str(home / "dags"),
        "AIRFLOW_CONN_KUBERNETES_DEFAULT": json.dumps({"conn_type": "kubernetes", "extra": extra}),
        "DAYBOOK_CATALOGUE": str(home / "notebooks"),
        "DAYBOOK_WORKSPACES": str(home / "workspaces.yaml"),
    }
