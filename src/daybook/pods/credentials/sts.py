"""`sts`: short-lived credentials as a file, out of a Secret that Airflow makes once the pod exists, and renews.

The pod names the Secret before it is there: the kubelet waits for it. Nothing of it becomes a variable, for those are
read once and stay; the file changes when the Secret does.
"""

from __future__ import annotations

from kubernetes.client import models as k8s

from daybook.contract import keys
from daybook.contract.request import RunRequest
from daybook.contract.variables import CREDENTIALS_FILE_VARIABLE
from daybook.pods.credentials.fragment import FOLDER, READABLE, Fragment, mount
from daybook.pods.models import new

VOLUME = "daybook-credentials"
PLACE = FOLDER / "credentials"
KEY = "credentials.json"
"""The Secret's one key; its content is what AWS's `credential_process` prints."""


def fragment(request: RunRequest) -> Fragment:
    """The Secret of this attempt as a folder."""
    # Mounted as a whole, not by `subPath`, which would keep the first content.
    source = k8s.V1SecretVolumeSource(
        secret_name=keys.secret_name(request.run_id, request.attempt), default_mode=READABLE, optional=False
    )
    return Fragment(
        env=(new(k8s.V1EnvVar, name=CREDENTIALS_FILE_VARIABLE, value=str(PLACE / KEY)),),
        volumes=(new(k8s.V1Volume, name=VOLUME, secret=source),),
        mounts=(mount(VOLUME, PLACE),),
    )
