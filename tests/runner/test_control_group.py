from __future__ import annotations

from pathlib import Path

import pytest

from daybook.runner.control_group import ControlGroup
from runner.groups import MIB, machine, membership, version_1, version_2


def test_version_2_tells_limit_use_and_kills(tmp_path: Path) -> None:
    cached = {"inactive_file": 30 * MIB, "active_file": 20 * MIB, "slab_reclaimable": MIB, "shmem": 5 * MIB}
    folder = version_2(tmp_path / "groups/pod", str(512 * MIB), 100 * MIB, 3, **cached)

    group = ControlGroup.here(tmp_path / "groups", membership(tmp_path, "0::/pod\n"), machine(tmp_path))

    assert group is not None
    assert group.folder == folder
    assert (group.limit_bytes, group.used_bytes(), group.kills()) == (512 * MIB, 49 * MIB, 3)


def test_version_1_tells_limit_use_and_kills(tmp_path: Path) -> None:
    cached = {"inactive_file": 1, "total_inactive_file": 30 * MIB, "total_active_file": 20 * MIB}
    folder = version_1(tmp_path / "groups/memory/pod", 512 * MIB, 100 * MIB, 3, **cached)
    told = "9:name=systemd:/\n4:cpu,memory:/pod\n1:cpuset:/\n0::/\n"

    group = ControlGroup.here(tmp_path / "groups", membership(tmp_path, told), machine(tmp_path))

    assert group is not None
    assert group.folder == folder
    assert (group.limit_bytes, group.used_bytes(), group.kills()) == (512 * MIB, 50 * MIB, 3)


@pytest.mark.parametrize("path", ["/", "/kubepods/burstable/not-seen-from-inside", "/../outside"])
def test_a_containers_own_group_may_stand_at_the_top(tmp_path: Path, path: str) -> None:
    version_2(tmp_path / "groups", str(512 * MIB))
    version_2(tmp_path / "outside", str(1 * MIB))

    group = ControlGroup.here(tmp_path / "groups", membership(tmp_path, f"0::{path}\n"), machine(tmp_path))

    assert group is not None
    assert group.folder == tmp_path / "groups"


def test_the_lowest_limit_on_the_way_up_holds(tmp_path: Path) -> None:
    version_2(tmp_path / "groups/a/b/c")
    version_2(tmp_path / "groups/a/b", str(900 * MIB))
    version_2(tmp_path / "groups/a", str(500 * MIB))
    version_2(tmp_path / "groups/other", str(100 * MIB))

    group = ControlGroup.here(tmp_path / "groups", membership(tmp_path, "0::/a/b/c\n"), machine(tmp_path))

    assert group is not None
    assert (group.folder.name, group.limit_bytes) == ("a", 500 * MIB)


def test_a_limit_that_the_machine_cannot_reach_is_none(tmp_path: Path) -> None:
    version_1(tmp_path / "groups/memory/pod")
    version_1(tmp_path / "groups/memory", 9 * 2**30)

    assert ControlGroup.here(tmp_path / "groups", membership(tmp_path, "4:memory:/pod\n"), machine(tmp_path)) is None


def test_a_system_without_groups_has_no_limit(tmp_path: Path) -> None:
    assert ControlGroup.here(tmp_path / "groups", tmp_path / "missing", tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("free_mib", "limit", "used", "left_mib"),
    [(0, "max", 0, 0), (100, "max", 0, 100), (100, str(30 * MIB), 10 * MIB, 20), (100, "0", 0, 0)],
)
def test_swap_is_left_where_machine_and_group_have_it(
    tmp_path: Path, free_mib: int, limit: str, used: int, left_mib: int
) -> None:
    folder = version_2(tmp_path / "groups", str(512 * MIB))
    (folder / "memory.swap.max").write_text(f"{limit}\n")
    (folder / "memory.swap.current").write_text(f"{used}\n")
    meminfo = machine(tmp_path, swap_free_kib=free_mib * 1024)
    group = ControlGroup.here(tmp_path / "groups", membership(tmp_path, "0::/\n"), meminfo)

    assert group is not None
    assert group.swap_left_bytes(meminfo) == left_mib * MIB


def test_members_of_groups_below_belong_to_it(tmp_path: Path) -> None:
    version_2(tmp_path / "groups/pod/inner")
    version_2(tmp_path / "groups/pod", str(512 * MIB))
    (tmp_path / "groups/pod/cgroup.procs").write_text("12\n13\n")
    (tmp_path / "groups/pod/inner/cgroup.procs").write_text("14\n")

    group = ControlGroup.here(tmp_path / "groups", membership(tmp_path, "0::/pod\n"), machine(tmp_path))

    assert group is not None
    assert sorted(group.members()) == [12, 13, 14]
