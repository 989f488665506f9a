"""What the notebook image's kernels begin with where it asks for that; the file is read from IPython's own folder."""

import os
import shutil
from pathlib import Path

import pytest

from daybook.contract.errors import ExitCode
from runner.runs import Runner

CONFIGURATION = Path(__file__).parents[2] / "deploy" / "images" / "notebook" / "ipython_config.py"
WITHOUT_IMPORT = "record('rows', 3)\noutputs('a.txt').write_text('a')\nprint(get_spark_session.__module__)"


@pytest.fixture
def environment(tmp_path):
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    shutil.copy(CONFIGURATION, profile)
    return {**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")}


def test_a_notebook_of_a_server_with_the_imports_runs_unchanged_as_a_job(tmp_path, environment):
    ended = Runner(tmp_path)(WITHOUT_IMPORT, environment={**environment, "DAYBOOK_STARTUP_IMPORTS": "1"})
    assert ended.exit_code is ExitCode.SUCCEEDED, ended.said
    assert ended.printed(0) == "daybook.notebook\n"
    assert ended.manifest.results == {"rows": 3}
    assert [each.path for each in ended.manifest.outputs] == ["a.txt"]


def test_without_being_asked_for_nothing_is_imported(tmp_path, environment):
    ended = Runner(tmp_path)("record('rows', 3)", environment={**environment, "DAYBOOK_STARTUP_IMPORTS": "0"})
    assert ended.exit_code is ExitCode.NOTEBOOK_FAILED
    assert "NameError" in ended.said
