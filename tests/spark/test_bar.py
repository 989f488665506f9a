"""The bar below a cell, and what the run's record is told: no Spark, no notebook."""

from daybook.spark.bar import Bar, amount, line_of
from daybook.spark.operations import Operation
from daybook.spark.telling import Several, Telling


class Drawn:
    """A display that keeps what it was given, by handle."""

    def __init__(self):
        self.number = 1
        self.shown = {}
        self.draws = 0

    def cell(self):
        return self.number

    def draw(self, bundle, handle):
        self.draws += 1
        handle = handle or f"h{len(self.shown)}"
        self.shown[handle] = bundle
        return handle


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def an_operation(name="a", **changes):
    return Operation(**{"id": name, "seconds": 2.0, "tasks": 8, "tasks_done": 3, **changes})


def test_a_long_query_has_a_bar_and_in_the_end_one_line():
    drawn, clock = Drawn(), Clock()
    bar = Bar(drawn, clock)
    bar.progressed(an_operation())
    assert drawn.shown["h0"]["text/plain"] == "Spark: 3/8 tasks, 2 s"
    assert drawn.shown["h0"]["text/html"].startswith('<progress value="3" max="8"></progress>')
    bar.ended(an_operation(tasks_done=8, seconds=3.25, read_bytes=12 * 2**20, state="succeeded"))
    assert drawn.shown == {"h0": {"text/plain": "Spark: 8 tasks in 3.2 s, 12.0 MiB read"}}


def test_quick_queries_leave_nothing():
    drawn = Drawn()
    bar = Bar(drawn, Clock())
    bar.progressed(an_operation(seconds=0.4))
    bar.ended(an_operation(seconds=0.9))
    assert drawn.draws == 0


def test_updates_are_a_second_apart():
    drawn, clock = Drawn(), Clock()
    bar = Bar(drawn, clock)
    for tenth in range(31):
        clock.now = tenth / 10
        bar.progressed(an_operation())
    assert drawn.draws == 4


def test_queries_of_one_cell_share_a_display_and_those_of_the_next_have_their_own():
    drawn = Drawn()
    bar = Bar(drawn, Clock())
    for name in "ab":
        bar.ended(an_operation(name, tasks_done=8, state="succeeded"))
    drawn.number = 2
    bar.ended(an_operation("c", tasks_done=1, state="failed"))
    assert [each["text/plain"] for each in drawn.shown.values()] == [
        "Spark: 2 queries, 16 tasks in 4.0 s",
        "Spark: 1 failed, 1 task in 2.0 s",
    ]


def test_where_no_cell_runs_nothing_is_drawn():
    drawn = Drawn()
    drawn.number = None
    Bar(drawn, Clock()).ended(an_operation())
    assert drawn.draws == 0


def test_queries_at_the_same_time_are_summed():
    drawn, clock = Drawn(), Clock()
    bar = Bar(drawn, clock)
    bar.progressed(an_operation("a"))
    clock.now = 5.0
    bar.progressed(an_operation("b", seconds=1.5))
    assert drawn.shown["h0"]["text/plain"] == "Spark: 6/16 tasks, 2 s"


def test_the_record_is_told_of_progress_now_and_then_and_of_every_end():
    told, clock = [], Clock()
    telling = Several([Telling(told.append, clock)])
    for now in (0.0, 0.5, 1.0):
        clock.now = now
        telling.progressed(an_operation(stages=2))
    telling.ended(an_operation(state="succeeded", rows=4, started_at=1.23456))
    assert [each["kind"] for each in told] == ["spark_progress", "spark_progress", "spark_operation"]
    assert (told[0]["id"], told[0]["stages"], told[0]["tasks"], told[0]["tasks_done"]) == ("a", 2, 8, 3)
    assert (told[0]["seconds"], told[0]["state"]) == (2.0, "running")
    assert (told[2]["rows"], told[2]["started_at"], told[2]["state"]) == (4, 1.235, "succeeded")


def test_a_full_disk_does_not_end_a_query():
    def full(_):
        raise OSError(28, "No space left on device")

    Telling(full).ended(an_operation())


def test_amounts_are_for_people():
    assert [amount(size) for size in (0, 1023, 1024, 5 * 2**30)] == ["0 B", "1023 B", "1.0 KiB", "5.0 GiB"]
    assert line_of([an_operation(read_bytes=1536)]).endswith("1.5 KiB read")


def test_no_tasks_that_were_told_are_not_none_that_were_done():
    assert line_of([an_operation(tasks_done=0, state="succeeded")]) == "Spark: 2.0 s"
