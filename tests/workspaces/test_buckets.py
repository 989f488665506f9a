"""Where buckets lie: what a URL must not say, and that no workspace lies within another."""

import pytest

from builders import a_workspace
from daybook.workspaces import Workspaces


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://b/x", "scheme must be one of"),
        ("S3+x://b", "scheme must be one of"),
        ("s3:///x", "names no bucket"),
        ("s3://b/../c", "must not hold `..`"),
        ("s3://b/%2e%2E/c", "must not hold `..`"),
        ("s3://b/..", "must not hold `..`"),
        ("/data/../etc", "must not hold `..`"),
        ("file:///data/a\\..\\b", "must not hold `..`"),
        ("s3://key:secret@b/x", "must hold no credentials"),
        ("s3://key@b/x", "must hold no credentials"),
        ("s3://b/x?region=eu", "without a query or fragment"),
        ("s3://b/x#y", "without a query or fragment"),
        ("s3://b/x y", "must not hold blanks"),
        *((url, "scheme must be one of") for url in ("S3://b", " s3://b", "FILE:///data", "azure://c", "adl://c")),
        *((url, "scheme must be one of") for url in ("wasbs://c@a.blob.core.windows.net", "gcs://b", "https://b.s3.x")),
        *((url, "is not the name of a bucket") for url in ("s3://b:443/x", "s3://%62/x", "s3://b./x", "gs://b:9/x")),
        *((url, "is not the name of a bucket") for url in ("az://a.blob.core.windows.net/c", "abfs://c:443/x")),
        ("abfss://c@a.example/x", "must be abfss://container@account.dfs.core.windows.net/prefix"),
        ("abfss://c@a.dfs.core.windows.net:443/x", "must be abfss://container@account"),
        ("s3://b\n/x", "must not hold blanks"),
    ],
)
def test_a_url_that_is_no_place_is_refused(url, message):
    with pytest.raises(ValueError, match=message):
        a_workspace(bucket=url)


@pytest.mark.parametrize(
    "url",
    [
        "s3://b",
        "s3a://b/x",
        "gs://b/x/",
        "abfss://c@account.dfs.core.windows.net/x",
        "az://$web",
        "/data/my runs",
        "file:///d",
        "runs",
    ],
)
def test_a_bucket_a_prefix_or_a_folder_will_do(url):
    assert a_workspace(bucket=url).bucket == url


@pytest.mark.parametrize(
    ("one", "other", "how"),
    [
        ("s3://b/x", "s3://b/x", "is that of workspace 'one' too"),
        ("s3://b/x", "s3://b/x/", "too"),
        ("s3://b/x", "s3a://b//x/./", "too"),
        ("s3://b/x", "s3://b/%78", "too"),
        ("s3://b/x", "s3://b/x/y", "lies within"),
        ("s3://b/x/y", "s3://b", "holds"),
        ("s3://b/x", "s3://B/x", "too"),
        ("s3://b/x/y", "s3a://b/x%2Fy", "too"),
        ("az://b/x", "abfs://b/x", "too"),
        ("az://b/x", "abfss://b@account.dfs.core.windows.net/x", "too"),
        ("abfs://b@account.blob.core.windows.net", "abfss://B@Account.dfs.core.windows.net/x", "lies within"),
        ("/data/x", "file:///data/x/", "too"),
        ("/data", "file:///data/x%20y", "lies within"),
        ("file://localhost/data", "/data", "too"),
    ],
)
def test_no_workspace_lies_within_another(one, other, how):
    with pytest.raises(ValueError, match=how):
        Workspaces(workspaces=(a_workspace(name="one", bucket=one), a_workspace(name="two", bucket=other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("s3://b/x", "s3://b/xy"),
        ("s3://b/x", "s3://c/x"),
        ("s3://b/x", "gs://b/x"),
        ("abfss://b@one.dfs.core.windows.net", "abfss://b@two.dfs.core.windows.net"),
        ("/data/a", "/data/A"),
        ("s3://b/a", "s3://b/A"),
        ("memory:///", "memory:///"),
    ],
)
def test_neighbours_are_apart(one, other):
    Workspaces(workspaces=(a_workspace(name="one", bucket=one), a_workspace(name="two", bucket=other)))


def test_buckets_of_one_name_on_two_servers_are_two():
    store = {"endpoint": "https://minio.two"}
    two = a_workspace(name="two", bucket="s3://b", store=store)
    Workspaces(workspaces=(a_workspace(name="one", bucket="s3://b"), two))
    with pytest.raises(ValueError, match="lies within"):
        Workspaces(workspaces=(two, a_workspace(name="one", bucket="s3://b/x", store=store)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"store": {"endpoint": "http://minio"}}, {"store": {"endpoint": "http://MinIO:80/"}}),
        ({"store": {"endpoint": "http://minio"}}, {"environment": {"AWS_ENDPOINT_URL": "http://minio"}}),
        ({"store": {"endpoint": "http://minio"}}, {"environment": {"AWS_ENDPOINT_URL_S3": "http://minio"}}),
        ({}, {"store": {"endpoint": "https://s3.eu-central-1.amazonaws.com"}}),
    ],
)
def test_one_server_is_known_however_it_is_written(one, other):
    pair = (a_workspace(name="one", bucket="s3://b/x", **one), a_workspace(name="two", bucket="s3://b/x", **other))
    with pytest.raises(ValueError, match="is that of workspace 'one' too"):
        Workspaces(workspaces=pair)


def test_an_endpoint_is_an_s3_servers_and_moves_no_bucket_of_another_kind():
    minio = {"endpoint": "https://minio"}
    for url in ("gs://b", "az://b"):
        pair = (a_workspace(name="one", bucket=url), a_workspace(name="two", bucket=url, store=minio))
        with pytest.raises(ValueError, match="is that of workspace 'one' too"):
            Workspaces(workspaces=pair)


def test_googles_buckets_are_known_behind_their_s3_endpoint():
    google = {"endpoint": "https://storage.googleapis.com"}
    pair = (a_workspace(name="one", bucket="gs://b"), a_workspace(name="two", bucket="s3://b/x", store=google))
    with pytest.raises(ValueError, match="lies within that of workspace 'one'"):
        Workspaces(workspaces=pair)
