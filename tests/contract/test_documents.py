"""The two documents, request and manifest: what is written is what is read, and nothing unknown gets in."""

import json
import math

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from builders import a_manifest, a_request, an_output
from daybook.contract.errors import ExitCode
from daybook.contract.manifest import (
    FINAL_STATES,
    CellError,
    Manifest,
    Reason,
    State,
    exit_code_for,
    manifest_schema,
)
from daybook.contract.request import DEFAULT_TIMEOUT_SECONDS, Limits, RunRequest, request_schema

characters = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | characters,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(characters, inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(characters, json_values, max_size=4)
seconds = st.none() | st.floats(min_value=0.001, max_value=1e9)
requests = st.builds(
    a_request,
    attempt=st.integers(1, 10**6),
    parameters=objects,
    secrets=st.dictionaries(characters, characters, max_size=2),
    user=st.none() | characters,
    image=st.none() | characters,
    limits=st.builds(Limits, timeout_seconds=seconds, cell_timeout_seconds=seconds),
)
manifests = st.builds(
    a_manifest,
    state=st.sampled_from(State),
    reason=st.none() | st.sampled_from(Reason),
    message=st.none() | characters,
    sealed=st.booleans(),
    parameters=objects,
    results=objects,
    error=st.none() | st.builds(CellError, cell=st.none() | st.integers(0, 99), name=characters, traceback=characters),
    outputs=st.lists(st.builds(an_output, characters), max_size=3),
)


@given(requests)
def test_a_request_reads_back_as_it_was_written(request):
    assert RunRequest.from_json(request.to_json()) == request


@given(manifests)
def test_a_manifest_reads_back_as_it_was_written(manifest):
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert Manifest.from_json(manifest.to_json().encode()) == manifest


def test_no_time_limit_is_still_none_after_the_journey():
    limits = Limits(timeout_seconds=None)
    assert RunRequest.from_json(a_request(limits=limits).to_json()).limits == limits
    assert Limits().timeout_seconds == DEFAULT_TIMEOUT_SECONDS


def test_null_parameters_are_still_there_after_the_journey():
    parameters = {"nothing": None, "inner": {"nothing": None}}
    assert RunRequest.from_json(a_request(parameters=parameters).to_json()).parameters == parameters


def test_equal_requests_make_equal_documents():
    assert a_request().to_json() == a_request().to_json()


@pytest.mark.parametrize("timeout", [0, -1, math.inf, math.nan])
@pytest.mark.parametrize("which", ["timeout_seconds", "cell_timeout_seconds"])
def test_a_time_limit_is_a_positive_number_of_seconds(which, timeout):
    with pytest.raises(ValidationError, match=which):
        Limits(**{which: timeout})


@pytest.mark.parametrize(
    ("kind", "document", "place"),
    [
        (RunRequest, a_request, []),
        (RunRequest, a_request, ["notebook"]),
        (RunRequest, a_request, ["limits"]),
        (Manifest, a_manifest, []),
        (Manifest, a_manifest, ["cells"]),
        (Manifest, a_manifest, ["files"]),
        (Manifest, a_manifest, ["timings"]),
    ],
)
def test_an_unknown_field_is_refused_wherever_it_stands(kind, document, place):
    content = json.loads(document().to_json())
    inner = content
    for name in place:
        inner = inner[name]
    inner["surprise"] = 1
    with pytest.raises(ValidationError, match=r"surprise\s+Extra inputs are not permitted"):
        kind.from_json(json.dumps(content))


@pytest.mark.parametrize(
    ("kind", "document", "field"), [(RunRequest, a_request, "version"), (Manifest, a_manifest, "schema_version")]
)
def test_another_version_is_refused(kind, document, field):
    content = json.loads(document().to_json())
    assert content[field] == 1
    with pytest.raises(ValidationError, match=field):
        kind.from_json(json.dumps({**content, field: 2}))


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", "{", '{"version": 1}', b"\xff"])
@pytest.mark.parametrize("kind", [RunRequest, Manifest])
def test_what_is_no_document_is_refused(kind, text):
    with pytest.raises(ValidationError):
        kind.from_json(text)


@pytest.mark.parametrize("document", [a_request, a_manifest])
def test_a_document_cannot_be_changed(document):
    with pytest.raises(ValidationError, match="frozen"):
        document().workspace = "other"


@pytest.mark.parametrize(
    ("document", "schema"), [(a_request(), request_schema()), (a_manifest(outputs=(an_output(),)), manifest_schema())]
)
def test_a_document_fits_its_published_schema(document, schema):
    jsonschema.validate(json.loads(document.to_json()), schema)


def strict(constant):
    raise AssertionError(f"{constant} is not JSON")


def test_a_manifest_is_json_whatever_was_recorded():
    """Numbers that are not finite become null: browsers, databases and jq refuse a document with NaN in it."""
    manifest = a_manifest(results={"a": math.nan, "b": [math.inf, -math.inf], "c": {"d": math.nan}, "e": 1e300})
    results = json.loads(manifest.to_json(), parse_constant=strict)["results"]
    assert results == {"a": None, "b": [None, None], "c": {"d": None}, "e": 1e300}


def test_a_manifest_is_utf_8_whatever_was_recorded():
    """Half a surrogate pair, as in the name of a file that is not UTF-8, becomes a question mark."""
    manifest = a_manifest(
        results={"a\ud800": "\udc80b"}, message="file\udcff", error=CellError(name="E", value="\ud800")
    )
    found = Manifest.from_json(manifest.to_json().encode())
    assert (found.results, found.message) == ({"a?": "?b"}, "file?")
    assert found.error is not None
    assert found.error.value == "?"


def test_a_request_carries_not_a_number_as_it_is():
    """The catalogue refuses it; where it is let in, Daybook's own reader takes Python's word for it."""
    found = RunRequest.from_json(a_request(parameters={"x": math.nan, "y": -math.inf}).to_json()).parameters
    assert math.isnan(found["x"])
    assert found["y"] == -math.inf


def test_text_stays_readable_in_a_manifest():
    assert '"Zürich"' in a_manifest(results={"city": "Zürich"}).to_json()


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("sealed", [True, False])
def test_a_run_succeeded_only_if_its_sealed_manifest_says_so(state, sealed):
    assert a_manifest(state=state, sealed=sealed).succeeded is (sealed and state is State.SUCCEEDED)


WORLD_FAILED = {
    Reason.STORE_FAILED,
    Reason.KERNEL_UNAVAILABLE,
    Reason.INTERNAL_ERROR,
    Reason.IMAGE_UNAVAILABLE,
    Reason.UNSCHEDULABLE,
    Reason.CANNOT_START,
    Reason.POD_REFUSED,
    Reason.CREDENTIALS_REFUSED,
    Reason.SPARK_UNAVAILABLE,
    Reason.POD_FAILED,
}


@pytest.mark.parametrize("reason", [None, *Reason])
@pytest.mark.parametrize("state", State)
def test_state_reason_and_exit_code_agree(state, reason):
    if state not in FINAL_STATES:
        with pytest.raises(ValueError, match="no exit code yet"):
            exit_code_for(state, reason)
        return
    code = exit_code_for(state, reason)
    expected = {
        State.SUCCEEDED: ExitCode.SUCCEEDED,
        State.INTERRUPTED: ExitCode.INTERRUPTED,
        State.LOST: ExitCode.INFRASTRUCTURE_FAILED,
    }
    if state is not State.FAILED:
        assert code is expected[state]
    elif reason is Reason.INVALID_REQUEST:
        assert code is ExitCode.INVALID_REQUEST
    else:
        assert code is (ExitCode.INFRASTRUCTURE_FAILED if reason in WORLD_FAILED else ExitCode.NOTEBOOK_FAILED)


@pytest.mark.parametrize("path", ["..", ".", "../x", "a/../../../auth/logout", "a/.", "./a"])
def test_an_outputs_path_never_climbs(path):
    """A page's links and pictures are made of it, and a browser resolves it before it asks."""
    with pytest.raises(ValidationError, match="must not hold"):
        an_output(path)
    assert an_output("..a/b..c/...").path == "..a/b..c/..."
