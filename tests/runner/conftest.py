"""Fixtures that run notebooks."""

import pytest

from runner.pods import Pods
from runner.runs import Runner


@pytest.fixture
def run(tmp_path):
    return Runner(tmp_path)


@pytest.fixture(scope="module")
def run_once(tmp_path_factory):
    """As `run`, for runs that several tests look at."""
    return Runner(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def pod(tmp_path):
    pods = Pods(tmp_path)
    yield pods
    pods.end()
