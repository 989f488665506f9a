"""What an operator may choose about the pages, and what is refused with its reason."""

import pytest

from daybook.contract.errors import InvalidSettings
from daybook.on_airflow.web_settings import web_settings
from daybook.web.settings import OidcSettings, WebSettings

OIDC = {"DAYBOOK_OIDC_ISSUER": "https://id.example/realms/eo", "DAYBOOK_OIDC_AUDIENCE": "daybook"}


def test_nothing_chosen_is_the_default():
    assert web_settings({"HOME": "/root"}, "/notebooks") == WebSettings()


def test_the_defaults_are_these():
    """A change here is a change of docs/operating.md and docs/security.md."""
    assert OidcSettings("i", "a") == OidcSettings(
        issuer="i",
        audience="a",
        algorithms=("RS256", "ES256"),
        user_claim="sub",
        groups_claim="groups",
        prefix="",
        skew_seconds=30.0,
        timeout_seconds=5.0,
    )


def test_everything_can_be_chosen(tmp_path):
    token = tmp_path / "token"
    token.write_text("0123456789abcdef\n")
    chosen = {
        "DAYBOOK_METRICS_TOKEN_FILE": str(token),
        **OIDC,
        "DAYBOOK_PUBLIC_URL": "https://airflow.example/",
        "DAYBOOK_JUPYTER_LINK": "https://hub.example/{run_id}",
        "DAYBOOK_RUNS_PER_MINUTE": "5",
        "DAYBOOK_OIDC_ALGORITHMS": "ES256",
        "DAYBOOK_OIDC_USER_CLAIM": "preferred_username",
        "DAYBOOK_OIDC_GROUPS_CLAIM": "realm_access.roles",
        "DAYBOOK_OIDC_PREFIX": "hub:",
        "DAYBOOK_OIDC_SKEW_SECONDS": "5",
        "DAYBOOK_OIDC_TIMEOUT_SECONDS": "2.5",
    }
    assert web_settings(chosen, "/a/notebooks") == WebSettings(
        public_url="https://airflow.example",
        mount="/a/notebooks",
        jupyter_link="https://hub.example/{run_id}",
        runs_per_minute=5,
        metrics_token_file=token,
        oidc=OidcSettings(
            "https://id.example/realms/eo",
            "daybook",
            ("ES256",),
            "preferred_username",
            "realm_access.roles",
            "hub:",
            5.0,
            2.5,
        ),
    )


@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:8080", "http://localhost/x", "http://[::1]:1", "https://id.example"]
)
def test_a_provider_is_reached_so_that_nobody_can_change_its_keys_on_their_way(issuer):
    assert web_settings({**OIDC, "DAYBOOK_OIDC_ISSUER": issuer}, "").oidc.issuer == issuer


def test_a_provider_of_plain_http_elsewhere_is_taken_only_where_the_operator_says_so():
    found = web_settings(
        {**OIDC, "DAYBOOK_OIDC_ISSUER": "http://keycloak:8080/realms/x", "DAYBOOK_OIDC_PLAIN_HTTP": "allowed"}, ""
    )
    assert found.oidc.plain_http
    assert not web_settings({**OIDC, "DAYBOOK_OIDC_PLAIN_HTTP": "refused"}, "").oidc.plain_http


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"DAYBOOK_OIDC_PLAIN_HTTP": "yes"}, "DAYBOOK_OIDC_PLAIN_HTTP: must be refused or allowed"),
        ({"DAYBOOK_OIDC_ISSUER": "http://id.example"}, "DAYBOOK_OIDC_ISSUER: must be an https address"),
        ({"DAYBOOK_OIDC_ISSUER": "http://127.0.0.1.evil.example"}, "DAYBOOK_OIDC_ISSUER: must be an https address"),
        ({"DAYBOOK_OIDC_ISSUER": "https://u:p@id.example"}, "DAYBOOK_OIDC_ISSUER: must be an https address"),
        ({"DAYBOOK_OIDC_ISSUER": "https://id.example?a=b"}, "DAYBOOK_OIDC_ISSUER: must be an https address"),
        ({"DAYBOOK_OIDC_ISSUER": "id.example"}, "DAYBOOK_OIDC_ISSUER: must be an https address"),
        ({"DAYBOOK_OIDC_ISSUER": "https://"}, "DAYBOOK_OIDC_ISSUER: must be an https address"),
        ({"DAYBOOK_OIDC_ISSUER": "https://[x"}, "DAYBOOK_OIDC_ISSUER: must be an https address"),
        ({"DAYBOOK_OIDC_AUDIENCE": " "}, "DAYBOOK_OIDC_AUDIENCE: must be set"),
        ({"DAYBOOK_OIDC_ALGORITHMS": "RS256, HS256"}, "DAYBOOK_OIDC_ALGORITHMS: takes RS256 and ES256, not HS256"),
        ({"DAYBOOK_OIDC_ALGORITHMS": "none"}, "DAYBOOK_OIDC_ALGORITHMS: takes RS256 and ES256, not none"),
        ({"DAYBOOK_OIDC_AUDIENCES": "x"}, "DAYBOOK_OIDC_AUDIENCES: is not known"),
        ({"DAYBOOK_OIDC_SKEW_SECONDS": "301"}, "DAYBOOK_OIDC_SKEW_SECONDS: must be a number up to 300"),
        ({"DAYBOOK_OIDC_SKEW_SECONDS": "nan"}, "DAYBOOK_OIDC_SKEW_SECONDS: must be a number"),
        ({"DAYBOOK_OIDC_TIMEOUT_SECONDS": "soon"}, "DAYBOOK_OIDC_TIMEOUT_SECONDS: must be a number"),
        ({"DAYBOOK_RUNS_PER_MINUTE": "0"}, "DAYBOOK_RUNS_PER_MINUTE: must be 1 or more"),
    ],
)
def test_what_is_not_as_it_must_be_is_named(changes, fault):
    with pytest.raises(InvalidSettings) as caught:
        web_settings({**OIDC, **changes}, "")
    assert [str(each)[: len(fault)] for each in caught.value.faults] == [fault]


def test_every_fault_is_named_at_once():
    with pytest.raises(InvalidSettings) as caught:
        web_settings({"DAYBOOK_OIDC_PREFIX": "hub:", "DAYBOOK_RUNS_PER_MINUTE": "many"}, "")
    assert {each.where for each in caught.value.faults} == {
        "DAYBOOK_OIDC_ISSUER",
        "DAYBOOK_OIDC_AUDIENCE",
        "DAYBOOK_RUNS_PER_MINUTE",
    }


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b"short", "16 characters"), (b"\xff" * 20, "is no text")]
)
def test_a_scrapers_token_must_be_there_and_long(tmp_path, content, reason):
    file = tmp_path / "token"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidSettings, match=f"DAYBOOK_METRICS_TOKEN_FILE: .*{reason}"):
        web_settings({"DAYBOOK_METRICS_TOKEN_FILE": str(file)}, "")
