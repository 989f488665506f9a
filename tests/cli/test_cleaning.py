"""`pin`, `unpin`, `clean-up`."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from builders import a_run_id
from cli.fake_airflow import DAG_RUN, RUN, manifest, write
from daybook.contract import keys
from daybook.storage import pin_of, record_of


@pytest.fixture
def old(bucket):
    """A run of long ago."""
    run = a_run_id("echo", datetime.now(UTC) - timedelta(days=40))
    write(bucket, manifest(run_id=run))
    return run


@pytest.fixture
def retention(daybook, tmp_path):
    path = tmp_path / "workspaces.yaml"
    path.write_text(path.read_text().replace("{name: local,", "{name: local, retention: {days: 30},"))


def test_a_run_is_pinned_shown_as_such_and_unpinned(daybook, bucket, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ann")
    write(bucket, manifest())
    code, out, _ = daybook("pin", RUN[-10:], "--why", "figures of the paper", "--json")
    assert (code, json.loads(out)["pin"]["by"]) == (0, "ann")
    pin = pin_of(record_of(bucket, RUN))
    assert (pin.by, pin.why) == ("ann", "figures of the paper")
    shown = daybook("show", RUN)[1]
    assert "pinned" in shown
    assert "by ann" in shown
    assert "figures of the paper" in shown
    assert json.loads(daybook("show", RUN, "--json")[1])["pin"]["why"] == "figures of the paper"
    assert " pinned" in daybook("runs")[1]
    assert daybook("unpin", RUN)[0] == 0
    assert pin_of(record_of(bucket, RUN)) is None
    assert "by ann" not in daybook("show", RUN)[1]
    assert " pinned" not in daybook("runs")[1]


def test_a_run_that_is_not_there_cannot_be_pinned(daybook):
    code, _, err = daybook("pin", "0000000000")
    assert code == 2
    assert "no run fits '0000000000'" in err


def test_a_dry_run_tells_what_would_go_and_asks_nobody(daybook, bucket, airflow, old, retention):
    write(bucket, manifest())
    code, out, _ = daybook("clean-up", "--dry-run")
    assert code == 0
    assert f"would remove run {old}" in out
    assert RUN not in out
    assert "workspace local: " in out
    assert "workspace other: " in out
    only = json.loads(daybook("clean-up", "--dry-run", "--workspace", "local", "--json")[1])["workspaces"]
    assert [(each["workspace"], each["runs_removed"]) for each in only] == [("local", 1)]
    assert record_of(bucket, old).read() is not None
    assert airflow.conf is None


def test_a_bucket_that_cannot_be_opened_does_not_hide_the_others(daybook, tmp_path, old, retention):
    path = tmp_path / "workspaces.yaml"
    path.write_text(path.read_text() + "  - {name: away, bucket: 'file:///dev/null/bucket', members: ['*']}\n")
    code, out, _ = daybook("clean-up", "--dry-run")
    assert code == 3
    assert old in out
    assert "failed: cannot" in out


@pytest.mark.parametrize(("arguments", "conf"), [((), {}), (("--workspace", "other"), {"workspace": "other"})])
def test_cleaning_up_is_airflows(daybook, airflow, arguments, conf):
    code, out, _ = daybook("clean-up", "--json", *arguments)
    assert (code, airflow.conf) == (0, conf)
    assert json.loads(out)["airflow"]["run_id"] == DAG_RUN


def test_an_unknown_workspace_is_refused(daybook, airflow):
    for arguments in (("clean-up", "-w", "nowhere"), ("clean-up", "-w", "nowhere", "--dry-run")):
        code, _, err = daybook(*arguments)
        assert code == 2
        assert "nowhere" in err
    assert airflow.conf is None


def test_a_run_that_is_being_removed_is_none_any_more(daybook, bucket, old):
    place = f"{keys.run_prefix(old)}/{keys.MANIFEST}"
    bucket.write(place, b'{"removed_manifest":' + json.dumps(bucket.read(place).decode()).encode() + b"}")
    assert daybook("show", old)[0] == 2
    assert old not in daybook("runs")[1]


def test_a_dry_run_needs_no_kubernetes():
    code = "import sys, daybook.cli.cleaning_up; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
