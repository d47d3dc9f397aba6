"""The line that shows how far a run is: what it says, and how often."""

import re

import pytest
from support.models import SEEDS, blobs, small

from gmvae.training.loop import train_to_end
from gmvae.training.progress import Progress
from gmvae.training.schedule import Training
from gmvae.training.state import TrainingState

LINE = (
    r"epoch (\d+)/(\d+) (autoencode|guide|free), (ELBO|objective) (-?[\d.e+]+), ([\d,]+) samples/s over 2 seeds"
    r"(?: \((\d+) stopped\))?, (\d+):(\d\d) left"
)


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands until it is moved."""
    now = [100.0]
    monkeypatch.setattr("gmvae.training.progress.time.monotonic", lambda: now[0])
    return now


def shown(clock, capsys, seconds, module="vae", terminal=False, **training):
    """What a run of 4 steps an epoch shows where a step takes so many seconds."""
    plan = Training(**({"epochs": 50, "batch_size": 16, "learning_rate": 0.01} | training))
    state, rows = TrainingState(small(module), plan, SEEDS), blobs()
    line = Progress(state, plan, 60)
    line.live = terminal

    def after_step(steps):
        clock[0] += seconds
        line.after_step(state, steps)

    train_to_end(state, rows, plan, after_step)
    line.close()
    return capsys.readouterr().err, state


def test_in_a_log_there_are_about_twenty_lines_at_most(clock, capsys):
    text, state = shown(clock, capsys, 3.0)
    lines = text.splitlines()
    assert 15 <= len(lines) <= 21
    found = [re.fullmatch(LINE, line).groups() for line in lines]
    assert found[0][:4] == ("3", "50", "free", "ELBO")
    assert {rate for *_, rate, _, _, _ in found} == {"10"}  # 60 rows of 2 seeds in 12 seconds
    assert found[-1][0] == "50" and found[-1][-2:] == ("0", "00")
    last = state.history[-2:]
    elbo = sum(line["reconstruction"] - line["kl_z"] for line in last) / 2
    assert float(found[-1][4]) == pytest.approx(elbo, rel=1e-5)
    times = [int(minutes) * 60 + int(seconds) for *_, minutes, seconds in found]
    assert times[0] == (200 - 10) * 3 and times == sorted(times, reverse=True)


def test_a_short_run_leaves_one_line(clock, capsys):
    text, _ = shown(clock, capsys, 0.01)
    assert text.count("\n") == 1 and re.fullmatch(LINE, text.strip())


def test_on_a_terminal_one_line_changes(clock, capsys):
    text, _ = shown(clock, capsys, 0.0625, terminal=True)
    assert text.count("\n") == 1 and text.endswith("\n")
    parts = text.strip("\r\n").split("\r")
    assert len(parts) == 200 / 4  # every quarter of a second
    assert all(re.match(r"epoch \d+/50 ", part) and part.endswith("\033[K") and len(part) < 83 for part in parts)


def test_it_says_which_phase_and_how_many_seeds_have_stopped(clock, capsys):
    text, state = shown(clock, capsys, 60.0, autoencode_epochs=10, guide_epochs=10, patience=1, learning_rate=0.03)
    found = [re.fullmatch(LINE, line).groups() for line in text.splitlines()]
    assert {phase for _, _, phase, *_ in found} == {"autoencode", "guide", "free"}
    ends = sorted(standing.epoch for standing in state.standing)
    assert all(stopped == ("1" if int(epoch) > ends[0] else None) for epoch, _, _, _, _, _, stopped, *_ in found)


def test_a_model_without_an_elbo_shows_its_objective(clock, capsys):
    assert "objective" in shown(clock, capsys, 0.01, module="idec")[0]


def test_a_resumed_run_counts_its_own_speed(clock, capsys):
    plan = Training(epochs=10, batch_size=16, learning_rate=0.01)
    state, rows = TrainingState(small("vae"), plan, SEEDS), blobs()

    def interrupted(steps):
        if (state.epoch, state.step) == (8, 2):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train_to_end(state, rows, plan, interrupted)
    line = Progress(state, plan, 60)

    def after_step(steps):
        clock[0] += 0.01
        line.after_step(state, steps)

    train_to_end(state, rows, plan, after_step)
    assert "3,000 samples/s" in capsys.readouterr().err


def test_nothing_is_shown_where_nothing_is_asked_for(capsys):
    plan = Training(epochs=2, batch_size=16, learning_rate=0.01)
    state, rows = TrainingState(small("vae"), plan, SEEDS), blobs()
    line = Progress(state, plan, 60, shown=False)
    train_to_end(state, rows, plan, lambda steps: line.after_step(state, steps))
    line.close()
    assert capsys.readouterr().err == ""
