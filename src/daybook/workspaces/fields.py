"""What the fields of a workspace may hold, and the words for what they may not.

Most are Kubernetes' own kinds of names, so that a slip shows when the file is read and not when a pod is refused.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator

from daybook.contract import variables
from daybook.contract.images import is_image_reference
from daybook.contract.quantities import quantity

_OURS = ("DAYBOOK_", variables.SPARK_REMOTE_VARIABLE, variables.SPARK_TOKEN_VARIABLE)
_STORE = "|".join(variables.STORE_VARIABLES)
_CREDENTIAL = re.compile(rf"({_STORE})(.*_)?(KEY|KEY_ID|SECRET|TOKEN|PASSWORD|CONNECTION_STRING)")
"""Variables that hold a bucket's credentials themselves; not those that name a file with them."""


def _no_token(remote: str) -> str:
    if "token=" in remote:
        raise ValueError("holds a token, which is no place for a secret; name the Secret it lies in under `token`")
    return remote


def is_ours(name: str) -> bool:
    """Whether Daybook itself sets a variable of this name."""
    return name.startswith(_OURS)


def _not_ours(name: str) -> str:
    if is_ours(name):
        raise ValueError("is a variable that Daybook itself sets")
    return name


def _no_credential(name: str) -> str:
    if _CREDENTIAL.fullmatch(name):
        raise ValueError("holds a credential, which is no place for a secret; `credentials` says where it comes from")
    return name


def _without_password(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        raise ValueError("holds credentials, which is no place for a secret")
    return url


def like(pattern: str, meaning: str) -> AfterValidator:
    """A validator of whole texts; `meaning` ends the sentence "… is not"."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"{value!r} is not {meaning}")
        return value

    return AfterValidator(check)


def _image(reference: str) -> str:
    if not is_image_reference(reference):
        raise ValueError(f"{reference!r} is not an image such as registry.example/team/notebook:1 or …@sha256:…")
    return reference


def _number_as_text(value: object) -> object:
    return str(value) if type(value) in (int, float) else value


def _more_than_nothing(amount: str) -> str:
    if quantity(amount) <= 0:
        raise ValueError(f"{amount!r} must be more than nothing; to Kubernetes a limit of 0 is none")
    return amount


DnsLabel = Annotated[
    str, like(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", "a name of lower-case letters, digits and dashes, 63 at most")
]
DnsName = Annotated[
    str, like(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "a name of lower-case letters, digits, dashes and dots")
]
SecretKey = Annotated[str, like(r"[-._a-zA-Z0-9]{1,253}", "a key of letters, digits, dashes, dots and underscores")]
Quantity = Annotated[
    str,
    BeforeValidator(_number_as_text),
    like(r"[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?", "a quantity as Kubernetes writes it: 500m, 2, 512Mi, 2Gi"),
]
Amount = Annotated[Quantity, AfterValidator(_more_than_nothing)]
"""What one run gets, or the most that it may get."""
VariableName = Annotated[
    str,
    like(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable"),
    AfterValidator(_not_ours),
    AfterValidator(_no_credential),
]
Remote = Annotated[
    str,
    like(r"sc://[^/;\s]+(/;?[^\s]*)?", "an address as pyspark takes it: sc://host:port"),
    AfterValidator(_no_token),
]
PageUrl = Annotated[str, like(r"https?://\S+", "the URL of a page"), AfterValidator(_without_password)]
RoleArn = Annotated[
    str, like(r"arn:[a-z0-9-]*:iam::[0-9]*:role/[\w+=,.@/-]+", "a role's ARN: arn:aws:iam::123456789012:role/name")
]
Pattern = Annotated[str, like(r"\S+", "a pattern: a name without spaces, with * for any text")]
Image = Annotated[str, AfterValidator(_image)]
