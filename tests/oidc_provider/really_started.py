"""npm's `oidc-provider`, really started: an OpenID provider that the tests hold the private keys of."""

import json
import socket
import subprocess
from pathlib import Path

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from oidc_provider.npm_packages import FOLDER, installed

AUDIENCE = "urn:daybook"


def an_rsa_key(kid: str, bits: int = 2048) -> dict:
    """A private JSON Web Key."""
    key = rsa.generate_private_key(65537, bits)
    made = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
    del made["key_ops"]  # what a private key is for; the provider would publish it with the public one
    return {**made, "kid": kid, "use": "sig", "alg": "RS256"}


def an_ec_key(kid: str) -> dict:
    """A private JSON Web Key."""
    key = ec.generate_private_key(ec.SECP256R1())
    return {**jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", "alg": "ES256"}


class OidcProvider:
    """The provider; it can be stopped, and started again with other keys at the same address.

    Args:
        folder: for the file of keys and the log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.keys: list[dict] = []

    def start(self, *keys: dict) -> None:
        """Starts it with those private keys; ready when this returns."""
        self.stop()
        self.keys = list(keys)
        file = self._folder / "keys.json"
        file.write_text(json.dumps(self.keys))
        with (self._folder / "provider.log").open("w") as log:
            command = [installed().node, str(FOLDER / "provider.js"), str(self.port), str(file)]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        if (self._process.stdout.readline()).strip() != "ready":
            raise RuntimeError((self._folder / "provider.log").read_text())

    def stop(self) -> None:
        """Ends it; twice is fine."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            self._process = None

    def token(self, audience: str = AUDIENCE, algorithm: str = "RS256", **claims: object) -> str:
        """An access token, as the provider itself makes and signs it."""
        form = {"grant_type": "client_credentials", "scope": "run", "resource": audience}
        form |= {"alg": algorithm, "claims": json.dumps(claims)}
        answer = httpx.post(
            f"{self.issuer}/token", data=form, auth=("tests", "known-to-the-tests-alone"), trust_env=False
        )
        return answer.raise_for_status().json()["access_token"]
