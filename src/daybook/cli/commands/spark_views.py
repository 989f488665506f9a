"""How `daybook spark status` looks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from daybook.cli.spark_servers import Found
from daybook.cli.terminal import Terminal
from daybook.contract.spark_state import SparkState, size_in_words

_STYLES = {"answers": "green", "starts": "yellow", "silent": "yellow", "failed": "red", "down": "dim", "none": "dim"}
_COLUMNS = ("workspace", "state", "sessions", "size", "since (UTC)", "pages", "server")

Row = tuple[str, str, str, str, str, str, str]


def show_servers(terminal: Terminal, found: Sequence[Found]) -> None:
    """The table, and why each that failed has."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in _COLUMNS:
        table.add_column(title, justify="right" if title == "sessions" else "left", overflow="fold")
    for name, state, *rest in (row for each in found for row in _rows(each)):
        table.add_row(name, Text(state, style=_STYLES.get(state, "")), *rest)
    terminal.table(table)
    for each in found:
        for server in each.servers:
            if server.state is SparkState.FAILED:
                terminal.line(f"\n{server.name}: {server.why}")
        if each.trouble:
            terminal.line(f"\n{each.workspace}: {each.trouble}")


def _rows(found: Found) -> Iterator[Row]:
    if found.local is not None:
        local = found.local
        memory = f"{local.memory / 2**20:.0f} MiB in use" if local.memory is not None else ""
        yield (
            found.workspace,
            local.state,
            _number(local.sessions),
            memory,
            _moment(local.started_at),
            local.ui if local.pid is not None else "",
            local.remote,
        )
        return
    for each in found.servers:
        since = each.started_at.isoformat()
        pages = each.ui or ""
        yield (
            found.workspace,
            each.state,
            _number(each.sessions),
            size_in_words(each.size),
            _moment(since),
            pages,
            each.name,
        )
    if not found.servers:
        state = {"remote": "not Daybook's", "none": "none"}.get(found.kind, "unknown" if found.trouble else "down")
        yield found.workspace, state, "", "", "", found.ui or "", found.remote or ""


def _number(count: int | None) -> str:
    return "" if count is None else str(count)


def _moment(text: str | None) -> str:
    return (text or "")[:16].replace("T", " ")
