"""Intervals over rows, as the text reads them."""

import pytest

from gmvae.pipeline.errors import Refused
from gmvae.thesis.over_rows import read_intervals

HEADER = "task,model,rival,metric,value,low,high\n"


def test_a_difference_is_read_both_ways(tmp_path):
    (tmp_path / "a.csv").write_text(HEADER + "t,m,,nmi,0.5,0.4,0.6\nt,m,n,nmi,0.1,-0.1,0.25\n")
    (tmp_path / "b.csv").write_text(HEADER)
    intervals = read_intervals([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert intervals == {
        ("t", "m", "", "nmi"): (0.4, 0.6),
        ("t", "m", "n", "nmi"): (-0.1, 0.25),
        ("t", "n", "m", "nmi"): (-0.25, 0.1),
    }


def test_another_table_is_refused(tmp_path):
    (tmp_path / "a.csv").write_text("task,model\nt,m\n")
    with pytest.raises(Refused, match=r"a.csv: found the columns task, model; run"):
        read_intervals([tmp_path / "a.csv"])
    with pytest.raises(Refused, match=r"b.csv is no readable table"):
        read_intervals([tmp_path / "b.csv"])
