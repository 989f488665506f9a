"""What `spark` of a workspace may say, and what a notebook may ask of it."""

import pytest
from pydantic import ValidationError

from builders import a_workspace
from daybook.catalogue.run_settings import RunSettings
from daybook.contract.errors import InvalidRequest
from daybook.workspaces import require_within
from daybook.workspaces.spark import PROFILES

ROLE = "arn:aws:iam::123456789012:role/research"
STS = {"credentials": {"kind": "sts", "role_arn": ROLE}, "bucket": "s3://research"}


def refused(spark, **workspace):
    with pytest.raises(ValidationError) as caught:
        a_workspace(spark=spark, **workspace)
    return str(caught.value)


def wish(**spark):
    return RunSettings.model_validate({"spark": spark})


def faults(wanted, **server):
    with pytest.raises(InvalidRequest) as caught:
        require_within(a_workspace(spark={"server": server}), wanted)
    return [str(fault) for fault in caught.value.faults]


def test_the_profiles_are_these():
    table = {name: (size.workers, size.cores, size.memory) for name, size in PROFILES.items()}
    assert table == {"small": (0, 2, "4Gi"), "medium": (2, 2, "8Gi"), "large": (8, 4, "16Gi")}


def test_a_server_needs_no_word():
    server = a_workspace(spark={"server": {}}).spark.server
    assert (server.profile, server.idle_minutes, server.start_seconds) == ("small", 30, 300)


@pytest.mark.parametrize("spark", [{}, {"remote": "sc://spark:1", "server": {}}])
def test_a_server_is_there_already_or_started_and_not_both(spark):
    assert "name either `remote`" in refused(spark)


def test_a_started_server_has_its_own_token_and_pages():
    said = refused({"server": {}, "ui": "http://x", "token": {"name": "a", "key": "b"}})
    assert said.count("one that Daybook starts has its own") == 2


@pytest.mark.parametrize(
    ("server", "said"),
    [
        ({"profile": "smal"}, "there is no profile 'smal' here; did you mean 'small'?"),
        ({"maximum": "huge"}, "there is no profile 'huge' here; there are: small, medium, large"),
        ({"profile": "large", "maximum": "medium"}, "'large' is not within maximum: workers 8 is more than 2"),
        ({"maximum": "small", "profiles": {"own": {"memory": "5Gi"}}}, "memory 5Gi is more than 4Gi"),
        ({"profiles": {"Own": {}}}, "is not a profile's name"),
        ({"profiles": {"own": {"cores": 0}}}, "greater than or equal to 1"),
        ({"profiles": {"own": {"memory": "much"}}}, "is not a quantity"),
        ({"profiles": {"own": {"memory": "100Mi"}}}, "profile 'own': memory 100Mi is too little for Spark"),
        ({"profiles": {"own": {"memory": "961Mi"}}}, "at least 834MiB beside 128MiB of the server's own"),
        ({"profiles": {"own": {"workers": 1, "memory": "833Mi"}}}, "at least 834MiB"),
        ({"idle_minutes": 0}, "greater than 0"),
        ({"metastore": "http://hive"}, "is not thrift://host:port"),
        ({"settings": {"spark.master": "local"}}, "Daybook alone decides it"),
        ({"settings": {"sql.x": 1}}, "begins with 'spark.'"),
        ({"settings": {"spark.hadoop.fs.s3a.secret.key": "x"}}, "it is a secret"),
    ],
)
def test_what_a_server_cannot_be(server, said):
    assert said in refused({"server": server})


def test_a_profile_may_be_as_small_as_spark_can_be():
    profiles = {"one": {"memory": "962Mi"}, "many": {"workers": 1, "memory": "834Mi"}}
    assert a_workspace(spark={"server": {"profiles": profiles}})


def test_every_fault_is_named_at_once():
    said = refused({"server": {"profile": "smal", "settings": {"spark.master": "x", "spark.remote": "y"}}})
    assert said.count("Daybook alone decides it") == 2
    assert "smal" in said


def test_a_worker_starts_no_server():
    assert "is a pod, and the workspace's runs have none" in refused({"server": {}}, runs_in="worker")


def test_an_idle_servers_short_lived_credentials_must_not_expire():
    assert "is at most 15 with these session_seconds" in refused({"server": {}}, **STS)
    assert a_workspace(spark={"server": {"idle_minutes": 15}}, **STS)


def test_web_identity_is_of_one_service_account():
    kind = {"kind": "service_account", "role_arn": ROLE}
    said = refused({"server": {"service_account": "x"}}, credentials=kind, bucket="s3://x", service_account="research")
    assert "cannot be another than the workspace's" in said


def test_a_notebook_may_ask_for_what_is_there():
    for wanted in (wish(), wish(profile="large"), wish(profile="own", own=True), RunSettings(spark=False)):
        require_within(a_workspace(spark={"server": {"profiles": {"own": {}}}}), wanted)
    require_within(a_workspace(), wish(settings={"spark.sql.shuffle.partitions": 3}))


def test_an_unknown_profile_is_refused_with_its_likeness():
    assert faults(wish(profile="medum")) == [
        "run.spark.profile: there is no profile 'medum' here; did you mean 'medium'?"
    ]


def test_a_profile_beyond_the_maximum_is_refused_with_both_numbers():
    assert faults(wish(profile="large"), maximum="medium") == [
        f"run.spark.profile: profile 'large' is larger than the workspace's maximum: {beyond}; ask for less"
        for beyond in ("workers 8 is more than 2", "cores 4 is more than 2", "memory 16Gi is more than 8Gi")
    ]


def test_a_workspace_without_a_server_of_daybooks_can_give_neither_profile_nor_own():
    for spark in (None, {"remote": "sc://spark:15002"}):
        with pytest.raises(InvalidRequest) as caught:
            require_within(a_workspace(spark=spark), wish(profile="small", own=True))
        assert [fault.where for fault in caught.value.faults] == ["run.spark.profile", "run.spark.own"]


def test_settings_that_are_not_a_notebooks_are_refused_with_all_others():
    wanted = wish(
        settings={"spark.master": "x", "spark.sql.warehouse.dir": "x", "spark.locality.wait": "1s"}, profile="x"
    )
    found = faults(wanted)
    assert len(found) == 4
    assert "takes effect only when Spark starts" in found[2]
    assert len(faults(wish(settings={"spark.master": "x", "spark.locality.wait": "1s"}, own=True))) == 1


@pytest.mark.parametrize(
    "spark", [{"profil": "x"}, {"own": "yes"}, {"settings": {"spark.x": [1]}}, {"profile": "X"}, 1]
)
def test_a_wish_is_as_the_catalogue_wants_it(spark):
    with pytest.raises(ValidationError):
        RunSettings.model_validate({"spark": spark})
