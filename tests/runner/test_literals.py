"""Nothing given as a parameter's name or value becomes anything but data."""

import ast
import math
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybook.contract.errors import InvalidRequest
from daybook.runner.literals import name_fault, parameters_cell, python_literal

TEXTS = st.text(st.characters(codec=None, categories=None), max_size=30) | st.sampled_from(
    [
        '"',
        "'",
        '"""',
        "\\",
        "$(id)",
        "${HOME}",
        "`id`",
        "\n",
        "\r\nimport os",
        "\0",
        "\ud800",
        "\u2028",
        "{x}",
        "'+id+'",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def same(one, other):
    """Equal, of the same types, NaN equal to itself."""
    if isinstance(one, float) and isinstance(other, float):
        return (math.isnan(one) and math.isnan(other)) or repr(one) == repr(other)
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    return type(one) is type(other) and one == other


@given(JSON)
def test_a_python_literal_is_the_value_and_holds_nothing_but_literals(value):
    source = python_literal(value)
    assert "\n" not in source
    tree = ast.parse(source, mode="eval")
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call | ast.Attribute | ast.Name)]
    assert all(isinstance(each, ast.Call) or each.id == "float" for each in calls)
    assert same(eval(source, {"__builtins__": {"float": float}}), value)


@given(st.dictionaries(TEXTS | st.from_regex(r"[A-Za-z_]\w*", fullmatch=True), JSON, max_size=3))
def test_a_parameters_cell_only_assigns_the_names_that_were_given(parameters):
    try:
        source = parameters_cell(parameters, "python3", "python")
    except InvalidRequest:
        assert any(name_fault(name, "python") for name in parameters)
        return
    tree = ast.parse(source)
    assert [type(statement) for statement in tree.body] == [ast.Assign] * len(parameters)
    assert [statement.targets[0].id for statement in tree.body] == list(parameters)


@pytest.mark.parametrize(
    "name", ["b=0\nprint(1)\nc", "a b", "", "1a", "a.b", "a[0]", "a;b", "class", "é", "a\n", "None"]
)
def test_names_that_are_none_are_refused(name):
    with pytest.raises(InvalidRequest, match="cannot be names of parameters"):
        parameters_cell({name: 1}, "python3", "python")


def test_every_wrong_name_is_told():
    with pytest.raises(InvalidRequest) as raised:
        parameters_cell({"a b": 1, "fine": 2, "class": 3}, "python3", "python")
    assert "'a b'" in str(raised.value)
    assert "'class'" in str(raised.value)
    assert "fine" not in str(raised.value)


def test_a_text_of_a_class_of_its_own_is_only_its_text():
    class Sly(str):
        def __repr__(self):
            return "__import__('os')"

    assert python_literal(Sly("x")) == "'x'"


def test_values_that_json_does_not_know_are_refused():
    for value in (object(), {1: 2}, {"a": {1}}):
        with pytest.raises(InvalidRequest):
            python_literal(value)


DANGEROUS = "a\"b\\c$(touch X)${HOME}`id`\u2019'; d\n#{e} %s é😀"

WRITTEN = {
    ("ir", "r"): r'"a\"b\\c$(touch X)${HOME}`id`\u2019' + "'; d" + r"\u000a#{e} %s \u00e9\U0001f600" + '"',
    ("julia-1.9", "julia"): r'"a\"b\\c\$(touch X)\${HOME}`id`\u2019' + "'; d" + r"\u000a#{e} %s \u00e9\U0001f600" + '"',
    ("scala", "scala"): r'"a\"b\\c$(touch X)${HOME}`id`\u2019' + "'; d" + r"\n#{e} %s \u00e9\ud83d\ude00" + '"',
    (".net-csharp", "c#"): r'"a\"b\\c$(touch X)${HOME}`id`\u2019' + "'; d" + r"\n#{e} %s \u00e9\ud83d\ude00" + '"',
    (".net-powershell", "powershell"): "'a\"b\\c$(touch X)${HOME}`id`\u2019\u2019''; d\n#{e} %s é😀'",
    ("matlab", "matlab"): '["a""b\\c$(touch X)${HOME}`id`" + char([8217]) + "\'; d" + char([10]) + "#{e} %s " + '
    "char([233 128512])]",
}


@pytest.mark.parametrize(("kernel", "language"), WRITTEN)
def test_other_languages_find_nothing_to_carry_out_in_a_text(kernel, language):
    source = parameters_cell({"x": DANGEROUS}, kernel, language)
    assert WRITTEN[kernel, language] in source


def test_r_and_scala_are_written_as_papermill_writes_them():
    values = {"a": 1, "b": None, "c": [True, 2.5], "d": {"k": "v"}}
    assert parameters_cell(values, "ir", "r") == (
        '# Parameters\na = 1\nb = NULL\nc = list(TRUE, 2.5)\nd = list("k" = "v")\n'
    )
    assert 'val c = Seq(true, 2.5)\nval d = Map("k" -> "v")' in parameters_cell(values, "scala", "scala")


@given(
    st.dictionaries(st.from_regex(r"p_[a-z]{1,5}", fullmatch=True), TEXTS.filter(lambda t: "\0" not in t), min_size=1)
)
def test_a_shell_reads_back_just_the_texts(values):
    values = {name: text.encode("utf-8", "replace").decode() for name, text in values.items()}
    source = parameters_cell(values, "bash", "bash") + "".join(f'printf "%s\\0" "${name}"\n' for name in values)
    ended = subprocess.run([shutil.which("bash"), "-c", source], capture_output=True, check=True, env={})
    assert ended.stdout.decode().split("\0")[:-1] == list(values.values())


@pytest.mark.parametrize("name", ["PATH", "PROMPT_COMMAND", "PS1", "BASH_ENV", "LD_PRELOAD", "IFS"])
def test_a_shells_own_variables_cannot_be_given(name):
    with pytest.raises(InvalidRequest, match="the shell itself acts upon"):
        parameters_cell({name: "x"}, "bash", "bash")


def test_what_a_language_cannot_hold_is_named():
    with pytest.raises(InvalidRequest, match="nested"):
        parameters_cell({"nested": {"a": 1}}, "bash", "bash")
    with pytest.raises(InvalidRequest, match="language 'cobol'"):
        parameters_cell({"a": 1}, "cobol", "cobol")
