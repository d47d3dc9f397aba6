"""The bar or the lines that show how far a run is: what they say, and how often."""

import builtins
import re
import sys

import pytest
from support.models import SEEDS, blob_rows, small_model

from gmvae.training.loop import train_to_end
from gmvae.training.progress import Progress
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

LINE = (
    r"epoch (\d+)/(\d+) (autoencode|guide|free), (ELBO|objective) (-?[\d.e+]+)(?: \((\d+) stopped\))?, 2 seeds, "
    r" *([\d.]+k?) samples/s, ([\d:]+) left"
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until a test moves it."""
    now = [100.0]
    monkeypatch.setattr("tqdm.std.time", lambda: now[0])
    return now


def train_with_progress(clock, capsys, seconds, module="vae", **training):
    """The output and the state of a run with 4 steps an epoch, each of which takes this many seconds."""
    plan = Training(**({"epochs": 50, "batch_size": 16, "learning_rate": 0.01} | training))
    state, rows = TrainingState(small_model(module), plan, SEEDS), blob_rows()
    progress = Progress(state, plan, 60)

    def after_step(steps):
        clock[0] += seconds
        progress.after_step(steps)

    train_to_end(state, rows, plan, after_step)
    progress.close()
    return capsys.readouterr().err, state


def test_a_log_has_about_twenty_lines_at_most(clock, capsys):
    text, state = train_with_progress(clock, capsys, 3.0)
    lines = text.splitlines()
    assert 15 <= len(lines) <= 21
    values = [re.fullmatch(LINE, line).groups() for line in lines]
    assert values[0][1:4] == ("50", "free", "ELBO") and int(values[0][0]) <= 4
    assert all(float(rate) == pytest.approx(10) for *_, rate, _ in values)  # 60 rows of 2 seeds in 12 seconds
    assert values[-1][0] == "50" and values[-1][-1] == "00:00"
    last = state.history[-2:]
    elbo = sum(line["reconstruction"] - line["kl_z"] for line in last) / 2
    assert float(values[-1][4]) == pytest.approx(elbo, rel=1e-5)


def test_a_log_has_no_control_characters(clock, capsys):
    text, _ = train_with_progress(clock, capsys, 3.0)
    assert all(character.isprintable() or character == "\n" for character in text)


def test_a_short_run_leaves_one_line_in_a_log(clock, capsys):
    text, _ = train_with_progress(clock, capsys, 0.01)
    assert text.count("\n") == 1 and re.fullmatch(LINE, text.strip())


def test_a_terminal_shows_one_bar_that_changes(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    text, _ = train_with_progress(clock, capsys, 0.0625)
    assert text.count("\n") == 1 and text.endswith("\n")
    parts = text.strip("\r\n").split("\r")
    assert 200 / 4 <= len(parts) <= 200 / 4 + 3  # every quarter of a second
    assert all(re.match(r"epoch \d+/50 free, ELBO .* seeds \|.*\| .* samples/s, [\d:]+ left", part) for part in parts)


def test_a_line_says_the_phase_and_how_many_seeds_have_stopped(clock, capsys):
    plan = {"autoencode_epochs": 10, "guide_epochs": 10, "patience": 1, "learning_rate": 0.03}
    text, state = train_with_progress(clock, capsys, 60.0, **plan)
    values = [re.fullmatch(LINE, line).groups() for line in text.splitlines()]
    assert {phase for _, _, phase, *_ in values} == {"autoencode", "guide", "free"}
    ends = sorted(status.epoch for status in state.statuses)
    assert all(stopped == ("1" if int(epoch) > ends[0] else None) for epoch, _, _, _, _, stopped, *_ in values)


def test_a_model_without_an_elbo_shows_its_objective(clock, capsys):
    assert "objective" in train_with_progress(clock, capsys, 0.01, module="idec")[0]


def test_a_model_with_its_own_kl_weight_shows_its_objective(clock, capsys):
    assert "objective" in train_with_progress(clock, capsys, 0.01, module="scgen")[0]


def test_a_resumed_run_counts_its_own_speed(clock, capsys):
    plan = Training(epochs=10, batch_size=16, learning_rate=0.01)
    state, rows = TrainingState(small_model("vae"), plan, SEEDS), blob_rows()

    def interrupt(steps):
        if (state.epoch, state.step) == (8, 2):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_to_end(state, rows, plan, interrupt)
    progress = Progress(state, plan, 60)

    def after_step(steps):
        progress.after_step(steps)
        clock[0] += 0.01

    train_to_end(state, rows, plan, after_step)
    speed = re.search(r"([\d.]+)k samples/s", capsys.readouterr().err)
    assert float(speed[1]) == pytest.approx(3.0)  # 30 samples of a step in 0.01 seconds


def test_an_interrupted_run_ends_its_bar_with_a_line_break(clock, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    plan = Training(epochs=10, batch_size=16, learning_rate=0.01)
    state = TrainingState(small_model("vae"), plan, SEEDS)
    progress = Progress(state, plan, 60)

    def after_step(steps):
        clock[0] += 1.0
        progress.after_step(steps)
        if state.epoch == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_to_end(state, blob_rows(), plan, after_step)
    progress.close()
    assert capsys.readouterr().err.endswith("left\n")


def test_nothing_is_shown_if_not_wanted(capsys):
    plan = Training(epochs=2, batch_size=16, learning_rate=0.01)
    state, rows = TrainingState(small_model("vae"), plan, SEEDS), blob_rows()
    progress = Progress(state, plan, 60, shown=False)
    train_to_end(state, rows, plan, progress.after_step)
    progress.close()
    assert capsys.readouterr().err == ""


def test_training_runs_without_tqdm(monkeypatch, capsys):
    original = builtins.__import__

    def import_without_tqdm(name, *arguments):
        if name == "tqdm":
            raise ImportError("no tqdm here")
        return original(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", import_without_tqdm)
    plan = Training(epochs=2, batch_size=16, learning_rate=0.01)
    state = TrainingState(small_model("vae"), plan, SEEDS)
    progress = Progress(state, plan, 60)
    train_to_end(state, blob_rows(), plan, progress.after_step)
    progress.close()
    assert state.epoch == 2 and capsys.readouterr().err == ""
