"""What the text says of a task's cells: numbers, names of genes and short lists, as LaTeX by the name of the fact."""

import pandas as pd

from gmvae.thesis.biology.tables import gene_list, marker_table, recall_table, summary_table, type_table
from gmvae.thesis.typeset import format_fixed, latex_name, latex_number

SHARING = 0.5  # of their best marker genes, from which two clusters are said to share them
ONE_SIDED = 0.9  # of the cells of a cluster, from which a condition is said to fill it
COMMON = 0.8  # of the conditions and batches: one with more cells than this fills clusters by itself
MISSED = 0.5  # recall below which a type is said to be missed
PERFECT = 0.995  # share of right test cells from which clusters are the types: a picture of both is a diagonal
FEWEST = 5  # test cells of such a type
LISTED = 6  # entries of a list in the text


def cell_facts(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """All facts of a task's cells.

    Args:
        tables: The tables of the step `findings` by name.

    Returns:
        LaTeX by name. A fact that the data do not bear out is missing: the text asks for it by iffact.
    """
    values = dict(zip(tables["findings"]["measure"], tables["findings"]["value"], strict=True))
    return (
        cluster_facts(tables["clusters"], tables["shared_markers"], values)
        | type_facts(tables["recall"], values)
        | composition_facts(tables["composition"])
        | change_facts(tables["changed_genes"], tables["changes"])
        | generated_facts(values)
    )


def percent(share: float) -> str:
    """A share as percents for the text."""
    return rf"\qty{{{format_fixed(100 * share, 0)}}}{{\percent}}"


def word_list(parts: list[str], n: int = LISTED) -> str:
    """A list in the text; after n entries it says how many more there are."""
    rest = len(parts) - n
    return ", ".join(parts[:n]) + (rf" and \num{{{rest}}} more" if rest > 0 else "")


def cluster_facts(clusters: pd.DataFrame, shared: pd.DataFrame, values: dict[str, float]) -> dict[str, str]:
    """How many clusters there are and how sure their cells are; which are like a known type, which share markers."""
    facts = {"clusters": rf"\num{{{len(clusters)}}}", "certain": percent(values["certain"])}
    facts |= {"table": marker_table(clusters), "summary": summary_table(clusters)}
    if pd.notna(values["agreement"]):
        facts["agreement"] = percent(values["agreement"])
    suggested = clusters[clusters["suggested"] != ""]
    if len(suggested):
        facts["n_suggested"] = rf"\num{{{len(suggested)}}}"
        pairs = zip(suggested["cluster"], suggested["suggested"], suggested["suggested_genes"], strict=True)
        names = [f"cluster {k} of {latex_name(name)} cells ({gene_list(genes, 3)})" for k, name, genes in pairs]
        facts["suggested"] = word_list(names)
    named = clusters[clusters["type"] != ""]
    if len(named):
        other = named[(named["suggested"] != "") & (named["suggested"] != named["type"])]
        like = named[named["suggested"] == named["type"]]
        facts |= {"n_typed": rf"\num{{{len(named)}}}", "n_confirmed": rf"\num{{{len(like)}}}"}
        pairs = zip(other["cluster"], other["label"], other["suggested"], strict=True)
        parts = [f"cluster {k} of {latex_name(label)} ({latex_name(name)} cells)" for k, label, name in pairs]
        facts |= {"unlike": word_list(parts)} if parts else {}
    alike = shared[shared["share"] >= SHARING]
    pairs = zip(alike["first"], alike["second"], alike["shared"], alike["of"], strict=True)
    if len(alike):
        facts["sharing"] = word_list([rf"{a} and {b} (\num{{{n}}} of \num{{{of}}})" for a, b, n, of in pairs])
    return facts


def type_facts(recall: pd.DataFrame, values: dict[str, float]) -> dict[str, str]:
    """Which types are found and which are missed, and whether the probabilities of types are right."""
    if recall.empty:
        return {}
    facts = {"recall": recall_table(recall)}
    tested = recall[(recall["cells"] >= FEWEST) & recall["recall"].notna()]
    if len(tested):
        best = tested.loc[tested["recall"].idxmax()]
        facts |= {"best_type": latex_name(best["label"]), "best_recall": percent(best["recall"])}
        missed = tested[tested["recall"] < MISSED]
        pairs = zip(missed["label"], missed["recall"], missed["taken_for"], strict=True)
        parts = [
            f"{latex_name(label)} ({percent(share)}{f', taken for {latex_name(other)}' if other else ''})"
            for label, share, other in pairs
        ]
        facts |= {"missed": word_list(parts)} if parts else {}
    if "right" in values and pd.notna(values.get("ece")):
        facts |= {"ece": latex_number(values["ece"], 3), "n_test": rf"\num{{{int(values['n_test'])}}}"}
        facts |= {"right": percent(values["right"]), "confidence": percent(values["confidence"])}
        facts |= {"perfect": ""} if values["right"] >= PERFECT else {}
        if pd.notna(values.get("ece_sd")):
            facts["ece_spread"] = rf"{latex_number(values['ece_mean'], 3)}\,$\pm$\,{latex_number(values['ece_sd'], 3)}"
        facts["overconfident" if values["confidence"] > values["right"] else "underconfident"] = ""
    return facts


def composition_facts(composition: pd.DataFrame) -> dict[str, str]:
    """Which clusters a condition or a batch fills, and whether any does."""
    facts = {}
    for kind, table in composition.groupby("kind", sort=False):
        facts[f"has_{kind}"] = ""
        filling = table[(table["share"] >= ONE_SIDED) & (table["overall"] < COMMON)]
        rows = zip(filling["cluster"], filling["share"], filling["value"], strict=True)
        parts = [f"{k} ({percent(share)} {latex_name(str(value))})" for k, share, value in rows]
        facts |= {f"filled_{kind}": word_list(parts)} if parts else {}
        others = table[~table["cluster"].isin(filling["cluster"]) & (table["value"] == table["value"].iloc[0])]
        if table["value"].nunique() == 2 and parts and len(others):
            low, high, overall = others["share"].min(), others["share"].max(), others["overall"].iloc[0]
            value = latex_name(str(table["value"].iloc[0]))
            facts[f"mixed_{kind}"] = f"{percent(low)} to {percent(high)} are {value}, of all cells {percent(overall)}"
    return facts


def change_facts(genes: pd.DataFrame, types: pd.DataFrame) -> dict[str, str]:
    """How many genes change with the condition in which type, which of them in all, and how near predictions are."""
    if types.empty:
        return {}
    first = types.loc[types["n_changed"].idxmax()]
    of_condition = types[types["condition"] == first["condition"]]
    facts = {
        "changes": type_table(types),
        "control": latex_name(str(first["control"])),
        "condition": latex_name(str(first["condition"])),
        "most_type": latex_name(str(first["type"])),
        "most_changed": rf"\num{{{first['n_changed']}}}",
        "n_types": rf"\num{{{len(of_condition)}}}",
    }
    changed = genes[(genes["condition"] == first["condition"]) & genes["changes"]]
    sizes = changed.groupby("gene").agg(n=("type", "nunique"), real=("real", "mean"))
    everywhere = sizes[sizes["n"] == len(of_condition)].sort_values("real", ascending=False)
    if len(everywhere) and len(of_condition) > 1:
        facts |= {
            "everywhere": gene_list(" ".join(everywhere.index), 12),
            "n_everywhere": rf"\num{{{len(everywhere)}}}",
        }
    predicted = of_condition.dropna(subset=["correlation"])
    if len(predicted):
        facts |= {
            f"correlation_{end}": latex_number(getattr(predicted["correlation"], end)(), 2) for end in ("min", "max")
        }
        facts |= {f"slope_{end}": latex_number(getattr(predicted["slope"], end)(), 2) for end in ("min", "max")}
        facts |= {"too_small": ""} if predicted["slope"].max() < 1 else {}
        signs = predicted["signs"].dropna()
        facts |= {"signs": percent(float(signs.min()))} if len(signs) else {}
    return facts


def generated_facts(values: dict[str, float]) -> dict[str, str]:
    """How well classifiers tell generated cells from real ones."""
    if "auc_linear" not in values:
        return {}
    areas = {key: values[key] for key in ("auc_linear", "auc_boosted", "auc_redrawn", "auc_control")}
    facts = {key: latex_number(area, 2) for key, area in areas.items()}
    facts["n_generated"] = rf"\num{{{int(values['n_generated'])}}}"
    largest = max(areas["auc_linear"], areas["auc_boosted"])
    facts |= {"decoder_passes": ""} if areas["auc_redrawn"] < 0.6 else {}
    facts |= {"mostly_prior": ""} if areas["auc_redrawn"] - 0.5 < (areas["auc_boosted"] - 0.5) / 2 else {}
    return facts | {"passing" if largest < 0.6 else "partly" if largest < 0.8 else "recognised": ""}
