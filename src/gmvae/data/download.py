"""A download that is checked to the byte, goes on where a cut connection left it, and says what went wrong."""

import gzip
import hashlib
import logging
import shutil
import zlib
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

RETRIES = 4  # attempts after the first
TIMEOUT = 30  # seconds without a byte that count as a cut connection
BLOCK = 1 << 16  # bytes; what a cut connection may lose


class NotObtained(Exception):
    """One place did not give the right bytes: what was expected, what was found. Not worth another attempt."""


class DamagedFile(ValueError, NotObtained):
    """The bytes that came are not the right ones: worth another attempt, which pooch makes on a ValueError."""


def checksum_fault(path: Path, expected: dict[str, str]) -> str:
    """What is wrong with the file's bytes, '' if nothing. `expected`: sha256, sha256_decompressed, '' where unknown."""
    for kind, digest in expected.items():
        found = digest and file_digest(path, decompressed=kind == "sha256_decompressed")
        if found != digest:
            return f"expected {kind} {digest}, found {found} in {path.stat().st_size} bytes"
    return ""


def file_digest(path: Path, decompressed: bool) -> str:
    """The SHA-256 of the file's bytes, or of what they hold decompressed; in words where they are no gzip file."""
    digest = hashlib.sha256()
    try:
        with (gzip.open if decompressed else open)(path, "rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
    except (EOFError, gzip.BadGzipFile, zlib.error) as failure:
        return f"no whole gzip file ({failure})"
    return digest.hexdigest()


def download_file(url: str, target: Path, partial: Path, expected: dict[str, str], progress: bool) -> None:
    """Bring the file of `url` to `target`; pooch tries again where the connection or the bytes were bad.

    partial: where bytes gather between attempts; the caller's to remove. Raises Unobtained, and OSError where the
    disk does not take the bytes.
    """
    pooch.get_logger().setLevel(logging.WARNING)
    target.unlink(missing_ok=True)  # a cached file that is asked for again has the wrong bytes
    files = pooch.create(
        path=target.parent, base_url="", registry={target.name: None}, urls={target.name: url}, retry_if_failed=RETRIES
    )
    resumed = ResumingDownloader(partial, expected, progress)
    try:
        files.fetch(target.name, downloader=resumed)
    except requests.RequestException as failure:
        found = partial.stat().st_size if partial.exists() else 0
        wanted = f"{resumed.size} bytes" if resumed.size else "the file"
        raise NotObtained(
            f"expected {wanted}, found {found} bytes after {1 + RETRIES} attempts ({failure_reason(failure)})"
        ) from None


class ResumingDownloader:
    """A downloader for pooch that keeps what a cut connection had brought, and asks for the rest."""

    def __init__(self, partial: Path, expected: dict[str, str], progress: bool):
        self.partial, self.expected, self.progress = partial, expected, progress
        self.size = 0  # of the whole file in bytes, as the server last said; 0 if it did not
        self.tag = ""  # the server's mark of the version that the partial file belongs to

    def __call__(self, url: str, output_file: str, _pooch: object) -> None:
        """Bring the file of `url` to `output_file`. Raises requests' errors, Damaged and Unobtained."""
        start = self.partial.stat().st_size if self.partial.exists() else 0
        headers = {"Accept-Encoding": "identity"}  # a server that compresses would make the sizes disagree
        if start:
            headers |= {"Range": f"bytes={start}-"} | ({"If-Range": self.tag} if self.tag else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            if start and response.status_code == 416:
                self.partial.unlink()
                raise DamagedFile(f"expected more than {start} bytes, found no more: the file has changed there")
            refuse_response(response, url)
            continued = response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
            self.tag = response.headers.get("ETag", "")
            self.keep(response, start if response.status_code == 206 and continued else 0)
        found = checksum_fault(self.partial, self.expected)
        if found:
            self.partial.unlink()
            raise DamagedFile(found)
        shutil.move(self.partial, output_file)

    def keep(self, response: requests.Response, start: int) -> None:
        """Write the response's bytes behind the first `start` ones of the partial file."""
        rest = int(response.headers.get("Content-Length", 0))
        self.size = start + rest if rest else 0
        bar = tqdm(total=self.size or None, initial=start, unit="B", unit_scale=True, disable=not self.progress)
        with bar, open(self.partial, "ab") as stream:
            stream.truncate(start)
            for block in response.iter_content(BLOCK):
                stream.write(block)
                bar.update(len(block))


def refuse_response(response: requests.Response, url: str) -> None:
    """Raise Unobtained where another attempt is in vain (4xx, a redirect off https), HTTPError where it may help."""
    for step in [*response.history, response]:
        if url.startswith("https:") and not step.url.startswith("https:"):
            raise NotObtained(f"expected https throughout, found a redirect to {step.url}")
    if 400 <= response.status_code < 500:
        raise NotObtained(f"expected the file, found {response.status_code} {response.reason}")
    if response.status_code not in (200, 206):
        raise requests.HTTPError(f"{response.status_code} {response.reason}")


def failure_reason(failure: Exception) -> str:
    """What is at the bottom of a chain of network exceptions, in a few words."""
    text = " ".join(str(failure).split())
    known = {
        "Read timed out": f"no byte for {TIMEOUT} s",
        "IncompleteRead": "the connection was cut",
        "Connection refused": "the connection was refused",
        "resolve": "no such host, or no network",
    }
    return next((words for sign, words in known.items() if sign in text), f"{type(failure).__name__}: {text[:120]}")
