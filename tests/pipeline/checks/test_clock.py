"""Files of the future get the time of now, in their order; others keep theirs."""

import os
import time

from gmvae.pipeline.checks.clock import bring_back

DAY = 86_400


def test_files_of_the_future_are_brought_back_in_their_order_and_no_others(tmp_path):
    now = time.time()
    times = {"data": now + DAY, "weights": now + 2 * DAY, "metrics": now + 2 * DAY + 1, "config": now - DAY}
    files = [tmp_path / name for name in ("metrics", "config", "data", "weights")]
    for file in files:
        file.touch()
        os.utime(file, (times[file.name], times[file.name]))
    assert bring_back(files) == 3
    written = {file.name: file.stat().st_mtime for file in files}
    assert now - 1 < written["data"] < written["weights"] < written["metrics"] <= time.time()
    assert abs(written["config"] - times["config"]) < 1e-3
    assert bring_back(files) == 0


def test_a_link_and_a_file_of_somebody_else_keep_their_times(tmp_path, monkeypatch):
    shared, link, theirs = tmp_path / "shared", tmp_path / "link", tmp_path / "theirs"
    later = time.time() + DAY
    for file in (shared, theirs):
        file.touch()
        os.utime(file, (later, later))
    link.symlink_to(shared)

    def refuse(path, ns):
        raise PermissionError(path)

    monkeypatch.setattr(os, "utime", refuse)
    assert bring_back([link, theirs]) == 0
    assert shared.stat().st_mtime == theirs.stat().st_mtime > time.time()
