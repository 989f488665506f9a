"""docs/pods.md says what the code does: its examples are read, its table is the allow-list."""

import re
from pathlib import Path
from textwrap import dedent

import yaml

from daybook.workspaces import PodSettings, Workspaces
from daybook.workspaces.pod_template import ADDITIONS

PAGE = (Path(__file__).parents[2] / "docs" / "pods.md").read_text(encoding="utf-8")


def test_the_table_of_what_a_template_may_add_is_the_allow_list():
    table = PAGE.partition("| may be added |")[2].partition("\n\n")[0]
    first_columns = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert [path for column in first_columns for path in re.findall(r"`([^`]+)`", column)] == list(ADDITIONS)


def test_the_examples_are_read():
    whole, *parts = (dedent(text) for text in re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    (workspace,) = Workspaces.model_validate(yaml.safe_load(whole.replace("6d1f…", "a" * 64)))
    assert workspace.maximum.gpu == 1
    volumes, network, template = (PodSettings.model_validate(yaml.safe_load(part)["pod"]) for part in parts)
    assert len(volumes.volumes) == 3
    assert network.network_policies == "required"
    assert template.template["metadata"] == {"labels": {"team": "eo", "acme.example/cost-centre": "12"}}
