"""Results in a store that speaks S3: a small study goes to its end there, and its bytes are those of a local run.

`make test-storage` installs what this needs; elsewhere it skips. The store is moto's, a server on this machine.
"""

import hashlib
import re
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest
import yaml
from support.checkout import TINY, copied, snakemake

from gmvae.reference.archive import pack_files, task_files
from gmvae.reference.unpack import unpack_archive

NEEDED = ("boto3", "flask", "flask_cors", "moto", "snakemake_storage_plugin_s3")
pytestmark = [
    pytest.mark.storage,
    pytest.mark.skipif(any(find_spec(name) is None for name in NEEDED), reason="needs `make test-storage`"),
]
S3 = ["--default-storage-provider", "s3", "--default-storage-prefix", "s3://study/first"]
SMALL = {
    "studies": {"tiny": {"tasks": ["toy_tiny"]}},
    "tasks": {"toy_tiny": {"models": ["pca", "ae", "ae_kmeans", "gmdvae"]}},
}
TIMES = (".log", ".tsv", "provenance.json")  # what no two runs have alike


@pytest.fixture(scope="module")
def store():
    """A client of a server of this test, whose address and keys are in the environment."""
    import boto3  # not there without `make test-storage`

    address = "http://127.0.0.1:5604"
    keys = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "none", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "none"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ({"SNAKEMAKE_STORAGE_S3_ENDPOINT_URL": address} | keys).items():
            patch.setenv(name, value)
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", address.rpartition(":")[2]]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = boto3.client(
            "s3", endpoint_url=address, aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1"
        )
        try:
            wait_until_ready(client)
            yield client
        finally:
            server.terminate()
            server.wait(20)


def wait_until_ready(client, seconds=120):
    """Wait until the server answers."""
    from botocore.exceptions import EndpointConnectionError  # not there without `make test-storage`

    end = time.monotonic() + seconds
    while True:
        try:
            client.list_buckets()
            return
        except EndpointConnectionError:
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.5)


@pytest.fixture
def project(tmp_path):
    """A copy of the project with a file for a small study."""
    folder = copied(tmp_path / "project")
    (folder / "small.yaml").write_text(yaml.safe_dump(SMALL))
    return folder


def stored_files(client):
    """The content of each file of the study in the store, by its path."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="study", Prefix="first/results/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return {key.removeprefix("first/"): client.get_object(Bucket="study", Key=key)["Body"].read() for key in keys}


def test_every_path_of_a_command_is_a_copy_s(project, store):
    """Raw files, graphs of neighbours and latents are named by options, not only by a rule's input."""
    run = snakemake(project, "all", "--config", "study=full", *S3, "-n", "-F", "-p")
    assert run.returncode == 0, run.stderr[-3000:]
    commands = re.findall(r"^Shell command: (.* -m gmvae\..*)$", run.stdout + run.stderr, re.MULTILINE)
    assert len(commands) > 100 and any("--graph .snakemake/storage/s3/study/first/results" in line for line in commands)
    literal = {word for line in commands for word in re.findall(r"""(?<=[\s'"=])results/\S*""", line)}
    assert literal == {"results/latex"}  # LaTeX's own files, of which nothing is kept


def test_a_study_in_a_store_has_the_bytes_of_a_local_one_and_is_finished_then(project, store, tmp_path):
    arguments = ["results", *TINY, "small.yaml"]
    run = snakemake(project, *arguments, *S3)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-3000:]
    assert not (project / "results").exists()
    stored = stored_files(store)
    again = snakemake(project, *arguments, *S3, "-n")
    assert "Nothing to be done" in again.stdout + again.stderr
    local = copied(tmp_path / "local")
    (local / "small.yaml").write_text(yaml.safe_dump(SMALL))
    assert snakemake(local, *arguments).returncode == 0
    made = {str(path.relative_to(local)): path for path in (local / "results").rglob("*") if path.is_file()}
    del made["results/seals.json"]  # of files on this disk, made by no job
    assert set(made) == set(stored)
    assert [name for name, path in made.items() if not name.endswith(TIMES) and path.read_bytes() != stored[name]] == []


def test_an_archive_in_a_store_is_unpacked_from_a_signed_address(store, tmp_path):
    run = "runs/toy_tiny/gmdvae"
    (tmp_path / "made" / run).mkdir(parents=True)
    for name in ("weights.safetensors", "history.csv", "provenance.json"):
        (tmp_path / "made" / run / name).write_text(f"content of {name}")
    archive = tmp_path / "toy_tiny.tar.gz"
    pack_files(task_files("toy_tiny", tmp_path / "made"), tmp_path / "made", archive)
    store.create_bucket(Bucket="archives")
    store.upload_file(str(archive), "archives", archive.name)
    place = {"Bucket": "archives", "Key": archive.name}
    address = store.generate_presigned_url("get_object", Params=place, ExpiresIn=60)
    unpack_archive(address, tmp_path / "taken", hashlib.sha256(archive.read_bytes()).hexdigest())
    assert (tmp_path / "taken" / run / "history.csv").read_text() == "content of history.csv"
