import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybook.databricks.settings import SyncSettings
from daybook.databricks.sync.repository import excludes_file
from daybook.databricks.sync.scanning import scan

FOLDERS = ["", "a", "b", "a/b", "a/c", "b/c", "a/b/c"]
FILES = [f"{folder}/{name}".lstrip("/") for folder in FOLDERS for name in ("x.py", "y.log", "z", ".env")]
LINES = [
    *["*.log", "!*.log", "*.py", "!x.py", "/x.py", "a/", "!a/", "b", "!b", "/b/", "**/c", "c/**", "!c/x.py", "a/b"],
    *["!a/b", "/*", "!/a", "*", "!*/", "z", "\\!z", ".*", "!.env", "a/*/x.py", "[xy].*", "?", "a/**/z", "!**/z"],
]


def sent(source, environment, **given):
    """The files that a scan takes, as text."""
    found = scan(SyncSettings(source=Path(source), **given), excludes_file(Path(source), environment))
    return {os.fsdecode(path) for path in found.files}


def git(folder, *arguments, environment, **options):
    return subprocess.run(
        ["git", "-C", folder, *arguments], env=environment, check=True, capture_output=True, **options
    )


def not_ignored_by_git(source, environment):
    """What `git check-ignore` lets through, of all files below."""
    files = {
        file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file() and ".git/" not in f"{file}"
    }
    command = ["git", "-C", source, "check-ignore", "--no-index", "-z", "--stdin"]
    said = subprocess.run(command, input="\0".join(files), capture_output=True, env=environment, text=True, check=False)
    assert said.returncode in (0, 1), said.stderr
    return files - set(said.stdout.split("\0"))


@settings(max_examples=80, deadline=None)
@given(
    ignores=st.dictionaries(
        st.sampled_from(FOLDERS), st.lists(st.sampled_from(LINES), min_size=1, max_size=4), min_size=1
    ),
    info=st.lists(st.sampled_from(LINES), max_size=2),
    everywhere=st.lists(st.sampled_from(LINES), max_size=1),
)
def test_what_is_sent_is_what_git_check_ignore_lets_through(ignores, info, everywhere):
    with tempfile.TemporaryDirectory() as folder:
        source, home = Path(folder, "project"), Path(folder, "home")
        for file in FILES:
            (source / file).parent.mkdir(parents=True, exist_ok=True)
            (source / file).touch()
        for name in ("objects", "refs", "info"):
            (source / ".git" / name).mkdir(parents=True)
        (source / ".git" / "HEAD").write_text("ref: refs/heads/main")
        (source / ".git" / "info" / "exclude").write_text("\n".join(info))
        (home / ".config" / "git").mkdir(parents=True)
        (home / ".config" / "git" / "ignore").write_text("\n".join(everywhere))
        for name, lines in ignores.items():
            (source / name / ".gitignore").write_text("\n".join(lines))
        environment = {"HOME": str(home), "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
        assert sent(source, environment) == not_ignored_by_git(source, environment)


@pytest.fixture
def repository(project, environment):
    git(project.path, "init", "-q", environment=environment)
    return project


@pytest.mark.parametrize(
    "name",
    [
        *[".git/config", ".git", "sub/.git/config", ".hg/x", ".svn/x", ".jj/x", "CVS/Root", ".databricks/sync.json"],
        *[".daybook/secrets/key", "sub/__pycache__/m.pyc", ".ipynb_checkpoints/n.ipynb"],
        *[".ssh/id_rsa", ".aws/credentials", ".databrickscfg", ".netrc"],
    ],
)
def test_some_things_never_travel(project, environment, name):
    project.put("kept.py")
    project.put(name)
    assert sent(project.path, environment, exclude=("!.git", "!.daybook", "!*"), use_gitignore=False) == {"kept.py"}


def test_a_virtual_environment_is_left_out_wherever_it_is(project, environment):
    project.put("tools/env/pyvenv.cfg")
    project.put("tools/env/lib/x.py")
    project.put("tools/x.py")
    assert sent(project.path, environment) == {"tools/x.py"}


def test_the_settings_own_patterns_come_before_gitignore(repository, environment):
    repository.put(".gitignore", "*.csv\n")
    repository.put("a.csv")
    repository.put("sub/needed.csv")
    repository.put("secret.txt")
    assert sent(repository.path, environment, exclude=("secret*", "!needed.csv")) == {".gitignore", "sub/needed.csv"}


def test_without_use_gitignore_only_the_settings_patterns_hold(repository, environment):
    repository.put(".gitignore", "*.csv\n")
    repository.put("a.csv")
    repository.put("b.txt")
    assert sent(repository.path, environment, use_gitignore=False, exclude=("b.txt",)) == {".gitignore", "a.csv"}


def test_gitignore_holds_without_a_repository_too(project, environment):
    project.put("sub/.gitignore", "x\n")
    project.put("sub/x")
    project.put("x")
    assert sent(project.path, environment) == {"sub/.gitignore", "x"}


def test_folders_above_the_source_count_up_to_the_top_of_the_repository(repository, environment):
    repository.put("../.gitignore", "*\n")
    repository.put(".gitignore", "*.log\n/jobs/tmp/\n/x\n")
    for name in ("jobs/a.log", "jobs/tmp/a", "jobs/x", "jobs/sub/a.py"):
        repository.put(name)
    source = repository.path / "jobs"
    assert sent(source, environment) == not_ignored_by_git(source, environment) == {"x", "sub/a.py"}


def test_the_settings_patterns_are_relative_to_the_source(repository, environment):
    repository.put("jobs/x")
    repository.put("jobs/sub/x")
    assert sent(repository.path / "jobs", environment, exclude=("/x",)) == {"sub/x"}


def test_a_source_that_is_ignored_itself_is_sent_for_somebody_asked_for_it(repository, environment):
    repository.put(".gitignore", "build/\n*.log\n")
    repository.put("build/x.py")
    repository.put("build/x.log")
    assert sent(repository.path / "build", environment) == {"x.py"}


def test_a_persons_own_patterns_are_found_where_gits_configuration_says(repository, environment):
    (Path(environment["HOME"]) / "mine").write_text("*.swp\n")
    git(repository.path, "config", "--global", "core.excludesFile", "~/mine", environment=environment)
    repository.put("a.swp")
    repository.put("a.py")
    assert sent(repository.path, environment) == not_ignored_by_git(repository.path, environment) == {"a.py"}


def test_without_git_they_are_found_where_git_looks_usually(repository, environment):
    project, home = repository, Path(environment["HOME"])
    (home / ".config/git").mkdir(parents=True)
    (home / ".config/git/ignore").write_text("*.swp\n")
    project.put("a.swp")
    project.put("a.py")
    assert sent(project.path, {"HOME": str(home), "PATH": ""}) == {"a.py"}


def test_the_patterns_of_a_worktree_lie_in_its_repository(repository, environment, tmp_path):
    git(
        repository.path,
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@b",
        "commit",
        "-qm",
        "x",
        "--allow-empty",
        environment=environment,
    )
    git(repository.path, "worktree", "add", "-q", tmp_path / "tree", environment=environment)
    (repository.path / ".git/info/exclude").write_text("*.tmp\n")
    for name in ("a.tmp", "a.py"):
        (tmp_path / "tree" / name).touch()
    assert sent(tmp_path / "tree", environment) == {"a.py"}


def test_a_repository_within_asks_nothing_of_the_one_around_it(repository, environment):
    repository.put(".gitignore", "*.log\n")
    repository.put("a.log")
    repository.put("inner/a.log")
    repository.put("inner/a.tmp")
    git(repository.path / "inner", "init", "-q", environment=environment)
    (repository.path / "inner/.git/info/exclude").write_text("*.tmp\n")
    assert sent(repository.path, environment) == {".gitignore", "inner/a.log"}


def test_a_linked_gitignore_is_not_followed_as_by_git(repository, environment, tmp_path):
    (tmp_path / "patterns").write_text("a\n")
    (repository.path / ".gitignore").symlink_to(tmp_path / "patterns")
    repository.put("a")
    assert (
        sent(repository.path, environment) == not_ignored_by_git(repository.path, environment) - {".gitignore"} == {"a"}
    )


def test_a_gitignore_that_is_a_folder_says_nothing(project, environment):
    project.put(".gitignore/a")
    assert sent(project.path, environment) == {".gitignore/a"}
