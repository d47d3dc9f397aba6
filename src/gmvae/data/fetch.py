"""Step `fetch`: get one raw file from a mirror or from its publisher, and check it to the byte."""

import os
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from gmvae.data.download import NotObtained, checksum_fault, download_file
from gmvae.formats.writing import write_atomically
from gmvae.pipeline.command import run_step
from gmvae.pipeline.errors import Refused

LOCAL = ("localhost", "127.0.0.1", "::1")  # hosts that may be asked without https


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
    """Get one raw file: from the cache, else from the mirror, else from its publisher.

    Args:
        source: Name of the source that the file belongs to.
        file: Name of the file.
        output: Where the file goes.
        url: The publisher's address of the file, https.
        sha256: SHA-256 of the file.
        sha256_decompressed: SHA-256 of the decompressed content, for a file whose compression may vary.
        mirror: Folder or base URL that holds <source>/<file>, asked before the publisher (default: the environment
            variable GMVAE_MIRROR).
        cache: Folder of downloaded files that several projects may share.
        offline: Whether to leave the network alone.
        progress: Whether to show a progress bar.

    Raises:
        Refused: No place gives the right bytes, or the output cannot be written.
    """
    expected = {"sha256": sha256, "sha256_decompressed": sha256_decompressed}
    check_download(source, file, url, expected)
    cached = Path(cache, source, file) if cache else None
    if cached and cached.is_file() and not checksum_fault(cached, expected):
        return copy_file(cached, output)
    faults = []
    for origin in list_origins(mirror or os.environ.get("GMVAE_MIRROR", ""), source, file, url):
        try:
            return obtain_file(origin, output, cached, expected, offline, progress)
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
        raise Refused(f"{key}: the name contains a folder; allowed: a plain file name")
    if not any(expected.values()):
        raise Refused(f"{key}: sha256 and sha256_decompressed are missing; give the sha256sum of a trusted copy")
    if urlsplit(url).scheme != "https" and urlsplit(url).hostname not in LOCAL:
        raise Refused(f"{key}: url is '{url}'; allowed: https://...; set mirror for a local copy")


def is_url(origin: str) -> bool:
    """Whether a place is reached over the network."""
    return urlsplit(origin).scheme in ("http", "https")


def list_origins(mirror: str, source: str, file: str, url: str) -> list[str]:
    """The addresses and paths to try, in order."""
    if not mirror:
        return [url]
    return [f"{mirror.rstrip('/')}/{source}/{file}" if is_url(mirror) else str(Path(mirror, source, file)), url]


def obtain_file(
    origin: str, output: Path, cached: Path | None, expected: dict[str, str], offline: bool, progress: bool
) -> None:
    """Bring the file from one place to `output`, through the cache where there is one. Raises NotObtained."""
    if is_url(origin) and offline:
        raise NotObtained("not asked (offline)")
    try:
        if not is_url(origin):
            return copy_file(Path(origin), output, expected)
        download_file(origin, cached or output, expected, progress)
        if cached:
            copy_file(cached, output)
    except OSError as failure:
        raise Refused(
            f"{output}: cannot be written ({failure.strerror or failure}), {free_megabytes(output):.0f} MB are free; "
            "make room, or set cache to a folder on another disk"
        ) from None


def copy_file(path: Path, output: Path, expected: dict[str, str] | None = None) -> None:
    """Copy a local file to `output`, which appears once it is whole. Raises NotObtained for wrong bytes."""
    try:
        path.open("rb").close()
    except OSError as failure:
        raise NotObtained(f"expected a file, found none to read ({failure.strerror})") from None
    with write_atomically(output) as temporary:
        shutil.copyfile(path, temporary)
        fault = checksum_fault(temporary, expected or {})
        if fault:
            raise NotObtained(fault)


def free_megabytes(path: Path) -> float:
    """The free space on the disk of a path, which need not exist."""
    return shutil.disk_usage(next(folder for folder in path.absolute().parents if folder.is_dir())).free / 1e6


if __name__ == "__main__":
    run_step(fetch)
