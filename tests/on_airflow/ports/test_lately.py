"""What was read a moment ago, where the database is quick, slow, or away."""

from threading import Event, Thread

import pytest
from sqlalchemy.exc import OperationalError

from daybook.on_airflow.ports.key import page_key
from daybook.on_airflow.ports.lately import Lately


class Database:
    """Something to read, which counts how often, and can be slow or away."""

    def __init__(self):
        self.read, self.away, self.open = 0, False, Event()
        self.open.set()

    def __call__(self):
        self.open.wait()
        self.read += 1
        if self.away:
            raise OperationalError("SELECT", {}, Exception("server closed the connection"))
        return self.read


@pytest.fixture
def database():
    database = Database()
    yield database
    database.open.set()


@pytest.fixture
def moment():
    return [0.0]


def test_a_reading_is_shared_until_it_is_too_old(database, moment):
    lately = Lately(database, 1.0, 0, clock=lambda: moment[0])
    assert [lately.get() for _ in range(5)] == [1] * 5
    moment[0] = 1.0
    assert [lately.get(), lately.get()] == [2, 2]


def test_many_who_ask_at_once_make_one_reading(database):
    database.open.clear()
    lately, got = Lately(database, 1000.0, 0, patience=30.0), []
    threads = [Thread(target=lambda: got.append(lately.get())) for _ in range(10)]
    for each in threads:
        each.start()
    database.open.set()
    for each in threads:
        each.join()
    assert got == [1] * 10


def test_whoever_asks_a_slow_database_gets_what_was_known_before(database, moment, caplog):
    lately = Lately(database, 1.0, 0, patience=0.01, clock=lambda: moment[0])
    database.open.clear()
    assert (lately.get(), lately.is_behind) == (0, True)
    assert "is slow" in caplog.text


def test_a_database_that_is_away_is_asked_again_in_a_moment_and_harms_nobody(database, moment, caplog):
    lately = Lately(database, 1.0, 0, clock=lambda: moment[0])
    assert (lately.get(), lately.is_behind) == (1, False)
    database.away, moment[0] = True, 1.0
    assert [lately.get(), lately.get()] == [1, 1]
    assert lately.is_behind
    assert database.read == 2
    assert "does not answer" in caplog.text
    database.away, moment[0] = False, 2.0
    assert (lately.get(), lately.is_behind) == (3, False)


def test_the_pages_key_is_of_the_installation_and_tells_nothing_of_what_it_is_made_from():
    assert page_key("k" * 64) == page_key("k" * 64) != page_key("l" * 64)
    assert len(page_key(None)) == len(page_key("k" * 64)) == 32
    assert page_key("k" * 64) != ("k" * 64).encode()
