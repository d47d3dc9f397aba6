"""Step `fetch` against a real HTTP server on this machine that cuts, stalls, sends wrong bytes and recovers."""

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
import requests

from gmvae.data import download
from gmvae.data.fetch import fetch
from gmvae.pipeline.errors import Refused

CONTENT = b"".join(i.to_bytes(4, "big") for i in range(100_000))  # 400 kB: several blocks
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` under any path and records the paths; `faults` name what is wrong with the next answers."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.paths, self.content = [], [], CONTENT
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.paths.append(self.path)
        fault = self.server.faults.pop(0) if self.server.faults else "none"
        if isinstance(fault, int):
            return self.send_error(fault)
        body = self.server.content
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if fault == "wrong bytes":
            body = bytes(len(body))
        self.wfile.write(body[: len(body) // 2] if fault in ("cut", "stall") else body)
        if fault == "stall":
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


def fetched_bytes(server, folder, **options):
    """Fetch from the server into the folder; the bytes that arrive."""
    options = {"url": f"{server.url}/f.bin", "sha256": SHA, "progress": False, **options}
    fetch("set", "f.bin", folder / "raw/f.bin", **options)
    return (folder / "raw/f.bin").read_bytes()


def refusal_line(server, folder, **options) -> str:
    """The one line of the refusal, after a check that no file is left behind."""
    with pytest.raises(Refused) as refusal:
        fetched_bytes(server, folder, **options)
    assert not [path for path in folder.rglob("*") if path.is_file()] and "\n" not in str(refusal.value)
    return str(refusal.value)


def contains_all(text: str, *parts: object) -> bool:
    return all(str(part) in text for part in parts)


def test_a_whole_file_arrives_alone_and_others_may_read_it(server, tmp_path):
    (tmp_path / "usual").touch()
    assert fetched_bytes(server, tmp_path) == CONTENT
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["f.bin"]
    assert (tmp_path / "raw/f.bin").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_progress_bar_is_shown_where_it_is_wanted(server, tmp_path, capsys):
    assert fetched_bytes(server, tmp_path, progress=True) == CONTENT
    assert "100%" in capsys.readouterr().err
    fetched_bytes(server, tmp_path)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("fault", ["cut", "stall", "wrong bytes", 500, 503])
def test_a_server_that_recovers_is_asked_again(server, tmp_path, fault):
    server.faults = [fault]
    assert fetched_bytes(server, tmp_path) == CONTENT and len(server.paths) == 2


def test_the_last_attempt_may_succeed(server, tmp_path):
    server.faults = ["cut"] * download.RETRIES
    assert fetched_bytes(server, tmp_path) == CONTENT and not server.faults


def test_a_wrong_checksum_is_named_with_the_right_one(server, tmp_path):
    server.content = b"something else"
    message = refusal_line(server, tmp_path)
    actual = hashlib.sha256(b"something else").hexdigest()
    assert contains_all(message, "set/f.bin", f"{server.url}/f.bin", f"sha256 {SHA}", actual, "14 bytes")
    assert contains_all(message, "mirror", "downloads.set.f.bin")
    assert len(server.paths) == 1 + download.RETRIES


@pytest.mark.parametrize(("fault", "reason"), [("cut", "the connection was cut"), ("stall", "no byte for 0.2 s")])
def test_a_server_that_fails_every_time_is_refused_with_the_reason(server, tmp_path, monkeypatch, fault, reason):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    server.faults = [fault] * 9
    assert contains_all(refusal_line(server, tmp_path), f"{server.url}/f.bin", "5 attempts", reason)


def test_a_missing_file_is_asked_for_once(server, tmp_path):
    server.faults = [404]
    assert contains_all(refusal_line(server, tmp_path), f"{server.url}/f.bin", "404 Not Found", "mirror")
    assert len(server.paths) == 1


def test_a_redirect_from_https_to_http_is_refused():
    response = requests.Response()
    response.url, response.status_code = "https://example.org/f.bin", 302
    response.headers["Location"] = "https://elsewhere.org/f.bin"
    download.refuse_response(response)
    response.headers["Location"] = "http://elsewhere.org/f.bin"
    with pytest.raises(download.NotObtained, match=r"https.* http://elsewhere\.org/f\.bin"):
        download.refuse_response(response)


def test_a_server_that_does_not_exist_is_refused(server, tmp_path):
    message = refusal_line(server, tmp_path, url="http://127.0.0.1:9/f.bin")
    assert contains_all(message, "http://127.0.0.1:9/f.bin", "5 attempts", "the connection was refused")


def test_a_full_disk_is_named(server, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", fail)
    message = refusal_line(server, tmp_path)
    assert contains_all(message, f"{tmp_path}/raw/f.bin", "No space left on device", "MB are free", "cache")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_disk_that_fills_up_while_writing_is_named(server, tmp_path, monkeypatch):
    write = pooch.HTTPDownloader.__call__

    def write_to_full_disk(downloader, url, output_file, files):
        os.symlink("/dev/full", output_file)
        write(downloader, url, output_file, files)

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", write_to_full_disk)
    assert contains_all(refusal_line(server, tmp_path), f"{tmp_path}/raw/f.bin", "No space left on device")


@pytest.mark.parametrize("layout", ["folder", "url", "environment"])
def test_a_mirror_is_asked_first(server, tmp_path, monkeypatch, layout):
    folder = tmp_path / "mirror"
    (folder / "set").mkdir(parents=True)
    (folder / "set/f.bin").write_bytes(CONTENT)
    mirror = f"{server.url}/base/" if layout == "url" else str(folder)
    if layout == "environment":
        monkeypatch.setenv("GMVAE_MIRROR", mirror)
        mirror = ""
    assert fetched_bytes(server, tmp_path, url="https://publisher.invalid/f.bin", mirror=mirror) == CONTENT
    assert server.paths == (["/base/set/f.bin"] if layout == "url" else [])


@pytest.mark.parametrize("content", [None, b"wrong"])
def test_a_mirror_that_fails_is_reported_and_the_publisher_asked(server, tmp_path, capsys, content):
    (tmp_path / "mirror/set").mkdir(parents=True)
    if content:
        (tmp_path / "mirror/set/f.bin").write_bytes(content)
    assert fetched_bytes(server, tmp_path, mirror=str(tmp_path / "mirror")) == CONTENT
    fault = f"sha256 {SHA}" if content else "none to read"
    assert contains_all(capsys.readouterr().out, f"set/f.bin: {tmp_path}/mirror/set/f.bin", fault)


def test_offline_asks_nobody_and_names_the_remedy(server, tmp_path):
    message = refusal_line(server, tmp_path, offline=True, mirror=str(tmp_path / "mirror"))
    assert contains_all(message, f"{server.url}/f.bin: not asked (offline)", "/mirror/set/f.bin", "offline to false")
    assert not server.paths


def test_a_cache_is_filled_once_verified_and_repaired(server, tmp_path):
    cache = tmp_path / "cache"
    assert fetched_bytes(server, tmp_path, cache=str(cache)) == CONTENT
    (tmp_path / "raw/f.bin").unlink()
    assert fetched_bytes(server, tmp_path, cache=str(cache), offline=True) == CONTENT
    assert len(server.paths) == 1
    (cache / "set/f.bin").write_bytes(b"rotten")
    assert fetched_bytes(server, tmp_path, cache=str(cache)) == CONTENT
    assert (cache / "set/f.bin").read_bytes() == CONTENT and len(server.paths) == 2


def test_another_compression_of_the_same_bytes_is_right(server, tmp_path):
    server.content = gzip.compress(CONTENT, compresslevel=1)
    assert fetched_bytes(server, tmp_path, sha256="", sha256_decompressed=SHA) == server.content


def test_a_file_that_is_no_gzip_file_is_refused(server, tmp_path):
    message = refusal_line(server, tmp_path, sha256="", sha256_decompressed=SHA)
    assert contains_all(message, f"sha256_decompressed {SHA}", "no whole gzip file")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "http://example.org/f.bin"}, r"downloads\.set\.f\.bin: .*'http://example\.org/f\.bin'.*https"),
        ({"url": "file:///etc/passwd"}, r"downloads\.set\.f\.bin: .*'file:///etc/passwd'.*https"),
        ({"sha256": ""}, r"downloads\.set\.f\.bin: .*sha256 .*missing"),
    ],
)
def test_entries_that_cannot_be_trusted_are_refused(server, tmp_path, options, message):
    with pytest.raises(Refused, match=message):
        fetched_bytes(server, tmp_path, **options)
    assert not server.paths


def test_a_refusal_on_the_command_line_is_one_line(tmp_path):
    options = {"source": "set", "file": "f.bin", "output": tmp_path / "f.bin", "url": "https://a.invalid"}
    options |= {"sha256": SHA, "mirror": tmp_path, "cache": tmp_path}
    values = (part for name, value in options.items() for part in (f"--{name}", value))
    process = subprocess.run(
        [sys.executable, "-m", "gmvae.data.fetch", *values, "--offline"], capture_output=True, text=True
    )
    assert process.returncode == 1 and not list(tmp_path.iterdir())
    assert process.stderr.startswith("error: set/f.bin ") and process.stderr.count("\n") == 1
