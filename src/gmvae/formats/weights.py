"""The weights of a trained model: safetensors with one metadata key, a JSON from which the model is built again."""

import importlib
import inspect
import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save as as_bytes
from torch import nn

from gmvae.formats.writing import write_atomically
from gmvae.pipeline.errors import Refused


def model_class(module: str) -> type[nn.Module]:
    """The class of a model.

    Args:
        module: The name of its file in gmvae/models.

    Returns:
        The class Model of the file.

    Raises:
        Refused: There is no such file, or no such class in it.
    """
    try:
        file = importlib.import_module(f"gmvae.models.{module}")
    except ModuleNotFoundError as error:
        if error.name != f"gmvae.models.{module}":  # what the file imports is missing
            raise
        raise Refused(f"{module}: found no such file in src/gmvae/models; allowed: those that are there") from None
    model = vars(file).get("Model")
    if not inspect.isclass(model):
        raise Refused(f"{file.__file__}: found no class Model; allowed: a class Model, which makes the file a model")
    return model


def takes_components(module: str) -> bool:
    """Whether a model can encode principal components in place of what it decodes: it has the argument `n_inputs`."""
    return "n_inputs" in inspect.signature(model_class(module)).parameters


def encoded_input(arguments: dict) -> str:
    """What a model with these arguments encodes: components or genes."""
    return "genes" if arguments.get("n_inputs") is None else "components"


def build_model(module: str, arguments: dict) -> nn.Module:
    """The model of `gmvae.models.{module}`, see gmvae.models.interface.

    Args:
        module: Its file's name.
        arguments: The arguments of the constructor, its settings among them.

    Returns:
        The model, with its initial weights.

    Raises:
        Refused: There is no such file, an argument is unknown, or the class lacks a method that every model defines.
    """
    model = model_class(module)
    try:
        inspect.signature(model).bind(**arguments)
    except TypeError as error:
        raise Refused(f"{module}: {error}; allowed: settings that are keywords of its class Model") from None
    if inspect.isabstract(model):
        missing = ", ".join(sorted(model.__abstractmethods__))
        raise Refused(f"{module}: class Model has no {missing}; define what src/gmvae/models/interface.py asks for")
    return model(**arguments)


def save_weights(model: nn.Module, module: str, arguments: dict, path: Path) -> None:
    """Write the weights and buffers of a model; the same model always gives the same bytes.

    Args:
        model: The model.
        module: The name of its module in gmvae.models.
        arguments: The arguments it was built with.
        path: The file to write, .safetensors.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    description = json.dumps({"module": module, "arguments": arguments}, sort_keys=True)  # several keys have no order
    with write_atomically(path) as temporary:  # save_file would make a file that only its owner can read
        temporary.write_bytes(as_bytes(tensors, metadata={"model": description}))


def load_weights(path: Path, device: torch.device) -> tuple[nn.Module, dict]:
    """Build a trained model from its weights.

    Args:
        path: A file that `save_weights` wrote.
        device: Where the model is placed.

    Returns:
        The model, in evaluation mode and in the precision it was trained in, and its module and arguments.

    Raises:
        Refused: The file is not a weights file of this project.
    """
    try:
        with safe_open(path, "pt", device=str(device)) as file:
            description = json.loads(file.metadata()["model"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except Exception as error:
        raise Refused(f"{path}: not a readable weights file ({error}); delete it and run again") from None
    model = build_model(description["module"], description["arguments"])
    dtype = next((tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()), torch.float32)
    model.to(device, dtype).load_state_dict(tensors)
    return model.eval(), description
