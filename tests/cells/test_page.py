"""The page of clustered cells: what it says, that its numbers are those of the file, and that it needs nothing else."""

import json
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser

import anndata
import numpy as np
import pandas as pd
import pytest
from support.chromium import PROGRAM, open_browser
from support.exported import K, clustered_cells, write_cells, write_many_cells

from gmvae.cells import page
from gmvae.cells.page import write_page
from gmvae.pipeline.errors import Refused

READY = "document.documentElement?.dataset.ready !== undefined"


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return write_cells(tmp_path_factory.mktemp("cells") / "cells_task.h5ad", n=600)


@pytest.fixture(scope="module")
def written(cells):
    write_page(cells, cells.with_suffix(".html"))
    return cells.with_suffix(".html")


def content_of(html: str) -> dict:
    """What the page's script reads."""
    return json.loads(re.search(r'id="page-content">(.*?)</script>', html, re.DOTALL).group(1))


def table_rows(html: str, section: str) -> list[list[str]]:
    """The texts of the cells of a section's last table, row by row."""
    table = html.partition(f'id="{section}-title"')[2].partition("</section>")[0].rpartition("<tbody>")[2]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [[unescape(text) for text in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL)] for row in rows]


class Outline(HTMLParser):
    """The attributes of a page's tags, and whether each tag is closed."""

    def __init__(self, html: str):
        super().__init__()
        self.open, self.tags = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in {"meta", "link", "circle"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_well_formed_and_readable_by_ear_and_by_keyboard(written):
    outline = Outline(written.read_text(encoding="utf-8"))
    assert outline.open == []
    identifiers = [attributes["id"] for _, attributes in outline.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for tag, attributes in outline.tags:
        if attributes.get("role") in {"img", "region", "group"} or tag == "nav":
            assert attributes["aria-label"]
        for key in ("aria-labelledby", "for"):
            assert attributes.get(key, identifiers[0]) in identifiers
        if tag == "a":
            assert attributes["href"].removeprefix("#") in identifiers


def test_the_page_names_no_address_that_a_browser_would_load(written):
    html = written.read_text(encoding="utf-8")
    policy = re.search(r'http-equiv="Content-Security-Policy" content="(.*?)"', html).group(1)
    assert "default-src 'none'" in policy and "http" not in policy and "unsafe-eval" not in policy
    sources = [attributes.get("src", "") + attributes.get("href", "") for _, attributes in Outline(html).tags]
    assert all(source.startswith(("#", "data:,")) for source in sources if source)


def test_two_pages_of_a_file_have_the_same_bytes_also_in_another_process(cells, written, tmp_path):
    write_page(cells, tmp_path / "second.html")
    command = [sys.executable, "-m", "gmvae.cells.page", "--data", cells, "--output", tmp_path / "third.html"]
    subprocess.run(command, check=True)
    assert (tmp_path / "second.html").read_bytes() == written.read_bytes() == (tmp_path / "third.html").read_bytes()
    assert str(cells.parent) not in written.read_text(encoding="utf-8")


def test_names_cannot_end_the_script_or_become_tags(written):
    html = written.read_text(encoding="utf-8")
    label = "T <naïve> & </script>"
    assert label not in html and "T &lt;naïve&gt; &amp; &lt;/script&gt;" in html
    (field,) = [field for field in content_of(html)["fields"] if field["key"] == "label"]
    assert label in field["categories"]


def test_the_tables_count_the_cells_of_the_file(cells, written):
    adata, html = anndata.read_h5ad(cells), written.read_text(encoding="utf-8")
    sizes = adata.obs["cluster"].value_counts(sort=False)
    rows = table_rows(html, "clusters")
    assert [(row[0], int(row[1].replace(",", ""))) for row in rows] == list(zip(sizes.index, sizes, strict=True))
    means = adata.obs.groupby("cluster", observed=False)["cluster_probability"].mean()
    assert [row[3] for row in rows] == [f"{mean:.3f}" for mean in means[:3]] + ["–"]
    counts = pd.crosstab(adata.obs["cluster"], adata.obs["label"], dropna=False).to_numpy()
    shown = [[int(text.replace("·", "0")) for text in row[1:]] for row in table_rows(html, "labels")]
    np.testing.assert_array_equal(shown, counts)


def test_the_uncertain_cells_are_those_with_the_largest_entropies(cells, written):
    adata, rows = anndata.read_h5ad(cells), table_rows(written.read_text(encoding="utf-8"), "uncertain")
    expected = adata.obs["cluster_entropy"].sort_values(ascending=False).index[: len(rows)]
    assert len(rows) == 30 and [row[0] for row in rows] == expected.tolist()
    q_y = pd.DataFrame(adata.obsm["q_y"], index=adata.obs_names).loc[rows[0][0]].sort_values(ascending=False)
    assert rows[0][2] == f"{q_y.index[1]} ({q_y.iloc[1]:.3f})"


def test_the_markers_are_scanpy_s_with_shares_counted_from_the_file(cells, written):
    adata, rows = anndata.read_h5ad(cells), table_rows(written.read_text(encoding="utf-8"), "markers")
    names = adata.uns["rank_genes_groups"]["names"]
    assert [row[2] for row in rows] == [names[cluster][i] for cluster in "012" for i in range(5)]
    for cluster, _, gene, *_, inside, outside in rows:
        has_count = np.asarray((adata[:, gene].X > 0).todense()).ravel()
        is_inside = (adata.obs["cluster"] == cluster).to_numpy()
        assert inside == f"{100 * has_count[is_inside].mean():.1f} %"
        assert outside == f"{100 * has_count[~is_inside].mean():.1f} %"


def test_what_made_the_clusters_and_what_thresholds_dropped_is_told(written):
    html = written.read_text(encoding="utf-8")
    for text in (
        "<h1>Cells of Blood &amp; more</h1>",
        "<dd>cells_task</dd>",
        "gmdvae",
        "<dd>3, the one",
        f"<dd>{K}</dd>",
        "0123abc",
        "without labels",
    ):
        assert text in html
    assert table_rows(html, "record") == [["max_mito", "0.08", "0"], ["min_genes", "200", "17"], ["doublet", "–", "2"]]


def test_a_file_without_labels_markers_or_quality_has_a_shorter_page(tmp_path):
    adata = clustered_cells(50, labels=False)
    del adata.uns["rank_genes_groups"], adata.uns["cluster_colors"], adata.obs["cluster_entropy"]
    adata.uns["gmvae"] = {key: adata.uns["gmvae"][key] for key in ("task", "model", "seed", "K", "commit")}
    adata.write_h5ad(tmp_path / "cells.h5ad")
    write_page(tmp_path / "cells.h5ad", tmp_path / "cells.html")
    html = (tmp_path / "cells.html").read_text(encoding="utf-8")
    assert "No quality control" in html and content_of(html)["markers"] is None
    assert "<h1>Cells of cells_task</h1>" in html  # an older file does not name the dataset
    for section in ("labels", "markers", "uncertain"):
        assert f'id="{section}-title"' not in html and f"#{section}-title" not in html


def test_more_cells_than_the_map_takes_are_thinned_and_the_page_says_so(cells, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MOST_CELLS", 250)
    write_page(cells, tmp_path / "cells.html")
    html = (tmp_path / "cells.html").read_text(encoding="utf-8")
    assert "It shows 250 of the 600 cells, drawn at random" in html
    (field,) = [field for field in content_of(html)["fields"] if field["key"] == "cluster"]
    assert sum(field["counts"]) == 600


def test_the_page_for_the_report_shows_fewer_cells_until_it_is_small(cells, written, tmp_path, monkeypatch):
    write_page(cells, tmp_path / "cells.html", tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == written.read_bytes()
    monkeypatch.setattr(page, "FEWER_CELLS", (400, 100))
    write_page(cells, tmp_path / "cells.html", tmp_path / "report.html")
    assert "It shows 400 of the 600 cells" in (tmp_path / "report.html").read_text(encoding="utf-8")
    monkeypatch.setattr(page, "MOST_BYTES", (tmp_path / "report.html").stat().st_size - 1)
    write_page(cells, tmp_path / "cells.html", tmp_path / "report.html")
    html = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "It shows 100 of the 600 cells" in html and "The file cells.html shows more cells." in html
    assert (tmp_path / "cells.html").read_bytes() == written.read_bytes()


def test_a_file_that_lacks_a_part_is_refused_by_name(tmp_path):
    adata = clustered_cells(20)
    del adata.obsm["X_umap"], adata.uns["gmvae"]
    adata.write_h5ad(tmp_path / "cells.h5ad")
    with pytest.raises(Refused, match=r"cells\.h5ad lacks obsm/X_umap, uns/gmvae: .* step `export` again"):
        write_page(tmp_path / "cells.h5ad", tmp_path / "cells.html")
    (tmp_path / "cells.h5ad").write_bytes(b"no file of HDF5")
    with pytest.raises(Refused, match="not readable"):
        write_page(tmp_path / "cells.h5ad", tmp_path / "cells.html")
    with pytest.raises(Refused, match="no such file"):
        write_page(tmp_path / "other.h5ad", tmp_path / "cells.html")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with open_browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


def choose(browser, title: str) -> None:
    """Choose what colours the map, and wait until the page says so."""
    choice = f"[...select.options].find((option) => option.textContent === {json.dumps(title)}).value"
    browser.evaluate(
        "(async () => { const select = document.getElementById('colour');"
        f"select.value = {choice}; select.dispatchEvent(new Event('change'));"
        "await new Promise((done) => setTimeout(done, 500)); })()"
    )


def column(browser, name: str) -> list:
    """A column of the map's source, as Bokeh has it."""
    return browser.evaluate(f"Array.from(Bokeh.documents[0].get_model_by_name('points').data.{name})")


@pytest.mark.browser
@pytest.mark.skipif(PROGRAM is None, reason="no Chromium")
def test_the_browser_shows_the_numbers_of_the_file(cells, written, browser):
    browser.open(written, READY)
    adata = anndata.read_h5ad(cells)
    rows = page.map_rows(adata.n_obs, page.MOST_CELLS)
    plane = adata.obsm["X_umap"][rows]
    for axis, values in zip("xy", plane.T, strict=True):
        np.testing.assert_allclose(column(browser, axis), values, atol=np.ptp(values) / 65534)
    assert column(browser, "code") == adata.obs["cluster"].cat.codes.to_numpy()[rows].tolist()
    choose(browser, "probability of the cluster")
    np.testing.assert_allclose(column(browser, "code"), adata.obs["cluster_probability"].to_numpy()[rows], atol=1e-4)
    gene = adata.uns["rank_genes_groups"]["names"]["1"][0]
    choose(browser, gene)
    values = np.asarray(adata[:, gene].X.todense()).ravel()[rows]
    np.testing.assert_allclose(column(browser, "code"), values, atol=values.max() / 254)
    assert f"gene {gene}" in browser.evaluate("document.getElementById('status').textContent")
    assert browser.evaluate("document.querySelectorAll('#markers canvas, #markers > *').length") > 0


@pytest.mark.browser
@pytest.mark.skipif(PROGRAM is None, reason="no Chromium")
def test_the_page_asks_the_network_for_nothing_and_logs_no_error(written, browser):
    browser.open(written, READY)
    for title in ("label", "mitochondrial share", "cluster"):
        choose(browser, title)
    for x in range(420, 1100, 40):
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=500)
    browser.evaluate("new Promise((done) => setTimeout(done, 300))")
    errors = [text for text in browser.complaints() if text.get("entry", {"level": "error"})["level"] == "error"]
    assert errors == []
    assert {address.partition(":")[0] for address in browser.requests()} <= {"file", "data", "blob"}
    assert [address for address in browser.requests() if address.startswith("file:")] == [written.resolve().as_uri()]


@pytest.mark.browser
@pytest.mark.skipif(PROGRAM is None, reason="no Chromium")
def test_keys_move_the_map_and_the_legend_brings_out_a_cluster(written, browser):
    browser.open(written, READY)
    model = "Bokeh.documents[0].get_model_by_name"
    extent = f"(({{ start, end }}) => [start, end])({model}('x'))"
    start, end = browser.evaluate(extent)
    browser.evaluate("document.getElementById('frame').focus()")
    browser.press("+")
    closer = browser.evaluate(extent)
    assert closer[1] - closer[0] == pytest.approx(0.8 * (end - start))
    browser.press("ArrowRight")
    assert browser.evaluate(extent)[0] > closer[0]
    browser.press("0")
    assert browser.evaluate(extent) == [start, end]
    browser.evaluate("document.querySelectorAll('#legend button')[1].click()")
    palette = browser.evaluate(f"{model}('colours').palette")
    assert palette[1] == "#e69f00" and len({palette[i] for i in (0, 2, 3)}) == 1


@pytest.mark.browser
@pytest.mark.skipif(PROGRAM is None, reason="no Chromium")
def test_ten_thousand_cells_open_within_three_seconds(browser, tmp_path):
    write_page(write_cells(tmp_path / "cells.h5ad", n=10_000), tmp_path / "cells.html")
    milliseconds = []
    for _ in range(3):  # the quickest: the machine may be busy with other work
        browser.open(tmp_path / "cells.html", READY)
        milliseconds.append(float(browser.evaluate("document.documentElement.dataset.ready")))
    assert min(milliseconds) < 3000, milliseconds


@pytest.mark.slow
def test_a_million_cells_take_a_minute_four_gigabytes_and_thirty_megabytes_at_most(tmp_path):
    data = write_many_cells(tmp_path / "cells.h5ad", 1_000_000)
    command = [sys.executable, "-m", "gmvae.cells.page", "--data", data, "--output", tmp_path / "cells.html"]
    command += ["--report", tmp_path / "report.html"]
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "use = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(use.ru_utime + use.ru_stime, use.ru_maxrss)"  # kilobytes
    )
    run = subprocess.run(
        [sys.executable, "-c", measure, *map(str, command)], check=True, capture_output=True, text=True
    )
    seconds, kilobytes = run.stdout.split()  # of work: the machine may be busy with other things
    assert float(seconds) < 60 and int(kilobytes) < 4 * 2**20
    assert (tmp_path / "cells.html").stat().st_size < 30 * 2**20
    assert (tmp_path / "report.html").stat().st_size <= page.MOST_BYTES
