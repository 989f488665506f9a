"""The values for the official Helm chart fit the manifests: accounts, mounts, names, and no secret among them.

The chart itself is not to be had here: its keys were read in its reference, and `helm template` was not run.
"""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml
from airflow.configuration import conf

from daybook.contract.variables import CATALOGUE_VARIABLE, PUBLIC_URL_VARIABLE, WORKSPACES_VARIABLE
from deploy.rendered import AIRFLOW, KUBERNETES, OVERLAYS, WITHOUT_HELM, render

COMPONENTS = ("scheduler", "apiServer", "dagProcessor", "triggerer", "migrateDatabaseJob", "statsd", "redis", "workers")
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def merged(below: Any, above: Any) -> Any:
    """As Helm lays one values file over another: maps are joined, everything else is replaced."""
    if not (isinstance(below, Mapping) and isinstance(above, Mapping)):
        return above
    return {**below, **{key: merged(below.get(key), value) for key, value in above.items()}}


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((KUBERNETES / "values" / f"{name}.yaml").read_text())
    return found


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def values(overlay: str) -> dict[str, Any]:
    found: dict[str, Any] = merged(read("airflow"), read(overlay))
    return found


def environment(values: Mapping[str, Any]) -> dict[str, str]:
    return {each["name"]: each["value"] for each in [*yaml.safe_load(values["extraEnv"]), *values["env"]]}


def test_every_account_is_one_of_the_manifests_and_none_is_the_charts(overlay: str, values: dict[str, Any]) -> None:
    there = {each["metadata"]["name"] for each in render(overlay).of("ServiceAccount", AIRFLOW)}
    accounts = [values[each]["serviceAccount"] for each in COMPONENTS]
    accounts.append(values["workers"]["celery"]["serviceAccount"])
    for account in accounts:
        assert account["create"] is False
        assert account["name"] in there


def test_who_runs_tasks_is_who_may_make_pods(overlay: str, values: dict[str, Any]) -> None:
    runner = {"LocalExecutor": "scheduler", "CeleryExecutor": "workers"}[values["executor"]]
    bindings = [each for each in render(overlay).of("RoleBinding") if each["metadata"]["name"] == "daybook-operator"]
    assert len(bindings) == len(render(overlay).workspace_namespaces)
    for binding in bindings:
        assert values[runner]["serviceAccount"]["name"] in {each["name"] for each in binding["subjects"]}


def test_the_chart_makes_no_rights_of_its_own(values: dict[str, Any]) -> None:
    assert values["rbac"]["create"] is False
    assert values["allowPodLaunching"] is False
    assert values["apiServer"]["allowPodLogReading"] is False


def test_everything_of_the_chart_meets_the_restricted_rules(values: dict[str, Any]) -> None:
    everywhere = [values["securityContexts"]["pod"], values["securityContexts"]["containers"]]
    for pod, container in (everywhere, *(values[each]["securityContexts"].values() for each in ("statsd", "redis"))):
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] > 0
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert RESTRICTED.items() <= container.items()


def test_the_config_maps_are_mounted_where_daybook_looks(overlay: str, values: dict[str, Any]) -> None:
    maps = {each["metadata"]["name"]: each["data"] for each in render(overlay).of("ConfigMap", AIRFLOW)}
    volumes = {each["name"]: each["configMap"]["name"] for each in values["volumes"] if "configMap" in each}
    files = {
        str(PurePosixPath(mount["mountPath"]) / key)
        for mount in values["volumeMounts"]
        if mount["name"] in volumes
        for key in maps[volumes[mount["name"]]]
    }
    assert environment(values)[WORKSPACES_VARIABLE] in files
    lists = [each for each in environment(values)[CATALOGUE_VARIABLE].split(":") if each.startswith("/etc/")]
    assert lists
    assert set(lists) <= files


def test_mounts_follow_a_change(values: dict[str, Any]) -> None:
    """What is mounted by subPath stays as it was when the pod started."""
    assert not [each for each in values["volumeMounts"] if "subPath" in each]


def test_the_ingress_leads_to_the_charts_api_server_by_the_host_that_links_name(
    overlay: str, values: dict[str, Any]
) -> None:
    (rule,) = render(overlay).one("Ingress", "daybook", AIRFLOW)["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert path["backend"]["service"] == {"name": f"{AIRFLOW}-api-server", "port": {"number": 8080}}
    assert environment(values)[PUBLIC_URL_VARIABLE] == values["config"]["api"]["base_url"] == f"https://{rule['host']}"
    assert values["config"]["core"]["execution_api_server_url"] == "http://airflow-api-server:8080/execution/"


def test_airflow_is_set_as_operating_says(values: dict[str, Any]) -> None:
    assert values["config"]["triggerer"]["on_kill_timeout"] == "90"
    assert values["config"]["workers"]["min_heartbeat_interval"] == "1"
    assert values["triggerer"]["terminationGracePeriodSeconds"] > 90
    assert "preload(sys.argv)" in values["airflowLocalSettings"]


@pytest.mark.parametrize("component", ["scheduler", "apiServer"])
def test_a_start_may_take_minutes_on_a_small_node(values: dict[str, Any], component: str) -> None:
    """The chart's own probes give one minute, and kill what has not started by then, again and again."""
    probe = values[component]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 600


@pytest.mark.parametrize("component", ["dagProcessor", "triggerer"])
def test_a_check_that_imports_airflow_has_the_time_for_it(values: dict[str, Any], component: str) -> None:
    """These have no probe for their start; theirs is `airflow jobs check`."""
    probe = values[component]["livenessProbe"]
    assert probe["initialDelaySeconds"] >= 120
    assert 60 <= probe["timeoutSeconds"] < probe["periodSeconds"]


def test_the_scheduler_answers_where_its_probes_ask(values: dict[str, Any]) -> None:
    assert values["config"]["scheduler"]["enable_health_check"] == "True"
    port = conf.getint("scheduler", "scheduler_health_check_server_port")
    for probe in (values["scheduler"][each] for each in ("startupProbe", "livenessProbe")):
        program, option, code = probe["command"]
        assert (program, option) == ("python3", "-c")
        assert f"http://127.0.0.1:{port}/health" in code
        compile(code, "probe", "exec")


def test_the_connection_to_kubernetes_is_the_pods_own_account(values: dict[str, Any]) -> None:
    connection = json.loads(environment(values)["AIRFLOW_CONN_KUBERNETES_DEFAULT"])
    assert connection == {"conn_type": "kubernetes", "extra": {"in_cluster": True}}


def test_settings_are_texts_that_a_configuration_file_can_hold(values: dict[str, Any]) -> None:
    parser = configparser.ConfigParser()
    parser.read_dict(values["config"])
    for section, options in values["config"].items():
        for option, value in options.items():
            assert parser[section][option] == value


NOT_INSTALLED_HERE = {"celery", "keycloak_auth_manager"}
"""Sections of providers that only the official image has."""


def test_airflow_knows_every_setting(values: dict[str, Any]) -> None:
    known = conf.configuration_description
    for section in values["config"].keys() - NOT_INSTALLED_HERE:
        assert values["config"][section].keys() <= known[section]["options"].keys()


def test_airflow_without_the_chart_is_set_as_with_it() -> None:
    values = merged(read("airflow"), read("dev"))
    plain = render(WITHOUT_HELM)
    expected = {
        f"AIRFLOW__{section}__{option}".upper(): value
        for section, options in values["config"].items()
        for option, value in options.items()
    }
    settings = plain.one("ConfigMap", "airflow-settings", AIRFLOW)["data"]
    only_there = {
        "AIRFLOW_HOME": "/var/lib/airflow",
        "HOME": "/var/lib/airflow",
        "USER": "airflow",
        "AIRFLOW__CORE__EXECUTOR": values["executor"],
    }
    assert settings == {**expected, **environment(values), **only_there}
    api_server = plain.one("Deployment", "airflow-api-server", AIRFLOW)["spec"]["template"]["spec"]["containers"][0]
    assert values["apiServer"]["args"][-1] == f"exec {' '.join(api_server['command'])}"
    assert api_server["command"][-1] == "--proxy-headers"
    preload = plain.one("ConfigMap", "airflow-local-settings", AIRFLOW)["data"]["airflow_local_settings.py"]
    assert preload == values["airflowLocalSettings"]
    for deployment in plain.of("Deployment", AIRFLOW):
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert all(mount in container["volumeMounts"] for mount in values["volumeMounts"])
        assert all(volume in spec["volumes"] for volume in values["volumes"])
        image = values["images"]["airflow"]
        assert container["image"] == f"{image['repository']}:{image['tag']}"
        assert spec["securityContext"] == values["securityContexts"]["pod"]


def leaves(node: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from leaves(value, f"{place}.{key}")
    elif isinstance(node, list):
        for each in node:
            yield from leaves(each, place)
    else:
        yield place, node


def test_secrets_are_names_of_secrets(values: dict[str, Any]) -> None:
    for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"):
        assert values[name]
    assert values["data"]["metadataSecretName"]
    told = ("password", "secretkey", "fernetkey", "jwtsecret", "connection", ".pass", "accesskey")
    for place, value in leaves(values):
        if any(each in place.lower() for each in told):
            assert place.endswith(("Name", ".secretKey", ".secretKeyRef.name", ".secretKeyRef.key")), (place, value)


def test_the_voucher_key_is_a_secret_that_lies_where_daybook_looks(values: dict[str, Any]) -> None:
    (volume,) = [each for each in values["volumes"] if "secret" in each]
    (mount,) = [each for each in values["volumeMounts"] if each["name"] == volume["name"]]
    assert environment(values)["DAYBOOK_VOUCHER_KEY_FILE"] == f"{mount['mountPath']}/key"
    made = f"secret generic {volume['secret']['secretName']} --from-file=key="
    assert made in (KUBERNETES / "README.md").read_text()


def test_prometheus_and_the_api_server_have_one_token() -> None:
    server = merged(read("airflow"), read("prod"))["apiServer"]
    (monitor,) = [each for each in render("prod").of("ServiceMonitor") if each["metadata"]["name"] == "daybook"]
    asked = monitor["spec"]["endpoints"][0]["authorization"]["credentials"]
    (volume,), (mount,) = server["extraVolumes"], server["extraVolumeMounts"]
    assert (volume["name"], volume["secret"]["secretName"]) == (mount["name"], asked["name"])
    file = {each["name"]: each.get("value") for each in server["env"]}["DAYBOOK_METRICS_TOKEN_FILE"]
    assert file == f"{mount['mountPath']}/{asked['key']}"
    assert f"{asked['name']} --from-file={asked['key']}=" in (KUBERNETES / "README.md").read_text()


def test_the_readme_makes_every_secret_that_the_values_name(overlay: str, values: dict[str, Any]) -> None:
    text = (KUBERNETES / "README.md").read_text()
    names = {value for place, value in leaves(values) if place.lower().endswith(("secretname", "secretkeyref.name"))}
    assert names
    for name in names:
        assert f"secret generic {name}" in text, name


def test_commands_of_the_readme_leave_the_lines_after_them_alone() -> None:
    """`kubectl exec -i` reads what else is pasted, unless it is told what to read."""
    lines = (KUBERNETES / "README.md").read_text().splitlines()
    asked = [line for line in lines if re.search(r"(^|\| |; )\s*s3 (mb|admin|alias) ", line)]
    assert asked
    for line in asked:
        for command in re.findall(r"[^;]*\bs3 (?:mb|admin|alias) [^;]*", line):
            assert "| s3 " in command or "< " in command, line
