"""Downloading one file with pooch, which repeats failed attempts; each file is checked to the byte."""

import gzip
import hashlib
import logging
import os
import tempfile
import zlib
from pathlib import Path
from urllib.parse import urljoin

import pooch
import requests

RETRIES = 4  # attempts after the first
TIMEOUT = 30  # seconds without a byte after which a connection is given up
BLOCK = 1 << 16  # bytes read at once


class NotObtained(Exception):
    """One place did not give the right bytes: what was expected, what was found. Not worth another attempt."""


class DamagedFile(ValueError, NotObtained):
    """The bytes that arrived are not the right ones: worth another attempt, which pooch makes after a ValueError."""


def download_file(url: str, target: Path, expected: dict[str, str], progress: bool) -> None:
    """Download a file; it appears at `target` once it is whole and its checksums are right.

    Args:
        url: Address of the file.
        target: Where the file goes. A file that is there already is replaced.
        expected: Checksums, as in `checksum_fault`.
        progress: Whether to show a progress bar.

    Raises:
        NotObtained: The address gave no file with those checksums.
        OSError: The file could not be written.
    """
    pooch.get_logger().setLevel(logging.WARNING)
    download = pooch.HTTPDownloader(
        progressbar=progress,
        chunk_size=BLOCK,
        timeout=TIMEOUT,
        headers={"Accept-Encoding": "identity"},  # a server's own compression would hide the file's true size
        hooks={"response": refuse_response},
    )

    def download_and_check(url: str, temporary: str, _pooch: object) -> None:
        Path(temporary).unlink()  # pooch made it readable for one user only
        download(url, temporary, None)
        fault = checksum_fault(Path(temporary), expected)
        if fault:
            raise DamagedFile(fault)

    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch.") as folder:
        name = target.name
        files = pooch.create(folder, base_url="", registry={name: None}, urls={name: url}, retry_if_failed=RETRIES)
        try:
            os.replace(files.fetch(name, downloader=download_and_check), target)
        except requests.RequestException as failure:
            reason = failure_reason(failure)
            raise NotObtained(f"expected the file, found none after {1 + RETRIES} attempts ({reason})") from None


def refuse_response(response: requests.Response, **_: object) -> None:
    """Raise NotObtained where another attempt cannot help: a redirect from https to http, or a status of 4xx."""
    location = urljoin(response.url, response.headers.get("Location", ""))
    if response.is_redirect and response.url.startswith("https:") and not location.startswith("https:"):
        raise NotObtained(f"expected https throughout, found a redirect to {location}")
    if 400 <= response.status_code < 500:
        raise NotObtained(f"expected the file, found {response.status_code} {response.reason}")


def failure_reason(failure: Exception) -> str:
    """The cause at the bottom of a chain of network exceptions, in a few words."""
    text = " ".join(str(failure).split())
    known = {
        "Read timed out": f"no byte for {TIMEOUT} s",
        "IncompleteRead": "the connection was cut",
        "Connection refused": "the connection was refused",
        "resolve": "no such host, or no network",
    }
    return next((words for sign, words in known.items() if sign in text), f"{type(failure).__name__}: {text[:120]}")


def checksum_fault(path: Path, expected: dict[str, str]) -> str:
    """Compare a file with its checksums.

    Args:
        path: The file.
        expected: SHA-256 checksums by kind: `sha256` of the file, `sha256_decompressed` of its decompressed content;
            '' where it is unknown.

    Returns:
        The first disagreement in one line, '' if there is none.
    """
    for kind, checksum in expected.items():
        actual = checksum and file_checksum(path, decompressed=kind == "sha256_decompressed")
        if actual != checksum:
            return f"expected {kind} {checksum}, found {actual} in {path.stat().st_size} bytes"
    return ""


def file_checksum(path: Path, decompressed: bool) -> str:
    """The SHA-256 of a file, or of its decompressed content; a remark in words where it is no gzip file."""
    checksum = hashlib.sha256()
    try:
        with (gzip.open if decompressed else open)(path, "rb") as stream:
            while block := stream.read(BLOCK):
                checksum.update(block)
    except (EOFError, gzip.BadGzipFile, zlib.error) as failure:
        return f"no whole gzip file ({failure})"
    return checksum.hexdigest()
