"""Predicted responses: measures compared with scipy and scikit-learn, expectations by hand, the step on models."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import mannwhitneyu, norm, pearsonr
from sklearn.metrics import r2_score
from support.checkout import planned

from gmvae.data.prepare import prepare
from gmvae.data.preprocessing import preprocess_cells
from gmvae.data.split import divide_rows
from gmvae.formats.dataset import load_dataset
from gmvae.formats.metrics_table import COLUMNS
from gmvae.formats.weights import load_weights
from gmvae.metrics.catalogue import RESPONSE_WAYS
from gmvae.nn.batches import rows_from_dataset, select_rows
from gmvae.nn.inference import embed_rows
from gmvae.pipeline.config_checks import check_config
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.plan import evaluated_models, held_out_type, response_models, thesis_figures
from gmvae.pipeline.sources import ROOT
from gmvae.runs.expect import expect
from gmvae.runs.held_out import find_held_out
from gmvae.runs.observe import observe
from gmvae.runs.respond import respond
from gmvae.runs.response_measures import (
    change_ceiling,
    differential_genes,
    halvings,
    profile_measures,
    rank_sum,
    response_measures,
    squared_correlation,
)
from gmvae.runs.responses import mean_shift, no_change
from gmvae.runs.train import train
from gmvae.thesis.figures import response
from gmvae.thesis.tables.responses import different_rows, tabulate_responses

CONFIG = read_config(ROOT / "config.yaml")
HELD = {"label": "class 2", "condition": "shifted"}
MEASURES = {
    f"{of}{measure}{genes}" for of in ("", "change_") for measure in ("r2", "r2_score") for genes in ("", "_de")
}


def cells(n=30, m=20, n_genes=150, effect=1.0, seed=0):
    """Control and stimulated cells about one profile, the latter moved at the first 60 genes."""
    draws = np.random.default_rng(seed)
    profile = draws.normal(size=n_genes)
    moved = effect * np.where(np.arange(n_genes) < 60, draws.normal(size=n_genes), 0)
    return profile + draws.normal(size=(n, n_genes)), profile + moved + draws.normal(size=(m, n_genes)), profile, moved


# --------------------------------------------------------------------------------------------------------- measures


def test_measures_are_those_of_scipy_and_scikit_learn_halving_by_halving():
    control, stimulated, _, moved = cells()
    prediction = control + 0.7 * moved + 0.1 * np.random.default_rng(1).normal(size=control.shape)
    found = response_measures(prediction, control, stimulated)
    u = mannwhitneyu(stimulated, control, axis=0).statistic
    genes = np.argsort(-np.abs(u - 20 * 30 / 2), kind="stable")[:100]
    assert set(found) == MEASURES
    for suffix, some in (("", np.arange(150)), ("_de", genes)):
        mean, real = prediction.mean(0)[some], stimulated.mean(0)[some]
        assert found[f"r2{suffix}"] == pytest.approx(pearsonr(mean, real).statistic ** 2)
        assert found[f"r2_score{suffix}"] == pytest.approx(r2_score(real, mean))
    by_hand = {"change_r2": [], "change_r2_score": [], "change_r2_de": [], "change_r2_score_de": []}
    for mask in halvings(30):
        a, b = np.flatnonzero(mask == 1), np.flatnonzero(mask == 0)
        assert len(a) == len(b) == 15
        change = prediction[a].mean(0) - control[a].mean(0)
        real = stimulated.mean(0) - control[b].mean(0)
        for suffix, some in (("", slice(None)), ("_de", genes)):
            by_hand[f"change_r2{suffix}"].append(pearsonr(change[some], real[some]).statistic ** 2)
            by_hand[f"change_r2_score{suffix}"].append(r2_score(real[some], change[some]))
    for name, values in by_hand.items():
        assert len(values) == 100 and found[name] == pytest.approx(np.mean(values))


def test_constant_profiles_have_no_correlation_and_explain_nothing_unless_they_are_exact():
    real, same, genes = np.array([[1.0, 2.0, 4.0]]), np.full((1, 3), 2.0), np.arange(3)
    assert squared_correlation(same, real) == 0 == squared_correlation(real, same)
    for truth, guess, share in ((real, same, -1 / 14), (real, real, 1), (same, real, 0), (same, same, 1)):
        assert profile_measures("", guess, truth, genes)["r2_score"] == pytest.approx(share)


def test_the_rank_sum_is_scipy_s_with_ties():
    draws = np.random.default_rng(0)
    x, y = draws.poisson(1.0, (40, 6)), draws.poisson(1.5, (25, 6))  # many ties
    x[:, 5] = y[:, 5] = 0
    z = rank_sum(x, y)
    p = mannwhitneyu(x[:, :5], y[:, :5], axis=0, method="asymptotic", use_continuity=False).pvalue
    assert 2 * norm.sf(np.abs(z[:5])) == pytest.approx(p) and z[5] == 0
    assert rank_sum(x + 100, y)[0] > 0 > rank_sum(x, y + 100)[0]


def test_the_genes_that_differ_are_those_that_were_moved():
    control, stimulated, _, _ = cells(300, 300)
    stimulated[:, 60:160] = control[:, 60:160]
    stimulated[:, :60] += 3
    assert set(differential_genes(stimulated, control)[:60]) == set(range(60))
    assert len(differential_genes(stimulated, control)) == 100


def test_without_an_effect_the_change_is_not_predicted_by_shared_noise():
    """A prediction that knows the true profile: its change and the real one share nothing, unless control does."""
    split, shared = [], []
    for seed in range(20):
        control, stimulated, profile, _ = cells(40, 40, 500, effect=0.0, seed=seed)
        prediction = np.tile(profile, (40, 1))
        split.append(response_measures(prediction, control, stimulated)["change_r2"])
        base = control.mean(0)
        shared.append(pearsonr(profile - base, stimulated.mean(0) - base).statistic ** 2)
    assert np.mean(split) < 0.01 and np.mean(shared) > 0.4


def test_the_ceiling_of_the_change_is_what_the_exact_change_reaches():
    """The true change, known where cells are drawn, has on average the r² that the ceiling says."""
    ceilings, reached = [], []
    for seed in range(30):
        control, stimulated, _, moved = cells(40, 30, 400, effect=0.7, seed=seed)
        ceilings.append(change_ceiling(control, stimulated))
        reached.append(response_measures(control + moved, control, stimulated)["change_r2"])
    difference = np.array(ceilings) - reached
    assert abs(difference.mean()) < 5 * difference.std() / 30**0.5 + 0.01 and 0.2 < np.mean(reached) < 0.9


def test_halvings_are_fixed_and_balanced():
    halves = halvings(31)
    assert (halves == halvings(31)).all() and (halves.sum(1) == 15).all()
    assert len({tuple(row) for row in halves}) == 100 and halves.mean() == pytest.approx(15 / 31)
    assert (np.abs(halves.mean(0) - 15 / 31) < 5 * 0.5 / 10).all()
    with pytest.raises(Refused, match="two or more"):
        halvings(1)


# ----------------------------------------------------------------------------------------------------- expectations


def test_mean_shift_is_the_types_changes_weighted_by_hand():
    draws = np.random.default_rng(0)
    label = np.array(["a"] * 9 + ["b"] * 7 + ["held"] * 5 + ["lone"] * 3)
    treated = np.array([1] * 5 + [0] * 4 + [1] * 1 + [0] * 6 + [0] * 5 + [1] * 3, dtype=bool)
    x = draws.normal(size=(24, 4))
    a = x[:5].mean(0) - x[5:9].mean(0)
    b = x[9] - x[10:16].mean(0)
    by_hand = (20 / 9 * a + 6 / 7 * b) / (20 / 9 + 6 / 7)
    assert mean_shift.change(x, label, treated, None) == pytest.approx(by_hand)
    elsewhere = x.copy()
    elsewhere[16:] += 5  # cells of types seen on one side only
    assert (mean_shift.change(elsewhere, label, treated, None) == mean_shift.change(x, label, treated, None)).all()
    assert (no_change.change(x, label, treated, None) == np.zeros(4)).all()
    with pytest.raises(Refused, match="under both"):
        mean_shift.change(x[16:], label[16:], treated[16:], None)


def test_mean_shift_is_exact_where_all_types_move_alike_and_no_change_explains_nothing():
    draws = np.random.default_rng(0)
    profiles, moved = draws.normal(size=(3, 150)), draws.normal(size=150)
    label = np.repeat(["a", "b"], 10)
    treated = np.tile([True, False], 10)
    x = profiles[(label == "b").astype(int)] + treated[:, None] * moved
    control, stimulated = np.tile(profiles[2], (8, 1)), np.tile(profiles[2] + moved, (6, 1))
    exact = response_measures(control + mean_shift.change(x, label, treated, None), control, stimulated)
    assert all(value == pytest.approx(1) for value in exact.values())
    nothing = response_measures(control + no_change.change(x, label, treated, None), control, stimulated)
    assert nothing["change_r2"] == 0 and nothing["change_r2_score"] <= 0 and nothing["r2"] < 1


# ---------------------------------------------------------------------------------------------------------- the cells


def small_set(**changes):
    """Six rows: a type under both conditions, held out under one."""
    obs = {"label": list("aaabbb"), "condition": list("ccsccs"), "split": ["train", "test", "test"] + ["train"] * 3}
    obs = pd.DataFrame({key: pd.Categorical(values) for key, values in (obs | changes).items()}, index=list("123456"))
    return anndata.AnnData(np.arange(12, dtype=np.float32).reshape(6, 2), obs=obs)


def test_control_cells_of_both_splits_predict_the_held_out_ones():
    cells = find_held_out(small_set(), "a", "s")
    assert cells.control.tolist() == [True, True, False, False, False, False]
    assert cells.stimulated.tolist() == [False, False, True, False, False, False] and cells.condition == 1


@pytest.mark.parametrize(
    ("changes", "label", "message"),
    [
        ({"split": ["train"] * 3 + ["test"] * 3}, "a", "training cells"),
        ({}, "z", "no cells"),
        ({"condition": list("ccsctt")}, "a", "two conditions"),
        ({"condition": list("cccccs")}, "a", "no cells"),
    ],
)
def test_cells_that_were_not_held_out_are_refused(changes, label, message):
    with pytest.raises(Refused, match=message):
        find_held_out(small_set(**changes), label, "s")


def test_genes_training_rows_and_expectations_do_not_depend_on_the_held_out_cells():
    draws = np.random.default_rng(0)
    obs = pd.DataFrame({"label": np.repeat(["a", "b"], 60), "condition": np.tile(["c", "s"], 60)}).astype("category")
    obs.index = [f"cell {i}" for i in range(120)]
    counts = draws.poisson(draws.gamma(1, 2, 300), (120, 300)).astype(np.float32)
    held_out = ((obs["label"] == "a") & (obs["condition"] == "s")).to_numpy()
    changed = counts.copy()
    changed[held_out] = draws.permuted(changed[held_out], axis=1) * 3

    def training_rows(matrix):
        adata = anndata.AnnData(obs=obs.copy(), var=pd.DataFrame(index=[f"g{j}" for j in range(300)]))
        adata.layers["counts"] = matrix
        adata.uns = {"likelihood": "negative_binomial", "shape": np.array([], dtype=np.int64)}
        hold_out = {"label": "a", "condition": "s"}
        dataset = preprocess_cells(
            adata, lambda obs: divide_rows(obs, 0.1, 0, hold_out=hold_out), min_genes=1, n_top_genes=50
        )
        assert (dataset.obs["split"][held_out] == "test").all()
        return dataset[dataset.obs["split"] == "train"]

    first, second = training_rows(counts), training_rows(changed)
    pd.testing.assert_frame_equal(first.to_df(), second.to_df())
    label, treated = first.obs["label"].to_numpy(dtype=str), (first.obs["condition"] == "s").to_numpy()
    change = [mean_shift.change(part.to_df().to_numpy(), label, treated, None) for part in (first, second)]
    assert (change[0] == change[1]).all()


# ------------------------------------------------------------------------------------------------------------ the step


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """The toy with a class held out under one condition, three models of it trained for a moment, and expectations."""
    folder = tmp_path_factory.mktemp("toy")
    rows = {"hold_out": HELD}
    settings = {"n_per_group": 80}
    prepare("toy", folder / "toy.h5ad", "Toy", test_share=0.1, rows=rows, settings=settings)
    observe(folder / "toy.h5ad", folder / "observed.csv", "all")
    common = {"task": "t", **HELD}
    for name, module, settings in TRAINED:
        where = {key: folder / name / file for key, file in OUTPUTS.items()}
        plan = {"epochs": 100 if module == "scgen" else 10, "learning_rate": 3e-3, "batch_size": 64}
        train(
            folder / "toy.h5ad",
            folder / "observed.csv",
            **where,
            module=module,
            settings=settings | {"n_hidden": 64},
            training=plan,
            n_components=5,
            seeds=[0, 1],
            device="cpu",
            progress=False,
        )
        written = {key: folder / name / file for key, file in EXPECTED.items()}
        seen = {"observed": folder / "observed.csv", "n_draws": 4, "device": "cpu"}
        respond(folder / "toy.h5ad", where["weights"], **written, model=name, **seen, **common)
    for name in EXPECTATIONS:
        where = {key: folder / name / file for key, file in (EXPECTED | {"provenance": "provenance.json"}).items()}
        expect(folder / "toy.h5ad", **where, name=name, model=name, seeds=[0, 1], **common)
    return folder


OUTPUTS = {"weights": "weights.safetensors", "history": "history.csv", "provenance": "provenance.json"}
EXPECTED = {"output": "response.csv", "profiles": "profiles.csv"}
TRAINED = [
    ("scgen", "scgen", {"n_latent": 8, "dropout": 0.0}),
    ("scgen_shared", "scgen", {"n_latent": 8, "dropout": 0.0, "balance": "shared"}),
    ("cvae", "cvae", {"n_latent": 4}),
    ("cgmdvae", "cgmdvae", {"n_latent": 4}),
]
EXPECTATIONS = ["no_change", "mean_shift", "kriging", "fitted_combination"]
MODELS = [*EXPECTATIONS, *(name for name, _, _ in TRAINED)]


def test_the_response_of_scgen_is_delta_added_by_hand(toy):
    adata = load_dataset(toy / "toy.h5ad")
    cells = find_held_out(adata, *HELD.values())
    model, _ = load_weights(toy / "scgen" / "weights.safetensors", torch.device("cpu"))
    rows = rows_from_dataset(adata, np.full(adata.n_obs, -1), 2, 5, torch.device("cpu"))
    z = embed_rows(model, select_rows(rows, torch.as_tensor(np.flatnonzero(cells.control))))
    with torch.no_grad():
        by_hand = model.decoder(z + model.delta[:, 0, 1].unsqueeze(1)).mean(1).numpy()
    profiles = pd.read_csv(toy / "scgen" / "profiles.csv")
    for s in (0, 1):
        assert profiles[f"predicted_{s}"].to_numpy() == pytest.approx(by_hand[s], abs=1e-4)
    stimulated = adata.X[cells.stimulated].astype(float).mean(0)
    assert profiles["stimulated"].to_numpy() == pytest.approx(stimulated, abs=1e-6)
    metrics = pd.read_csv(toy / "scgen" / "response.csv")
    assert list(metrics.columns) == COLUMNS and set(metrics.split) == {"test"} and set(metrics.seed) == {0, 1}
    r2 = metrics[(metrics.metric == "response_r2") & (metrics.seed == 0)].value.item()
    assert r2 == pytest.approx(pearsonr(by_hand[0], stimulated).statistic ** 2, abs=1e-6)


def test_every_model_has_every_measure_of_every_form(toy):
    with_delta = ["near_", "near_fixed_", "combined_", "combined_fixed_"]
    for model in MODELS:
        table = pd.read_csv(toy / model / "response.csv")
        ways = [""] if model in EXPECTATIONS else ["", "residual_", *with_delta]
        ways += ["z_", "residual_z_"] if model == "cgmdvae" else []
        names = {f"response_{way}{name}" for way in ways for name in MEASURES}
        if model == "fitted_combination":
            names |= {"response_ceiling_change_r2", "response_ceiling_change_r2_score"}
        assert set(table.metric) == names
        assert len(table) == 2 * len(names) and np.isfinite(table.value).all()
        assert {way for way in ways if way not in RESPONSE_WAYS} == set()


def change_measure(folder, model, name):
    table = pd.read_csv(folder / model / "response.csv")
    return table[table.metric == f"response_{name}"].value.mean()


def test_forms_on_the_toy_are_ordered_as_they_must_be(toy):
    """All classes are moved alike, so the best forms reach the mean shift, and the residual form is not below the plain
    one; the fit to the truth has the least error of all that weigh the seen types, and the ceiling is above it."""
    for model in ("scgen_shared", "cvae"):
        assert change_measure(toy, model, "residual_change_r2_score") > change_measure(toy, model, "change_r2_score")
    assert change_measure(toy, "kriging", "change_r2_score") > 0.8
    assert change_measure(toy, "scgen_shared", "combined_change_r2_score") > 0.7
    for expectation in ("mean_shift", "kriging"):
        assert change_measure(toy, "fitted_combination", "r2_score") >= change_measure(toy, expectation, "r2_score")
    assert change_measure(toy, "fitted_combination", "ceiling_change_r2") <= 1


def test_without_labels_or_without_delta_there_is_no_form_that_needs_types(toy, tmp_path):
    written = {"output": tmp_path / "r.csv", "profiles": tmp_path / "p.csv"}
    where = toy / "cvae" / "weights.safetensors"
    common = {"task": "t", "model": "cvae", **HELD, "n_draws": 1, "device": "cpu"}
    prefixes = {"none": {""}, "global": {"", "global_", "combined_"}}
    for delta, expected in prefixes.items():
        respond(toy / "toy.h5ad", where, **written, **common, delta=delta, observed=toy / "observed.csv")
        names = set(pd.read_csv(tmp_path / "r.csv").metric)
        assert {f"response_{way}change_r2" for way in expected | {"residual_"}} == {
            name for name in names if name.endswith("change_r2")
        }
    observe(toy / "toy.h5ad", tmp_path / "hidden.csv", "none")
    for observed in (None, tmp_path / "hidden.csv"):
        respond(toy / "toy.h5ad", where, **written, **common, observed=observed)
        assert not any("near" in name for name in pd.read_csv(tmp_path / "r.csv").metric)
    with pytest.raises(Refused, match="delta: found 'far'; allowed: none, global, near"):
        respond(toy / "toy.h5ad", where, **written, **common, delta="far")


def test_the_shift_that_all_classes_of_the_toy_share_is_predicted_by_the_mean_shift(toy):
    """All classes of the toy are moved alike, so the mean shift is right up to noise. scGen's delta is, too, from types
    of both conditions; as published the held-out type is in one mean only, and delta carries composition."""
    change = {}
    for model in MODELS:
        table = pd.read_csv(toy / model / "response.csv")
        change[model] = table[table.metric == "response_change_r2_score"].value.mean()
    assert change["mean_shift"] > 0.8 and change["no_change"] <= 0
    assert change["scgen_shared"] > change["no_change"] > change["scgen"]


def test_predicting_twice_gives_the_same_bytes(toy, tmp_path):
    written = {"output": tmp_path / "r.csv", "profiles": tmp_path / "p.csv"}
    weights = toy / "cgmdvae" / "weights.safetensors"
    seen = {"observed": toy / "observed.csv", "n_draws": 4, "device": "cpu"}
    respond(toy / "toy.h5ad", weights, **written, task="t", model="cgmdvae", **HELD, **seen)
    assert (tmp_path / "r.csv").read_bytes() == (toy / "cgmdvae" / "response.csv").read_bytes()
    assert (tmp_path / "p.csv").read_bytes() == (toy / "cgmdvae" / "profiles.csv").read_bytes()


# ---------------------------------------------------------------------------------------------- table, figure and plan


def response_metrics():
    """Two tasks, two seeds: a model without and one with two ways, values told by their place."""
    rows = []
    for t, task in enumerate(("one", "two")):
        for model, ways in (("plain", [""]), ("both", ["", "z_"])):
            for seed in (0, 1):
                for w, way in enumerate(ways):
                    value = 0.1 * t + 0.01 * seed + 0.3 * w + (0.5 if model == "both" else 0)
                    rows += [(task, model, seed, "test", f"response_{way}{name}", value) for name in MEASURES]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_a_row_that_repeats_an_earlier_one_is_left_out_of_the_table():
    rows = [["Both", "1", "2"], [r"\quad near", "3", "4"], ["Shared", "1", "2"], [r"\quad far", "3", "5"]]
    assert different_rows(rows) == [rows[0], rows[1], rows[3]]


def test_the_table_has_a_column_for_each_type_and_their_mean(tmp_path):
    response_metrics().to_csv(tmp_path / "metrics.csv", index=False)
    held = {"two": {"label": "T & B", "condition": "s"}, "one": {"label": "NK", "condition": "s"}}
    names = {"both": "Both", "plain": "Plain"}
    tabulate_responses(tmp_path / "metrics.csv", held, names, tmp_path / "r.tex")
    text = (tmp_path / "r.tex").read_text()
    by_type, means = text.split(r"\def\responsemeans")
    assert by_type.count(r"\toprule") == 3 and means.count(r"\toprule") == 1 and r"\def\responsesbytype" in by_type
    assert r"\multicolumn{1}{c}{T \& B} & \multicolumn{1}{c}{NK} & \multicolumn{1}{c}{Mean}" in text
    row = r"\quad plain, through $z$ & \num{0.905} & \num{0.805} & \num{0.855}\,{\tiny$\pm$\,0.007} \\"
    assert by_type.count(row) == 3 and means.count(r"\num{0.855}\,{\tiny$\pm$\,0.007}") == 8
    assert text.index("Both, through $w$") < text.index(row) < text.index("Plain &")
    table = pd.read_csv(tmp_path / "r.csv").set_index(["model", "way", "measure", "task"])
    assert table.loc[("plain", "plain", "change_r2", "mean"), "mean"] == pytest.approx((0.005 + 0.105) / 2)
    assert table.loc[("plain", "plain", "r2", "two"), "sd"] == pytest.approx(0.01 / 2**0.5)
    with pytest.raises(Refused, match="no response of task three"):
        tabulate_responses(tmp_path / "metrics.csv", held | {"three": held["one"]}, names, tmp_path / "r.tex")


def test_the_figure_has_a_panel_for_each_model_and_way(toy, tmp_path):
    names = {model: model.upper() for model in MODELS}
    profiles = [toy / model / "profiles.csv" for model in MODELS]
    response.draw(tmp_path / "f.pdf", "t", names, profiles, MODELS)
    assert (tmp_path / "f.pdf").stat().st_size > 0
    shown = {model: pd.read_csv(path) for model, path in zip(MODELS, profiles, strict=True)}
    by_way = response.mean_predicted_changes(shown["cgmdvae"])
    assert list(by_way) == ["w", "z"] and list(response.mean_predicted_changes(shown["cvae"])) == ["w"]
    by_hand = shown["cgmdvae"][["predicted_change_z_0", "predicted_change_z_1"]].mean(axis=1)
    assert by_way["z"] == pytest.approx(by_hand)
    figure = response.response_figure({"one": (shown["cvae"], by_way["z"]), "two": (shown["cvae"], by_way["w"])})
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    dots = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert sum(len(line.get_xdata()) for line in dots) == len(by_way["z"])
    with pytest.raises(Refused, match="no predicted change"):
        shown["cvae"][["gene", "change"]].to_csv(tmp_path / "p.csv", index=False)
        response.draw(tmp_path / "f.pdf", "t", names, [tmp_path / "p.csv"], ["cvae"])


def test_a_task_that_holds_out_a_type_plans_its_response():
    task = "kang_without_b"
    assert (
        held_out_type(CONFIG, task) == {"label": "B", "condition": "stimulated"}
        and held_out_type(CONFIG, "toy") is None
    )
    assert response_models(CONFIG, task) == CONFIG["tasks"][task]["models"] and response_models(CONFIG, "toy") == []
    assert evaluated_models(CONFIG, task) == [
        model for model in CONFIG["tasks"][task]["models"] if "module" in model_of(model)
    ]
    full = CONFIG | {"study": "full"}
    assert ("kang_without_cd4", "response") in thesis_figures(full)
    assert not {figure for of, figure in thesis_figures(full) if of.startswith("kang_without")} - {"response"}
    elsewhere = CONFIG | {"tasks": CONFIG["tasks"] | {"toy": CONFIG["tasks"]["toy"] | {"models": ["vae", "no_change"]}}}
    with pytest.raises(Refused, match=r"tasks\.toy\.models: found no_change; allowed: .*hold_out"):
        check_config(elsewhere)
    for entry in (
        {"response": "mean"},
        {"response": "no_change", "module": "vae"},
        {"response": "no_change", "space": "pca"},
    ):
        with pytest.raises(Refused, match=r"^config\.yaml: models\.wrong"):
            check_config(CONFIG | {"models": CONFIG["models"] | {"wrong": {"name": "Wrong"} | entry}})


def test_a_delta_is_refused_where_no_type_is_held_out_and_reaches_the_step_where_one_is():
    tasks = CONFIG["tasks"]
    for task, delta, message in (
        ("toy", "near", r'tasks\.toy\.delta: found "?near"?; allowed: .*hold_out'),
        ("kang_without_b", "far", r'tasks\.kang_without_b\.delta: found "far"; allowed: none, global or near'),
    ):
        with pytest.raises(Refused, match=message):
            check_config(CONFIG | {"tasks": tasks | {task: tasks[task] | {"delta": delta}}})
    check_config(CONFIG | {"tasks": tasks | {"kang_without_b": tasks["kang_without_b"] | {"delta": "global"}}})
    assert '"delta": config["tasks"][wc.task].get("delta")' in (ROOT / "workflow/rules/runs.smk").read_text()


def model_of(name):
    return CONFIG["models"][name]


def test_the_full_study_plans_every_response():
    files = planned(ROOT, "results/metrics.csv", "results/tables/responses.tex", "--config", "study=full")
    for task in CONFIG["studies"]["full"]["tasks"]:
        for model in response_models(CONFIG, task):
            assert f"results/runs/{task}/{model}/response.csv" in files
            assert (f"results/runs/{task}/{model}/latent.h5ad" in files) == ("module" in model_of(model))
    assert "results/tables/responses.tex" in files
    assert not any(file.endswith("response.csv") or "responses" in file for file in planned(ROOT, "results/thesis.pdf"))
