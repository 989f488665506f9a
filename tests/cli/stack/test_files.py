import stat

from daybook.cli.stack.files import minted, write_if_changed, write_private


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_secret_is_made_once_and_private(tmp_path):
    path = tmp_path / "secrets" / "token"
    secret = minted(path)
    assert len(secret) >= 40
    assert minted(path) == secret
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700
    assert minted(tmp_path / "other") != secret


def test_a_secret_that_others_could_read_becomes_private_again(tmp_path):
    path = tmp_path / "token"
    path.write_text("abc\n")
    path.chmod(0o644)
    assert minted(path) == "abc"
    assert mode(path) == 0o600


def test_an_empty_secret_is_made_anew(tmp_path):
    path = tmp_path / "token"
    path.write_text("\n")
    assert minted(path)


def test_files_are_private_and_whole(tmp_path):
    path = tmp_path / "file"
    write_private(path, "one")
    write_private(path, "two")
    assert path.read_text() == "two"
    assert mode(path) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_an_unchanged_file_is_left_alone_unless_it_is_not_private(tmp_path):
    path = tmp_path / "file"
    write_if_changed(path, "one")
    before = path.stat().st_ino
    write_if_changed(path, "one")
    assert path.stat().st_ino == before
    path.chmod(0o644)
    write_if_changed(path, "one")
    assert mode(path) == 0o600
    write_if_changed(path, "two")
    assert path.read_text() == "two"
