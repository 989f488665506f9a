from __future__ import annotations

import json
from pathlib import Path

import pytest

from daybook.runner.known_secrets import MAX_FILE_BYTES, secrets_of


def values(environment: dict[str, str]) -> set[str]:
    return {secret.value for secret in secrets_of(environment)}


@pytest.mark.parametrize(
    "name",
    [
        "DAYBOOK_SECRET_anything",
        "SPARK_CONNECT_AUTHENTICATE_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AZURE_STORAGE_KEY",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "AZURE_STORAGE_ACCESS_KEY",
        "AZURE_STORAGE_SAS_TOKEN",
        "AZURE_CLIENT_SECRET",
        "GOOGLE_SERVICE_ACCOUNT_KEY",
        "DATABRICKS_TOKEN",
        "DATABRICKS_CLIENT_SECRET",
        "GITHUB_TOKEN",
        "OPENAI_API_KEY",
        "openweather_apikey",
        "PGPASSWORD",
        "MYSQL_PWD",
        "SSH_PRIVATE_KEY",
        "REGISTRY_PASSWORD_2",
        "APP_CREDENTIALS",
        "AZURE_DEVOPS_EXT_PAT",
        "PAT",
        "SERVICE_JWT",
        "NPM_AUTH",
        "AUTHORIZATION",
        "SESSION_COOKIE",
        "SLACK_WEBHOOK_URL",
        "DEPLOY_SSH_KEY",
        "JWT_2",
    ],
)
def test_variables_that_hold_credentials_are_known_by_their_names(name: str) -> None:
    assert values({name: " v3ry-s3cret\n"}) == {"v3ry-s3cret"}


@pytest.mark.parametrize(
    "name",
    [
        "AWS_ACCESS_KEY_ID",
        "TOKENIZERS_PARALLELISM",
        "PWD",
        "OLDPWD",
        "SECRET_NAME",
        "TOKEN_URL",
        "MAX_TOKENS",
        "HOME",
        "PATH",
        "SPAT",
        "GIT_AUTHOR",
        "SSH_AUTH_SOCK",
        "BASE_URL",
    ],
)
def test_other_variables_are_no_secrets(name: str) -> None:
    assert values({name: "/a/value-of-some-length"}) == set()


def test_the_header_of_a_credential_hides_what_follows_its_scheme() -> None:
    assert "abc.def-0123456789" in values({"HTTP_AUTHORIZATION": "Bearer abc.def-0123456789"})


def test_a_secret_never_shows_its_value() -> None:
    (secret,) = secrets_of({"API_TOKEN": "v3ry-s3cret"})

    assert "s3cret" not in repr(secret)
    assert "s3cret" not in str(secret)


@pytest.mark.parametrize(
    ("name", "value", "kept_out"),
    [
        ("DAYBOOK_SECRET_pin", "1234", True),
        ("DAYBOOK_SECRET_pin", "123", False),
        ("API_TOKEN", "12345678", True),
        ("API_TOKEN", "1234567", False),
    ],
)
def test_values_are_told_from_innocent_text_by_their_length(name: str, value: str, kept_out: bool) -> None:
    assert [(secret.name, secret.can_be_kept_out) for secret in secrets_of({name: value})] == [(name, kept_out)]


def test_a_value_that_is_a_secret_input_too_counts_as_one() -> None:
    both = {"API_TOKEN": "12345", "DAYBOOK_SECRET_x": "12345"}

    assert [(secret.name, secret.can_be_kept_out) for secret in secrets_of(both)] == [("DAYBOOK_SECRET_x", True)]


@pytest.mark.parametrize("value", ["", "  \n"])
def test_an_empty_variable_is_no_secret(value: str) -> None:
    assert secrets_of({"API_TOKEN": value, "DAYBOOK_SECRET_x": value}) == ()


@pytest.mark.parametrize(
    ("value", "secrets"),
    [
        ("postgres://user:p%40ssw0rd@host/db", {"p%40ssw0rd", "p@ssw0rd"}),
        ("sc://host:15002/;use_ssl=true;token=abc-def-ghi;user_id=me", {"abc-def-ghi"}),
        ("https://host/path?sv=2024&sig=a%2Bb%2Fc%3D&x=1", {"a%2Bb%2Fc%3D", "a+b/c="}),
        ("AccountName=me;AccountKey=c2VjcmV0LWtleQ==;EndpointSuffix=x", {"c2VjcmV0LWtleQ=="}),
        ("-Xmx1g -Dspark.authenticate.secret=0123456789 -Da=b", {"0123456789"}),
        ("--conf spark.hadoop.fs.s3a.secret.key=0123456789", {"0123456789"}),
        ('{"host": "h", "password": "0123456789", "extra": [{"api_key": "abcdefghij"}]}', {"0123456789", "abcdefghij"}),
        ("https://ghp_0123456789abcdef@host/x.git", {"ghp_0123456789abcdef"}),
        ("git+https://ghp_0123456789abcd%2F@host", {"ghp_0123456789abcd%2F", "ghp_0123456789abcd/"}),
        ("Authorization=Bearer abc.def-0123", {"abc.def-0123"}),
        ("x=1,authorization=Bearer%20abc.def-0123,y=2", {"abc.def-0123"}),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", {"dXNlcjpwYXNzd29yZA=="}),
        ('curl -H "Bearer 0123456789abcdef"', {"0123456789abcdef"}),
        ("https://user@host/path", set()),
        ("abfss://a-container-of-some-length@account.dfs.example", set()),
        ("the bearer of this", set()),
        ("http://proxy:3128", set()),
        ("user@host", set()),
        ("{not JSON", set()),
    ],
)
def test_credentials_are_found_within_other_values(value: str, secrets: set[str]) -> None:
    assert values({"SOME_SETTING": value}) == secrets


def test_parameters_are_no_secrets() -> None:
    assert values({"DAYBOOK_REQUEST": '{"parameters": {"url": "http://u:0123456789@h?token=abcdefghi"}}'}) == set()


def test_the_file_that_a_variable_points_to_is_read(tmp_path: Path) -> None:
    token, key, settings = tmp_path / "token", tmp_path / "key.json", tmp_path / "credentials"
    token.write_text("eyJhbGciOi\n")
    document = {"type": "service_account", "private_key": "-----BEGIN\nabc\n-----END\n"}
    key.write_text(json.dumps(document))
    settings.write_text("[default]\naws_access_key_id = AKIA0123\naws_secret_access_key = wJalrXUtnFEMI\n")

    assert values({"AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}) == {"eyJhbGciOi"}
    assert values({"GOOGLE_APPLICATION_CREDENTIALS": str(key)}) == {
        json.dumps(document),
        document["private_key"].strip(),
    }
    assert "wJalrXUtnFEMI" in values({"AWS_SHARED_CREDENTIALS_FILE": str(settings)})


def test_a_path_is_no_secret_even_where_there_is_nothing_to_read(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"x" * (MAX_FILE_BYTES + 1))
    paths = {
        "A_TOKEN": str(tmp_path),
        "B_TOKEN_FILE": str(tmp_path / "missing"),
        "C_TOKEN_PATH": str(large),
        "D_TOKEN": str(large),
        "E_TOKEN_FILE": "a\0b",
    }

    assert values(paths) == set()


def test_a_value_that_looks_like_a_path_and_is_none_is_a_secret() -> None:
    assert values({"AWS_SECRET_ACCESS_KEY": "/wJalrXUtnFEMI/K7MDENG"}) == {"/wJalrXUtnFEMI/K7MDENG"}


def test_a_secret_input_is_one_whatever_it_looks_like(tmp_path: Path) -> None:
    assert values({"DAYBOOK_SECRET_where": str(tmp_path)}) == {str(tmp_path)}
