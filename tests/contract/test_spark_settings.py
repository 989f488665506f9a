"""Who may give which of Spark's settings, as a table."""

import pytest

from daybook.contract.spark_settings import Layer, setting_faults

OURS = "cannot be set: Daybook alone decides it"
SECRET = "cannot be set: it is a secret; credentials come by the workspace's `credentials` alone"
PROFILE = "cannot be set: the server's profile decides it (`profile`)"
LATE = "takes effect only when Spark starts"


def of_workspace(layer):
    return f"cannot be set by a {layer}: the workspace alone decides it (`spark` in workspaces.yaml)"


@pytest.mark.parametrize(
    ("name", "by_workspace", "by_notebook", "by_call", "by_call_at_start"),
    [
        ("spark.sql.shuffle.partitions", None, None, None, None),
        ("spark.sql.adaptive.enabled", None, None, None, None),
        ("spark.jars", None, None, LATE, None),
        ("spark.jars.packages", None, None, LATE, None),
        ("spark.jarsome", None, None, None, None),
        ("spark.scheduler.mode", None, None, LATE, None),
        ("spark.driver.maxResultSize", None, None, LATE, None),
        ("spark.driver.memory", PROFILE, PROFILE, LATE, None),
        ("spark.executor.memory", PROFILE, PROFILE, LATE, None),
        ("spark.dynamicAllocation.maxExecutors", PROFILE, PROFILE, LATE, None),
        ("spark.master", OURS, OURS, OURS, OURS),
        ("spark.connect.grpc.binding.port", OURS, OURS, OURS, OURS),
        ("spark.authenticate", OURS, OURS, OURS, OURS),
        ("spark.authenticate.secret", OURS, OURS, OURS, OURS),
        ("spark.kubernetes.namespace", OURS, OURS, OURS, OURS),
        ("spark.ui.port", OURS, OURS, OURS, OURS),
        ("spark.hadoop.fs.s3a.impl.disable.cache", OURS, OURS, OURS, OURS),
        ("spark.hadoop.fs.s3a.secret.key", SECRET, SECRET, SECRET, SECRET),
        ("spark.hadoop.fs.s3a.bucket.a.b.secret.key", SECRET, SECRET, SECRET, SECRET),
        ("spark.hadoop.fs.s3a.bucket.secret.key.endpoint", None, "its", "its", "its"),
        ("spark.hadoop.fs.s3a.bucket.a.impl.disable.cache", OURS, OURS, OURS, OURS),
        ("spark.hadoop.fs.azure.account.key.acme.dfs.core.windows.net", SECRET, SECRET, SECRET, SECRET),
        ("spark.hadoop.javax.jdo.option.ConnectionPassword", SECRET, SECRET, SECRET, SECRET),
        ("spark.hadoop.fs.s3a.endpoint", None, "its", "its", "its"),
        ("spark.hadoop.hive.metastore.uris", None, "its", "its", "its"),
        ("spark.sql.catalog.lake", None, "its", "its", "its"),
        ("spark.eventLog.dir", None, "its", "its", "its"),
    ],
)
def test_a_setting_is_given_by_whom_it_belongs_to(name, by_workspace, by_notebook, by_call, by_call_at_start):
    table = (
        (Layer.WORKSPACE, True, by_workspace),
        (Layer.NOTEBOOK, True, by_notebook),
        (Layer.CALL, False, by_call),
        (Layer.CALL, True, by_call_at_start),
    )
    for layer, starts_spark, expected in table:
        faults = setting_faults({name: "1"}, layer, starts_spark=starts_spark)
        wanted = of_workspace(layer) if expected == "its" else expected
        assert [(each.where, each.message[: len(wanted or "")]) for each in faults] == (
            [(name, wanted)] if wanted else []
        )


def test_every_fault_is_named():
    given = {"shuffle": 1, "spark.a b": 1, "spark.x": [1], "spark.y": "x" * 9000, 3: 3, "spark.jars": None}
    faults = setting_faults(given, Layer.CALL, starts_spark=False)
    assert [fault.where for fault in faults] == [
        "shuffle",
        "spark.a b",
        "spark.x",
        "spark.y",
        "3",
        "spark.jars",
        "spark.jars",
    ]
