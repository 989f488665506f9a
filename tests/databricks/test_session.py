import base64
import threading
import time

import pytest

from databricks.sessions import CLUSTER, Shown
from databricks.standin import Fault
from databricks.standin.cutting import WARNING
from daybook.contract import variables
from daybook.databricks import context as context_module
from daybook.databricks import python_process
from daybook.databricks.cell_errors import CellFailed
from daybook.databricks.contexts import GONE, GONE_AGAIN
from daybook.databricks.errors import (
    CommandCancelled,
    CommandTimedOut,
    ContextLost,
    DatabricksFailed,
    DatabricksRefused,
    HandoverUnsure,
    RemoteFailed,
)
from daybook.databricks.in_run.companion import Companion
from daybook.databricks.in_run.telling import Telling
from daybook.databricks.interruption import Interrupted
from daybook.databricks.model import SyncReport
from daybook.databricks.session import PROCESS_GONE, RESTARTED
from daybook.runner.events import events_of

LOST_ANSWERS = [(404, "ContextNotFound"), (400, "InvalidContext"), (500, "InternalError")]


@pytest.fixture(autouse=True)
def soon_certain(monkeypatch):
    monkeypatch.setattr(context_module, "UNANSWERED_SECONDS", 0.2)


def sent(standin):
    """The code of the notebook's own commands."""
    return [each.code for each in standin.commands.all.values() if "_daybook" not in each.code]


class TestResults:
    def test_variables_live_from_cell_to_cell(self, sessions):
        session = sessions.new()
        session.run("x = 41")
        assert session.run("print('x is', x)\nx + 1").printed() == "x is 41\n42"

    def test_tables_and_images_come_as_what_they_are(self, sessions):
        session = sessions.new()
        (table,) = session.run("display([{'a': 1, 'b': 'x'}])").looked_at()
        assert table["text/plain"] == "a  b\n1  x"
        shown = session.run("display(b'one'); display(b'two')").looked_at()
        assert [base64.b64decode(each["image/png"]) for each in shown] == [b"one", b"two"]

    def test_a_large_image_comes_from_the_file_store(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        plots = standin.root / "dbfs" / "FileStore" / "plots"
        plots.mkdir(parents=True)
        (plots / "large.png").write_bytes(b"x" * 3_000_000)
        standin.commands.answers.append(("Finished", {"resultType": "image", "fileName": "/plots/large.png"}))
        (image,) = session.run("2").looked_at()
        assert base64.b64decode(image["image/png"]) == b"x" * 3_000_000
        standin.commands.answers.append(("Finished", {"resultType": "image", "fileName": "/plots/gone.png"}))
        assert "cannot be had" in session.run("3").printed("stderr")

    def test_other_languages_have_contexts_of_their_own(self, standin, sessions):
        session = sessions.new()
        session.run("%sql\nCREATE TABLE t AS SELECT 1 AS one")
        assert session.run("%sql\nSELECT * FROM t").looked_at()[0]["text/plain"] == "one\n1"
        assert len(standin.contexts.ids) == 2
        with pytest.raises(CellFailed):
            session.run("%scala\nval x = 1")

    def test_a_cut_text_says_that_it_was_cut(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        standin.commands.text_limit = 10
        shown = session.run("print('x' * 100)")
        assert shown.printed() == f"xxxxx{WARNING}xxxxx"
        assert "Databricks cut this result" in shown.printed("stderr")

    def test_what_the_api_tells_early_is_shown_early_and_once(self, standin, sessions, tmp_path):
        standin.commands.tells_early = True
        gate = tmp_path / "gate"
        code = (
            f"import os, time\nprint('first')\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\nprint('last')"
        )
        session = sessions.new()
        thread, shown, errors = session.begin(code)
        assert shown.seen.wait(60)
        assert shown.printed() == "first\n"
        gate.touch()
        thread.join()
        assert (shown.printed().rstrip("\n"), errors) == ("first\nlast", [])


class TestErrors:
    def test_a_raised_error_has_its_name_value_and_traceback(self, sessions):
        with pytest.raises(CellFailed) as raised:
            sessions.new().run("def f():\n    return {}['key']\nf()")
        assert (raised.value.name, raised.value.value) == ("KeyError", "'key'")
        assert "in f" in "\n".join(raised.value.traceback)

    def test_a_write_that_is_refused_spoils_nothing_of_what_is_kept(self, sessions):
        session = sessions.new()
        shown = session.run("import sys\ntry:\n    sys.stdout.write(b'')\nexcept TypeError:\n    print('text only')")
        assert shown.printed() == "text only"
        with pytest.raises(CellFailed):
            session.run("print('so far')\n1 / 0", shown=shown)
        assert shown.printed().endswith("so far\n")

    def test_what_a_cell_printed_before_it_failed_is_shown(self, sessions):
        session, shown = sessions.new(), Shown()
        session.run("print('earlier cell')")
        with pytest.raises(CellFailed):
            session.run("print('so far')\nraise ValueError('no')", shown=shown)
        assert shown.printed() == "so far\n"

    @pytest.mark.parametrize("limit", [50_000, 10_000_000])
    def test_of_very_much_the_end_is_shown_whatever_the_runtime_lets_through(self, standin, sessions, limit):
        session, shown = sessions.new(), Shown()
        standin.commands.text_limit = limit
        code = "import random\nprint('begun')\nfor n in range(40_000): print(random.random())\nprint('the end')\n1 / 0"
        with pytest.raises(CellFailed, match="ZeroDivisionError") as raised:
            session.run(code, shown=shown)
        assert raised.value.traceback[-1] == "ZeroDivisionError: division by zero"
        assert shown.printed().endswith("\nthe end\n")
        assert "begun" not in shown.printed()
        assert len(shown.printed()) > 50_000
        assert "characters are left out here" in shown.printed("stderr")
        assert "variables" not in shown.printed("stderr")

    def test_of_much_that_repeats_itself_all_is_shown(self, sessions):
        session, shown = sessions.new(), Shown()
        with pytest.raises(CellFailed):
            session.run("for n in range(50_000): print('the same é')\n1 / 0", shown=shown)
        assert shown.printed() == "the same é\n" * 50_000
        assert shown.printed("stderr") == ""

    def test_words_in_the_output_mean_nothing(self, standin, sessions):
        session = sessions.new()
        words = "Context not found: execution context context_id is invalid, ContextLost, Cancelled"
        assert session.run(f"print({words!r})").printed() == words
        with pytest.raises(CellFailed, match="ValueError"):
            session.run(f"x = 1\nraise ValueError({words!r})")
        assert session.run("print(x)").printed() == "1"
        assert standin.count("/contexts/create") == 1

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (("Cancelled", None), CommandCancelled),
            (("Error", None), RemoteFailed),
            (("Error", {"resultType": "text", "data": "looks fine"}), RemoteFailed),
            (("Error", {"resultType": "error", "cause": "OSError: no"}), CellFailed),
            (("Finished", {"resultType": "error", "summary": "cancelled"}), CellFailed),
            (("Finished", {"cause": "it failed"}), CellFailed),
            (("Evaporated", {"resultType": "text", "data": "looks fine"}), RemoteFailed),
            ((None, None), RemoteFailed),
        ],
    )
    def test_what_did_not_end_well_is_an_error(self, standin, sessions, answer, error):
        session = sessions.new()
        session.run("1")
        standin.commands.answers.append(answer)
        with pytest.raises(error):
            session.run("2")

    @pytest.mark.parametrize(
        "asks", ["input('Who? ')", "import getpass\ngetpass.getpass()", "from getpass import getpass\ngetpass('Who? ')"]
    )
    def test_input_fails_at_once_and_says_why_in_every_cell(self, sessions, asks):
        session = sessions.new()
        for _ in range(2):
            with pytest.raises(CellFailed, match="cannot be answered on a Databricks cluster: give the value as a"):
                session.run(asks)

    def test_the_rest_of_the_session_goes_on_after_an_error(self, sessions):
        session = sessions.new()
        session.run("x = 1")
        with pytest.raises(CellFailed):
            session.run("1 / 0")
        assert session.run("print(x)").printed() == "1"


class TestInterrupts:
    @pytest.mark.parametrize("ends_as", ["Finished", "Cancelled"])
    def test_an_interrupt_cancels_the_command_and_the_session_stays_usable(self, standin, sessions, ends_as):
        standin.commands.cancelled_as = ends_as
        session = sessions.new()
        session.run("x = 1")
        thread, shown, errors = session.begin("print('began')\nimport time\ntime.sleep(600)")
        wait_for(lambda: sent(standin)[-1].startswith("print"))
        wait_for(lambda: list(standin.commands.all.values())[-1].status == "Running")
        session.interruption.ask()
        thread.join(60)
        assert [type(error) for error in errors] == [Interrupted]
        assert shown.printed() == "began\n"
        assert standin.count("/commands/cancel") == 1
        assert session.run("print(x)").printed() == "1"

    def test_an_interrupt_between_cells_is_none(self, sessions):
        session = sessions.new()
        session.interruption.ask()
        assert session.run("print(1)").printed() == "1"

    def test_a_command_that_takes_longer_than_its_limit_is_cancelled(self, standin, sessions):
        session = sessions.new(command=0.3)
        session.run("x = 1")
        with pytest.raises(CommandTimedOut, match=r"longer than 0.3 s .* raise command_seconds"):
            session.run("import time; time.sleep(600)")
        assert standin.count("/commands/cancel") == 1
        assert session.run("print(x)").printed() == "1"

    def test_without_a_limit_a_command_takes_its_time(self, sessions):
        assert sessions.new().run("import time; time.sleep(0.5); print(1)").printed() == "1"

    def test_the_wait_that_databricks_asks_for_can_be_interrupted(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        standin.faults.add(Fault("/commands/execute", 429, times=9, headers={"Retry-After": "600"}))
        thread, _, errors = session.begin("2")
        wait_for(lambda: standin.asked[-1].status == 429)
        session.interruption.ask()
        thread.join(60)
        assert [type(error) for error in errors] == [Interrupted]

    def test_a_command_that_does_not_end_is_given_up(self, standin, sessions):
        session = sessions.new(command=0.2, cancel=0.3)
        stubborn = """import time
end = time.time() + 3
while time.time() < end:
    try:
        time.sleep(3)
    except BaseException:
        pass"""
        session.run("1")
        with pytest.raises(CommandTimedOut):
            session.run(stubborn)


class Step:
    """Brings no files, but takes one command, which waits for a file that the test makes."""

    remote_folder = "/tmp"

    def __init__(self, gate):
        self.begun, self._gate = 0, str(gate)

    def synchronise(self, remote):
        self.begun += 1
        remote.run_python(f"import os, time\nwhile not os.path.exists({self._gate!r}): time.sleep(0.01)")
        return SyncReport(files=0)

    def remove(self, remote):
        pass


class TestInterruptsWhileFilesTravel:
    @pytest.fixture
    def gate(self, tmp_path):
        return tmp_path / "gate"

    @pytest.mark.parametrize("ask", ["ask", "ask_for_good"])
    def test_one_that_comes_too_late_for_a_step_ends_the_cell_before_it_runs(self, standin, sessions, gate, ask):
        standin.faults.add(Fault("/commands/cancel", 200, body={}))  # the step ends well all the same
        step = Step(gate)
        session = sessions.new(lambda: step, cancel=300)
        thread, _, errors = session.begin("print('ran')")
        wait_for(
            lambda: (
                [each.status for each in list(standin.commands.all.values()) if str(gate) in each.code] == ["Running"]
            )
        )
        getattr(session.interruption, ask)()
        wait_for(lambda: standin.count("/commands/cancel") == 1)
        gate.touch()
        thread.join()
        assert [type(error) for error in errors] == [Interrupted]
        assert "print('ran')" not in sent(standin)
        if ask == "ask":
            assert session.run("print('again')").printed() == "again"
            assert step.begun == 2

    def test_one_between_the_last_answer_and_the_cell_counts(self, standin, sessions, gate):
        gate.touch()
        step = Step(gate)
        session = sessions.new(lambda: step)
        session.run("1")
        synchronise = step.synchronise

        def interrupted(remote):
            report = synchronise(remote)
            session.interruption.ask()
            return report

        step.synchronise = interrupted
        with pytest.raises(Interrupted):
            session.run("print('ran')")
        assert "print('ran')" not in sent(standin)


class TestLostContexts:
    @pytest.mark.parametrize("answer", LOST_ANSWERS)
    def test_a_lost_context_fails_the_cell_which_is_not_run_again(self, standin, sessions, answer):
        standin.contexts.lost_answer = answer
        session = sessions.new(unreachable=5)
        session.run("x = 1")
        standin.contexts.lose_all()
        with pytest.raises(ContextLost, match="variables are lost, and the cell was not run again"):
            session.run("y = 2")
        assert "y = 2" not in sent(standin)
        assert standin.count("/contexts/create") == 1

    @pytest.mark.parametrize("answer", LOST_ANSWERS)
    def test_a_context_lost_under_a_running_cell_is_told(self, standin, sessions, answer):
        standin.contexts.lost_answer = answer
        session = sessions.new(unreachable=5)
        session.run("x = 1")
        thread, _, errors = session.begin("import time; time.sleep(600)")
        wait_for(lambda: list(standin.commands.all.values())[-1].status == "Running")
        standin.contexts.lose_all()
        thread.join(60)
        assert [type(error) for error in errors] == [ContextLost]
        assert sum("sleep" in code for code in sent(standin)) == 1

    def test_in_a_batch_run_every_later_cell_fails_too(self, standin, sessions):
        session = sessions.new()
        session.run("x = 1")
        standin.contexts.lose_all()
        with pytest.raises(ContextLost):
            session.run("2")
        with pytest.raises(ContextLost, match=GONE_AGAIN):
            session.run("3")
        assert standin.count("/contexts/create") == 1

    def test_whoever_watches_gets_a_new_context_and_is_told(self, standin, sessions):
        session = sessions.new()
        session.run("x = 1", batch=False)
        standin.contexts.lose_all()
        with pytest.raises(ContextLost):
            session.run("2", batch=False)
        shown = session.run("print('x' in globals())", batch=False)
        assert shown.printed() == "False"
        assert shown.printed("stderr") == GONE
        assert session.run("3", batch=False).printed("stderr") == ""

    def test_a_terminated_cluster_is_named_as_the_cause(self, standin, sessions):
        session = sessions.new()
        session.run("x = 1")
        standin.clusters.terminate(CLUSTER)
        with pytest.raises(ContextLost, match="the cluster is TERMINATED"):
            session.run("2")

    def test_a_process_that_dies_is_told_with_its_variables(self, standin, sessions):
        session, shown = sessions.new(), Shown()
        session.run("x = 1", batch=False)
        with pytest.raises(CellFailed):
            session.run("import os; os._exit(3)", batch=False, shown=shown)
        assert "The Python process of the context has ended" in shown.printed("stderr")
        assert session.run("print('x' in globals())", batch=False).printed() == "False"
        with pytest.raises(CellFailed, match="cannot be answered"):
            session.run("input()", batch=False)

    def test_a_process_that_dies_ends_a_batch_run(self, sessions):
        session = sessions.new()
        with pytest.raises(CellFailed):
            session.run("import os; os._exit(3)")
        with pytest.raises(ContextLost, match=GONE_AGAIN):
            session.run("1")

    @pytest.mark.parametrize("batch", [True, False])
    def test_another_languages_context_is_lost_for_itself(self, standin, sessions, batch):
        session = sessions.new()
        session.run("x = 1", batch=batch)
        session.run("%sql\nCREATE TABLE t AS SELECT 1 AS one", batch=batch)
        standin.contexts.lose(standin.contexts.ids[1])
        with pytest.raises(ContextLost):
            session.run("%sql\nSELECT * FROM t", batch=batch)
        assert session.run("print(x)", batch=batch).printed() == "1"
        if batch:
            with pytest.raises(ContextLost, match=GONE_AGAIN):
                session.run("%sql\nSELECT 1", batch=batch)
        else:
            assert session.run("%sql\nSELECT 1", batch=batch).printed("stderr") == GONE
        assert session.run("print(x)", batch=batch).printed() == "1"

    def test_pythons_context_is_lost_for_itself(self, standin, sessions):
        session = sessions.new()
        session.run("x = 1", batch=False)
        session.run("%sql\nCREATE TABLE t AS SELECT 1 AS one", batch=False)
        standin.contexts.lose(standin.contexts.ids[0])
        with pytest.raises(ContextLost):
            session.run("2", batch=False)
        shown = session.run("%sql\nSELECT * FROM t", batch=False)
        assert shown.looked_at()[0]["text/plain"] == "one\n1"

    def test_after_a_rest_the_context_is_asked_for_before_a_cell_is_handed_over(self, standin, sessions, monkeypatch):
        session = sessions.new()
        session.run("1")
        monkeypatch.setattr(context_module, "IDLE_SECONDS", 0.0)
        standin.contexts.lose_all()
        asked = standin.count("/commands/execute")
        with pytest.raises(ContextLost):
            session.run("2")
        assert standin.count("/commands/execute") == asked


class TestARestartedPython:
    """The context is the same, and all that was in its process is gone."""

    PARAMETERS = "# Parameters\nyear = 2013\nlimit = float('inf')\n"
    HIDDEN = "getattr(dbutils.library, 'restart' 'Python')()"

    @pytest.fixture
    def always_in_doubt(self, monkeypatch):
        monkeypatch.setattr(python_process, "PROVEN_SECONDS", -1.0)

    @pytest.mark.parametrize(
        "asks",
        ["dbutils.library.restartPython()", "%restart_python", "%pip --version\ndbutils.library.restartPython()"],
    )
    def test_whoever_asks_for_it_goes_on_with_parameters_and_is_told(self, standin, sessions, asks):
        pip = standin.root / "driver" / "pip"
        pip.mkdir(parents=True)
        (pip / "__main__.py").touch()
        session = sessions.new()
        session.run(self.PARAMETERS)
        session.run("x = 1")
        shown = session.run(asks)
        assert shown.printed("stderr") == RESTARTED.format(but=", but for the parameters")
        assert session.run("print('x' in globals(), year, limit)").printed() == "False 2013 inf"
        with pytest.raises(CellFailed, match="cannot be answered"):
            session.run("input()")
        with pytest.raises(CellFailed) as raised:
            session.run("print('so far')\n1 / 0", shown=shown)
        assert raised.value.name == "ZeroDivisionError"
        assert shown.printed().endswith("so far\n")
        assert len(standin.contexts.ids) == standin.count("/contexts/create") == 1

    def test_parameters_are_all_those_that_were_set_and_the_later_ones_count(self, sessions):
        session = sessions.new()
        for given in ("# Parameters\nregion = 'EU'\nyear = 1", "# Parameters\nyear = 2013", "# Parameters\nrate = 0.1"):
            session.run(given)
        session.run("dbutils.library.restartPython()")
        assert session.run("print(region, year, rate)").printed() == "EU 2013 0.1"

    def test_a_cell_that_computes_is_not_taken_for_parameters(self, sessions):
        session = sessions.new()
        session.run("# Parameters\nyear = int('2013')")
        assert session.run("dbutils.library.restartPython()").printed("stderr") == RESTARTED.format(but="")
        assert session.run("print('year' in globals())").printed() == "False"

    def test_a_cell_that_only_speaks_of_it_is_told_nothing(self, sessions):
        session = sessions.new()
        assert session.run("x = 1  # no dbutils.library.restartPython() here").printed("stderr") == ""
        assert session.run("print(x)").printed() == "1"

    def test_nobody_asked_and_nobody_watches_so_the_next_cell_fails_and_does_not_run(
        self, standin, sessions, always_in_doubt
    ):
        session = sessions.new()
        session.run("x = 1")
        session.run(self.HIDDEN)
        with pytest.raises(ContextLost, match="was started anew between two cells: its variables are lost"):
            session.run("print('ran')")
        assert "print('ran')" not in sent(standin)
        with pytest.raises(ContextLost, match=GONE_AGAIN):
            session.run("2")

    def test_nobody_asked_but_whoever_watches_is_told_and_goes_on(self, standin, sessions, always_in_doubt):
        session = sessions.new()
        session.run("x = 1", batch=False)
        session.run(self.HIDDEN, batch=False)
        shown = session.run("print('x' in globals())", batch=False)
        assert (shown.printed(), shown.printed("stderr")) == ("False", GONE)
        with pytest.raises(CellFailed, match="cannot be answered"):
            session.run("input()", batch=False)
        assert standin.count("/contexts/create") == 1

    def test_a_cell_that_fails_for_it_says_so(self, sessions):
        session, shown = sessions.new(), Shown()
        session.run("x = 1")
        session.run(self.HIDDEN)
        with pytest.raises(CellFailed, match="NameError"):
            session.run("print(x)", shown=shown)
        assert shown.printed("stderr") == PROCESS_GONE
        with pytest.raises(ContextLost, match=GONE_AGAIN):
            session.run("2")

    def test_the_projects_files_are_entered_anew(self, sessions, tmp_path):
        class Files:
            remote_folder = str(tmp_path)

            def synchronise(self, remote):
                return SyncReport(0)

            def remove(self, remote):
                pass

        session = sessions.new(Files)
        session.run("dbutils.library.restartPython()")
        assert session.run("import os; print(os.getcwd())").printed() == str(tmp_path)


class TestFaultsOfTheLine:
    def test_too_many_requests_are_asked_again_as_databricks_wishes(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        standin.faults.add(Fault("/commands/execute", 429, headers={"Retry-After": "0"}))
        standin.faults.add(Fault("/commands/status", 429, headers={"Retry-After": "0"}))
        assert session.run("print(2)").printed() == "2"
        assert sent(standin).count("print(2)") == 1

    @pytest.mark.parametrize("status", [500, 503, 504, 502, 520, 408])
    def test_trouble_of_the_server_is_sat_out(self, standin, sessions, status):
        session = sessions.new()
        session.run("1")
        standin.faults.add(Fault("/commands/status", status, times=2, headers={"Retry-After": "0"}))
        if status == 503:
            standin.faults.add(Fault("/commands/execute", status, headers={"Retry-After": "0"}))
        assert session.run("print(2)").printed() == "2"
        assert standin.count("/contexts/create") == 1

    def test_a_broken_line_is_sat_out_while_the_command_runs(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        standin.faults.add(Fault("/commands/status", 0))
        assert session.run("print(2)").printed() == "2"

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (0, {}),
            (500, {}),
            (504, {}),
            (200, b"<html>"),
            (200, {}),
            (502, b"<html><head><title>502 Bad Gateway</title></head></html>"),
            (503, b"upstream connect error or disconnect/reset before headers"),
            (408, b""),
        ],
    )
    def test_a_handover_without_a_clear_answer_does_not_run_the_cell_twice(self, standin, sessions, status, body):
        session = sessions.new()
        session.run("1")
        before = standin.count("/commands/execute")
        standin.faults.add(Fault("/commands/execute", status, body=body))
        with pytest.raises(HandoverUnsure, match="may be running there, and is not sent a second time"):
            session.run("print(2)")
        assert standin.count("/commands/execute") == before + 1

    def test_a_cell_that_is_refused_for_its_size_has_surely_not_run(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        standin.faults.add(Fault("/commands/execute", 413, body={"error": "the command is too large"}))
        with pytest.raises(DatabricksFailed, match=r"handing the cell over: .*the command is too large") as raised:
            session.run("print(2)")
        assert not isinstance(raised.value, HandoverUnsure)

    def test_trouble_that_stays_ends_the_wait(self, standin, sessions):
        session = sessions.new(unreachable=0.3)
        session.run("1")
        standin.faults.add(Fault("/commands/status", 500, times=10_000))
        with pytest.raises(RemoteFailed, match="may still be running on the cluster"):
            session.run("2")

    def test_a_slow_answer_is_an_answer(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        standin.faults.add(Fault("/commands/status", None, delay=1.0))
        assert session.run("print(2)").printed() == "2"

    def test_a_token_that_expires_under_a_cell_is_told(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        thread, _, errors = session.begin("import time; time.sleep(600)")
        wait_for(lambda: list(standin.commands.all.values())[-1].status == "Running")
        token = dict(standin.tokens)
        standin.tokens.clear()
        thread.join(60)
        standin.tokens.update(token)
        (error,) = errors
        assert isinstance(error, RemoteFailed)
        assert "401" in str(error)
        assert "may still be running" in str(error)

    def test_a_token_that_expires_between_cells_is_told(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        standin.tokens.clear()
        with pytest.raises(DatabricksRefused, match="401"):
            session.run("2")

    def test_an_answer_that_is_no_document_is_told(self, standin, sessions):
        session = sessions.new()
        standin.faults.add(Fault("/contexts/create", 200, body=b"<html>"))
        with pytest.raises(DatabricksFailed, match="making a context"):
            session.run("2")


class TestContextsLeftBehind:
    @pytest.mark.parametrize(
        ("status", "body"),
        [(0, {}), (504, {}), (502, b"<title>502</title>"), (503, b"disconnect/reset before headers")],
    )
    def test_a_context_whose_id_never_arrived_is_not_asked_for_again(self, standin, sessions, status, body):
        session = sessions.new()
        standin.faults.add(Fault("/contexts/create", status, body=body))
        with pytest.raises(DatabricksFailed, match="making a context on cluster"):
            session.run("1")
        assert standin.count("/contexts/create") == 1
        assert session.run("print(2)").printed() == "2"

    def test_a_context_that_databricks_does_not_make_yet_is_asked_for_again(self, standin, sessions):
        standin.faults.add(Fault("/contexts/create", 500, body={"error": "ClusterNotReadyException: no driver yet"}))
        standin.faults.add(Fault("/contexts/create", 429, headers={"Retry-After": "0"}))
        assert sessions.new().run("print(1)").printed() == "1"
        assert len(standin.contexts.ids) == 1


class TestEnds:
    def test_the_contexts_end_with_the_session(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        session.run("%sql SELECT 1")
        session.end()
        assert standin.contexts.ids == []
        session.end()

    def test_a_running_command_is_cancelled_at_the_end(self, standin, sessions):
        session = sessions.new()
        thread, _, errors = session.begin("import time; time.sleep(600)")
        wait_for(lambda: [each.status for each in standin.commands.all.values()][1:] == ["Running"])
        session.end()
        thread.join(60)
        assert [type(error) for error in errors] == [Interrupted]
        assert standin.count("/commands/cancel") == 1
        assert standin.contexts.ids == []

    def test_a_cell_that_did_not_hear_of_the_end_in_time_does_not_go_on_after_it(self, standin, sessions):
        gate = threading.Event()
        stuck = Fault("/clusters/get", None, until=gate)
        standin.faults.add(stuck)
        session = sessions.new()
        thread, _, errors = session.begin("print('ran')")
        try:
            wait_for(lambda: stuck.times == 0)
            session.session.close(0.1)
        finally:
            gate.set()
        thread.join()
        assert [type(error) for error in errors] == [Interrupted]
        assert sent(standin) == []
        assert standin.contexts.ids == []

    def test_what_a_run_made_is_fetched_from_beside_a_cell_that_is_stuck(self, standin, sessions, tmp_path):
        events, outputs = tmp_path / "events", tmp_path / "work" / "outputs"
        outputs.mkdir(parents=True)
        environment = {variables.RESULTS_VARIABLE: str(events), variables.OUTPUTS_VARIABLE: str(outputs)}
        session = sessions.new(companion=Companion(environment, Telling(environment)), cancel=0.1)
        session.run("from daybook.notebook import outputs; outputs('a').write_text('a')")
        thread, _, _ = session.begin("import time; time.sleep(600)")
        wait_for(lambda: list(standin.commands.all.values())[-1].status == "Running")
        gate = threading.Event()
        stuck = Fault("/commands/status", None, until=gate)
        standin.faults.add(stuck)
        try:
            wait_for(lambda: stuck.times == 0)
            standin.faults.add(Fault("/contexts/create", 429, headers={"Retry-After": "1"}))
            session.end()
        finally:
            gate.set()
        thread.join()
        assert (outputs / "a").read_text() == "a"
        assert events_of(events).lost == []

    def test_a_session_that_never_ran_asks_nothing_at_its_end(self, standin, sessions):
        session = sessions.new()
        asked = len(standin.asked)
        session.end()
        assert len(standin.asked) == asked

    def test_an_end_that_databricks_does_not_hear_is_an_end(self, standin, sessions):
        session = sessions.new()
        session.run("1")
        standin.tokens.clear()
        session.end()

    def test_facts_are_known_once_the_context_is_there(self, standin, sessions):
        session = sessions.new()
        assert session.session.facts is None
        session.run("1")
        facts = session.session.facts
        assert (facts.host, facts.cluster_id, facts.runtime) == (standin.host, CLUSTER, "16.4.x-scala2.12")
        assert facts.context_id == standin.contexts.ids[0]


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)
