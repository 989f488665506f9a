"""Where a bucket's credentials come from when they do not stand in variables: a file that is renewed, or web identity.

obstore asks a provider again a few minutes before what it gave last expires. What a provider raises comes out of
obstore as text, with the class's name, from which `mapping` makes the error that the caller sees.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daybook.contract import variables

if TYPE_CHECKING:
    from obstore.store import S3Credential

    Provider = Callable[[], S3Credential]

STS_VERSION = "2011-06-15"
STS_SECONDS = 10.0
"""How long STS may take; it answers within one."""

_PASSING = frozenset({"ExpiredToken", "ExpiredTokenException", "IDPCommunicationError", "Throttling", "RequestExpired"})
"""What STS says when the same may work in a moment: the kubelet renews a token well before it expires."""
_ADVICE = {
    "InvalidIdentityToken": "the role trusts no token for this audience or of this cluster; compare the workspace's "
    "`audience` and the identity provider of the role's trust policy",
    "AccessDenied": "the role's trust policy must name the workspace's service account, and the role must be its own",
    "ExpiredTokenException": "the pod's token has expired; the kubelet renews it, unless it lost the API server",
    "ExpiredToken": "the pod's token has expired; the kubelet renews it, unless it lost the API server",
}


class CredentialsRefused(Exception):
    """There are no credentials to be had, and trying again gives the same."""


class CredentialsUnavailable(Exception):
    """There are no credentials now; in a moment there may be."""


def provider_of(environment: Mapping[str, str]) -> Provider | None:
    """What gives credentials as these variables say; None where they stand in variables, or nothing is said."""
    handed_over = environment.get(variables.CREDENTIALS_FILE_VARIABLE)
    if handed_over:
        return CredentialsFile(Path(handed_over))
    token, role = environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"), environment.get("AWS_ROLE_ARN")
    # The order is that of the AWS SDKs: keys in variables come first.
    if not token or not role or environment.get("AWS_ACCESS_KEY_ID"):
        return None
    return WebIdentity(
        Path(token), role, environment.get("AWS_ROLE_SESSION_NAME") or "daybook", sts_endpoint(role, environment)
    )


def sts_endpoint(role: str, environment: Mapping[str, str]) -> str:
    """Where roles are assumed: as the variables say, else AWS's own endpoint of the region."""
    given = environment.get("AWS_ENDPOINT_URL_STS") or environment.get("AWS_ENDPOINT_URL")
    if given:
        return given
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    domain = "amazonaws.com.cn" if role.startswith("arn:aws-cn:") else "amazonaws.com"
    return f"https://sts.{region}.{domain}" if region else f"https://sts.{domain}"


@dataclass(frozen=True)
class CredentialsFile:
    """A file that somebody else renews, in the form that AWS's `credential_process` has; read at each call.

    Attributes:
        path: of the JSON file.
    """

    path: Path

    def __call__(self) -> S3Credential:
        """What the file holds now.

        Raises:
            CredentialsUnavailable: it is not there, holds none, or they have expired and nobody has renewed them.
        """
        try:
            found = json.loads(self.path.read_bytes())
            credential = _credential(
                found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], found["Expiration"]
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            # The content is secret, and a parser's message might show it.
            raise CredentialsUnavailable(f"{self.path} holds no credentials ({type(error).__name__})") from None
        expires = credential["expires_at"]
        if expires is not None and expires <= datetime.now(UTC):
            raise CredentialsUnavailable(f"those in {self.path} expired at {expires}; Airflow has not renewed them")
        return credential


@dataclass(frozen=True)
class WebIdentity:
    """A role that is assumed with a token which the platform keeps fresh in a file.

    Attributes:
        token: the file.
        role: its ARN.
        session: a name, for the audit log.
        endpoint: of STS; AWS's, or a server's that speaks it.
    """

    token: Path
    role: str
    session: str
    endpoint: str

    def __call__(self) -> S3Credential:
        """Credentials of the role, for as long as its server gives by default.

        Raises:
            CredentialsRefused: STS says no.
            CredentialsUnavailable: there is no token, or STS does not answer.
        """
        # Imported here: only pods with web identity need it, and it takes a tenth of a second.
        import httpx

        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": STS_VERSION,
            "RoleArn": self.role,
            "RoleSessionName": self.session,
            "WebIdentityToken": self._token(),
        }
        try:
            answer = httpx.post(self.endpoint, data=form, timeout=STS_SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise CredentialsUnavailable(f"STS at {self.endpoint} does not answer: {error}") from None
        if answer.is_success:
            return _assumed(answer.text, self.endpoint)
        raise self._refusal(answer.status_code, answer.text)

    def _token(self) -> str:
        try:
            return self.token.read_text().strip()
        except (OSError, ValueError) as error:
            raise CredentialsUnavailable(f"cannot read the pod's token {self.token}: {error}") from None

    def _refusal(self, status: int, text: str) -> Exception:
        code = _element(text, "Code") or f"status {status}"
        said = " ".join((_element(text, "Message") or "").split())
        advice = _ADVICE.get(code)
        parts = [f"STS does not let the pod be {self.role} ({code}{': ' if said else ''}{said})", advice]
        passing = code in _PASSING or status >= 500 or status == 429
        return (CredentialsUnavailable if passing else CredentialsRefused)("; ".join(filter(None, parts)))


def _assumed(text: str, endpoint: str) -> S3Credential:
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
    found = [_element(text, name) for name in names]
    try:
        return _credential(*found)
    except (ValueError, TypeError):
        raise CredentialsUnavailable(f"the answer of STS at {endpoint} holds no credentials") from None


def _credential(key: Any, secret: Any, token: Any, expires: Any) -> S3Credential:
    if not (key and secret):
        raise ValueError("no key")
    moment = datetime.fromisoformat(expires)
    return {
        "access_key_id": str(key),
        "secret_access_key": str(secret),
        "token": token,
        # obstore takes no other time zone than this very object.
        "expires_at": moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC),
    }


def _element(text: str, name: str) -> str | None:
    """The text of an XML element without children. All that is read of an answer; so no parser can be led astray."""
    found = re.search(rf"<{name}>\s*([^<]*?)\s*</{name}>", text)
    return html.unescape(found[1]) if found else None
