import ast
import io
import sys
from contextlib import redirect_stdout
from importlib import resources

import pytest

from daybook.databricks.errors import RemoteFailed
from daybook.databricks.sync import calling
from daybook.databricks.sync.calling import Driver
from daybook.databricks.sync.errors import SyncFailed


class Python:
    """A `Remote` in this process: commands share one set of names, as cells do."""

    def __init__(self):
        self.names, self.commands, self.around = {"__name__": "__main__"}, [], "{}"

    def run_python(self, code, *, limit_seconds=None):
        self.commands.append(code)
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(code, self.names)
        return self.around.format(printed.getvalue())


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(sys.modules)
    yield Python()
    for name in set(sys.modules) - before:
        if name.startswith("_daybook_driver_"):
            del sys.modules[name]


@pytest.fixture
def driver():
    return Driver("daybook-test")


def test_the_modules_are_sent_once_then_data_alone(here, driver, tmp_path):
    assert driver.ask(here, "check") == {"generation": None, "folder": f"{tmp_path}/daybook-test/files"}
    assert driver.folder == f"{tmp_path}/daybook-test/files"
    driver.ask(here, "check")
    assert len(here.commands[0]) > 5000
    assert len(here.commands[1]) < 500


def test_another_python_is_sent_them_again(here, driver):
    driver.ask(here, "check")
    for name in [name for name in sys.modules if name.startswith("_daybook_driver_")]:
        del sys.modules[name]
    assert driver.ask(here, "check")["generation"] is None
    assert [len(command) > 5000 for command in here.commands] == [True, False, True]


def test_names_that_cells_gave_away_are_not_minded_and_none_is_left_behind(here, driver):
    here.names.update(print=None, json=1, sys=2, base64=3, answer=4, exec=exec)
    before = set(here.names)
    driver.ask(here, "check")
    driver.ask(here, "check")
    assert set(here.names) - before <= {"__builtins__"}


@pytest.mark.parametrize("around", ["noise\n{}", "{}noise", "a thread prints {}and goes on\n", "\r\n{}\r\n"])
def test_the_answer_is_found_among_other_output(here, driver, around):
    here.around = around
    assert driver.ask(here, "check")["generation"] is None


@pytest.mark.parametrize("around", ["", "daybook- {{}}"])
def test_an_answer_that_is_not_there_is_a_failure(here, driver, around):
    here.around = around
    with pytest.raises(SyncFailed, match="not understood"):
        driver.ask(here, "check")


def test_an_answer_that_was_cut_off_is_a_failure(here, driver):
    run = here.run_python
    here.run_python = lambda code: run(code)[:-5]
    with pytest.raises(SyncFailed, match="not understood"):
        driver.ask(here, "check")


def test_what_the_driver_refuses_is_told_in_its_words(here, driver, tmp_path):
    (tmp_path / "daybook-test").symlink_to("elsewhere")
    with pytest.raises(SyncFailed, match="daybook-test is not the private folder") as failure:
        driver.ask(here, "begin", plan_blocks=[])
    assert isinstance(failure.value, RemoteFailed)


def test_what_is_sent_is_ascii_and_holds_no_text_of_a_request(here, driver):
    driver.ask(here, "store", paths=['\'); import os #\n\udcff"""'], pack=b"")
    (command,) = here.commands
    assert command.isascii()
    assert "import os #" not in command.splitlines()[-1]


@pytest.mark.parametrize("name", calling._MODULES)
def test_the_modules_are_python_3_8_and_need_nothing_else(name):
    source = (resources.files("daybook.databricks.sync.driver") / f"{name}.py").read_text()
    tree = ast.parse(source, feature_version=(3, 8))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    absolute = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    absolute |= {node.module for node in imports if isinstance(node, ast.ImportFrom) and not node.level}
    relative = {node.module for node in imports if isinstance(node, ast.ImportFrom) and node.level}
    assert {each.split(".")[0] for each in absolute} <= sys.stdlib_module_names
    assert relative <= set(calling._MODULES[: calling._MODULES.index(name)])
