"""An interrupted run ends as if it had not been: every model, at every step; and which checkpoints are not used."""

import json
from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from support.models import MODELS, SEEDS, blob_rows, random_data, small_model, train_model, viewed_rows

from gmvae.formats.weights import save_weights
from gmvae.training.checkpoints import Checkpointer, run_identity
from gmvae.training.loop import train_to_end
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

PLAN = Training(
    epochs=4,
    batch_size=16,
    learning_rate=0.01,
    schedule="cosine",
    weight_decay=0.01,
    autoencode_epochs=1,
    guide_epochs=1,
)
SAME = {"settings": "a", "data": "b", "code": "c"}


class Stop(Exception):
    """Interrupts a run in these tests."""


def result_bytes(model, history, folder):
    """The bytes of the weights file, and the history as csv."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(model, "", {}, folder / "weights.safetensors")
    return (folder / "weights.safetensors").read_bytes(), history.to_csv()


def train_with_interruptions(module, rows, plan, folder, every=1, change=lambda model: None, **settings):
    """The bytes of a run that is saved and resumed from the file after so many steps, and how often it was resumed."""
    checkpointer = Checkpointer(folder / "checkpoint.safetensors", SAME, 0)
    for times in range(1000):
        state = TrainingState(small_model(module, **settings), plan, SEEDS)
        change(state.model)
        checkpointer.resume(state)
        steps_taken = []

        def after_step(steps, state=state, steps_taken=steps_taken):
            steps_taken.append(steps)
            if len(steps_taken) == every:
                checkpointer.save(state)
                raise Stop

        try:
            train_to_end(state, rows, plan, after_step)
        except Stop:
            continue
        return result_bytes(state.model, pd.DataFrame(state.history), folder), times
    raise AssertionError("no end")


@pytest.mark.parametrize("labelled", [0, 12], ids=["without labels", "with labels"])
@pytest.mark.parametrize("module", MODELS)
def test_a_run_interrupted_after_every_step_ends_with_the_same_bytes(module, labelled, tmp_path):
    """Through all phases: 4 epochs of 4 steps."""
    rows, model = blob_rows(labelled=labelled), small_model(module)
    whole = result_bytes(model, train_model(model, rows, PLAN, SEEDS), tmp_path / "whole")
    result, times = train_with_interruptions(module, rows, PLAN, tmp_path)
    assert times == 16
    assert result == whole


@pytest.mark.parametrize("module", ["idec", "scgen"])
def test_what_a_model_forgets_to_return_changes_the_bytes(module, tmp_path):
    """IDEC without its targets and its count of epochs, scGen without its random generators."""

    def forget(model):
        model.training_state = dict
        model.load_training_state = lambda state: None

    rows, model = blob_rows(), small_model(module)
    whole = result_bytes(model, train_model(model, rows, PLAN, SEEDS), tmp_path / "whole")
    assert train_with_interruptions(module, rows, PLAN, tmp_path, change=forget)[0] != whole


def test_a_resumed_model_goes_on_counting(tmp_path):
    """IDEC counts epochs from one refresh of its targets to the next."""
    rows, model = blob_rows(), small_model("idec", refresh_epochs=2)
    whole = result_bytes(model, train_model(model, rows, PLAN, SEEDS), tmp_path / "whole")
    assert train_with_interruptions("idec", rows, PLAN, tmp_path, every=3, refresh_epochs=2)[0] == whole


def test_a_seed_that_has_finished_stays_so_over_interruptions(tmp_path):
    plan = Training(epochs=40, batch_size=16, learning_rate=0.03, patience=1)
    rows, model = blob_rows(), small_model("vae")
    whole = result_bytes(model, train_model(model, rows, plan, SEEDS), tmp_path / "whole")
    assert whole[1].count("free") < 80  # lines of the history: some seed has finished
    assert train_with_interruptions("vae", rows, plan, tmp_path, every=3)[0] == whole


def test_noise_of_a_block_is_the_same_when_resumed_in_its_middle(tmp_path):
    plan = Training(epochs=1, batch_size=2, learning_rate=0.01)  # 150 steps: blocks of 64
    rows, model = blob_rows(n=300), small_model("gmdvae")
    whole = result_bytes(model, train_model(model, rows, plan, SEEDS), tmp_path / "whole")
    assert train_with_interruptions("gmdvae", rows, plan, tmp_path, every=31)[0] == whole


def test_the_term_that_diverged_first_survives_an_interruption(tmp_path):
    """Saved one step after it diverged, when all other terms have, and before the check for divergence."""
    state, checkpointer = (
        TrainingState(small_model("vae"), PLAN, SEEDS),
        Checkpointer(tmp_path / "checkpoint.safetensors", SAME, 0),
    )
    terms, spoilt = state.model.terms, torch.tensor([[torch.nan], [1.0]])

    def poisoned(batch):
        values = terms(batch)
        return values | {"kl_z": values["kl_z"] * spoilt} if (state.epoch, state.step) == (2, 1) else values

    def after_step(steps):
        if (state.epoch, state.step) == (2, 3):
            raise Stop

    state.model.terms = poisoned
    with pytest.raises(Stop):
        train_to_end(state, blob_rows(), PLAN, after_step)
    checkpointer.save(state)
    again = TrainingState(small_model("vae"), PLAN, SEEDS)
    checkpointer.resume(again)
    train_to_end(again, blob_rows(), PLAN)
    assert again.diverged_seeds() == [{"seed": SEEDS[0], "epoch": 3, "term": "kl_z"}]


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a run after its sixth step."""
    state, checkpointer = (
        TrainingState(small_model("vae"), PLAN, SEEDS),
        Checkpointer(tmp_path / "checkpoint.safetensors", SAME, 0),
    )

    def after_step(steps):
        if state.epoch == 1 and state.step == 2:
            raise Stop

    with pytest.raises(Stop):
        train_to_end(state, blob_rows(), PLAN, after_step)
    checkpointer.save(state)
    return checkpointer.path


@pytest.mark.parametrize("part", SAME)
def test_a_checkpoint_of_another_run_is_not_used_and_a_line_says_why(saved, part, capsys):
    state = TrainingState(small_model("vae"), PLAN, SEEDS)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    Checkpointer(saved, SAME | {part: "other"}, 0).resume(state)
    line = capsys.readouterr().err
    assert line.startswith(f"{saved}: not used, as its {part} ") and line.count("\n") == 1
    assert state.epoch == state.step == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_broken_checkpoint_is_not_used_and_a_line_says_why(saved, share, capsys):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    state = TrainingState(small_model("vae"), PLAN, SEEDS)
    Checkpointer(saved, SAME, 0).resume(state)
    line = capsys.readouterr().err
    assert line.startswith(f"{saved}: not used, as it cannot be read (") and line.count("\n") == 1
    assert state.step == 0


def test_a_run_resumes_at_its_epoch_and_step_and_says_so(saved, capsys):
    state = TrainingState(small_model("vae"), PLAN, SEEDS)
    Checkpointer(saved, SAME, 0).resume(state)
    assert (state.epoch, state.step) == (1, 2) and len(state.history) == len(SEEDS)
    assert capsys.readouterr().err == f"{saved}: training goes on in epoch 2\n"


def test_a_checkpoint_is_a_safetensors_file_with_the_identity_of_its_run(saved):
    with safe_open(saved, "pt") as file:
        described = json.loads(file.metadata()["state"])
    assert described["identity"] == SAME and described["epoch"] == 1 and described["seconds"] > 0


def test_removing_a_checkpoint_removes_what_a_killed_process_left(saved):
    (saved.parent / ".checkpoint.123.safetensors").write_bytes(b"half")
    (saved.parent / "weights.safetensors").write_bytes(b"whole")
    Checkpointer(saved, SAME, 0).remove()
    assert [file.name for file in saved.parent.iterdir()] == ["weights.safetensors"]


def test_a_run_is_saved_at_set_intervals(tmp_path, monkeypatch):
    checkpointer = Checkpointer(tmp_path / "checkpoint.safetensors", SAME, 2.0)
    times, state = [], TrainingState(small_model("vae"), PLAN, SEEDS)
    monkeypatch.setattr(
        checkpointer, "save", lambda state: times.append(clock[0]) or setattr(checkpointer, "saved_at", clock[0])
    )
    clock = [checkpointer.saved_at]
    monkeypatch.setattr("gmvae.training.checkpoints.time.monotonic", lambda: clock[0])
    start = clock[0]
    for _ in range(100):
        clock[0] += 7.0
        checkpointer.after_step(state)
    assert [round(time - start) for time in times] == [126, 252, 378, 504, 630]


def test_an_interval_of_zero_minutes_saves_nothing(tmp_path):
    checkpointer = Checkpointer(tmp_path / "checkpoint.safetensors", SAME, 0)
    checkpointer.saved_at -= 1e9
    checkpointer.after_step(TrainingState(small_model("vae"), PLAN, SEEDS))
    assert not checkpointer.path.exists()


def test_the_identity_of_a_run_depends_on_settings_data_and_code(tmp_path, monkeypatch):
    file = tmp_path / "data"
    file.write_bytes(b"1")
    first = run_identity({"a": 1, "b": [2]}, [file], "vae")
    assert run_identity({"b": [2], "a": 1}, [file], "vae") == first
    assert changed_parts(first, run_identity({"a": 2, "b": [2]}, [file], "vae")) == ["settings"]
    assert changed_parts(first, run_identity({"a": 1, "b": [2]}, [file], "ae")) == ["code"]
    file.write_bytes(b"2")
    assert changed_parts(first, run_identity({"a": 1, "b": [2]}, [file], "vae")) == ["data"]
    monkeypatch.setattr("gmvae.training.checkpoints.torch.__version__", "0.0")
    assert "code" in changed_parts(first, run_identity({"a": 1, "b": [2]}, [file], "vae"))


def changed_parts(first, second):
    return [part for part in first if first[part] != second[part]]


@pytest.mark.parametrize("kinds", [["neighbours", "affine"], ["neighbours", "thinning"], []])
def test_an_interrupted_run_with_views_ends_as_if_it_had_not_been(kinds, tmp_path):
    rows = viewed_rows()
    if "thinning" in kinds:  # how many numbers it draws depends on the counts
        torch.manual_seed(0)
        counts = random_data("negative_binomial", 60, 6)
        rows = rows._replace(x=torch.log1p(counts), target=counts, shape=())
    plan = replace(PLAN, views=kinds, information=2.0)
    whole, _ = train_with_interruptions("gmdvae", rows, plan, tmp_path / "whole", every=1000)
    parts, times = train_with_interruptions("gmdvae", rows, plan, tmp_path / "parts", every=3)
    assert times > 3 and parts == whole
