"""The exported model for ONNX Runtime; needs the extra `onnx`."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..errors import UserError

NEEDED = ("onnx", "onnxscript", "onnxruntime")


def require_onnx() -> None:
    """Raise UserError, with the command that helps, when a package of the extra is missing."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"ONNX export needs {', '.join(missing)}; install it with: pip install 'lottery-utils[onnx]'")


def write_onnx(model: nn.Module, inputs: dict[str, torch.Tensor], path: Path) -> None:
    """Write the model as one ONNX file with transformers' names of inputs; batch size and length are free."""
    batch, tokens = torch.export.Dim("batch"), torch.export.Dim("tokens")
    shapes = {name: {0: batch, 1: tokens} for name in inputs}
    options = {"dynamo": True, "output_names": ["logits"], "dynamic_shapes": shapes, "verbose": False}
    with warnings.catch_warnings():  # every input has the axis "tokens", and the exporter warns of that
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)
        warnings.filterwarnings("ignore", "`isinstance\\(treespec, LeafSpec", FutureWarning)  # its own code
        program = torch.onnx.export(model, kwargs=inputs, **options)
    program.save(str(path), external_data=False)


def run_onnx(path: Path, inputs: dict[str, torch.Tensor]) -> np.ndarray:
    """Logits (B, C) of ONNX Runtime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    known = {entry.name for entry in session.get_inputs()}
    return session.run(["logits"], {name: t.numpy() for name, t in inputs.items() if name in known})[0]
