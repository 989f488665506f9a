"""A stand-in Databricks for each test."""

import pytest

from databricks.standin import StandIn

CLUSTER = "0123-456789-abcdefgh"


@pytest.fixture
def standin(tmp_path):
    with StandIn(tmp_path / "databricks") as standin:
        standin.clusters.add(CLUSTER)
        yield standin
