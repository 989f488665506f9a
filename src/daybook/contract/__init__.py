"""What Airflow, the pod and everybody who reads a run agree on: request, manifest, names, errors. Frozen, versioned."""
