"""Names that go outside: valid whatever they are made from, and never the same for two different things."""

import re
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders import ASKED_AT, RUN_ID
from daybook.contract import keys

DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")

AWKWARD = [
    "",
    " ",
    ".",
    "..",
    "../../etc/passwd",
    "-",
    "_",
    "a",
    "a_b",
    "a-b",
    "A-B",
    "a.b",
    "a b",
    "a--b",
    "-a-b-",
    "Ünïcode",
    "日本語",
    "😀",
    "\ud800",
    "a\nb",
    "a\x00b",
    "a/b",
    "%2e%2e",
    "$(HOME)",
    *("x" * length for length in (62, 63, 64, 253, 254)),
    "x" * 63 + "y",
    "ada@example.org",
    "Ada@example.org",
    "ada@example_org",
    "ada.example.org",
    "ada+x@example.org",
    "A_B",
    "a_B",
    "a-b-",
    "ａ-ｂ",  # noqa: RUF001 - full-width letters
    "daybook_a",
    "default_pool",
    "-" * 63,
]

MINTS = [
    keys.label_value,
    keys.dns_label,
    keys.pool_name,
    keys.digest,
    lambda text: keys.run_id(text, ASKED_AT),
    lambda text: keys.pod_name(keys.run_id(text, ASKED_AT), 1),
    lambda text: keys.ordered_dag_run_id(text, "dag", "key"),
    lambda text: keys.ordered_dag_run_id("ada", "dag", text),
    keys.spark_server_name,
    lambda text: keys.spark_service_name(keys.spark_server_name(text), "uid"),
    lambda text: keys.spark_service_name(keys.spark_server_name("research"), text),
]

texts = st.one_of(st.text(), st.sampled_from(AWKWARD), st.text(alphabet="aA-_.b", max_size=70))
moments = st.datetimes(
    min_value=datetime(2, 1, 1),
    max_value=datetime(9998, 1, 1),
    timezones=st.timezones(),
)
run_ids = st.builds(keys.run_id, texts, moments, texts)


def test_a_run_id_tells_when_and_what():
    assert re.fullmatch(r"20261123T010203Z-flights-delays-[0-9a-f]{10}", keys.run_id("flights_delays", ASKED_AT, "x"))


def test_names_stay_the_same_from_version_to_version():
    """Records are found by these names: a change here loses runs."""
    assert RUN_ID == "20261123T010203Z-flights-delays-d7edbf7512"
    assert keys.run_prefix(RUN_ID) == f"runs/2026/11/23/{RUN_ID}"
    assert keys.pod_name(RUN_ID, 2) == "daybook-flights-delays-d7edbf7512-2"
    assert keys.airflow_run_id("n", ASKED_AT, "dag", "manual__1") == "20261123T010203Z-n-c33de7e88f"


def test_an_order_has_an_id_that_airflow_takes_for_a_manual_run():
    """`[scheduler] allowed_run_id_pattern` as Airflow ships it; what follows `manual__` is ours."""
    made = keys.ordered_dag_run_id("ada@example.org", "dag", "../\r\n" * 99)
    assert re.fullmatch(r"[A-Za-z0-9_.~:+-]+", made)
    assert re.fullmatch(r"manual__daybook-[0-9a-f]{40}", made)


def test_an_order_is_its_users_and_dags_own():
    asked = ("ada", "dag", "key"), ("ad", "adag", "key"), ("ada", "dagk", "ey"), ("bob", "dag", "key")
    assert len({keys.ordered_dag_run_id(*each) for each in asked}) == len(asked)


@pytest.mark.parametrize("text", AWKWARD)
def test_awkward_texts_make_valid_names(text):
    run = keys.run_id(text, ASKED_AT, text)
    assert keys.is_run_id(run)
    assert DNS_LABEL.fullmatch(keys.pod_name(run, 1))
    value = keys.label_value(text)
    assert LABEL_VALUE.fullmatch(value)
    assert 1 <= len(value) <= keys.LABEL_VALUE_LENGTH


@pytest.mark.parametrize("mint", MINTS)
def test_awkward_texts_never_share_a_name(mint):
    names = {text: mint(text) for text in AWKWARD}
    met = [(one, two) for one, two in combinations(AWKWARD, 2) if names[one] == names[two]]
    assert met == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x"),
        ("..", "x"),
        ("a_b", "a-b"),
        ("A-B", "a-b"),
        ("a--b", "a-b"),
        ("-a-", "a"),
        ("Ünïcode ﬁt", "unicode-fit"),
        ("日本語", "x"),
        ("a/../b", "a-b"),
        ("x" * 33, "x" * 32),
        ("x" * 31 + "-y", "x" * 31),
    ],
)
def test_a_slug_is_for_reading(text, expected):
    assert keys.slug(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        RUN_ID + "\n",
        " " + RUN_ID,
        RUN_ID.upper(),
        RUN_ID[:-1],
        RUN_ID + "0",
        RUN_ID.replace("2026", "٢٠٢٦"),
        RUN_ID.replace("flights", ".."),
        RUN_ID.replace("flights", "a/b"),
        RUN_ID.replace("flights", "-"),
        RUN_ID.replace("flights-delays", ""),
        RUN_ID.replace("flights", "x" * 33),
    ],
)
def test_what_is_no_run_id_makes_no_key_and_no_pod(text):
    assert not keys.is_run_id(text)
    with pytest.raises(ValueError, match="not a run id"):
        keys.run_prefix(text)
    with pytest.raises(ValueError, match="not a run id"):
        keys.pod_name(text, 1)


def test_a_run_id_needs_a_moment_with_a_time_zone():
    with pytest.raises(ValueError, match="time zone"):
        keys.run_id("n", ASKED_AT.replace(tzinfo=None))


def test_a_run_id_is_the_same_in_every_time_zone():
    elsewhere = ASKED_AT.astimezone(timezone(timedelta(hours=5, minutes=45)))
    assert keys.run_id("n", elsewhere, "x") == keys.run_id("n", ASKED_AT, "x")


@given(texts, moments, st.lists(texts, max_size=4))
def test_a_run_id_matches_its_own_pattern_and_leads_to_its_prefix(notebook, asked_at, identity):
    run = keys.run_id(notebook, asked_at, *identity)
    assert keys.is_run_id(run)
    prefix = keys.run_prefix(run)
    moment = asked_at.astimezone(UTC)
    assert prefix == f"runs/{moment.year:04}/{moment.month:02}/{moment.day:02}/{run}"
    assert keys.label_value(run) == run


@given(st.lists(st.tuples(texts, texts, texts), min_size=2, max_size=6, unique=True))
def test_distinct_identities_make_distinct_run_ids(identities):
    ids = {keys.run_id(notebook, ASKED_AT, *identity) for notebook, *identity in identities}
    assert len(ids) == len(identities)


@given(run_ids, st.integers(min_value=1, max_value=10**9))
def test_a_pod_name_is_a_dns_label_that_keeps_digest_and_attempt(run, attempt):
    name = keys.pod_name(run, attempt)
    assert DNS_LABEL.fullmatch(name)
    assert len(name) <= keys.POD_NAME_LENGTH
    assert name.endswith(f"-{run[-10:]}-{attempt}")


@given(run_ids, st.integers(min_value=1, max_value=10**9))
def test_a_pods_secret_and_session_are_named_after_it(run, attempt):
    assert keys.secret_name(run, attempt) == f"{keys.pod_name(run, attempt)}-credentials"
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,251}[a-z0-9])?", keys.secret_name(run, attempt))
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", keys.session_name(run, attempt))


@given(texts, texts)
def test_a_spark_server_and_its_service_have_dns_labels_for_names(workspace, uid):
    server = keys.spark_server_name(workspace)
    service = keys.spark_service_name(server, uid)
    for name in (server, service):
        assert DNS_LABEL.fullmatch(name)
        assert len(name) <= keys.POD_NAME_LENGTH
    assert service.startswith("daybook-spark-"), "before Kubernetes 1.34 a Service's name begins with a letter"
    assert service != server


@given(texts)
def test_a_label_value_is_always_one(text):
    value = keys.label_value(text)
    assert LABEL_VALUE.fullmatch(value)
    assert 1 <= len(value) <= keys.LABEL_VALUE_LENGTH


@given(texts)
def test_a_dns_label_is_always_one_and_a_pool_is_named_after_it(text):
    label = keys.dns_label(text)
    assert DNS_LABEL.fullmatch(label)
    assert keys.pool_name(text) == f"daybook_{label}"
    assert keys.pool_name(text) != "default_pool"


@pytest.mark.parametrize("mint", [keys.label_value, keys.dns_label])
@given(texts)
def test_no_name_can_be_chosen_that_becomes_the_one_of_another(mint, text):
    minted = mint(text)
    assert minted == text or mint(minted) != minted


@given(st.lists(texts, min_size=2, max_size=8, unique=True))
def test_distinct_texts_never_share_a_name(names):
    for mint in MINTS:
        assert len({mint(name) for name in names}) == len(names)


def test_a_run_id_is_its_own_label_though_it_ends_in_a_digest():
    assert keys.label_value(RUN_ID) == RUN_ID


@pytest.mark.parametrize(
    "changed",
    [
        {"notebook": "other"},
        {"run_after": ASKED_AT + timedelta(microseconds=1)},
        {"dag_id": "other"},
        {"dag_run_id": "other"},
        {"task_id": "other"},
        {"map_index": 0},
        {"map_index": 1},
    ],
)
def test_each_airflow_coordinate_makes_another_run(changed):
    given_ = {"notebook": "n", "run_after": ASKED_AT, "dag_id": "d", "dag_run_id": "r"}
    assert keys.airflow_run_id(**{**given_, **changed}) != keys.airflow_run_id(**given_)


def test_coordinates_do_not_run_into_one_another():
    assert keys.airflow_run_id("n", ASKED_AT, "ab", "c") != keys.airflow_run_id("n", ASKED_AT, "a", "bc")


def test_the_first_attempt_lies_at_the_top_and_later_ones_on_their_own():
    assert [keys.attempt_prefix(attempt) for attempt in (1, 2, 10)] == ["", "attempts/2/", "attempts/10/"]
    first, second = keys.AttemptKeys(1), keys.AttemptKeys(2)
    assert (first.notebook, first.html, first.log) == ("notebook.ipynb", "notebook.html", "log.txt")
    assert second.log == "attempts/2/log.txt"
    assert second.output("a/b.csv") == "attempts/2/outputs/a/b.csv"


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt):
    with pytest.raises(ValueError, match="count from 1"):
        keys.attempt_prefix(attempt)
    with pytest.raises(ValueError, match="count from 1"):
        keys.pod_name(RUN_ID, attempt)


def test_no_key_of_one_attempt_is_a_key_of_another():
    def all_keys(attempt):
        of = keys.AttemptKeys(attempt)
        return {of.notebook, of.html, of.log, of.output("a"), of.output("attempts/2/log.txt")}

    assert not all_keys(1) & all_keys(2)
    assert keys.MANIFEST not in all_keys(1) | all_keys(2)


@pytest.mark.parametrize("asked_at", [ASKED_AT, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, tzinfo=UTC)])
def test_a_run_id_tells_when_the_run_was_asked_for(asked_at):
    run = keys.run_id("nb", asked_at)
    assert keys.asked_at(run) == asked_at
    assert keys.run_prefix(run).startswith(f"{keys.day_prefix(asked_at.date())}/")


@pytest.mark.parametrize("text", ["", "20261341T000000Z-nb-0123456789", "20261123T996000Z-nb-0123456789", "nb"])
def test_what_names_no_moment_is_refused(text):
    with pytest.raises(ValueError, match=r"not a run id|does not match|unconverted"):
        keys.asked_at(text)


@pytest.mark.parametrize(
    ("key", "run"),
    [
        (f"{keys.run_prefix(RUN_ID)}/manifest.json", RUN_ID),
        (f"{keys.run_prefix(RUN_ID)}/attempts/2/outputs/a/b", RUN_ID),
        (f"{keys.run_prefix(RUN_ID)}/", RUN_ID),
        (keys.run_prefix(RUN_ID), None),
        (f"more/{keys.run_prefix(RUN_ID)}/manifest.json", None),
        (f"runs/2020/01/01/{RUN_ID}/manifest.json", None),
        ("runs/2026/11/23/20261123T010203Z-a--b-0123456789/manifest.json", None),
        ("runs/2026/11/23/notes/manifest.json", None),
        ("", None),
        ("/////", None),
    ],
)
def test_a_key_tells_the_run_that_it_belongs_to(key, run):
    assert keys.run_of(key) == run
