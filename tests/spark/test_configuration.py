"""Spark's settings out of their layers: pure, no Spark."""

from pathlib import Path

import pytest

from daybook.contract.errors import InvalidSettings
from daybook.contract.spark_server import SparkBucket, SparkCredentials, SparkServerRequest, SparkSize
from daybook.spark.configuration import Installed, defaults, merged, server_configuration, settings_of
from daybook.spark.s3a import bucket_of

HADOOP = "hadoop-client-api-3.5.0.jar"
PLAIN = Installed("4.3.0", (HADOOP,))
FULL = Installed(
    "4.1.2",
    (
        *(HADOOP, "hadoop-aws-3.5.0.jar", "bundle-2.35.4.jar", "spark-hadoop-cloud_2.13-4.1.2.jar"),
        *("delta-spark_4.1_2.13-4.3.0.jar", "delta-storage-4.3.0.jar", "iceberg-spark-runtime-4.1_2.13-1.11.0.jar"),
    ),
)


def a_request(**changes):
    given = {"workspace": "team-a", "bucket": SparkBucket(url="file:///data"), "size": SparkSize(maximum_executors=1)}
    return SparkServerRequest(**{**given, **changes})


def refused(request, installed=PLAIN):
    with pytest.raises(InvalidSettings) as raised:
        server_configuration(request, installed)
    return [str(fault) for fault in raised.value.faults]


def test_the_later_layer_wins():
    request = a_request(
        settings={"spark.sql.shuffle.partitions": 16, "spark.sql.ansi.enabled": False},
        notebook_settings={"spark.sql.ansi.enabled": True},
    )
    found = server_configuration(request, PLAIN)
    assert found["spark.sql.shuffle.partitions"] == "16"
    assert found["spark.sql.ansi.enabled"] == "true"
    assert server_configuration(a_request(), PLAIN)["spark.sql.shuffle.partitions"] == "8"


def test_layers_merge_in_their_order():
    assert merged({"a": "1", "b": "1"}, {"b": "2"}, {"c": "3"}) == {"a": "1", "b": "2", "c": "3"}


def test_the_defaults_are_these():
    assert defaults()["session"] == {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
    }
    assert defaults()["server"]["spark.connect.execute.manager.detachedTimeout"] == "3m"
    assert defaults()["start"]["spark.sql.adaptive.enabled"] == "true"


def test_a_forbidden_setting_is_refused_by_layer_and_name():
    found = refused(
        a_request(settings={"spark.master": "yarn"}, notebook_settings={"spark.eventLog.dir": "/x", "nothing": 1})
    )
    assert [each.split(": ")[:2] for each in found] == [
        ["workspace", "spark.master"],
        ["notebook", "spark.eventLog.dir"],
        ["notebook", "nothing"],
    ]


def test_memory_is_divided_and_nothing_of_it_is_lost():
    size = SparkSize(
        driver_memory="2GiB", executor_memory="10g", executor_cores=4, minimum_executors=1, maximum_executors=5
    )
    found = server_configuration(a_request(size=size, place="kubernetes"), PLAIN)
    assert (found["spark.executor.memory"], found["spark.executor.memoryOverhead"]) == ("9g", "1g")
    assert (found["spark.driver.memory"], found["spark.driver.memoryOverhead"]) == ("1664m", "384m")
    assert found["spark.executor.cores"] == "4"
    assert found["spark.dynamicAllocation.minExecutors"] == "1"
    assert found["spark.dynamicAllocation.maxExecutors"] == "5"


def test_neither_failed_executors_nor_a_full_quota_end_a_server_unless_its_workspace_says_so():
    pods_refused_in_the_interval = 10 * 60 * 20  # of so many at once, which Spark asks for every second
    found = server_configuration(a_request(place="kubernetes"), PLAIN)
    assert found["spark.executor.failuresValidityInterval"] == "10m"
    assert int(found["spark.executor.maxNumFailures"]) > pods_refused_in_the_interval
    own = a_request(place="kubernetes", settings={"spark.executor.maxNumFailures": 7})
    assert server_configuration(own, PLAIN)["spark.executor.maxNumFailures"] == "7"


def test_an_executor_is_asked_to_leave_by_the_signal_of_kubernetes_and_by_no_script_of_the_image():
    found = server_configuration(a_request(place="kubernetes"), PLAIN)
    assert found["spark.decommission.enabled"] == found["spark.storage.decommission.enabled"] == "true"
    assert found["spark.executor.decommission.signal"] == "TERM"
    assert Path(found["spark.kubernetes.decommission.script"]).exists()
    assert found["spark.kubernetes.executor.terminationGracePeriodSeconds"] == "120s"


def test_one_process_has_no_executors():
    found = server_configuration(a_request(size=SparkSize(driver_memory="834MiB")), PLAIN)
    assert found["spark.driver.memory"] == "450m"
    assert not any(name.startswith(("spark.executor.", "spark.dynamicAllocation.")) for name in found)


def test_on_kubernetes_there_are_executors():
    with pytest.raises(InvalidSettings, match="maximum_executors: must be 1 at least"):
        server_configuration(a_request(place="kubernetes", size=SparkSize()), PLAIN)


def test_sizes_that_will_not_do_are_all_named():
    size = SparkSize(driver_memory="100m", executor_memory="much", minimum_executors=3, maximum_executors=2)
    found = refused(a_request(size=size, metastore="http://x", place="kubernetes"))
    assert [each.split(":")[0] for each in found] == [
        "driver_memory",
        "executor_memory",
        "minimum_executors",
        "metastore",
    ]


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("spark.driver.maxResultSize", "1.5GiB", "1536m"),
        ("spark.driver.maxResultSize", "2 GB", "2g"),
        ("spark.sql.autoBroadcastJoinThreshold", " 512 mb ", "512m"),
        ("spark.reducer.maxSizeInFlight", "1.5m", "1536k"),
        ("spark.kryoserializer.buffer.max", "0.5GiB", "512m"),
        ("spark.executor.memory", 1073741824, "1g"),
        ("spark.driver.memoryOverhead", "1000000001", "1000000001b"),
        ("spark.sql.autoBroadcastJoinThreshold", -1, "-1"),
        ("spark.network.timeout", "5 m", "5 m"),
        ("spark.app.name", "2 GB", "2 GB"),
        ("spark.sql.autoBroadcastJoinThreshold", "10MiB", "10m"),
        ("spark.sql.autoBroadcastJoinThreshold", "-1", "-1"),
        ("spark.sql.files.maxPartitionBytes", "0.5g", "512m"),
        ("spark.driver.maxResultSize", "2g", "2g"),
        ("spark.sql.x", "2GiB", "2GiB"),
        ("spark.sql.y", True, "true"),
        ("spark.sql.z", 1.5, "1.5"),
    ],
)
def test_amounts_that_spark_cannot_read_are_given_in_its_own_form(name, given, expected):
    assert settings_of({name: given}) == {name: expected}


@pytest.mark.parametrize(
    ("kind", "provider"),
    [
        ("none", "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider"),
        ("environment", "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider"),
        ("web_identity", "software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider"),
        ("profile", "software.amazon.awssdk.auth.credentials.ProfileCredentialsProvider"),
    ],
)
def test_a_bucket_on_minio_is_reached_by_path_and_without_a_shared_cache(kind, provider):
    bucket = SparkBucket(url="s3://b/team", endpoint="http://minio:9000", credentials=kind)
    found = server_configuration(a_request(bucket=bucket), FULL)
    short = {name.removeprefix("spark.hadoop.fs."): value for name, value in found.items() if ".fs.s3" in name}
    assert short == {
        "s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
        "s3a.impl.disable.cache": "true",
        "s3.impl.disable.cache": "true",
        "s3a.aws.credentials.provider": provider,
        "s3a.path.style.access": "true",
        "s3a.endpoint": "http://minio:9000",
        "s3a.connection.ssl.enabled": "false",
        "s3a.endpoint.region": "us-east-1",
        "s3a.committer.name": "magic",
    }
    assert found["spark.sql.warehouse.dir"] == "s3a://b/team/spark-warehouse"


def test_a_bucket_on_aws_has_aws_own_address():
    found = server_configuration(a_request(bucket=SparkBucket(url="s3://b", region="eu-west-2")), FULL)
    assert found["spark.hadoop.fs.s3a.path.style.access"] == "false"
    assert found["spark.hadoop.fs.s3a.endpoint.region"] == "eu-west-2"
    assert "spark.hadoop.fs.s3a.endpoint" not in found


def test_without_sparks_cloud_jar_its_committer_is_not_named():
    jars = tuple(jar for jar in FULL.jars if "cloud" not in jar)
    found = server_configuration(a_request(bucket=SparkBucket(url="s3://b")), Installed("4.1.2", jars))
    assert not any("ommit" in name for name in found)


def test_no_secret_is_among_the_settings():
    bucket = bucket_of({"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hush"}, "s3://b")
    assert bucket.credentials is SparkCredentials.ENVIRONMENT
    assert "hush" not in str(server_configuration(a_request(bucket=bucket), FULL))


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, "none"),
        ({"AWS_ACCESS_KEY_ID": "a"}, "environment"),
        ({"AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ROLE_ARN": "r"}, "web_identity"),
        ({"DAYBOOK_CREDENTIALS_FILE": "/c", "AWS_ACCESS_KEY_ID": "a"}, "profile"),
    ],
)
def test_the_kind_of_credentials_is_told_by_the_pods_variables(environment, kind):
    assert bucket_of(environment).credentials == kind


def test_the_buckets_server_is_told_by_the_pods_variables():
    environment = {"AWS_ENDPOINT_URL": "http://m:9", "AWS_REGION": "x", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"}
    found = bucket_of(environment, "s3://b")
    assert (found.endpoint, found.region, found.path_style) == ("http://m:9", "x", False)


@pytest.mark.parametrize(
    ("jars", "message"),
    [
        ((HADOOP,), "add hadoop-aws-3.5.0.jar"),
        ((HADOOP, "hadoop-aws-3.4.1.jar", "bundle-2.24.6.jar"), "hadoop-aws-3.4.1.jar is not of"),
        ((HADOOP, "hadoop-aws-3.5.0.jar"), "AWS's SDK is missing"),
    ],
)
def test_s3_without_its_jars_is_refused(jars, message):
    [found] = refused(a_request(bucket=SparkBucket(url="s3://b")), Installed("4.3.0", jars))
    assert message in found


@pytest.mark.parametrize(
    ("name", "version", "jars", "message"),
    [
        ("delta", "4.3.0", (), "has no jar of it; it takes delta-spark_4.3_2.13-….jar, which no release is known"),
        ("delta", "4.1.0", (), "has no jar of it; it takes Delta 4.1 or 4.2 or 4.3"),
        ("delta", "4.1.0", ("delta-spark_2.13-4.0.1.jar",), "delta-spark_2.13-4.0.1.jar is for Spark 4.0"),
        ("delta", "4.3.0", ("delta-spark_4.1_2.13-4.3.0.jar",), "is for Spark 4.1 and the image has 4.3.0"),
        ("delta", "4.3.0", ("delta-spark_2.13-9.9.0.jar",), "is for no Spark that is known here"),
        ("delta", "4.3.0", ("delta-spark_4.3_2.13-5.0.0.jar",), "delta-storage-….jar, which delta-spark needs"),
        ("iceberg", "4.3.0", ("iceberg-spark-runtime-4.0_2.13-1.10.0.jar",), "is for Spark 4.0"),
        ("iceberg", "4.3.0", (), "it takes iceberg-spark-runtime-4.3_2.13"),
    ],
)
def test_tables_whose_jars_are_missing_or_of_another_spark_are_refused(name, version, jars, message):
    [found] = refused(a_request(tables=(name,)), Installed(version, jars))
    assert message in found


def test_delta_and_iceberg_come_with_their_jars():
    found = server_configuration(a_request(tables=("delta", "iceberg"), metastore="thrift://hive:9083"), FULL)
    assert found["spark.sql.extensions"].count(",") == 1
    assert found["spark.sql.catalog.spark_catalog"] == "org.apache.spark.sql.delta.catalog.DeltaCatalog"
    assert found["spark.sql.catalog.iceberg.type"] == "hive"
    assert found["spark.sql.catalogImplementation"] == "hive"
    assert found["spark.hadoop.hive.metastore.uris"] == "thrift://hive:9083"


def test_a_future_delta_that_names_its_spark_is_taken_at_its_word():
    jars = ("delta-spark_4.3_2.13-5.0.0.jar", "delta-storage-5.0.0.jar")
    assert "spark.sql.extensions" in server_configuration(a_request(tables=("delta",)), Installed("4.3.0", jars))


def test_the_event_log_goes_to_the_workspaces_bucket():
    found = server_configuration(a_request(bucket=SparkBucket(url="s3://b/team/"), event_log=True), FULL)
    assert found["spark.eventLog.dir"] == "s3a://b/team/spark-events"
    assert found["spark.eventLog.rolling.enabled"] == "true"
    assert "spark.eventLog.enabled" not in server_configuration(a_request(), PLAIN)
