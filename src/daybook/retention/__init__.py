"""What a sweep does in a workspace: seals abandoned runs, removes orphan pods and Secrets, applies retention.

`sweep.sweep` is the whole of it, for Airflow. `applying.apply_retention` needs nothing but the bucket, so that the
command line can tell what would go; it loads no Kubernetes client, and nor does this module.
"""
