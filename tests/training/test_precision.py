"""Which processor gets which precision; what stays float32 in bfloat16, and that metrics change less than by seeds."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from support.models import MODELS, SEEDS, small_batch, small_model, train_model

from gmvae.metrics.scores import agreement, contingency, match_components
from gmvae.nn.batches import Rows
from gmvae.nn.inference import cluster_rows, row_terms
from gmvae.nn.random_streams import make_generators
from gmvae.pipeline import plan
from gmvae.pipeline.code_digest import source_modules
from gmvae.pipeline.config_files import read_config
from gmvae.pipeline.errors import Refused
from gmvae.pipeline.sources import ROOT
from gmvae.training.loop import autocast_products
from gmvae.training.precision import choose_precision, processor_flags
from gmvae.training.schedule import Training

CPU = torch.device("cpu")
FIVE = [0, 1, 2, 3, 4]
X86 = {"fpu", "sse4_2", "avx", "avx2", "fma"}
PROCESSORS = {  # the flags that tell five kinds apart, what `auto` becomes, and whether bfloat16 may be asked for
    "Intel Sapphire Rapids": ({*X86, "avx512f", "avx512_bf16", "amx_tile", "amx_bf16"}, "bfloat16", True),
    "AMD Zen 4": ({*X86, "avx512f", "avx512_bf16"}, "float32", True),
    "AMD Milan": (X86, "float32", False),
    "ARM Neoverse V1": ({"fp", "asimd", "sve", "svebf16", "bf16"}, "float32", True),
    "unknown": (set(), "float32", True),
}


@pytest.mark.parametrize("name", PROCESSORS)
def test_the_precision_follows_the_processor(name):
    flags, automatic, allowed = PROCESSORS[name]
    assert choose_precision("auto", CPU, frozenset(flags)) == automatic
    assert choose_precision("float64", CPU, frozenset(flags)) == "float64"
    with pytest.raises(Refused, match="found tf32, which only a GPU has"):
        choose_precision("tf32", CPU, frozenset(flags))
    if allowed:
        assert choose_precision("bfloat16", CPU, frozenset(flags)) == "bfloat16"
    else:
        with pytest.raises(Refused, match=r"training\.precision: found bfloat16.*34 times.*auto"):
            choose_precision("bfloat16", CPU, frozenset(flags))


def test_a_run_is_planned_with_the_word_of_the_config_whatever_the_processor():
    """So a study made on one processor runs nothing again on another."""
    config = read_config(ROOT / "config.yaml")
    assert plan.training_settings(config, "digits", "vae")["precision"] == "auto"
    assert not any(
        "gmvae.training.precision" in source_modules(f"gmvae.pipeline.{name}") for name in ("plan", "command")
    )


@pytest.mark.parametrize(("capability", "allowed"), [((9, 0), True), ((8, 0), True), ((7, 5), False)])
def test_the_precision_follows_the_gpu(monkeypatch, capability, allowed):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda")
    assert choose_precision("auto", gpu) == ("tf32" if allowed else "float32")
    if allowed:
        assert all(choose_precision(name, gpu) == name for name in ("bfloat16", "tf32", "float32"))
    else:
        with pytest.raises(Refused, match="found tf32, which only a GPU has"):
            choose_precision("tf32", gpu)
        with pytest.raises(Refused, match="this GPU"):
            choose_precision("bfloat16", gpu)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2\n\nprocessor\t: 1\nflags\t\t: fpu avx2\n", {"fpu", "avx2"}),
        ("processor\t: 0\nFeatures\t: fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("vendor_id : something else\n", set()),
    ],
)
def test_the_flags_of_a_processor_are_read(tmp_path, text, flags):
    (tmp_path / "cpuinfo").write_text(text)
    assert processor_flags(tmp_path / "cpuinfo") == flags
    assert processor_flags(tmp_path / "no such file") == frozenset()


@pytest.mark.parametrize("module", MODELS)
def test_terms_and_gradients_stay_float32_and_near(module):
    model = small_model(module)
    batch = small_batch(model)
    exact = model.eval().terms(batch)
    with autocast_products(CPU, "bfloat16"):
        rounded = model.terms(batch)
    sum(value.sum() for value in rounded.values()).backward()
    for name, value in rounded.items():
        assert value.dtype == torch.float32
        assert torch.allclose(value, exact[name], rtol=0.05, atol=0.3), name
    assert all(
        p.grad.dtype == torch.float32 and p.grad.isfinite().all() for p in model.parameters() if p.grad is not None
    )
    assert any(not torch.equal(value, exact[name]) for name, value in rounded.items())  # it does round


def test_metrics_change_less_than_between_seeds():
    """The author's model on the digits, five seeds in each precision: ELBO and accuracy within the seeds' spread."""
    x, label = load_digits(return_X_y=True)
    x = torch.as_tensor(x / 16, dtype=torch.float32)
    hidden = torch.full((len(FIVE), len(x)), -1)
    rows = Rows(x, x, torch.full((len(x),), -1), hidden, 0, 10)
    scores = {}
    for precision in ("float32", "bfloat16"):
        plan = Training(
            epochs=30, batch_size=128, learning_rate=2e-3, schedule="cosine", autoencode_epochs=10, guide_epochs=10,
            precision=precision,
        )  # fmt: skip
        model = small_model("gmdvae", "normal", n_features=64, seeds=FIVE, n_components=10, n_latent=6, n_hidden=64)
        train_model(model, rows, plan, FIVE)
        elbos = row_terms(model, rows, make_generators(FIVE, "terms"))["elbo"].mean(-1).numpy()
        chosen = cluster_rows(model, rows, None).argmax(-1).numpy()
        scores[precision] = np.stack([elbos, [accuracy(label, cluster) for cluster in chosen]])
    change = np.abs(scores["bfloat16"].mean(1) - scores["float32"].mean(1))
    spread = scores["float32"].std(1, ddof=1)
    assert (change < spread).all(), (change, spread)


def accuracy(label, cluster):
    return agreement(label, cluster, match_components(contingency(label, cluster, 10, 10)))


def test_seeds_are_their_own_in_bfloat16():
    """The history of two seeds together is that of each alone, as near as rounding allows."""
    x = torch.rand(64, 5, generator=torch.Generator().manual_seed(0))
    plan = Training(epochs=3, batch_size=16, learning_rate=1e-3, precision="bfloat16")

    def elbos(seeds):
        rows = Rows(x, x, torch.full((64,), -1), torch.full((len(seeds), 64), -1), 0, 3)
        return train_model(small_model("vae", n_features=5, seeds=seeds), rows, plan, seeds).set_index("seed")["loss"]

    together = elbos(SEEDS)
    for seed in SEEDS:
        assert np.allclose(together[seed], elbos([seed])[seed], rtol=2e-2)
