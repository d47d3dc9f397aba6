"""A run that is interrupted ends as if it had not been: every model, at every step; and what a checkpoint refuses."""

import json

import pytest
import torch
from safetensors import safe_open
from support.models import MODELS, SEEDS, blobs, small

from gmvae.formats.weights import save_weights
from gmvae.training.checkpoints import Checkpointer, run_identity
from gmvae.training.loop import fit_model, train_to_end
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
    """What interrupts a run in these tests."""


def outcome(model, table, folder):
    """The bytes that a run leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    save_weights(model, "", {}, folder / "weights.safetensors")
    return (folder / "weights.safetensors").read_bytes(), table.to_csv()


def interrupted(module, rows, plan, folder, every=1, **settings):
    """The outcome of a run that is saved and begun anew from the file every so many steps, and how often that was."""
    keeper = Checkpointer(folder / "checkpoint.safetensors", SAME, 0)
    for times in range(1000):
        state = TrainingState(small(module, **settings), plan, SEEDS)
        keeper.resume(state)
        taken = []

        def after_step(steps, state=state, taken=taken):
            taken.append(steps)
            if len(taken) == every:
                keeper.save(state)
                raise Stop

        try:
            train_to_end(state, rows, plan, after_step)
        except Stop:
            continue
        return outcome(state.model, state.table(), folder), times
    raise AssertionError("no end")


@pytest.mark.parametrize("labelled", [0, 12], ids=["without labels", "with labels"])
@pytest.mark.parametrize("module", MODELS)
def test_interrupted_after_every_step_it_ends_with_the_same_bytes(module, labelled, tmp_path):
    """Through all phases: 4 epochs of 4 steps."""
    rows, model = blobs(labelled=labelled), small(module)
    whole = outcome(model, fit_model(model, rows, PLAN, SEEDS), tmp_path / "whole")
    found, times = interrupted(module, rows, PLAN, tmp_path)
    assert times == 16
    assert found == whole


def test_what_a_model_counts_goes_on(tmp_path):
    """IDEC counts epochs from one refresh of its targets to the next."""
    rows, model = blobs(), small("idec", refresh_epochs=2)
    whole = outcome(model, fit_model(model, rows, PLAN, SEEDS), tmp_path / "whole")
    assert interrupted("idec", rows, PLAN, tmp_path, every=3, refresh_epochs=2)[0] == whole


def test_a_seed_that_has_finished_stays_so_over_interruptions(tmp_path):
    plan = Training(epochs=40, batch_size=16, learning_rate=0.03, patience=1)
    rows, model = blobs(), small("vae")
    whole = outcome(model, fit_model(model, rows, plan, SEEDS), tmp_path / "whole")
    assert whole[1].count("free") < 80  # lines of the history: some seed has finished
    assert interrupted("vae", rows, plan, tmp_path, every=3)[0] == whole


def test_noise_drawn_in_blocks_is_found_again_in_the_middle_of_one(tmp_path):
    plan = Training(epochs=1, batch_size=2, learning_rate=0.01)  # 150 steps: blocks of 64
    rows, model = blobs(n=300), small("gmdvae")
    whole = outcome(model, fit_model(model, rows, plan, SEEDS), tmp_path / "whole")
    assert interrupted("gmdvae", rows, plan, tmp_path, every=31)[0] == whole


def test_the_term_that_diverged_is_known_over_an_interruption(tmp_path):
    """Saved one step after that in which it broke, when all others are spoilt, and before it is looked for."""
    state, keeper = TrainingState(small("vae"), PLAN, SEEDS), Checkpointer(tmp_path / "checkpoint.safetensors", SAME, 0)
    terms, spoilt = state.model.terms, torch.tensor([[torch.nan], [1.0]])

    def poisoned(batch):
        found = terms(batch)
        return found | {"kl_z": found["kl_z"] * spoilt} if (state.epoch, state.step) == (2, 1) else found

    def after_step(steps):
        if (state.epoch, state.step) == (2, 3):
            raise Stop

    state.model.terms = poisoned
    with pytest.raises(Stop):
        train_to_end(state, blobs(), PLAN, after_step)
    keeper.save(state)
    again = TrainingState(small("vae"), PLAN, SEEDS)
    keeper.resume(again)
    train_to_end(again, blobs(), PLAN)
    assert again.diverged() == [{"seed": SEEDS[0], "epoch": 3, "term": "kl_z"}]


@pytest.fixture
def saved(tmp_path):
    """A checkpoint of a run after its sixth step."""
    state, keeper = TrainingState(small("vae"), PLAN, SEEDS), Checkpointer(tmp_path / "checkpoint.safetensors", SAME, 0)

    def after_step(steps):
        if state.epoch == 1 and state.step == 2:
            raise Stop

    with pytest.raises(Stop):
        train_to_end(state, blobs(), PLAN, after_step)
    keeper.save(state)
    return keeper.path


@pytest.mark.parametrize("part", SAME)
def test_a_checkpoint_of_something_else_is_left_alone_with_a_line(saved, part, capsys):
    state = TrainingState(small("vae"), PLAN, SEEDS)
    before = {name: tensor.clone() for name, tensor in state.tensors().items()}
    Checkpointer(saved, SAME | {part: "other"}, 0).resume(state)
    assert capsys.readouterr().err == f"{saved}: not used, as it is of other {part}; training starts anew\n"
    assert state.epoch == state.step == 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in state.tensors().items())


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_broken_checkpoint_is_left_alone_with_a_line(saved, share, capsys):
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(share * len(whole))])
    state = TrainingState(small("vae"), PLAN, SEEDS)
    Checkpointer(saved, SAME, 0).resume(state)
    line = capsys.readouterr().err
    assert line.startswith(f"{saved}: not used, as it cannot be read (") and line.count("\n") == 1
    assert state.step == 0


def test_a_checkpoint_goes_on_where_it_was_and_says_so(saved, capsys):
    state = TrainingState(small("vae"), PLAN, SEEDS)
    Checkpointer(saved, SAME, 0).resume(state)
    assert (state.epoch, state.step) == (1, 2) and len(state.history) == len(SEEDS)
    assert capsys.readouterr().err == f"{saved}: training goes on in epoch 2\n"


def test_a_checkpoint_is_no_pickle_and_names_what_it_is_of(saved):
    with safe_open(saved, "pt") as file:
        described = json.loads(file.metadata()["state"])
    assert described["identity"] == SAME and described["epoch"] == 1 and described["seconds"] > 0


def test_removing_takes_what_a_killed_process_left(saved):
    (saved.parent / ".checkpoint.123.safetensors").write_bytes(b"half")
    (saved.parent / "weights.safetensors").write_bytes(b"whole")
    Checkpointer(saved, SAME, 0).remove()
    assert [file.name for file in saved.parent.iterdir()] == ["weights.safetensors"]


def test_saves_come_every_so_many_minutes(tmp_path, monkeypatch):
    keeper = Checkpointer(tmp_path / "checkpoint.safetensors", SAME, 2.0)
    times, state = [], TrainingState(small("vae"), PLAN, SEEDS)
    monkeypatch.setattr(keeper, "save", lambda state: times.append(clock[0]) or setattr(keeper, "saved", clock[0]))
    clock = [keeper.saved]
    monkeypatch.setattr("gmvae.training.checkpoints.time.monotonic", lambda: clock[0])
    start = clock[0]
    for _ in range(100):
        clock[0] += 7.0
        keeper.after_step(state)
    assert [round(time - start) for time in times] == [126, 252, 378, 504, 630]


def test_zero_minutes_mean_never(tmp_path):
    keeper = Checkpointer(tmp_path / "checkpoint.safetensors", SAME, 0)
    keeper.saved -= 1e9
    keeper.after_step(TrainingState(small("vae"), PLAN, SEEDS))
    assert not keeper.path.exists()


def test_what_a_run_is_follows_from_settings_data_and_code(tmp_path, monkeypatch):
    file = tmp_path / "data"
    file.write_bytes(b"1")
    first = run_identity({"a": 1, "b": [2]}, [file], "vae")
    assert run_identity({"b": [2], "a": 1}, [file], "vae") == first
    assert changed(first, run_identity({"a": 2, "b": [2]}, [file], "vae")) == ["settings"]
    assert changed(first, run_identity({"a": 1, "b": [2]}, [file], "ae")) == ["code"]
    file.write_bytes(b"2")
    assert changed(first, run_identity({"a": 1, "b": [2]}, [file], "vae")) == ["data"]
    monkeypatch.setattr("gmvae.training.checkpoints.torch.__version__", "0.0")
    assert "code" in changed(first, run_identity({"a": 1, "b": [2]}, [file], "vae"))


def changed(first, second):
    return [part for part in first if first[part] != second[part]]
