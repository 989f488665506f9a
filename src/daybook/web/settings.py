"""What an operator may choose about the pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class WebSettings:
    """Grouped by what they are about; a limit has its unit in its name.

    Attributes:
        public_url: how a browser reaches Airflow, without a slash at the end; empty gives relative links.
        mount: the path below it that the pages are mounted at.
        jupyter_link: a link that opens a run's notebook in JupyterLab, with `{workspace}`, `{run_id}`, `{notebook}` and
            `{url}`; None shows none.
        runs_per_minute: how many runs one user may ask for in a minute.
        downloads: whether large outputs are streamed by the API server, or the browser is sent to the bucket for them
            by a link that is good for a minute (`signed`), which works only where browsers reach the bucket.
    """

    public_url: str = ""
    mount: str = "/notebooks"
    jupyter_link: str | None = None
    runs_per_minute: int = 60
    downloads: Literal["streamed", "signed"] = "streamed"
