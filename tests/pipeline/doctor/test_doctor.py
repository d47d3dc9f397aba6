"""What the doctor says of each thing that may be missing, and that it exits with 0 only if nothing is."""

import gzip
import hashlib
import subprocess
import sys

import pytest

from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.doctor import data_files, doctor, machine, software
from gmvae.pipeline.doctor.findings import FAULT, NOTE, OK, Finding, print_findings
from gmvae.pipeline.sources import ROOT
from gmvae.training import precision


@pytest.fixture
def pinned(tmp_path):
    """A checkout that needs two packages."""
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy", "PyYAML"]\n[project.optional-dependencies]\ndev = ["none-such"]\n'
    )
    (tmp_path / "constraints.txt").write_text(
        f"numpy=={software.installed_version('numpy')}\nPyYAML==0.1\nnone_such==1\n"
    )
    return tmp_path


def test_missing_packages_are_faults_and_other_versions_notes(pinned):
    missing, other = software.check_packages(pinned)
    assert missing.state == FAULT and "none-such" in missing.text
    assert missing.remedy == f"{sys.executable} -m pip install -c constraints.txt -e '.[dev]'"
    assert (
        other.state == NOTE and "pyyaml" in other.text and "(pinned: 0.1)" in other.text and "numpy" not in other.text
    )


def test_a_python_without_the_packages_is_told_to_build_the_environment(pinned, monkeypatch):
    monkeypatch.setattr(software, "installed_version", lambda package: None)
    (finding,) = software.check_packages(pinned)
    assert finding.state == FAULT and finding.remedy == "make .venv/.stamp"


def test_the_environment_of_the_tests_has_all_packages():
    assert all(finding.state != FAULT for finding in software.check_packages(ROOT))


@pytest.mark.parametrize(("version", "state"), [((3, 10, 4), FAULT), ((3, 11, 0), OK), ((3, 14, 1), OK)])
def test_python_is_new_enough_from_3_11(version, state):
    assert software.check_python(version).state == state


def test_missing_latex_is_a_fault_with_the_packages_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = software.check_latex()
    assert finding.state == FAULT and "biber, pdflatex, kpsewhich not found" in finding.text
    assert finding.remedy.startswith("apt-get install biber")


def test_a_card_that_the_config_asks_for_must_be_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.check_card("cuda", "2.0").state == FAULT
    assert machine.check_card("auto", "2.0").state == OK
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'H100, 80000 MiB'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    assert machine.check_card("cuda", "2.0").text == "GPU: H100, 80000 MiB"
    assert machine.check_card("auto", "2.0+cpu").state == NOTE


def test_precision_is_that_of_training(tmp_path):
    assert machine.FAST == precision.FAST and machine.UNITS == precision.UNITS
    file = tmp_path / "cpuinfo"
    for flags, words in (("amx_bf16", "bfloat16 on"), ("avx512_bf16", "allowed"), ("avx2", "refused"), ("", "unknown")):
        file.write_text(f"flags\t: fpu {flags}\n" if flags else "model: x\n")
        assert words in machine.check_precision(file).text


def test_a_full_disk_and_a_closed_folder_are_faults(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 5e8})())
    assert machine.check_disk(tmp_path).state == FAULT
    assert machine.check_folders(tmp_path).state == OK
    monkeypatch.setattr(machine.os, "access", lambda path, mode: False)
    assert machine.check_folders(tmp_path).state == FAULT


@pytest.fixture
def mirrored(tmp_path):
    """A checkout with a raw file of each kind, and the part of a configuration that names them."""
    folder = tmp_path / "results/raw/toy"
    folder.mkdir(parents=True)
    (folder / "plain").write_bytes(b"plain")
    (folder / "packed").write_bytes(gzip.compress(b"packed"))
    sums = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("plain", "packed")}
    files = {"plain": {"sha256": sums["plain"]}, "packed": {"sha256_decompressed": sums["packed"]}}
    config = read_config(ROOT / "config.yaml")
    return tmp_path, config | {"downloads": {"toy": {**files, "absent": {"sha256": sums["plain"]}}}}


def test_raw_files_are_compared_by_their_checksums(mirrored):
    root, config = mirrored
    all_of_them, note = data_files.check_raw_files(root, config)
    assert all_of_them == Finding(OK, "raw files: 2 are there and intact, 2 of the catalogue are not")
    assert note.state == NOTE and "`make` fetches them" in note.text
    for name in ("plain", "packed"):
        (root / "results/raw/toy" / name).write_bytes(b"damaged")
    faults = [finding for finding in data_files.check_raw_files(root, config) if finding.state == FAULT]
    assert len(faults) == 2 and all(fault.remedy.startswith("rm ") for fault in faults)


def test_without_the_network_a_missing_raw_file_is_a_fault(mirrored, monkeypatch):
    root, config = mirrored
    monkeypatch.delenv("GMVAE_MIRROR", raising=False)
    assert data_files.check_raw_files(root, config | {"offline": True})[-1].state == FAULT
    assert data_files.check_raw_files(root, config | {"offline": True, "mirror": "/mirror"})[-1].state == NOTE


def test_an_own_file_that_is_missing_is_a_fault(mirrored):
    root, config = mirrored
    mine = {"name": "M", "source": "h5ad", "test_share": 0.2, "settings": {"path": "missing.h5ad"}}
    config["datasets"] = config["datasets"] | {"toy": mine}
    assert data_files.check_raw_files(root, config)[-1].text.startswith("missing.h5ad: there is no such file")


def test_a_refused_configuration_is_a_fault_and_nothing_more_is_looked_at(tmp_path):
    (tmp_path / "config.yaml").write_text("study: [")
    findings, config = data_files.check_project(tmp_path)
    assert [finding.state for finding in findings] == [FAULT] and config == {}


def test_every_fault_has_its_command_and_the_last_line_counts_them(capsys):
    print_findings([Finding(OK, "a"), Finding(FAULT, "b", "mend b"), Finding(NOTE, "c")])
    assert capsys.readouterr().out == (
        "ok     a\nfault  b\n       -> mend b\nnote   c\n\n1 fault: the commands behind the arrows mend them.\n"
    )
    print_findings([Finding(OK, "a")])
    assert capsys.readouterr().out.endswith("All that `make` needs is there.\n")


@pytest.mark.parametrize(("state", "status"), [(FAULT, 1), (NOTE, 0), (OK, 0)])
def test_the_status_is_0_only_without_faults(monkeypatch, state, status):
    monkeypatch.setattr(doctor, "examine", lambda: [Finding(state, "x")])
    with pytest.raises(SystemExit) as exit_:
        doctor.run_doctor()
    assert exit_.value.code == status


def test_it_runs_with_python_alone(tmp_path):
    """As where the environment is not built: no package can be imported."""
    command = [sys.executable, "-S", "-m", "gmvae", "doctor"]
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": str(tmp_path)}
    run = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and run.stderr == ""
    assert "-> make .venv/.stamp" in run.stdout and "not looked at without the environment" in run.stdout
