"""Spark's settings for a bucket in S3, by Hadoop's S3A. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from daybook.contract.spark_server import SparkBucket, SparkCredentials
from daybook.contract.variables import CREDENTIALS_FILE_VARIABLE
from daybook.storage.network import VIRTUAL_HOST_VARIABLE

S3_SCHEMES = frozenset({"s3", "s3a"})
CLOUD_JAR = "spark-hadoop-cloud"
"""Holds the classes by which Spark's own writers use S3A's committers."""
_HADOOP = "spark.hadoop.fs."
_FILE_SYSTEM = "org.apache.hadoop.fs.s3a.S3AFileSystem"
_NO_REGION = "us-east-1"
"""What servers that are not AWS answer to; without a region S3A asks one of AWS's machines."""

PROVIDERS: Mapping[SparkCredentials, str] = {
    SparkCredentials.NONE: "org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider",
    # Classes of AWS's own SDK, which S3A makes by their `create()`; the last two look again before what they have ends.
    SparkCredentials.ENVIRONMENT: "software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider",
    SparkCredentials.WEB_IDENTITY: "software.amazon.awssdk.auth.credentials.WebIdentityTokenFileCredentialsProvider",
    SparkCredentials.PROFILE: "software.amazon.awssdk.auth.credentials.ProfileCredentialsProvider",
}


def is_s3(url: str) -> bool:
    """Whether a bucket is reached by S3A."""
    return urlsplit(url).scheme in S3_SCHEMES


def s3a_url(url: str) -> str:
    """A bucket's address as S3A takes it."""
    return f"s3a://{url.split('://', 1)[1]}" if is_s3(url) else url


def s3a_settings(bucket: SparkBucket, jars: Collection[str] = ()) -> dict[str, str]:
    """The settings for a bucket; none where it is not in S3.

    Args:
        bucket: where it is, and which kind of credentials it is reached with.
        jars: of the Spark, by file name.
    """
    if not is_s3(bucket.url):
        return {}
    path_style = bucket.endpoint is not None if bucket.path_style is None else bucket.path_style
    region = bucket.region or (_NO_REGION if bucket.endpoint else None)
    found = {
        # Daybook writes s3://, which Hadoop has no file system of its own for.
        f"{_HADOOP}s3.impl": _FILE_SYSTEM,
        # The cache is by bucket and user of the process: credentials that were renewed or are another's would be mixed.
        f"{_HADOOP}s3a.impl.disable.cache": "true",
        f"{_HADOOP}s3.impl.disable.cache": "true",
        f"{_HADOOP}s3a.aws.credentials.provider": PROVIDERS[bucket.credentials],
        f"{_HADOOP}s3a.path.style.access": str(path_style).lower(),
    }
    if bucket.endpoint:
        found[f"{_HADOOP}s3a.endpoint"] = bucket.endpoint
        found[f"{_HADOOP}s3a.connection.ssl.enabled"] = str(urlsplit(bucket.endpoint).scheme != "http").lower()
    if region:
        found[f"{_HADOOP}s3a.endpoint.region"] = region
    return {**found, **_committers(jars)}


def bucket_of(environment: Mapping[str, str], url: str = "s3a://") -> SparkBucket:
    """The bucket as a pod's variables tell of it: its server, and the kind of its credentials.

    Args:
        environment: the pod's.
        url: of the bucket, where it is known.
    """
    style = environment.get(VIRTUAL_HOST_VARIABLE, "").lower()
    return SparkBucket(
        url=url,
        endpoint=environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or None,
        region=environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or None,
        path_style={"true": False, "false": True}.get(style),
        credentials=_kind_of(environment),
    )


def _kind_of(environment: Mapping[str, str]) -> SparkCredentials:
    if environment.get(CREDENTIALS_FILE_VARIABLE) or environment.get("AWS_PROFILE"):
        return SparkCredentials.PROFILE
    if environment.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return SparkCredentials.WEB_IDENTITY
    if environment.get("AWS_ACCESS_KEY_ID"):
        return SparkCredentials.ENVIRONMENT
    return SparkCredentials.NONE


def _committers(jars: Collection[str]) -> dict[str, str]:
    """S3A's magic committer: S3 has no rename, so Spark's usual way of committing copies all files, and not at once."""
    if not any(jar.startswith(CLOUD_JAR) for jar in jars):
        return {}
    return {
        f"{_HADOOP}s3a.committer.name": "magic",
        "spark.hadoop.mapreduce.outputcommitter.factory.scheme.s3a": (
            "org.apache.hadoop.fs.s3a.commit.S3ACommitterFactory"
        ),
        "spark.sql.sources.commitProtocolClass": "org.apache.spark.internal.io.cloud.PathOutputCommitProtocol",
        "spark.sql.parquet.output.committer.class": "org.apache.spark.internal.io.cloud.BindingParquetOutputCommitter",
    }
