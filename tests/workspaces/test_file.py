"""The file that lists workspaces: a good one is read, a bad one is refused with everything that is wrong in it."""

from textwrap import dedent

import pytest

from builders import a_workspace
from daybook.contract.errors import InvalidRequest, InvalidSettings
from daybook.storage import open_store
from daybook.workspaces import SecretReference, SparkSettings, Workspace, Workspaces, load_workspaces
from daybook.workspaces.workspace import DEFAULT_IMAGE

GOOD = """
workspaces:
  - name: research
    bucket: s3://acme-research/runs
    members: [alice, bob@example.org]
    namespace: research
    service_account: notebooks
    image: registry.example/daybook/notebook:1
    cpu: 2
    memory: 4Gi
    secret: research-secrets
    credentials: {kind: secret, name: research-s3}
    environment: {AWS_REGION: eu-central-1, AWS_ENDPOINT_URL: "https://s3.example"}
    spark:
      remote: sc://spark.research:15002
      ui: https://spark.example
      token: {name: spark-connect, key: token}
  - name: zurich
    bucket: file:///data
    members: {groups: [geo]}
"""


@pytest.fixture
def write(tmp_path):
    """Writes the file of workspaces, and gives its path."""

    def write(content):
        path = tmp_path / "workspaces.yaml"
        path.write_bytes(content if isinstance(content, bytes) else dedent(content).encode())
        return path

    return write


def faults_of(path):
    with pytest.raises(InvalidSettings) as caught:
        load_workspaces(path)
    return [str(fault).replace(str(path), "FILE") for fault in caught.value.faults]


def test_a_good_file_is_read(write):
    found = load_workspaces(write(GOOD))
    assert [workspace.name for workspace in found] == ["research", "zurich"]
    assert found.get("research") == Workspace(
        name="research",
        bucket="s3://acme-research/runs",
        members=("alice", "bob@example.org"),
        namespace="research",
        service_account="notebooks",
        image="registry.example/daybook/notebook:1",
        cpu="2",
        memory="4Gi",
        secret="research-secrets",
        credentials={"kind": "secret", "name": "research-s3"},
        environment={"AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL": "https://s3.example"},
        spark=SparkSettings(
            remote="sc://spark.research:15002",
            ui="https://spark.example",
            token=SecretReference(name="spark-connect", key="token"),
        ),
    )


def test_little_is_needed_and_the_rest_has_defaults(write):
    (found,) = load_workspaces(write("workspaces: [{name: local, bucket: /data, members: [bob]}]"))
    assert (found.members.users, found.namespace, found.image) == (("bob",), "default", DEFAULT_IMAGE)
    assert (found.cpu, found.memory, found.secret, found.spark) == ("1", "2Gi", "daybook-secrets", None)


def test_a_byte_order_mark_is_no_fault(write):
    assert (
        load_workspaces(write(b"\xef\xbb\xbfworkspaces: [{name: local, bucket: /data, members: [bob]}]")).get(None).name
        == "local"
    )


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("", ["FILE: must hold `workspaces:` with a list of workspaces below it"]),
        ("\n- name: local", ["FILE, line 2: must hold `workspaces:` with a list of workspaces below it"]),
        ("workspaces: []", ["FILE, line 1: workspaces: there must be at least one"]),
        ("workspaces:\n- name: a\n  bucket: [", ["FILE, line 3: expected the node content, but found '<stream end>'"]),
        ("workspaces:\n- name: a\n\tbucket: x", ["FILE, line 3: found character '\\t' that cannot start any token"]),
        ("workspaces:\n- name: a\n  bucket: x\n  name: b", ["FILE, line 4: 'name' stands there twice"]),
        ("a: *b", ["FILE, line 1: found undefined alias 'b'"]),
        ("a: !!python/name:os.system x", ["FILE, line 1: could not determine a constructor for the tag"]),
        ("a: \x00", ["FILE: special characters are not allowed"]),
        (b"\xff\xfea", ["FILE: is not UTF-8 text"]),
        (
            "workspaces: [{name: a, bucket: x, members: []}, {name: a, bucket: y, members: []}]",
            ["workspaces: each name may stand once only: a"],
        ),
        ("workspaces: [nonsense]", ["FILE, line 1: workspaces.0: Input should be a valid dictionary"]),
        ("workspaces:\n- bucket: x\n  members: []", ["FILE, line 2: workspaces.0.name: Field required"]),
        ("workspaces: [{name: a, members: []}]", ["line 1: workspaces.0.bucket (workspace 'a'): Field required"]),
        ("workspaces: [{name: a, bucket: x}]", ["line 1: workspaces.0.members (workspace 'a'): Field required"]),
        (
            "workspaces:\n- name: a\n  members: []\n  bucket: ''",
            ["FILE, line 4: workspaces.0.bucket (workspace 'a'): String should have at least 1"],
        ),
        (
            "workspaces:\n- {name: a, members: [],\n   bucket: x, buket: y}",
            ["FILE, line 3: workspaces.0.buket (workspace 'a'): Extra inputs are not"],
        ),
        ("workspaces: [{name: a, bucket: x, members: bob}]", ["workspaces.0.members (workspace 'a'): Input should be"]),
        (
            "workspaces: [{name: a, bucket: x, members: []}]\nother: 1",
            ["FILE, line 2: other: Extra inputs are not permitted"],
        ),
        (
            "workspaces:\n- {name: a, bucket: s3://x, members: []}\n- {name: b, bucket: s3://x/y, members: []}",
            ["FILE, line 3: workspaces.1.bucket (workspace 'b'): lies within that of workspace 'a'"],
        ),
        *(
            (
                f"workspaces:\n- {{name: a, bucket: x, members: [],\n   {field}: {amount}}}",
                [f"FILE, line 3: workspaces.0.{field} (workspace 'a'): {said}"],
            )
            for field, amount, said in (
                ("memory", "0", "'0' must be more than nothing"),
                ("cpu", "0.0", "'0.0' must be more than nothing"),
                ("ephemeral_storage", "0Gi", "'0Gi' must be more than nothing"),
                ("memory", "-1", "'-1' is not a quantity"),
            )
        ),
        (
            "workspaces:\n- {name: a, bucket: x, members: [], maximum: {\n   cpu: 0}}",
            ["FILE, line 3: workspaces.0.maximum.cpu (workspace 'a'): '0' must be more than nothing"],
        ),
        ("workspaces: &all [*all]", ["FILE, line 1: workspaces.0: Input should be a valid dictionary"]),
    ],
)
def test_a_bad_file_is_refused_with_its_place(write, content, faults):
    found = faults_of(write(content))
    assert len(found) == len(faults)
    assert all(expected in fault for expected, fault in zip(faults, found, strict=True)), found
    assert all("\n" not in fault for fault in found)


def test_every_fault_is_named_at_once(write):
    found = faults_of(
        write("""
        workspaces:
          - {name: A_b, bucket: x, members: [], cpu: 2GB}
          - {name: fine, bucket: x, members: [], buket: y}
          - {bucket: x, members: [], environment: {DAYBOOK_REQUEST: x}}
        """)
    )
    assert [fault.split(": ")[1] for fault in found] == [
        "workspaces.0.name (workspace 'A_b')",
        "workspaces.0.cpu (workspace 'A_b')",
        "workspaces.1.buket (workspace 'fine')",
        "workspaces.2.name",
        "workspaces.2.environment.DAYBOOK_REQUEST",
    ]


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    assert faults_of(tmp_path / "none.yaml") == ["FILE: No such file or directory"]
    assert faults_of(tmp_path) == ["FILE: Is a directory"]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        *(
            ("name", name, "is not a name of")
            for name in ("", "A", "a_b", "-a", "a-", "a.b", "ü", "..", "a" * 64, "a\n")
        ),
        ("namespace", "a.b", "is not a name of"),
        ("service_account", "A", "is not a name of"),
        ("secret", "a b", "is not a name of"),
        ("credentials", {"kind": "secret", "name": "x" * 254}, "is not a name of"),
        ("cpu", "-1", "is not a quantity"),
        ("cpu", True, "valid string"),
        ("memory", "2GB", "is not a quantity"),
        ("environment", {"A-B": "x"}, "is not the name of an environment variable"),
        ("environment", {"A": True}, "valid string"),
        ("environment", {"SPARK_REMOTE": "x"}, "Daybook itself sets"),
        *(
            ("environment", {name: "x"}, "no place for a secret")
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY")
        ),
        ("store", {"endpoint": "http://key:secret@minio:9000"}, "no place for a secret"),
        ("store", {"sts_endpoint": "http://key@minio:9000"}, "no place for a secret"),
        ("spark", {"remote": "http://x"}, "is not an address as pyspark takes it"),
        ("spark", {"remote": "sc://x:1/;token=abc"}, "no place for a secret"),
        ("spark", {"remote": "sc://x", "ui": "javascript:alert(1)"}, "is not the URL of a page"),
        ("spark", {"remote": "sc://x", "token": {"name": "x", "key": "a/b"}}, "is not a key of"),
        ("spark", {"remote": "sc://x", "token": "abc"}, "valid dictionary"),
    ],
)
def test_a_field_that_cannot_be_is_refused(field, value, message):
    with pytest.raises(ValueError, match=message):
        a_workspace(**{"name": "a", field: value})


def test_a_variable_may_name_the_file_that_holds_a_credential():
    given = {"GOOGLE_APPLICATION_CREDENTIALS": "/keys/one.json", "AWS_SHARED_CREDENTIALS_FILE": "/keys/aws"}
    assert a_workspace(name="a", environment=given).environment == given


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a" * 63])
def test_names_may_be_dns_labels(name):
    assert a_workspace(name=name).name == name


def workspaces(*names):
    return Workspaces(workspaces=tuple(a_workspace(name=name) for name in names))


def test_the_first_workspace_is_the_default():
    assert workspaces("b", "a").get(None).name == "b"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("reserch", "did you mean 'research'?"),
        ("qqq", "there are: research, local"),
        ("", "there are: research, local"),
    ],
)
def test_an_unknown_workspace_is_the_users_fault_and_gets_a_hint(name, hint):
    with pytest.raises(InvalidRequest) as caught:
        workspaces("research", "local").get(name)
    assert str(caught.value) == f"unknown workspace: workspace: there is no workspace {name!r}; {hint}"


def test_a_workspaces_own_environment_counts_before_the_callers():
    own = a_workspace(name="a", bucket="s3://b", environment={"AWS_REGION": "own"})
    store = own.open_bucket({"AWS_REGION": "callers", "AWS_ENDPOINT_URL": "https://callers"})
    assert store._backend.config["region"] == "own"
    assert store._backend.config["endpoint"] == "https://callers"


def test_a_bucket_is_opened_where_the_workspace_says(tmp_path):
    a_workspace(name="a", bucket=str(tmp_path / "b")).open_bucket({}).write("k", b"x")
    assert open_store(str(tmp_path / "b")).read("k") == b"x"
