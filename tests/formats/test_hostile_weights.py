"""Weights files whose container is damaged or lies: each is refused in one line; nothing of it is run."""

import json
from functools import partial

import torch
from support.checkout import count
from support.hostile import Trial, summary, try_all
from support.models import small_model

from gmvae.formats.weights import load_weights, save_weights

ARGUMENTS = {"n_features": 6, "likelihood": "normal", "seeds": [3, 11], "n_components": 3, "n_conditions": 2}
ARGUMENTS |= {"n_latent": 2, "n_hidden": 8}


def with_header(header: bytes, rest: bytes) -> bytes:
    """A safetensors file of this header: its length in eight bytes, the header as JSON, the numbers."""
    return len(header).to_bytes(8, "little") + header + rest


def hostile_files(content: bytes) -> dict[str, bytes]:
    """Mutations of a file by what was done."""
    length = int.from_bytes(content[:8], "little")
    header, rest = json.loads(content[8 : 8 + length]), content[8 + length :]
    name = next(key for key in header if key != "__metadata__")

    def changed(**values: object) -> bytes:
        return with_header(json.dumps(header | {name: header[name] | values}).encode(), rest)

    lengths = [0, 1, length - 1, length + 1, 2**40, 2**63, 2**64 - 1]
    files = {f"a header of {n} bytes": n.to_bytes(8, "little") + content[8:] for n in lengths}
    files |= {f"cut off at {share:.0%}": content[: int(share * len(content))] for share in (0, 0.01, 0.3, 0.9, 0.999)}
    files |= {
        "2^40 numbers": changed(shape=[2**20, 2**20]),
        "numbers elsewhere": changed(data_offsets=[2**40, 2**40 + 4]),
        "numbers backwards": changed(data_offsets=[8, 0]),
        "numbers of another type": changed(dtype="F64"),
        "an unknown type": changed(dtype="pickle"),
        "a negative shape": changed(shape=[-1]),
        "no metadata": with_header(json.dumps({name: header[name]}).encode(), rest),
        "metadata that is no JSON": with_header(json.dumps(header | {"__metadata__": {"model": "{"}}).encode(), rest),
        "many brackets": with_header(b"[" * 100_000, rest),
        "a pickle": b"\x80\x04cos\nsystem\n(S'touch escape'\ntR.",
        "more behind the end": content + bytes(100),
    }
    return files


def test_hostile_weights_are_refused(tmp_path):
    save_weights(small_model("vae"), "vae", ARGUMENTS, tmp_path / "good.safetensors")
    trials = []
    content = (tmp_path / "good.safetensors").read_bytes()
    for i, (name, changed) in enumerate(({"as it was": content} | hostile_files(content)).items()):
        path = tmp_path / f"weights{i}.safetensors"
        path.write_bytes(changed)
        trials.append(Trial(name, (str(path),), partial(load_weights, path, torch.device("cpu"))))
    outcomes = try_all(trials, tmp_path)
    count("inputs tried", len(outcomes) - 1)
    assert not summary(outcomes), summary(outcomes)
    assert outcomes[0].kind == "accepted", outcomes[0]
    assert [outcome.name for outcome in outcomes[1:] if outcome.kind != "refused"] == []
