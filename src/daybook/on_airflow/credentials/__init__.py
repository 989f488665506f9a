"""What the control plane does for credentials: opens buckets through Airflow's connections, assumes roles, hands over.

`connections` leads to a bucket, `roles` assumes a workspace's role with what `policy` leaves of it, `handover` gives
the credentials to a pod through a Secret and renews them.
"""
