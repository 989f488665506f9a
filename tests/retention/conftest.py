"""A really started localpods, in the place of a cluster."""

import pytest

from localpods.really_started import Localpods, wait_until


@pytest.fixture(scope="session")
def localpods(tmp_path_factory):
    running = Localpods(tmp_path_factory.mktemp("localpods"))
    running.start()
    yield running
    running.close()


@pytest.fixture
def api(localpods):
    made = localpods.api()
    yield made
    for pod in made.list_namespaced_pod("default").items:
        made.delete_namespaced_pod(pod.metadata.name, "default", grace_period_seconds=0)
    wait_until(lambda: not made.list_namespaced_pod("default").items)
    made.api_client.rest_client.pool_manager.clear()
