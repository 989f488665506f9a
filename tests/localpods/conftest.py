"""A really started localpods, one for all tests that do not end it, and the unmodified Kubernetes client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from localpods.really_started import Localpods


@pytest.fixture(scope="session")
def localpods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Localpods]:
    """One server for all tests that leave it as they found it."""
    running = Localpods(tmp_path_factory.mktemp("localpods"))
    running.start()
    yield running
    running.close()


@pytest.fixture
def own_localpods(tmp_path: Path) -> Iterator[Localpods]:
    """A server that the test may kill."""
    running = Localpods(tmp_path)
    running.start()
    yield running
    running.close()


@pytest.fixture
def api(localpods: Localpods) -> Iterator[client.CoreV1Api]:
    """The unmodified Kubernetes client, through the kubeconfig."""
    made = localpods.api()
    yield made
    made.api_client.rest_client.pool_manager.clear()
