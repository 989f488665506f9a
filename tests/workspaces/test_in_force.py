"""The file is read again when it changes; while it is faulty, the last good one counts and the fault is told."""

import logging
import stat

import pytest

from daybook.contract.errors import InvalidSettings
from daybook.workspaces import WorkspacesFile
from daybook.workspaces import in_force as module

GOOD = "workspaces:\n  - {name: NAME, bucket: /b, members: [ada]}\n"
BAD = "workspaces:\n  - {name: a,\n     bucket: }\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "config" / "workspaces.yaml"


@pytest.fixture
def write(path):
    def write(text):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return write


@pytest.fixture
def file(path, tmp_path):
    return WorkspacesFile(path, tmp_path / "state")


def name_of(found):
    return found.workspaces.get(None).name


def in_another_process():
    module._reading.cache_clear()


def test_a_change_counts_at_once(file, write):
    for name in ("one", "two", "one"):
        write(GOOD.replace("NAME", name))
        assert name_of(file.read()) == name
        assert file.read().fault is None


def test_an_unchanged_file_is_read_once(file, write, monkeypatch):
    write(GOOD.replace("NAME", "one"))
    first = file.read()
    monkeypatch.setattr(module, "read_file", None)
    assert file.read() is first


@pytest.mark.parametrize("fresh", [False, True])
def test_a_faulty_file_leaves_the_last_good_one_in_force_and_says_so(file, write, path, fresh, caplog):
    write(GOOD.replace("NAME", "one"))
    file.read()
    write(BAD)
    if fresh:
        in_another_process()
    with caplog.at_level(logging.WARNING):
        found = file.read()
        file.read()
    assert name_of(found) == "one"
    assert f"{path}, line 3" in str(found.fault)
    assert [record.message.count("line 3") for record in caplog.records] == [1]
    write(GOOD.replace("NAME", "two"))
    assert (name_of(file.read()), file.read().fault) == ("two", None)


def test_a_file_that_is_gone_leaves_the_last_good_one_in_force(file, write, path):
    write(GOOD.replace("NAME", "one"))
    file.read()
    path.unlink()
    assert name_of(file.read()) == "one"
    assert "No such file" in str(file.read().fault)


def test_without_a_good_one_the_fault_is_raised_each_time(file, write):
    write(BAD)
    for _ in range(2):
        with pytest.raises(InvalidSettings, match="line 3"):
            file.read()


def test_the_last_good_one_of_another_file_is_none_of_this_one(file, write, tmp_path):
    write(GOOD.replace("NAME", "one"))
    file.read()
    with pytest.raises(InvalidSettings, match="No such file"):
        WorkspacesFile(tmp_path / "other.yaml", tmp_path / "state").read()


def test_the_copy_is_private(file, write, tmp_path):
    write(GOOD.replace("NAME", "one"))
    file.read()
    (copy,) = (tmp_path / "state").iterdir()
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_copy_that_somebody_else_can_have_written_is_not_in_force(file, write, tmp_path, mode):
    write(GOOD.replace("NAME", "one"))
    file.read()
    (copy,) = (tmp_path / "state").iterdir()
    copy.chmod(mode)
    write(BAD)
    with pytest.raises(InvalidSettings, match="line 3"):
        file.read()


def test_a_link_in_the_copys_place_is_not_in_force(file, write, tmp_path):
    write(GOOD.replace("NAME", "one"))
    file.read()
    (copy,) = (tmp_path / "state").iterdir()
    copy.symlink_to(copy.rename(tmp_path / "elsewhere"))
    write(BAD)
    with pytest.raises(InvalidSettings, match="line 3"):
        file.read()


def test_a_faulty_template_file_leaves_the_last_good_one_in_force(file, write, path):
    write(
        GOOD.replace("NAME", "one").replace(
            "}", ', environment: {GREETING: "Grüße 🎈"}, pod: {template_file: pod.yaml}}'
        )
    )
    template = path.with_name("pod.yaml")
    template.write_text("metadata: {labels: {team: water}}")
    first = file.read()
    template.unlink()
    in_another_process()
    found = file.read()
    assert "pod.yaml" in str(found.fault)
    (was,), (now,) = first.workspaces, found.workspaces
    assert now.pod.template == was.pod.template == {"metadata": {"labels": {"team": "water"}}}
    assert now.model_dump(exclude={"pod"}) == was.model_dump(exclude={"pod"})


@pytest.mark.parametrize("name", ["pod.yaml", "templates/pod.yaml"])
def test_a_template_that_is_changed_in_its_place_counts_at_once(file, write, path, name):
    write(GOOD.replace("NAME", "one").replace("}", f', pod: {{"template_file": "{name}"}}}}'))
    template = path.parent / name
    template.parent.mkdir(exist_ok=True)
    for team in ("water", "earth"):
        template.write_text(f"metadata: {{labels: {{team: {team}}}}}")
        assert file.read().workspaces.get(None).pod.template == {"metadata": {"labels": {"team": team}}}


def test_a_copy_that_is_no_good_any_more_is_not_in_force(file, write, tmp_path):
    write(GOOD.replace("NAME", "one"))
    file.read()
    (copy,) = (tmp_path / "state").iterdir()
    copy.write_text("workspaces: []")
    write(BAD)
    with pytest.raises(InvalidSettings, match="line 3"):
        file.read()


def test_a_folder_that_cannot_be_written_costs_only_the_copy(write, path, tmp_path, caplog):
    (tmp_path / "state").write_text("a file")
    write(GOOD.replace("NAME", "one"))
    assert name_of(WorkspacesFile(path, tmp_path / "state").read()) == "one"
    assert "cannot keep the good workspaces" in caplog.text
