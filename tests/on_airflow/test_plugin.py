"""What the plugin shows in Airflow's own pages, and how little of Daybook it brings into every process of Airflow."""

import json
import subprocess
import sys
from pathlib import Path

from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

from daybook.on_airflow.plugin import external_views

PLUGINS = Path(__file__).parents[2] / "plugins"
LOADED = """
import json, sys
import airflow.plugins_manager
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
import daybook_plugin
heavy = {"daybook.web", "daybook.on_airflow.pages", "daybook.on_airflow.ports", "fastapi", "jinja2", "obstore"}
found = {"views": daybook_plugin.DaybookPlugin.external_views, "heavy": sorted(heavy & (set(sys.modules) - before))}
print(json.dumps(found))
"""


def test_views_are_as_airflow_wants_them():
    views = [ExternalViewResponse.model_validate(each) for each in external_views()]
    assert [each.destination for each in views] == ["nav", "dag", "dag_run", "task_instance"]
    # Airflow leaves out a view whose route another one has.
    assert len({each.url_route for each in views}) == len(views)


def test_addresses_hold_below_any_path_that_airflow_is_served_at():
    for each in external_views():
        for address in (each["href"], each["icon"]):
            assert address.startswith("notebooks/"), address


def test_plugin_brings_nothing_heavy_into_a_process_that_only_loads_it():
    done = subprocess.run([sys.executable, "-c", LOADED, str(PLUGINS)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["heavy"] == []
    assert len(found["views"]) == len(external_views())
