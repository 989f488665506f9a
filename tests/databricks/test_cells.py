import sys

import pytest

from daybook.contract.errors import InvalidRequest
from daybook.databricks.cells import Kind, read_cell


@pytest.mark.parametrize(
    ("source", "kind", "code"),
    [
        ("x = 1", Kind.PYTHON, "x = 1"),
        ("%python\nx = 1", Kind.PYTHON, "x = 1"),
        ("%sql\nSELECT 1", Kind.SQL, "SELECT 1"),
        ("\n  %sql SELECT 1\n", Kind.SQL, "SELECT 1\n"),
        ("%scala\nval x = 1", Kind.SCALA, "val x = 1"),
        ("%r\nx <- 1", Kind.R, "x <- 1"),
        ("%md\n# Title", Kind.MARKDOWN, "# Title"),
        ("# why\n\n%sql\nSELECT 1", Kind.SQL, "SELECT 1"),
        ("# why\nx = 1", Kind.PYTHON, "# why\nx = 1"),
        ("%time x = 1", Kind.PYTHON, "%time x = 1"),
        ("%%time\nx = 1", Kind.PYTHON, "%%time\nx = 1"),
        ("x = 1\n%sql SELECT 1", Kind.PYTHON, "x = 1\n%sql SELECT 1"),
        ("'%sql'", Kind.PYTHON, "'%sql'"),
    ],
)
def test_the_first_word_says_in_which_language_a_cell_is(source, kind, code):
    cell = read_cell(source)
    assert (cell.kind, cell.code) == (kind, code)


@pytest.mark.parametrize("magic", ["%run ./other", "%fs ls /", "%conda install x"])
def test_what_is_not_supported_is_refused_with_a_way_out(magic):
    with pytest.raises(InvalidRequest, match=r"not supported; .* Supported are %python"):
        read_cell(magic)


def test_pip_stands_alone():
    with pytest.raises(InvalidRequest, match=r"cell of its own, not with 'import polars'"):
        read_cell("%pip install polars\nimport polars")
    with pytest.raises(InvalidRequest, match="No closing quotation"):
        read_cell("%pip install 'polars")


def test_nothing_follows_a_restart_in_its_cell():
    with pytest.raises(InvalidRequest, match=r"%restart_python: must stand in a cell of its own, not before 'import x"):
        read_cell("%restart_python\nimport x")


@pytest.mark.parametrize(
    ("source", "asks"),
    [
        ("dbutils.library.restartPython()", True),
        ("%restart_python", True),
        ("%pip install polars", True),
        ("%pip install polars\n%restart_python", True),
        ("%python\ndbutils.library.restartPython ()", True),
        ("restart = 1", False),
        ("%sql\nSELECT 'restartPython()'", False),
    ],
)
def test_a_cell_says_whether_it_may_restart_python(source, asks):
    assert read_cell(source).may_restart is asks


@pytest.mark.parametrize(
    ("source", "are"),
    [
        ("# Parameters\na = -1\nb = {'c': [None, True, 'x', float('nan')]}\n", True),
        ("\n# Parameters\n", True),
        ("# Parameters\na = f()", False),
        ("# Parameters\na = [x for x in y]", False),
        ("# Parameters\na.b = 1", False),
        ("# Parameters\nprint(1)", False),
        ("# Parameters\na = = 1", False),
        ("a = 1", False),
        ("%sql\n# Parameters", False),
    ],
)
def test_parameters_are_known_by_their_heading_and_by_doing_nothing_else(source, are):
    assert read_cell(source).is_parameters is are


def run(code):
    """What a cell's code prints here, and how it ends."""
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})
    return out.getvalue()


@pytest.mark.parametrize("text", ["it's", 'say "x"', "back\\slash", "line\nbreak", "''' \"\"\"", "é", "$HOME {told}"])
def test_no_text_breaks_out_of_a_shell_cell(text):
    import shlex

    assert run(read_cell(f"%sh\nprintf %s {shlex.quote(text)}").code) == text


def test_a_shell_cell_that_fails_tells_its_code_and_what_it_said():
    with pytest.raises(RuntimeError, match=r"(?s)exit code 3.*so it is"):
        run(read_cell("%sh\necho so it is; exit 3").code)


def test_pip_runs_in_the_interpreter_of_the_context(tmp_path, monkeypatch):
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "__main__.py").write_text("import sys; print(sys.executable, sys.argv[1:])")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    said = run(read_cell("# what is needed\n%pip install 'a b'\n%pip list").code)
    assert said == f"{sys.executable} ['install', 'a b']\n{sys.executable} ['list']\n"
