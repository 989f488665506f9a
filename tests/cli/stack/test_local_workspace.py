import stat

from daybook.cli.stack.local_workspace import spark_token_file, write_workspaces
from daybook.cli.stack.ports import Ports
from daybook.workspaces import load_workspaces


def test_the_first_one_is_a_folder_as_bucket_with_the_local_spark(project):
    write_workspaces(project, Ports(spark=18002, spark_ui=18040))
    workspace = load_workspaces(project.workspaces).get(None)
    assert workspace.name == "local"
    assert workspace.bucket == (project.state / "bucket").as_uri()
    assert workspace.allowed.images == ("*",)
    assert workspace.spark.remote == "sc://127.0.0.1:18002"
    assert workspace.spark.ui == "http://127.0.0.1:18040"
    workspace.open_bucket({}).write("x", b"1")
    assert (project.state / "bucket" / "x").read_bytes() == b"1"


def test_the_token_lies_where_the_workspaces_secret_reference_leads(project):
    write_workspaces(project, Ports())
    workspace = load_workspaces(project.workspaces).get("local")
    token = workspace.spark.token
    assert spark_token_file(project) == project.pod_secrets / workspace.namespace / token.name / token.key
    assert stat.S_IMODE(spark_token_file(project).stat().st_mode) == 0o600
    value = spark_token_file(project).read_text()
    assert value == value.strip()  # a pod gets every byte of it
    assert value not in project.workspaces.read_text()


def test_other_ports_are_written_and_nothing_else_is_touched(project):
    write_workspaces(project, Ports())
    edited = project.workspaces.read_text().replace('members: ["*"]', "members: [alice]  # mine") + (
        "  - name: cluster\n    namespace: cluster\n    members: [ada]\n    bucket: s3://b/p\n    spark: {remote: 'sc://spark.example:15002'}\n"
    )
    project.workspaces.write_text(edited)
    write_workspaces(project, Ports(spark=19002, spark_ui=19040))
    assert project.workspaces.read_text() == edited.replace("127.0.0.1:15002", "127.0.0.1:19002").replace(
        "127.0.0.1:4040", "127.0.0.1:19040"
    )
    found = load_workspaces(project.workspaces)
    assert found.get("local").spark.remote == "sc://127.0.0.1:19002"
    assert found.get("cluster").spark.remote == "sc://spark.example:15002"


def test_a_file_without_our_spark_stays_as_it_is(project):
    project.workspaces.write_text("workspaces: [{name: mine, members: ['*'], bucket: s3://b/p}]\n")
    write_workspaces(project, Ports(spark=19002))
    assert project.workspaces.read_text() == "workspaces: [{name: mine, members: ['*'], bucket: s3://b/p}]\n"
