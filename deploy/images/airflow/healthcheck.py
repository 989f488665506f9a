"""Ends with 0 if a component of Airflow is healthy, by what the API server says of it.

Asks over HTTP, for `airflow jobs check` imports for seconds each time. The address is of the container's own API server
unless DAYBOOK_HEALTH_URL says otherwise.
"""

import json
import os
import sys
import urllib.request

URL = "http://127.0.0.1:8080/api/v2/monitor/health"
TIMEOUT_SECONDS = 10
API_SERVER = "api-server"
DATABASE = "metadatabase"


def main(component: str) -> None:
    """Tells what is wrong in one line."""
    url = os.environ.get("DAYBOOK_HEALTH_URL", URL)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - the operator's own
            health = json.load(answer)
    except (OSError, ValueError) as error:
        sys.exit(f"{url} does not answer: {error}")
    asked = DATABASE if component == API_SERVER else component.replace("-", "_")
    status = (health.get(asked) or {}).get("status")
    if status != "healthy":
        sys.exit(f"{component} is {status or 'unknown'}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else API_SERVER)
