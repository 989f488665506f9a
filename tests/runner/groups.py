"""Folders that look like the control groups of Linux."""

from __future__ import annotations

from pathlib import Path

MIB = 2**20


def machine(folder: Path, total_kib: int = 8 * 2**20, swap_free_kib: int = 0) -> Path:
    file = folder / "meminfo"
    file.write_text(f"MemTotal: {total_kib:10} kB\nMemFree:       1 kB\nSwapFree: {swap_free_kib:8} kB\n")
    return file


def membership(folder: Path, text: str) -> Path:
    file = folder / "membership"
    file.write_text(text)
    return file


def version_2(folder: Path, limit: str = "max", used: int = 0, kills: int = 0, **cached: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{used}\n")
    (folder / "memory.stat").write_text("anon 12\n" + "".join(f"{name} {size}\n" for name, size in cached.items()))
    (folder / "memory.events").write_text(f"low 0\noom 7\noom_kill {kills}\noom_group_kill 0\n")
    return folder


def version_1(folder: Path, limit: int = 2**63 - 4096, used: int = 0, kills: int = 0, **cached: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{used}\n")
    (folder / "memory.stat").write_text("rss 12\n" + "".join(f"{name} {size}\n" for name, size in cached.items()))
    (folder / "memory.oom_control").write_text(f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n")
    return folder
