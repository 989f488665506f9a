"""What the notebook's own AWS libraries are told, and renewed credentials that are kept out of the record."""

import json

import pytest

from daybook.runner.aws_config import aws_variables
from daybook.runner.known_secrets import RenewedSecrets
from daybook.runner.redaction import Redactor, secrets_of

OLD, NEW = "old-secret-access-key-0123456789", "new-secret-access-key-9876543210"


def written(path, secret, token="a-session-token-0123456789"):
    content = {"Version": 1, "AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": secret, "SessionToken": token}
    draft = path.with_name("draft")
    draft.write_text(json.dumps(content))
    draft.replace(path)
    return path


def test_credentials_that_are_renewed_are_read_by_a_process(tmp_path):
    given = {"DAYBOOK_CREDENTIALS_FILE": "/a b/credentials.json", "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false"}
    assert aws_variables(given, tmp_path / "config") == {"AWS_CONFIG_FILE": str(tmp_path / "config")}
    assert (tmp_path / "config").read_text().splitlines() == [
        "[default]",
        'credential_process = cat "/a b/credentials.json"',
        "s3 =",
        "    addressing_style = path",
    ]


@pytest.mark.parametrize(
    "environment",
    [{}, {"AWS_REGION": "eu-west-1"}, {"DAYBOOK_CREDENTIALS_FILE": "/x", "AWS_CONFIG_FILE": "/the/workspaces/own"}],
)
def test_nothing_is_written_where_there_is_nothing_to_say_or_somebody_else_says_it(tmp_path, environment):
    assert aws_variables(environment, tmp_path / "config") == {}
    assert not (tmp_path / "config").exists()


@pytest.mark.parametrize("variable", ["DAYBOOK_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_what_was_renewed_is_kept_out_of_the_record_as_what_it_replaced_is(tmp_path, variable):
    file = written(tmp_path / "credentials.json", OLD)
    environment = {variable: str(file)}
    redactor = Redactor(secrets_of(environment), RenewedSecrets(environment))
    stream = redactor.stream()
    assert redactor.text(f"<{OLD}> <{NEW}>") == f"<[redacted]> <{NEW}>"
    written(file, NEW)
    assert redactor.text(f"<{OLD}> <{NEW}>") == "<[redacted]> <[redacted]>"
    assert stream.feed(f"<{NEW[:9]}") + stream.feed(f"{NEW[9:]}>") + stream.flush() == "<[redacted]>"


def test_a_file_that_is_away_for_a_moment_costs_nothing(tmp_path):
    file = written(tmp_path / "credentials.json", OLD)
    environment = {"DAYBOOK_CREDENTIALS_FILE": str(file)}
    redactor = Redactor(secrets_of(environment), RenewedSecrets(environment))
    file.unlink()
    assert redactor.text(OLD) == "[redacted]"
    written(file, NEW)
    assert redactor.text(NEW) == "[redacted]"
