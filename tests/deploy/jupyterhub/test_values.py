"""What the chart's values put into the Hub is what lies beside them."""

import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from traitlets.config import Config

from deploy.jupyterhub.conftest import CONFIGURATION

FOLDER = CONFIGURATION.parent
IN_THE_HUB = PurePosixPath("/usr/local/etc/jupyterhub/daybook")


@pytest.fixture(scope="module")
def values() -> dict[str, Any]:
    return yaml.safe_load((FOLDER / "values.yaml").read_text())


def test_every_file_that_is_mounted_is_there_and_named_in_the_command(values):
    command = [line for line in (FOLDER / "values.yaml").read_text().splitlines() if "--set-file" in line]
    for name, file in values["hub"]["extraFiles"].items():
        path = PurePosixPath(file["mountPath"]).relative_to(IN_THE_HUB)
        assert (FOLDER / path).is_file()
        assert any(f"hub.extraFiles.{name}.stringData={path}" in line for line in command)


def test_the_hubs_configuration_takes_the_list_in(values, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "daybook_hub", raising=False)
    c = Config()
    # As the chart leaves it: what a site has set before stays.
    c.JupyterHub.template_paths = ["/the/sites/own"]
    c.JupyterHub.template_vars = {"announcement": "closed on Monday"}
    lines = values["hub"]["extraConfig"]["daybook"].replace(str(IN_THE_HUB), str(FOLDER))
    exec(compile(lines, "extraConfig", "exec"), {"c": c})
    assert c.JupyterHub.template_paths == [str(FOLDER / "templates"), "/the/sites/own"]
    assert set(c.JupyterHub.template_vars) == {"announcement", "daybook"}
    assert c.Authenticator.enable_auth_state is True


def test_servers_mount_nothing_and_bear_no_rights(values):
    assert values["singleuser"]["storage"] == {"type": "none"}
    for profile in values["singleuser"]["profileList"]:
        given = profile["kubespawner_override"]
        assert given["automount_service_account_token"] is False
        assert given["allow_privilege_escalation"] is False
        assert given["uid"] == 1000
        assert not {"volumes", "volume_mounts", "service_account", "environment"} & set(given)


def test_the_notebook_image_holds_what_the_hub_starts_in_it(values):
    locked = (Path(FOLDER).parents[1] / "requirements" / "lab.txt").read_text()
    assert "\njupyterhub==" in locked
    command = values["singleuser"]["profileList"][0]["kubespawner_override"]
    # The image's own entry point is `daybook`: it must be put aside.
    assert command["extra_container_config"]["command"] + command["cmd"] == ["env", "jupyterhub-singleuser"]
