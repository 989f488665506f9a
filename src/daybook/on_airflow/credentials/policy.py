"""What is left of a role for one workspace: its own prefix, and nothing else."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import urlsplit

PARTITIONS = re.compile(r"arn:(?P<partition>[a-z0-9-]+):")


def session_policy(bucket: str, role_arn: str) -> str:
    """A session policy, as JSON: list, read, write and delete below the bucket's URL.

    A session has what role and policy both allow; so a role that several workspaces share gives each its own part.

    Args:
        bucket: URL of the workspace's bucket or prefix.
        role_arn: of the role; tells the partition (`aws`, `aws-cn`, `aws-us-gov`) that its resources are in.
    """
    parts = urlsplit(bucket)
    prefix = literal(parts.path.strip("/"))
    found = PARTITIONS.match(role_arn)
    resource = f"arn:{found['partition'] if found else 'aws'}:s3:::{literal(parts.netloc)}"
    objects = f"{resource}/{prefix}/*" if prefix else f"{resource}/*"
    listing: dict[str, Any] = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": resource}
    if prefix:
        # Never without the slash: S3 lists by the beginnings of keys, so `team` would list what lies in `team2` too.
        listing["Condition"] = {"StringLike": {"s3:prefix": f"{prefix}/*"}}
    files = {
        "Effect": "Allow",
        "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
        "Resource": objects,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [listing, files]}, separators=(",", ":"))


def literal(text: str) -> str:
    """Text as a policy has it that means just this: no wildcard, no variable."""
    return re.sub(r"[$*?]", lambda found: f"${{{found[0]}}}", text)
