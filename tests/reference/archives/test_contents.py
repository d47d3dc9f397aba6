"""Archives from elsewhere: whole crates are unpacked, damaged and hostile ones refused in one line."""

import hashlib
import io
import json
import tarfile

import pytest

from gmvae.pipeline.errors import Refused
from gmvae.reference.archives.contents import described_files, unpack_files
from gmvae.reference.archives.crate import CrateFile, crate_metadata

CONTENTS = {"settings.json": b'{"study": "s"}', "runs/toy/ae/history.csv": b"epoch\n1\n"}


def description(contents, **changes):
    """The description of a crate with these files; a change of a file replaces its size or checksum."""
    files = [
        CrateFile(name, changes.get("size", len(content)), changes.get("sha256", hashlib.sha256(content).hexdigest()))
        for name, content in contents.items()
    ]
    return json.dumps(crate_metadata("A study", "Made up.", "", files, [])).encode()


def tar(path, entries):
    """An archive of names and contents, or of ready entries without content."""
    with tarfile.open(path, "w:gz") as packed:
        for name, content in entries:
            entry = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
    return path


def unpack(tmp_path, entries):
    return unpack_files(tar(tmp_path / "crate.tar.gz", entries), tmp_path / "files", "crate.tar.gz")


def test_a_crate_is_unpacked(tmp_path):
    names = unpack(tmp_path, [("ro-crate-metadata.json", description(CONTENTS)), *CONTENTS.items()])
    assert names == ["ro-crate-metadata.json", *CONTENTS]
    assert {name: (tmp_path / "files" / name).read_bytes() for name in CONTENTS} == CONTENTS


def is_unpacked(archive, folder):
    """Whether an archive is not refused."""
    try:
        unpack_files(archive, folder, archive.name)
    except Refused:
        return False
    return True


def link(name, target):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    return entry, b""


@pytest.mark.parametrize(
    ("entries", "refusal"),
    [
        ([("settings.json", b"{'study'}     "), ("runs/toy/ae/history.csv", b"epoch\n1\n")], "expected sha256"),
        ([("settings.json", b"longer than described")], "settings.json: expected 14 bytes, found 21"),
        ([("settings.json", CONTENTS["settings.json"])], "history.csv, which its .* names, is missing"),
        ([*CONTENTS.items(), ("metrics.csv", b"")], "found metrics.csv; allowed: each file that"),
        ([*CONTENTS.items(), ("settings.json", CONTENTS["settings.json"])], "found settings.json; .* once"),
        ([link("settings.json", "/etc/passwd")], "found settings.json; allowed"),
        ([("../settings.json", b"")], r"found \.\./settings.json; allowed"),
    ],
)
def test_files_that_are_not_as_described_are_refused(tmp_path, entries, refusal):
    with pytest.raises(Refused, match=refusal) as refused:
        unpack(tmp_path, [("ro-crate-metadata.json", description(CONTENTS)), *entries])
    assert "\n" not in str(refused.value)


HOSTILE = [
    *("../x", "/etc/x", "a/../../x", "a//x", "./x", ".hidden", "runs/.x", "a\\..\\x", ""),
    *("reference/full/metrics.csv", "seals.json", "raw/x", "archive/x", "thesis.pdf", "ro-crate-metadata.json"),
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_leave_the_results_or_are_not_made_by_runs_are_refused(tmp_path, name):
    with pytest.raises(Refused, match=r"allowed: files below results/|found no description"):
        unpack(tmp_path, [("ro-crate-metadata.json", description({name: b""})), (name, b"")])
    assert not (tmp_path / "x").exists() and not list((tmp_path / "files").rglob("x"))


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"@graph": 3}', b'{"@graph": [{}]}'),
        b'{"@graph": [{"@type": "File", "@id": "a"}]}',
    ],
)
def test_what_is_no_description_is_refused(tmp_path, content):
    with pytest.raises(Refused, match="found no description of a crate"):
        unpack(tmp_path, [("ro-crate-metadata.json", content)])


def test_more_than_the_disk_has_room_for_is_refused(tmp_path):
    with pytest.raises(Refused, match="make room"):
        unpack(tmp_path, [("ro-crate-metadata.json", description({"runs/x.csv": b""}, size=10**18))])


def test_an_archive_without_files_or_with_half_of_its_bytes_is_refused(tmp_path):
    with pytest.raises(Refused, match="without files"):
        unpack(tmp_path, [])
    whole = tar(tmp_path / "whole.tar.gz", [("ro-crate-metadata.json", description(CONTENTS)), *CONTENTS.items()])
    for length in range(0, whole.stat().st_size, 40):
        (tmp_path / "half.tar.gz").write_bytes(whole.read_bytes()[:length])
        folder = tmp_path / f"half{length}"
        if is_unpacked(tmp_path / "half.tar.gz", folder):  # only zeros after the last file are missing
            assert {name: (folder / name).read_bytes() for name in CONTENTS} == CONTENTS
            assert length > 0.8 * whole.stat().st_size


def test_sizes_and_checksums_are_read(tmp_path):
    (tmp_path / "d.json").write_bytes(description(CONTENTS))
    expected = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in CONTENTS.items()}
    assert described_files(tmp_path / "d.json", "d") == expected
