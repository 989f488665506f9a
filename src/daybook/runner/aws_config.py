"""What the notebook's own AWS libraries are told: where the pod's credentials are, and how the bucket is addressed.

Variables say most of it, and boto3, s3fs, the AWS CLI and Java's SDK read them. Two things only their configuration
file can say: that credentials come from a file which is renewed, and boto3's addressing style.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from daybook.contract.variables import CREDENTIALS_FILE_VARIABLE
from daybook.storage.network import VIRTUAL_HOST_VARIABLE

CONFIG_VARIABLE = "AWS_CONFIG_FILE"


def aws_variables(environment: Mapping[str, str], file: Path) -> dict[str, str]:
    """Writes the configuration where there is something to say, and gives the variable that leads to it.

    A workspace whose environment names a configuration of its own keeps that.

    Args:
        environment: the pod's.
        file: where it is written; nothing in it is secret.
    """
    lines = [*_process(environment.get(CREDENTIALS_FILE_VARIABLE)), *_style(environment.get(VIRTUAL_HOST_VARIABLE))]
    if not lines or environment.get(CONFIG_VARIABLE):
        return {}
    file.write_text("\n".join(["[default]", *lines, ""]))
    return {CONFIG_VARIABLE: str(file)}


def _process(credentials: str | None) -> list[str]:
    # The libraries run it again shortly before what it printed expires.
    return [f'credential_process = cat "{credentials}"'] if credentials else []


def _style(virtual_host: str | None) -> list[str]:
    style = {"true": "virtual", "false": "path"}.get((virtual_host or "").lower())
    return ["s3 =", f"    addressing_style = {style}"] if style else []
