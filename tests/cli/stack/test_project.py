import os
import stat
from pathlib import Path

import pytest

from daybook.cli.stack.project import Project, find_project
from daybook.contract.errors import InvalidSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "dags").mkdir()
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def test_is_found_from_any_folder_inside(root):
    inside = root / "include" / "notebooks" / "x"
    inside.mkdir(parents=True)
    assert find_project(None, inside, {}).root == root.resolve()


def test_an_option_wins_over_the_environment_and_both_over_the_folder(root, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert find_project(None, elsewhere, {"DAYBOOK_HOME": str(root)}).root == root.resolve()
    with pytest.raises(InvalidSettings, match="DAYBOOK_HOME"):
        find_project(None, root, {"DAYBOOK_HOME": str(elsewhere)})
    assert find_project(root, elsewhere, {"DAYBOOK_HOME": str(elsewhere)}).root == root.resolve()


def test_none_above_says_what_is_looked_for_and_the_way_out(tmp_path):
    with pytest.raises(InvalidSettings, match=r"pyproject\.toml and dags; use --project"):
        find_project(None, tmp_path, {})


def test_a_given_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(InvalidSettings, match="--project"):
        find_project(tmp_path / "nowhere", tmp_path, {})


def test_state_is_private(root):
    project = Project(root)
    project.make_folders()
    project.make_folders()
    assert stat.S_IMODE(project.state.stat().st_mode) == 0o700
    assert list(project.state.glob(".probe*")) == []


def test_a_state_folder_that_cannot_be_written_is_one_clear_error(root):
    project = Project(root)
    project.state.write_text("in the way")
    with pytest.raises(InvalidSettings, match="cannot keep the stack's state"):
        project.make_folders()


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/sys/kernel").is_dir(), reason="needs a folder nobody can write to")
def test_a_read_only_folder_is_one_clear_error():
    # Nobody, not even root, can make a folder there.
    with pytest.raises(InvalidSettings, match=r"cannot keep the stack's state: /sys/kernel/\.daybook"):
        Project(Path("/sys/kernel")).make_folders()


def test_catalogue_names_only_what_is_there(root):
    assert Project(root).catalogue == ()
    (root / "include" / "notebooks").mkdir(parents=True)
    assert Project(root).catalogue == (root / "include" / "notebooks",)
    (root / "include" / "catalogue.json").write_text("[]")
    assert Project(root).catalogue == (root / "include" / "notebooks", root / "include" / "catalogue.json")
