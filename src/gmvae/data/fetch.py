"""Step fetch: one raw file, from a mirror or from its publisher, verified to the byte before it gets its name."""

import os
import shutil
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from gmvae.data.download import NotObtained, checksum_fault, download_file
from gmvae.formats.writing import write_atomically
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

LOCAL = ("localhost", "127.0.0.1", "::1")


def fetch(
    source: str,
    file: str,
    output: Path,
    url: str,
    sha256: str = "",
    sha256_decompressed: str = "",
    mirror: str = "",
    cache: str = "",
    offline: bool = False,
    progress: bool = True,
) -> None:
    """Put one raw file in place: from the cache, else the mirror, else its publisher.

    source, file: its data set and name. output: where it goes. url: the publisher's address, https. sha256: of the
    file; sha256_decompressed: of what gzip holds, where the compression may vary. mirror: a folder or base URL with
    <source>/<file> in it, asked first (default: the environment's GMVAE_MIRROR). cache: a folder shared by projects.
    offline: ask no network. progress: show a bar. Raises Refused, in one line, where no place gives the right bytes.
    """
    expected = {"sha256": sha256, "sha256_decompressed": sha256_decompressed}
    check_download(source, file, url, expected)
    cached = Path(cache, source, file) if cache else None
    if cached and cached.is_file() and not checksum_fault(cached, expected):
        return put_in_place(cached, output)
    faults = []
    for origin in origins(mirror or os.environ.get("GMVAE_MIRROR", ""), source, file, url):
        try:
            return obtain(origin, output, cached, expected, offline, progress)
        except NotObtained as failure:
            faults.append(f"{origin}: {failure}")
            print(f"{source}/{file}: {faults[-1]}")
    remedy = f"set mirror to a folder or URL that holds {source}/{file}, or " + (
        "offline to false" if offline else f"try again, or correct downloads.{source}.{file} in the config"
    )
    raise Refused(f"{source}/{file} was not fetched; {'; '.join(faults)}; {remedy}")


def check_download(source: str, file: str, url: str, expected: dict[str, str]) -> None:
    """Raise Refused where the config's entry of the file cannot be used."""
    key = f"downloads.{source}.{file}"
    if Path(file).name != file:
        raise Refused(f"{key}: the name holds a folder; allowed: a plain file name")
    if not any(expected.values()):
        raise Refused(f"{key}: sha256 and sha256_decompressed are missing; give what sha256sum says of a trusted copy")
    if urlsplit(url).scheme != "https" and urlsplit(url).hostname not in LOCAL:
        raise Refused(f"{key}: url is '{url}'; allowed: https://...; set mirror for a local copy")


def is_url(origin: str) -> bool:
    """Whether the place is asked over the network."""
    return urlsplit(origin).scheme in ("http", "https")


def origins(mirror: str, source: str, file: str, url: str) -> list[str]:
    """The places to ask, in order."""
    if not mirror:
        return [url]
    return [f"{mirror.rstrip('/')}/{source}/{file}" if is_url(mirror) else str(Path(mirror, source, file)), url]


def obtain(
    origin: str, output: Path, cached: Path | None, expected: dict[str, str], offline: bool, progress: bool
) -> None:
    """Put the file of one place into `output`, by way of the cache where there is one. Raises Unobtained."""
    if is_url(origin) and offline:
        raise NotObtained("not asked (offline)")
    try:
        if not is_url(origin):
            return put_in_place(Path(origin), output, expected)
        target = cached or output
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch.") as folder:
            whole = Path(folder, output.name)
            download_file(origin, whole, Path(folder, "partial"), expected, progress)
            os.replace(whole, target)
        if cached:
            put_in_place(cached, output)
    except OSError as failure:
        raise Refused(
            f"{output}: cannot be written ({failure.strerror or failure}), {free_megabytes(output):.0f} MB are free; "
            "make room, or set cache to a folder on another disk"
        ) from None


def put_in_place(path: Path, output: Path, expected: dict[str, str] | None = None) -> None:
    """Copy a local file to `output`, which appears once it is whole. Raises Unobtained for wrong bytes."""
    try:
        path.open("rb").close()
    except OSError as failure:
        raise NotObtained(f"expected a file, found none to read ({failure.strerror})") from None
    with write_atomically(output) as temporary:
        shutil.copyfile(path, temporary)
        found = checksum_fault(temporary, expected or {})
        if found:
            raise NotObtained(found)


def free_megabytes(path: Path) -> float:
    """The room on the disk of the path, which need not exist."""
    return shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free / 1e6


if __name__ == "__main__":
    run_step(fetch)
