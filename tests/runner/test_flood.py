"""Cells that print faster than their output can be taken in: nothing of it is lost."""

import time

from daybook.runner import line
from daybook.runner.log import RunLog

MANY = 2_500


def test_a_kernel_waits_for_a_runner_that_is_slower_than_it(run, monkeypatch):
    printed = RunLog.cell_printed

    def slowly(log, text):
        time.sleep(0.001)
        printed(log, text)

    monkeypatch.setattr(RunLog, "cell_printed", slowly)
    monkeypatch.setattr(line, "WAITING_MESSAGES", 10)
    ended = run("print('first')", f"for i in range({MANY}): print(i, flush=True)", "len(In), list(Out)")
    lines = ended.printed(1).splitlines()
    assert lines == [str(number) for number in range(MANY)]
    # What keeps the kernel from throwing output away has left no trace in its history.
    [shown] = ended.notebook["cells"][2]["outputs"]
    assert "".join(shown["data"]["text/plain"]) == "(4, [])"
    assert [cell["execution_count"] for cell in ended.notebook["cells"]] == [1, 2, 3]
