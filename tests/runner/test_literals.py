"""Nothing given as a parameter's name or value becomes anything but data."""

import ast
import math
import shutil
import subprocess
import sys
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybook.contract.errors import InvalidRequest
from daybook.runner.literals import MAX_LEVELS, name_fault, parameters_cell, python_literal

TEXTS = st.text(st.characters(codec=None, categories=None), max_size=30) | st.sampled_from(
    [
        "!ls",
        "%cd /",
        "x?",
        "\x03\ntouch X\n",
        "\x1b[A",
        "\t\t",
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


class Poisoned(dict):
    """Built-in names that tell whoever asks for one of them."""

    def __missing__(self, name):
        raise AssertionError(f"the cell asked for {name!r}")


def no_number_but(text):
    assert text in ("nan", "inf", "-inf")
    return float(text)


NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True).filter(lambda name: not name_fault(name, "python"))


@given(st.dictionaries(NAMES, JSON, min_size=1, max_size=3))
def test_an_executed_cell_sets_the_values_and_asks_for_nothing(parameters):
    source = parameters_cell(parameters, "python3", "python")
    space = {"__builtins__": Poisoned(float=no_number_but)}
    exec(compile(source, "cell", "exec"), space)
    del space["__builtins__"]
    assert same(space, parameters)


@given(st.dictionaries(NAMES, JSON, min_size=1, max_size=3))
def test_ipython_finds_no_command_of_its_own_in_a_cell(parameters):
    from IPython.core.inputtransformer2 import TransformerManager

    source = parameters_cell(parameters, "python3", "python")
    assert TransformerManager().transform_cell(source) == source


def test_integers_longer_than_python_reads_in_digits_are_kept():
    values = [10**5000, -(10**5000), 2**2000, -(2**2000) + 1, 10**601]
    space = {}
    exec(parameters_cell({"a": values}, "python3", "python"), space)
    assert space["a"] == values
    assert len(str(10**601)) < sys.get_int_max_str_digits()


def nested(levels, wrap):
    return reduce(lambda inner, _: wrap(inner), range(levels), 1)


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"k": inner}])
def test_nesting_is_kept_as_deep_as_a_language_reads_it_and_refused_beyond(wrap):
    deep = nested(MAX_LEVELS, wrap)
    space = {}
    exec(parameters_cell({"a": deep}, "python3", "python"), space)
    assert space["a"] == deep
    for language in ("python", "r"):
        for levels in (MAX_LEVELS + 1, 100_000):
            with pytest.raises(InvalidRequest, match="levels deep"):
                parameters_cell({"a": nested(levels, wrap)}, language, language)


def test_every_value_that_cannot_be_written_is_named():
    with pytest.raises(InvalidRequest) as raised:
        parameters_cell({"one": {1: 2}, "fine": 1, "two": [object()]}, "python3", "python")
    assert [fault.where for fault in raised.value.faults] == ["one", "two"]


@pytest.mark.parametrize(
    "name",
    ["b=0\nprint(1)\nc", "a b", "", "1a", "a.b", "a[0]", "a;b", "class", "é", "a\n", "None", "__builtins__", "a\0"],
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

        __str__ = __repr__

    assert python_literal(Sly("x")) == '"x"'
    assert parameters_cell({"a": Sly("x")}, "bash", "bash") == "# Parameters\na=x\n"


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


@given(
    st.dictionaries(
        NAMES,
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(10**30), 10**30)
            | st.floats()
            | st.text(st.characters(min_codepoint=32, max_codepoint=126)),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab \"'\\"), inner, max_size=3),
        ),
        max_size=3,
    )
)
def test_python_is_written_as_papermill_writes_it(parameters):
    from papermill.translators import PythonTranslator

    values = "\n".join(f"{name} = {PythonTranslator.translate(value)}" for name, value in parameters.items())
    assert parameters_cell(parameters, "python3", "python").rstrip("\n") == f"# Parameters\n{values}".rstrip("\n")


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


@pytest.mark.parametrize(
    ("kernel", "language", "written"),
    [
        ("ir", "r", "a = list(Inf, -Inf, NaN)"),
        ("julia-1.9", "julia", "a = [Inf, -Inf, NaN]"),
        ("scala", "scala", "val a = Seq(Double.PositiveInfinity, Double.NegativeInfinity, Double.NaN)"),
        (".net-csharp", "c#", "var a = new [] { double.PositiveInfinity, double.NegativeInfinity, double.NaN };"),
        (".net-fsharp", "f#", "let a = [ infinity; -infinity; nan ]"),
        (
            ".net-powershell",
            "powershell",
            "$a = @([double]::PositiveInfinity, [double]::NegativeInfinity, [double]::NaN)",
        ),
        ("matlab", "matlab", "a = {Inf, -Inf, NaN};"),
        ("bash", "bash", "a=(inf -inf nan)"),
    ],
)
def test_numbers_that_are_not_finite_are_written_as_the_language_knows_them(kernel, language, written):
    values = {"a": [math.inf, -math.inf, math.nan]}
    assert parameters_cell(values, kernel, language).splitlines()[1] == written


def test_a_number_with_more_digits_than_python_writes_is_refused_by_name():
    with pytest.raises(InvalidRequest, match=r"a: this value cannot be written in r: .*digits"):
        parameters_cell({"a": 10**5000}, "ir", "r")


@given(
    st.dictionaries(st.from_regex(r"p_[a-z]{1,5}", fullmatch=True), TEXTS.filter(lambda t: "\0" not in t), min_size=1)
)
def test_a_shell_finds_nothing_to_act_upon_while_a_cell_is_typed_into_it(values):
    lines = parameters_cell(values, "bash", "bash").split("\n")
    assert len(lines) == len(values) + 2
    assert all(line.isascii() and (line + " ").isprintable() and "!" not in line for line in lines)


@given(
    st.dictionaries(st.from_regex(r"p_[a-z]{1,5}", fullmatch=True), TEXTS.filter(lambda t: "\0" not in t), min_size=1)
)
def test_a_shell_reads_back_just_the_texts(values):
    values = {name: text.encode("utf-8", "replace").decode() for name, text in values.items()}
    source = parameters_cell(values, "bash", "bash") + "".join(f'printf "%s\\0" "${name}"\n' for name in values)
    ended = subprocess.run([shutil.which("bash"), "-c", source], capture_output=True, check=True, env={})
    assert ended.stdout.decode().split("\0")[:-1] == list(values.values())


def test_a_list_of_a_shell_keeps_its_places():
    source = parameters_cell({"a": ["x y", None, "", 3]}, "bash", "bash") + 'printf "<%s>" "${a[@]}"'
    ended = subprocess.run([shutil.which("bash"), "-c", source], capture_output=True, check=True, env={})
    assert ended.stdout == b"<x y><><><3>"


@pytest.mark.parametrize("name", ["PATH", "PROMPT_COMMAND", "PS1", "BASH_ENV", "LD_PRELOAD", "IFS", "MAILPATH", "UID"])
def test_a_shells_own_variables_cannot_be_given(name):
    with pytest.raises(InvalidRequest, match="the shell itself acts upon"):
        parameters_cell({name: "x"}, "bash", "bash")


def test_what_a_language_cannot_hold_is_named():
    with pytest.raises(InvalidRequest) as raised:
        parameters_cell({"one": {"a": 1}, "two": [[1]], "three": "a\0b"}, "bash", "bash")
    assert [fault.where for fault in raised.value.faults] == ["one", "two", "three"]
    assert "papermill" not in str(raised.value)
    with pytest.raises(InvalidRequest, match="begin with a letter in R"):
        parameters_cell({"_a": 1}, "ir", "r")
    with pytest.raises(InvalidRequest, match="language 'cobol'"):
        parameters_cell({"a": 1}, "cobol", "cobol")
