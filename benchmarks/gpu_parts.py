"""Parts of the GPU benchmark: BERT-base's shape, examples as long as a task's, rates, processes side by side."""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import subprocess
import sys
import time
from pathlib import Path

import material
import numpy as np
import torch
from finetune import trainer_of

from lottery_utils.models.load import build_classifier
from lottery_utils.presets import get_preset
from lottery_utils.pruning.importance import open_passes
from lottery_utils.pruning.masks import StructuredMask
from lottery_utils.training.evaluate import predict
from lottery_utils.training.finetune import finetune

# Mean tokens of a train example, 1,500 of each task by the tokenizer of bert-base-uncased.
TOKENS = {"cola": 12.8, "sst2": 13.3, "mrpc": 53.4, "stsb": 20.6, "qqp": 30.8, "mnli": 40.5, "qnli": 49.4,
          "rte": 67.1, "wnli": 37.1}  # fmt: skip
MEASURED = ("cola", "mnli", "mrpc")


@dataclasses.dataclass(frozen=True)
class Setting:
    """Where and how much: `steps` of a timed training, batches of `batch`, BERT-base or a tiny one.

    `graphs`: whether the package's steps are CUDA graphs.
    """

    device: torch.device
    precision: str
    steps: int
    batch: int
    tiny: bool
    graphs: bool

    @property
    def preset(self):
        """The paper's hyperparameters, one epoch."""
        return dataclasses.replace(
            get_preset("paper"), epochs=1, batch_size=self.batch, precision=self.precision, clip=1.0
        )

    def model(self, seed: int = 0) -> torch.nn.Module:
        """BERT-base's shape with random weights, on the device."""
        from transformers import BertConfig

        small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build_classifier(BertConfig(**small if self.tiny else {})).to(self.device)

    def data(self, task: str):
        """Random examples, gamma distributed lengths of the task's mean."""
        return material.random_examples(self.steps * self.batch, np.random.default_rng(0), TOKENS[task])


def sync(device: torch.device) -> None:
    """Until a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(setting: Setting, work) -> float:
    """Wall seconds of `work`."""
    sync(setting.device)
    begin = time.perf_counter()
    work()
    sync(setting.device)
    return time.perf_counter() - begin


def train_ours(setting: Setting, model, data) -> float:
    """Seconds of the package's fine-tuning, with `setting.graphs` by CUDA graphs."""
    work = functools.partial(
        finetune, model, data, setting.preset, ("bench", 0), cuda_graphs=setting.graphs
    )
    return seconds_of(setting, work)


def train_eagerly(setting: Setting, model, data) -> float:
    """The same without graphs: what Python costs."""
    return train_ours(dataclasses.replace(setting, graphs=False), model, data)


def train_peer(setting: Setting, model, data) -> float:
    """Seconds of HF Trainer with batches of like lengths, in the same precision."""
    return seconds_of(setting, trainer_of(model, data, setting.preset, 0, None).train)


def train_processes(setting: Setting, task: str, runs: int) -> float:
    """Seconds of as many processes, each with one run, started together once all are warm."""
    command = [sys.executable, str(Path(__file__).with_name("gpu.py")), "--side", task, "--steps", str(setting.steps)]
    command += ["--batch", str(setting.batch), "--device", setting.device.type] + (["--tiny"] if setting.tiny else [])
    command += [] if setting.graphs else ["--no-graphs"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    crowd = [subprocess.Popen(command, **pipes) for _ in range(runs)]
    try:
        for one in crowd:
            while (line := one.stdout.readline()).strip() != "ready":
                if not line:
                    raise SystemExit("a process of the shared GPU stopped; see its error above")
        begin = time.perf_counter()
        for one in crowd:
            one.stdin.write("go\n")
            one.stdin.flush()
        for one in crowd:
            json.loads(one.stdout.readline())
        return time.perf_counter() - begin
    finally:
        for one in crowd:
            one.stdin.close()
            one.wait(timeout=60)


def one_process(setting: Setting, task: str) -> None:
    """What `train_processes` starts: warm up, say so, wait, train, say how long it took."""
    model, data = setting.model(), setting.data(task)
    train_ours(setting, copy.deepcopy(model), data)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(train_ours(setting, model, data)), flush=True)


def search_rates(setting: Setting, task: str) -> tuple[float, float]:
    """Examples a second of a pass with importances under the full mask, and of a forward pass."""
    model, data = setting.model(), setting.data(task)
    config = model.config
    full = StructuredMask.full(config.num_hidden_layers, config.num_attention_heads)

    def measure() -> None:
        with open_passes(model, data, setting.precision) as passes:
            passes.measure(passes.run(full))

    measure()
    return (
        len(data) / seconds_of(setting, measure),
        len(data) / seconds_of(setting, lambda: predict(model, data, setting.precision)),
    )


def matrix_rate(setting: Setting) -> float:
    """Operations a second of a large matrix product in bf16 (tiny: a small one in float32)."""
    size, kind = (256, torch.float32) if setting.tiny else (8192, torch.bfloat16)
    a, b = (torch.randn(size, size, device=setting.device).to(kind) for _ in range(2))
    for _ in range(3):
        a @ b
    times = 10
    return times * 2 * size**3 / seconds_of(setting, lambda: [a @ b for _ in range(times)])


def flops(config, lengths: np.ndarray) -> float:
    """Operations of training on examples of `lengths` tokens: 3 forward passes of the encoder."""
    tokens, squares = float(lengths.sum()), float((lengths.astype(float) ** 2).sum())
    width, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    return 3 * layers * (2 * tokens * (4 * width * width + 2 * width * inner) + 4 * squares * width)
