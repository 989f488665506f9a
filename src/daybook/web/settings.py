"""What an operator may choose about the pages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Downloads = Literal["streamed", "signed"]

ALGORITHMS = ("RS256", "ES256")
"""Signatures that tokens may have: public-key ones that every provider has, and nothing a shared secret could make."""


@dataclass(frozen=True)
class OidcSettings:
    """A provider of OpenID Connect whose bearer tokens count beside Airflow's own.

    Attributes:
        issuer: its address, exactly as its tokens name it.
        audience: what a token must be meant for.
        algorithms: those of `ALGORITHMS` that its tokens may be signed with.
        user_claim: names the user.
        groups_claim: names their groups; a dotted path where it is nested.
        prefix: stands before the names of users and groups, so that they are none of Airflow's; empty says that both
            come from one directory, so that the same name is the same person.
        skew_seconds: how far its clock and ours may be apart.
        timeout_seconds: how long it may take to answer.
        plain_http: whether an issuer on another machine may be one of http, whose keys anybody on the way can change.
    """

    issuer: str
    audience: str
    algorithms: tuple[str, ...] = ALGORITHMS
    user_claim: str = "sub"
    groups_claim: str = "groups"
    prefix: str = ""
    skew_seconds: float = 30.0
    timeout_seconds: float = 5.0
    plain_http: bool = False


@dataclass(frozen=True)
class WebSettings:
    """Grouped by what they are about; a limit has its unit in its name.

    Attributes:
        public_url: how a browser reaches Airflow, without a slash at the end; empty gives relative links.
        mount: the path below it that the pages are mounted at.
        jupyter_link: a link that opens a run's notebook in JupyterLab, with `{workspace}`, `{run_id}`, `{notebook}`,
            `{url}` and `{path}`, the executed notebook's in the workspace's bucket; None shows none.
        runs_per_minute: how many runs one user may ask for in a minute.
        oidc: whose tokens count beside Airflow's; None for nobody's.
        downloads: whether large outputs are streamed by the API server, or the browser is sent to the bucket for them
            by a link that is good for a minute (`signed`), which works only where browsers reach the bucket.
        metrics_token_file: holds the token with which a scraper reads `/metrics` of all workspaces, read anew each
            time; None where there is none.
    """

    public_url: str = ""
    mount: str = "/notebooks"
    jupyter_link: str | None = None
    runs_per_minute: int = 60
    oidc: OidcSettings | None = None
    downloads: Downloads = "streamed"
    metrics_token_file: Path | None = None
