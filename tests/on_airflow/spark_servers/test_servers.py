"""One server for all who need the same; a failure is told in its own words, and nothing half-made is left."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes.client.exceptions import ApiException

from daybook.on_airflow.spark_servers.servers import Awaited, SparkServers, SparkUnavailable
from daybook.pods.spark import Answers, Starts
from localpods.really_started import wait_until
from on_airflow.spark_servers.conftest import a_wanted

NAMESPACE = "default"


def answering(servers, wanted, awaited=None):
    def look():
        found = servers.ensure(wanted, awaited)
        return found if isinstance(found.look, Answers) else None

    return wait_until(look)


def what_there_is(api):
    """Names of pods, Secrets and Services."""
    lists = (api.list_namespaced_pod, api.list_namespaced_secret, api.list_namespaced_service)
    return [sorted(one.metadata.name for one in each(NAMESPACE).items) for each in lists]


def test_a_server_is_made_once_and_used_again(servers, cluster):
    wanted = a_wanted()
    first = servers.ensure(wanted)
    assert isinstance(first.look, Starts)
    found = answering(servers, wanted)
    assert servers.ensure(wanted) == found
    assert found.uid == first.uid
    pod = cluster.get(wanted.name)
    assert found.settings.remote == f"sc://{pod['status']['podIP']}:15002"
    assert found.settings.ui == f"http://{pod['status']['podIP']}:4040"
    pods, secrets, services = what_there_is(cluster.api())
    assert (pods, services) == ([wanted.name], [wanted.name])
    assert secrets == [found.settings.token.name]


def test_however_many_ask_at_once_there_is_one(servers, cluster):
    wanted = a_wanted()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: SparkServers(cluster.api).ensure(wanted), range(8)))
    assert len({one.uid for one in found}) == 1
    assert len({one.secret for one in found}) == 1
    pods, secrets, services = what_there_is(cluster.api())
    assert (len(pods), len(secrets), len(services)) == (1, 1, 1)
    assert answering(servers, wanted).uid == found[0].uid


def test_the_key_lies_in_the_secret_alone(servers, cluster):
    import base64

    found = answering(servers, a_wanted())
    data = cluster.api().read_namespaced_secret(found.secret, NAMESPACE).data
    key = base64.b64decode(data["token"]).decode()
    assert len(key) >= 43
    assert key not in str(cluster.get(found.name))


def test_what_its_maker_left_out_is_made_by_the_next(servers, cluster):
    wanted = a_wanted()
    api = cluster.api()
    first = servers.ensure(wanted)
    api.delete_namespaced_secret(first.secret, NAMESPACE)
    api.delete_namespaced_service(first.name, NAMESPACE)
    cluster.delete(wanted.name, gracePeriodSeconds=0)
    cluster.gone(wanted.name)

    class Dies(SparkServers):
        def _complete(self, pod, obtained):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Dies(lambda: api).ensure(wanted)
    assert what_there_is(api) == [[wanted.name], [], []]
    assert answering(servers, wanted)


def test_a_server_that_fails_is_told_with_its_reason_and_leaves_nothing(servers, cluster):
    wanted = a_wanted("fails")
    found = servers.ensure(wanted)
    cluster.finished(wanted.name)
    with pytest.raises(SparkUnavailable, match="no usable Java: it is too old"):
        servers.ensure(wanted, Awaited(found.uid))
    cluster.gone(wanted.name)
    assert what_there_is(cluster.api()) == [[], [], []]


def test_whoever_waited_for_a_server_that_is_gone_is_told_why(servers, cluster):
    wanted = a_wanted("fails")
    with pytest.raises(SparkUnavailable, match="did not start: no usable Java"):
        servers.ensure(wanted, Awaited("gone", "no usable Java"))
    assert what_there_is(cluster.api()) == [[], [], []]


def test_an_ended_server_is_replaced_for_who_did_not_wait_for_it(servers, cluster):
    wanted = a_wanted("fails")
    first = servers.ensure(wanted)
    cluster.finished(wanted.name)
    assert servers.ensure(wanted).uid != first.uid


def test_a_server_that_nobody_needed_is_replaced(servers, cluster):
    wanted = a_wanted()
    first = answering(servers, wanted)
    uid = cluster.get(wanted.name)["metadata"]["uid"]
    (cluster.state / "pods" / uid / "volumes" / "spark" / "end").touch()
    assert cluster.finished(wanted.name)["status"]["phase"] == "Succeeded"
    second = answering(servers, wanted, Awaited(first.uid))
    assert second.uid != first.uid
    assert second.secret != first.secret


def test_another_configuration_is_another_server_beside_the_first(servers, cluster):
    one, other = a_wanted(), a_wanted(settings={"spark.sql.shuffle.partitions": 3})
    assert one.name != other.name
    first, second = answering(servers, one), answering(servers, other)
    assert first.uid != second.uid
    assert servers.ensure(one) == first


def test_a_server_ends_with_what_belongs_to_it_and_only_itself(servers, cluster):
    found = answering(servers, a_wanted())
    servers.remove(found.name, NAMESPACE, "another")
    assert servers.ensure(a_wanted()) == found
    servers.remove(found.name, NAMESPACE, found.uid)
    cluster.gone(found.name)
    assert what_there_is(cluster.api()) == [[], [], []]


def test_a_cluster_that_takes_no_service_keeps_no_pod(servers, cluster):
    api = cluster.api()

    def refused(*_, **__):
        raise ApiException(status=403, reason="Forbidden")

    api.create_namespaced_service = refused
    with pytest.raises(SparkUnavailable, match=r"does not take what Spark server .* needs: 403"):
        SparkServers(lambda: api).ensure(a_wanted())
    cluster.gone(a_wanted().name)
    assert what_there_is(cluster.api()) == [[], [], []]
