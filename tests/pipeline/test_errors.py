"""Exceptions of the disk become one line with the folder and a remedy; others are left alone."""

import errno
import os

import pytest

from gmvae.pipeline import errors
from gmvae.pipeline.errors import Refused, exit_if_plugin_failed, exit_if_storage_failed

H5PY = "Can't close file (file write failed: filename = '/full/.x.1.h5ad', errno = 28, error message = 'No space')"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "No space left on device; make room"),
        (errno.EROFS, "Read-only file system; work in a folder"),
        (errno.EACCES, "Permission denied; give yourself the right"),
    ],
)
def test_a_disk_that_cannot_be_used_is_one_line_with_folder_and_remedy(code, words, tmp_path):
    with pytest.raises(SystemExit) as exit_:
        exit_if_plugin_failed(OSError(code, os.strerror(code), str(tmp_path / "x.csv")))
    assert str(exit_.value).startswith(f"error: {tmp_path}: {words}") and "\n" not in str(exit_.value)


def test_an_exception_that_follows_from_a_full_disk_is_one_too(tmp_path):
    try:
        try:
            raise OSError(errno.ENOSPC, "full", str(tmp_path / "x"))
        except OSError:
            raise ValueError("could not save") from None
    except ValueError as failure:
        with pytest.raises(SystemExit, match="No space left"):
            exit_if_storage_failed(failure)


def test_h5py_s_words_for_a_full_disk_end_the_program_before_h5py_closes_the_file(monkeypatch, capsys):
    def leave(status):
        raise SystemExit(status)

    monkeypatch.setattr(errors.os, "_exit", leave)
    with pytest.raises(SystemExit) as exit_:
        exit_if_storage_failed(RuntimeError(H5PY))
    assert exit_.value.code == 1
    line = f"error: /full: {os.strerror(errno.ENOSPC)}; make room on this disk and run again\n"
    assert capsys.readouterr().err == line


def test_other_exceptions_are_left_to_the_caller():
    exit_if_storage_failed(FileNotFoundError(errno.ENOENT, "missing", "x"))
    exit_if_storage_failed(ValueError("errno"))


def test_a_refusal_is_one_short_line_whatever_it_quotes():
    quoted = "a\nb\x1b[2J\u202e\ud800\0 Überprüfung: 3 µm"
    assert str(Refused(quoted)) == "a\\nb\\x1b[2J\\u202e\\ud800\\x00 Überprüfung: 3 µm"
    long = str(Refused("file: " + "x" * 100_000 + "; remedy"))
    assert len(long) < 5000 and long.startswith("file: xxx") and long.endswith("xxx; remedy")
