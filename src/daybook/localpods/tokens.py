"""Tokens of service accounts, as Kubernetes projects them: signed statements of which pod somebody is, for an audience.

They are for trying web identity out on one machine. The key lives as long as the server and is published nowhere, so
only what does not check signatures (a stand-in for STS) takes them for what they say.
"""

from __future__ import annotations

import time
import uuid
from typing import Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

ISSUER: Final = "https://localpods"
_ALGORITHM: Final = "ES256"


class TokenIssuer:
    """Signs tokens with a key of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def token(self, pod: dict[str, Any], audience: str | None, seconds: int) -> str:
        """A token of the pod's service account, bound to the pod.

        Args:
            pod: whose.
            audience: for whom; by default the API itself.
            seconds: how long it holds.
        """
        metadata, account = pod["metadata"], pod["spec"]["serviceAccountName"]
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": f"system:serviceaccount:{metadata['namespace']}:{account}",
            "aud": [audience or ISSUER],
            "iat": now,
            "nbf": now,
            "exp": now + seconds,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": {
                "namespace": metadata["namespace"],
                "pod": {"name": metadata["name"], "uid": metadata["uid"]},
                "serviceaccount": {"name": account},
            },
        }
        return jwt.encode(claims, self._key, algorithm=_ALGORITHM)
