"""Step fetch against a real HTTP server on this machine that cuts, stalls, lies and recovers."""

import errno
import gzip
import hashlib
import http.server
import os
import subprocess
import sys
import threading

import pooch
import pytest

from gmvae.data import download
from gmvae.data.fetch import fetch
from gmvae.pipeline.errors import Refused

CONTENT = b"".join(i.to_bytes(4, "big") for i in range(100_000))  # 400 kB: several blocks
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT under any path; `faults` is what it does to the next requests, one each; it logs their ranges."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.ranges, self.paths, self.content = [], [], [], CONTENT
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        self.server.paths.append(self.path)
        how = self.server.faults.pop(0) if self.server.faults else "whole"
        if isinstance(how, int):
            return self.send_error(how)
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and how != "no ranges" else 0
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            told = start + 1 if how == "wrong range" else start
            self.send_header("Content-Range", f"bytes {told}-{len(self.server.content) - 1}/{len(self.server.content)}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        if how == "lie":
            body = bytes(len(body))
        self.wfile.write(body[: len(body) // 2] if how in ("cut", "stall") else body)
        if how == "stall":
            self.wfile.flush()
            threading.Event().wait(4)
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 2)  # a busy machine may need a second, a stalled answer takes four
    monkeypatch.setattr(pooch.core.time, "sleep", lambda _: None)  # pooch waits between attempts
    monkeypatch.delenv("GMVAE_MIRROR", raising=False)
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def fetched(server, folder, **options):
    """Fetch from the server into the folder; the bytes that arrive."""
    options = {"url": f"{server.url}/f.bin", "sha256": SHA, "progress": False, **options}
    fetch("set", "f.bin", folder / "raw/f.bin", **options)
    return (folder / "raw/f.bin").read_bytes()


def refused(server, folder, **options) -> str:
    """The one line with which it is refused, after a look that nothing is left behind."""
    with pytest.raises(Refused) as refusal:
        fetched(server, folder, **options)
    left = [path for path in folder.rglob("*") if path.is_file()]
    assert not left and "\n" not in str(refusal.value)
    return str(refusal.value)


def test_a_whole_file_arrives_alone(server, tmp_path):
    assert fetched(server, tmp_path) == CONTENT
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["f.bin"]


@pytest.mark.parametrize("fault", ["cut", "stall"])
def test_a_cut_or_stalled_download_goes_on_where_it_was(server, tmp_path, fault):
    server.faults = [fault]
    assert fetched(server, tmp_path) == CONTENT
    first, second = server.ranges
    assert first is None and 0 < int(second.removeprefix("bytes=").removesuffix("-")) <= len(CONTENT) // 2


def test_every_attempt_brings_it_further(server, tmp_path):
    server.faults = ["cut"] * download.RETRIES
    assert fetched(server, tmp_path) == CONTENT
    starts = [int(wanted.removeprefix("bytes=").removesuffix("-")) for wanted in server.ranges[1:]]
    assert starts == sorted(starts) and len(set(starts)) > 2


@pytest.mark.parametrize("fault", ["no ranges", "wrong range", 416])
def test_a_server_that_cannot_resume_is_asked_anew(server, tmp_path, fault):
    server.faults = ["cut", fault]
    assert fetched(server, tmp_path) == CONTENT


@pytest.mark.parametrize("fault", ["lie", 500, 503])
def test_a_server_that_recovers_is_asked_again(server, tmp_path, fault):
    server.faults = [fault]
    assert fetched(server, tmp_path) == CONTENT


def test_a_wrong_checksum(server, tmp_path):
    server.content = b"something else"
    message = refused(server, tmp_path)
    found = hashlib.sha256(b"something else").hexdigest()
    assert f"set/f.bin was not fetched; {server.url}/f.bin: expected sha256 {SHA}, found {found} in 14 bytes" in message
    assert "set mirror to a folder or URL that holds set/f.bin, or try again, or correct downloads.set.f.bin" in message
    assert len(server.ranges) == 1 + download.RETRIES


def test_a_connection_that_is_cut_every_time(server, tmp_path):
    server.faults = ["cut"] * 9
    message = refused(server, tmp_path)
    assert f"{server.url}/f.bin: expected 400000 bytes, found " in message
    assert "bytes after 5 attempts (the connection was cut)" in message


def test_a_server_that_stalls_every_time(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.faults = ["stall"] * 9
    assert "after 5 attempts (no byte for 0.2 s)" in refused(server, tmp_path)


def test_a_missing_file_is_asked_for_once(server, tmp_path):
    server.faults = [404]
    message = refused(server, tmp_path)
    assert f"{server.url}/f.bin: expected the file, found 404 Not Found; set mirror to" in message
    assert len(server.ranges) == 1


def test_no_server_at_all(server, tmp_path):
    message = refused(server, tmp_path, url="http://127.0.0.1:9/f.bin")
    assert (
        "http://127.0.0.1:9/f.bin: expected the file, found 0 bytes after 5 attempts (the connection was re" in message
    )


def test_a_full_disk(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(download.ResumingDownloader, "keep", full)
    message = refused(server, tmp_path)
    assert message.startswith(f"{tmp_path}/raw/f.bin: cannot be written (No space left on device), ")
    assert message.endswith("MB are free; make room, or set cache to a folder on another disk")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_is_really_full(server, tmp_path, monkeypatch):
    write = download.ResumingDownloader.keep

    def keep(self, response, start):
        self.partial.symlink_to("/dev/full")
        monkeypatch.setattr(download.ResumingDownloader, "keep", write)
        write(self, response, start)

    monkeypatch.setattr(download.ResumingDownloader, "keep", keep)
    assert "cannot be written (" in refused(server, tmp_path)


@pytest.mark.parametrize("layout", ["folder", "url", "environment"])
def test_a_mirror_is_asked_first(server, tmp_path, monkeypatch, layout):
    folder = tmp_path / "mirror"
    (folder / "set").mkdir(parents=True)
    (folder / "set/f.bin").write_bytes(CONTENT)
    mirror = f"{server.url}/base/" if layout == "url" else str(folder)
    if layout == "environment":
        monkeypatch.setenv("GMVAE_MIRROR", mirror)
        mirror = ""
    assert fetched(server, tmp_path, url="https://publisher.invalid/f.bin", mirror=mirror) == CONTENT
    assert server.paths == (["/base/set/f.bin"] if layout == "url" else [])


@pytest.mark.parametrize("wrong", ["missing", "lies"])
def test_a_mirror_that_fails_is_said_and_the_publisher_asked(server, tmp_path, capsys, wrong):
    (tmp_path / "mirror/set").mkdir(parents=True)
    if wrong == "lies":
        (tmp_path / "mirror/set/f.bin").write_bytes(b"lie")
    assert fetched(server, tmp_path, mirror=str(tmp_path / "mirror")) == CONTENT
    said = {"missing": "expected a file, found none to read", "lies": f"expected sha256 {SHA}, found "}[wrong]
    assert f"set/f.bin: {tmp_path}/mirror/set/f.bin: {said}" in capsys.readouterr().out


def test_offline_asks_nobody_and_says_what_to_do(server, tmp_path):
    message = refused(server, tmp_path, offline=True, mirror=str(tmp_path / "mirror"))
    assert f"{server.url}/f.bin: not asked (offline); set mirror to" in message
    assert message.endswith("or offline to false") and "/mirror/set/f.bin: expected a file, found none" in message
    assert not server.ranges


def test_a_cache_is_filled_once_verified_and_mended(server, tmp_path):
    cache = tmp_path / "cache"
    assert fetched(server, tmp_path, cache=str(cache)) == CONTENT
    (tmp_path / "raw/f.bin").unlink()
    assert fetched(server, tmp_path, cache=str(cache), offline=True) == CONTENT
    assert len(server.ranges) == 1
    (cache / "set/f.bin").write_bytes(b"rotten")
    assert fetched(server, tmp_path, cache=str(cache)) == CONTENT
    assert (cache / "set/f.bin").read_bytes() == CONTENT and len(server.ranges) == 2


def test_another_compression_of_the_same_bytes_is_right(server, tmp_path):
    server.content = gzip.compress(CONTENT, compresslevel=1)
    assert fetched(server, tmp_path, sha256="", sha256_decompressed=SHA) == server.content


def test_what_is_no_gzip_file_is_said(server, tmp_path):
    message = refused(server, tmp_path, sha256="", sha256_decompressed=SHA)
    assert f"expected sha256_decompressed {SHA}, found no whole gzip file (" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"url": "http://example.org/f.bin"},
            r"downloads\.set\.f\.bin: url is 'http://example\.org/f\.bin'; allowed: https",
        ),
        ({"url": "file:///etc/passwd"}, r"url is 'file:///etc/passwd'; allowed: https"),
        ({"sha256": ""}, r"downloads\.set\.f\.bin: sha256 and sha256_decompressed are missing; give"),
    ],
)
def test_entries_that_cannot_be_trusted_are_refused(server, tmp_path, options, message):
    with pytest.raises(Refused, match=message):
        fetched(server, tmp_path, **options)


def test_a_refusal_on_the_command_line_is_one_line(tmp_path):
    options = {
        "source": "set",
        "file": "f.bin",
        "output": tmp_path / "f.bin",
        "url": "https://a.invalid",
        "sha256": SHA,
    }
    options |= {"mirror": tmp_path, "cache": tmp_path}
    given = (part for key, value in options.items() for part in (f"--{key}", value))
    done = subprocess.run(
        [sys.executable, "-m", "gmvae.data.fetch", *given, "--offline"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and not list(tmp_path.iterdir())
    assert done.stderr.startswith("error: set/f.bin was not fetched; ") and done.stderr.count("\n") == 1
