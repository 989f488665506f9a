"""`service_account`: the pod's own token, for one audience, with which it assumes the workspace's role (web identity).

The variables are those of the AWS SDKs: boto3, s3fs, the AWS CLI and Java's SDK do the same as our own client. The
token is no token for Kubernetes' API, whose audience is another one; of that none is mounted.
"""

from __future__ import annotations

from kubernetes.client import models as k8s

from daybook.contract import keys
from daybook.contract.request import RunRequest
from daybook.pods.credentials.fragment import FOLDER, Fragment, mount
from daybook.pods.models import new
from daybook.workspaces import ServiceAccountCredentials

TOKEN_SECONDS = 3600
"""How long a token is good for; the kubelet renews it when 80 % of that are over. AWS's own webhook gives a day; the
token is the one thing in the pod that could be used elsewhere, so it is shorter here."""

VOLUME = "daybook-identity"
PLACE = FOLDER / "identity"
TOKEN = "token"  # noqa: S105 - the file's name


def fragment(credentials: ServiceAccountCredentials, request: RunRequest) -> Fragment:
    """The token as a file, and variables that say whose it is to become."""
    variables = {
        "AWS_ROLE_ARN": credentials.role_arn,
        "AWS_ROLE_SESSION_NAME": keys.session_name(request.run_id, request.attempt),
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(PLACE / TOKEN),
    }
    return Fragment(
        env=tuple(new(k8s.V1EnvVar, name=name, value=value.replace("$", "$$")) for name, value in variables.items()),
        volumes=(new(k8s.V1Volume, name=VOLUME, projected=_token(credentials.audience)),),
        mounts=(mount(VOLUME, PLACE),),
    )


def _token(audience: str) -> k8s.V1ProjectedVolumeSource:
    token = new(k8s.V1ServiceAccountTokenProjection, audience=audience, expiration_seconds=TOKEN_SECONDS, path=TOKEN)
    return new(k8s.V1ProjectedVolumeSource, sources=[new(k8s.V1VolumeProjection, service_account_token=token)])
