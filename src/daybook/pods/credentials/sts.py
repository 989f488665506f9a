"""`sts`: short-lived credentials as a file, out of a Secret that Airflow makes once the pod exists, and renews.

The pod names the Secret before it is there: the kubelet waits for it. Nothing of it becomes a variable, for those are
read once and stay; the file changes when the Secret does.
"""

from __future__ import annotations

from kubernetes.client import models as k8s

from daybook.contract.variables import CREDENTIALS_FILE_VARIABLE
from daybook.pods.credentials.fragment import FOLDER, READABLE, Fragment, mount
from daybook.pods.models import new

VOLUME = "credentials"
PLACE = FOLDER / "credentials"
KEY = "credentials.json"
"""The key with the credentials; its content is what AWS's `credential_process` prints."""
CONFIG = "config"
"""The key with a configuration of AWS's libraries that leads to them, for pods that do not write one themselves."""
CONFIG_VARIABLE = "AWS_CONFIG_FILE"


def config() -> str:
    """The content of `CONFIG`. Nothing in it is secret."""
    return f'[default]\ncredential_process = cat "{PLACE / KEY}"\n'


def fragment(secret: str) -> Fragment:
    """A Secret, by its name, as a folder."""
    # Mounted as a whole, not by `subPath`, which would keep the first content.
    source = k8s.V1SecretVolumeSource(secret_name=secret, default_mode=READABLE, optional=False)
    return Fragment(
        env=(new(k8s.V1EnvVar, name=CREDENTIALS_FILE_VARIABLE, value=str(PLACE / KEY)),),
        volumes=(new(k8s.V1Volume, name=VOLUME, secret=source),),
        mounts=(mount(VOLUME, PLACE),),
    )
