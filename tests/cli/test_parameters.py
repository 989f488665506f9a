import pytest

from daybook.catalogue import Input, Notebook
from daybook.cli.parameters import read_settings, read_texts, typed
from daybook.contract.errors import InvalidRequest


@pytest.fixture
def notebook():
    inputs = (
        Input(name="word", type="string"),
        Input(name="times", type="integer", default=1),
        Input(name="urls", type="url_list", required=False),
    )
    return Notebook(id="echo", source="/x.ipynb", inputs=inputs)


def faults(caught):
    return {fault.where: fault.message for fault in caught.value.faults}


def test_values_keep_equals_signs_and_blanks():
    assert read_texts(["a=b=c", " d = e "]) == {"a": ["b=c"], "d": [" e "]}


def test_every_piece_that_is_no_name_and_value_is_named():
    with pytest.raises(InvalidRequest) as caught:
        read_texts(["a=1", "b", "=c"])
    assert set(faults(caught)) == {"-p b", "-p =c"}


def test_a_name_given_twice_is_a_list(notebook):
    texts = read_texts(["word=x", "urls=http://a.example/1", "urls=http://a.example/2"])
    assert typed(notebook, texts, {})["urls"] == ["http://a.example/1", "http://a.example/2"]


def test_texts_and_a_file_go_together(notebook):
    assert typed(notebook, {"times": ["3"]}, {"word": "x"}) == {"word": "x", "times": 3}


def test_a_name_in_both_is_refused(notebook):
    with pytest.raises(InvalidRequest) as caught:
        typed(notebook, {"times": ["3"]}, {"word": "x", "times": 3})
    assert list(faults(caught)) == ["times"]


def test_every_fault_of_both_is_named_once(notebook):
    with pytest.raises(InvalidRequest) as caught:
        typed(notebook, {"times": ["x"], "a": ["1"]}, {"word": 5, "b": 2})
    assert sorted(fault.where for fault in caught.value.faults) == ["a", "b", "times", "word"]


def test_a_missing_value_is_named_beside_a_wrong_one(notebook):
    with pytest.raises(InvalidRequest) as caught:
        typed(notebook, {"times": ["x"]}, {"urls": []})
    assert sorted(faults(caught)) == ["times", "word"]


def test_a_notebook_with_open_inputs_takes_any_name():
    notebook = Notebook(id="echo", source="https://x.example/x.ipynb", open_inputs=True)
    assert typed(notebook, {"a": ["1"]}, {"b": [2]}) == {"a": 1, "b": [2]}


def test_a_wrong_value_is_not_called_missing_as_well():
    notebook = Notebook(
        id="n", source="/x.ipynb", inputs=(Input(name="count", type="integer"), Input(name="b", type="bbox"))
    )
    with pytest.raises(InvalidRequest) as caught:
        typed(notebook, {"count": ["x"], "b": ["1,2,3"]}, {"c": 1})
    assert sorted({fault.where.split("[")[0] for fault in caught.value.faults}) == ["b", "c", "count"]
    assert not any("is required" in fault.message for fault in caught.value.faults)


def test_settings_are_read_and_what_is_none_or_there_twice_is_named():
    assert read_settings(["memory=4Gi", "image=a/b:1@x=y"]) == {"memory": "4Gi", "image": "a/b:1@x=y"}
    with pytest.raises(InvalidRequest, match="--set memory"):
        read_settings(["memory"])
    with pytest.raises(InvalidRequest, match="given twice"):
        read_settings(["memory=1Gi", "memory=2Gi"])
