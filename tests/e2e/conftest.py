"""One real stack for all end-to-end tests: Airflow, localpods and Spark Connect, started by `daybook up`.

It lives in a project folder of its own, with the examples and a few notebooks made here, so that a developer's stack in
the checkout is left alone.
"""

import pytest
from driving import make_project, running_stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    with running_stack(make_project(tmp_path_factory.mktemp("project"))) as stack:
        yield stack
