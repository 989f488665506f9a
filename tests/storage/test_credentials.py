"""Credentials from a renewed file and from web identity; what STS refuses; buckets that are elsewhere."""

import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from daybook.contract.errors import StoreFailed
from daybook.storage import StoreRefused, network, open_store
from daybook.storage.credentials import CredentialsFile, WebIdentity, provider_of, sts_endpoint

ROLE = "arn:aws:iam::123456789012:role/team-a"
SECRET = "a-secret-access-key"


class Answering:
    """A server that gives one answer to everything, as AWS does where moto has none of its own."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, "", {}
        self.asked: list[tuple[str, str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                outer.asked.append((self.command, self.path, sent))
                body = b"" if self.command == "HEAD" else outer.body.encode()
                self.send_response(outer.status)
                for name, value in {**outer.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_HEAD = _answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def refuses(self, status: int, code: str, message: str, more: str = "", **headers: str) -> None:
        self.status, self.headers = status, headers
        self.body = (
            f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error></ErrorResponse>"
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Answering]:
    running = Answering()
    yield running
    running.close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("the.pods.token\n")
    return path


def handed_over(path: Path, minutes: float = 60, secret: str = SECRET) -> Path:
    expires = (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()
    content = {"Version": 1, "AccessKeyId": "k", "SecretAccessKey": secret, "SessionToken": "t", "Expiration": expires}
    path.write_text(json.dumps(content))
    return path


def web_identity(server: Answering, token: Path) -> dict[str, str]:
    return {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_SESSION_NAME": "daybook-x-1",
        "AWS_ENDPOINT_URL_STS": server.url,
        "AWS_REGION": "us-east-1",
    }


def test_a_bucket_is_opened_with_the_credentials_of_the_file(s3_environment, tmp_path):
    environment = {name: s3_environment[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION")}
    environment["DAYBOOK_CREDENTIALS_FILE"] = str(handed_over(tmp_path / "c"))
    store = open_store("s3://runs/handed-over", environment)
    store.write("k", b"x")
    assert store.read("k") == b"x"


def test_the_file_is_read_anew_once_what_it_held_is_about_to_expire(tmp_path):
    provider = CredentialsFile(handed_over(tmp_path / "c"))
    assert provider()["secret_access_key"] == SECRET
    handed_over(tmp_path / "c", secret="renewed")
    assert provider()["secret_access_key"] == "renewed"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, r"holds no credentials \(FileNotFoundError\)"),
        (SECRET, r"holds no credentials \(JSONDecodeError\)"),
        ("[]", r"holds no credentials \(TypeError\)"),
        ("expired", "expired at .*Airflow has not renewed them"),
    ],
)
def test_a_file_without_credentials_is_told_without_its_content_and_may_be_tried_again(tmp_path, content, told):
    file = tmp_path / "c"
    if content == "expired":
        handed_over(file, minutes=-1)
    elif content is not None:
        file.write_text(content)
    environment = {"DAYBOOK_CREDENTIALS_FILE": str(file), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.raises(StoreFailed, match=told) as failed:
        open_store("s3://runs", environment).read("k")
    assert failed.value.retry_helps
    assert SECRET not in str(failed.value)
    assert SECRET not in repr(failed.value.__cause__)


def test_web_identity_makes_a_session_of_the_role(s3_environment, server, token):
    server.body = (
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>k</AccessKeyId>"
        "<SecretAccessKey>a&amp;b</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2100-01-01T00:00:00Z"
        "</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
    provider = provider_of(web_identity(server, token))
    assert provider is not None
    found = provider()
    assert (found["secret_access_key"], found["expires_at"]) == ("a&b", datetime(2100, 1, 1, tzinfo=UTC))
    (asked,) = server.asked
    assert parse_qs(asked[2]) == {
        "Action": ["AssumeRoleWithWebIdentity"],
        "Version": ["2011-06-15"],
        "RoleArn": [ROLE],
        "RoleSessionName": ["daybook-x-1"],
        "WebIdentityToken": ["the.pods.token"],
    }


def test_a_bucket_is_opened_by_web_identity(s3_environment, token):
    endpoint = {name: s3_environment[name] for name in ("AWS_ENDPOINT_URL", "AWS_REGION")}
    given = {**endpoint, "AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    store = open_store("s3://runs/web-identity", given)
    store.write("k", b"x")
    assert store.read("k") == b"x"


@pytest.mark.parametrize(
    ("status", "code", "message", "told", "again"),
    [
        (400, "InvalidIdentityToken", "Incorrect token audience", "compare the workspace's `audience`", False),
        (403, "AccessDenied", "Not authorized", "must name the workspace's service account", False),
        (400, "ExpiredTokenException", "Token expired: current date", "the pod's token has expired", True),
        (503, "ServiceUnavailable", "Slow down", "ServiceUnavailable: Slow down", True),
    ],
)
def test_what_sts_refuses_is_told_with_what_to_do(server, token, status, code, message, told, again):
    server.refuses(status, code, message)
    environment = {**web_identity(server, token), "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    with pytest.raises(StoreFailed) as failed:
        open_store("s3://runs", environment).read("k")
    text = str(failed.value)
    assert f"STS does not let the pod be {ROLE} ({code}: {message})" in text
    assert told in text
    assert "\n" not in text
    assert "the.pods.token" not in text
    assert failed.value.retry_helps is again


def test_a_server_that_is_away_and_a_token_that_is_missing_are_told(token, unused_port, tmp_path):
    away = {"AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{unused_port}", "AWS_ROLE_ARN": ROLE}
    with pytest.raises(StoreFailed, match=r"STS at http://127\.0\.0\.1:\d+ does not answer"):
        open_store("s3://runs", {**away, "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}).read("k")
    with pytest.raises(StoreFailed, match="cannot read the pod's token"):
        open_store("s3://runs", {**away, "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "none")}).read("k")


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({}, type(None)),
        ({"AWS_ROLE_ARN": ROLE}, type(None)),
        ({"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/t"}, WebIdentity),
        ({"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": "/t", "AWS_ACCESS_KEY_ID": "k"}, type(None)),
        ({"DAYBOOK_CREDENTIALS_FILE": "/c", "AWS_ACCESS_KEY_ID": "k"}, CredentialsFile),
    ],
)
def test_variables_say_where_credentials_come_from(environment, kind):
    assert type(provider_of(environment)) is kind


@pytest.mark.parametrize(
    ("role", "environment", "endpoint"),
    [
        (ROLE, {}, "https://sts.amazonaws.com"),
        (ROLE, {"AWS_REGION": "eu-west-1"}, "https://sts.eu-west-1.amazonaws.com"),
        ("arn:aws-cn:iam::1:role/x", {"AWS_REGION": "cn-north-1"}, "https://sts.cn-north-1.amazonaws.com.cn"),
        (ROLE, {"AWS_ENDPOINT_URL": "http://minio:9000"}, "http://minio:9000"),
        (ROLE, {"AWS_ENDPOINT_URL": "http://minio:9000", "AWS_ENDPOINT_URL_STS": "http://sts"}, "http://sts"),
    ],
)
def test_sts_is_where_the_variables_say_or_awss_own(role, environment, endpoint):
    assert sts_endpoint(role, environment) == endpoint


def test_a_bucket_of_another_region_is_told_with_its_region(server):
    environment = {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": server.url}
    told = "the bucket is in region eu-west-1; set the workspace's store.region to it"
    server.refuses(400, "AuthorizationHeaderMalformed", "wrong", "<Region>eu-west-1</Region>")
    with pytest.raises(StoreRefused, match=told):
        open_store("s3://runs", environment).read("k")
    # A redirect tells it in a header, of which obstore keeps nothing.
    server.refuses(301, "PermanentRedirect", "elsewhere", **{"x-amz-bucket-region": "eu-west-1"})
    with pytest.raises(StoreRefused, match=told):
        open_store("s3://runs", environment).write("k", b"x")
    server.refuses(301, "PermanentRedirect", "elsewhere")
    with pytest.raises(StoreRefused, match=r"the bucket is in another region; correct the workspace's store\.region"):
        open_store("s3://runs", environment).read("k")


@pytest.mark.parametrize(
    ("environment", "style", "endpoint"),
    [
        ({}, None, None),
        ({"AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true"}, "true", None),
        ({"AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false", "AWS_ENDPOINT_URL": "http://m:9"}, "false", "http://m:9"),
        ({"AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true", "AWS_ENDPOINT_URL": "http://m:9"}, "true", "http://runs.m:9"),
    ],
)
def test_the_bucket_stands_in_path_or_host_as_asked(environment, style, endpoint):
    found = network.options("s3://runs/x", environment)
    assert (found.get("virtual_hosted_style_request"), found.get("endpoint")) == (style, endpoint)
