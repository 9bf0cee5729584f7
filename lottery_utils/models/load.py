"""Loading tokenizers and classifiers from safetensors checkpoints, with new weights drawn from an explicit seed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from ..errors import UserError, one_line
from .anatomy import family_named, family_of, max_tokens
from .source import model_dir

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerBase


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence transformers' load report and progress bars inside the block only: what matters is checked here."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def load_tokenizer(model: str) -> PreTrainedTokenizerBase:
    """Return the tokenizer of `model` ("embedded", a directory or a hub id).

    Its `model_max_length` is the number of tokens that the model takes. It pads on the right, as positions start at the
    first token, makes token types only where the model has two, and always the mask of padding. Raises UserError where
    there is no tokenizer, a damaged or an empty one, one without a padding token, or one with more words than the
    model.
    """
    from transformers import AutoTokenizer

    folder = model_dir(model, weights=False)
    config = read_config(model, folder)
    try:
        with quiet_transformers():
            tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="right")
        types = "token_type_ids" in tokenizer.model_input_names and getattr(config, "type_vocab_size", 2) > 1
        names = ["input_ids", *["token_type_ids"] * types, "attention_mask"]
        tokenizer.model_input_names = tokenizer.init_kwargs["model_input_names"] = names  # so that they are saved too
        tokenizer.model_max_length = min(tokenizer.model_max_length, max_tokens(config))
    except Exception as error:  # the tokenizers library raises plain Exception on damaged files
        raise UserError(f"model {model!r}: its tokenizer cannot be read ({one_line(error, 200)})") from error
    if problem := _tokenizer_problem(tokenizer, config.vocab_size):
        raise UserError(f"model {model!r}: its tokenizer has {problem}")
    return tokenizer


def _tokenizer_problem(tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> str:
    """What a tokenizer has or lacks that a model of `vocab_size` words cannot do with, "" if nothing."""
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):  # transformers accepts it without a word
        return "an empty vocabulary; expected tokenizer.json or vocab.txt"
    most = max(len(tokenizer), 1 + max(tokenizer.get_vocab().values()))  # ids may have holes
    if most > vocab_size:
        return f"{most} words, the model {vocab_size}; expected one that belongs to the model"
    if tokenizer.pad_token is None:
        return "no padding token, which batches need; name one as pad_token in tokenizer_config.json"
    return ""


def read_config(model: str, folder: Path) -> PretrainedConfig:
    """Return the configuration in `folder`; raises UserError when it is unusable or of an unknown family."""
    from transformers import AutoConfig, PretrainedConfig

    try:
        with quiet_transformers():
            content, _ = PretrainedConfig.get_config_dict(folder, local_files_only=True)
            family_named(content.get("model_type"))
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
        if getattr(config, "pruned_heads", None):
            raise ValueError("transformers 4 pruned heads of it, which later versions cannot load; give it as it was")
        if getattr(config, "quantization_config", None):
            raise ValueError("it has quantization_config, and quantized weights cannot be pruned; give it as it was")
        if (config.pad_token_id or 0) >= config.vocab_size:
            raise ValueError(f"pad_token_id must be below vocab_size, {config.vocab_size}, got {config.pad_token_id}")
    except Exception as error:  # unreadable JSON, unknown families and ill-typed fields come as several kinds
        raise UserError(f"model {model!r}: its config.json cannot be used ({one_line(error, 300)})") from error
    return _as_classifier(config)


def _as_classifier(config: PretrainedConfig) -> PretrainedConfig:
    """The configuration without settings that make another function of an encoder, or another form of its answer.

    A decoder's tokens see none that follow; MLPs in chunks are called several times in a layer.
    """
    usual = {"is_decoder": False, "add_cross_attention": False, "chunk_size_feed_forward": 0, "return_dict": True}
    usual |= {"output_attentions": False, "output_hidden_states": False}
    for field, value in usual.items():
        if getattr(config, field, value) != value:
            setattr(config, field, value)
    if config.pad_token_id is None:
        config.pad_token_id = 1 if family_of(config).padded_positions else 0
    return config


def load_classifier(
    model: str,
    num_labels: int,
    seed: int = 42,
    regression: bool = False,
    dropout: float | None = None,
    init: str = "pretrained",
    attention: str = "sdpa",
    keep_classifier: bool = False,
) -> nn.Module:
    """Return `model` as a classifier in float32 on the CPU, in eval mode.

    Parameters that the checkpoint lacks (the classifier, perhaps a pooler) are drawn from `seed`, see `draw`;
    `init="random"` has all of them drawn. `dropout` replaces all of the configuration's rates, None keeps
    them. `attention` is "sdpa", or "eager" for attention maps. A classifier that the checkpoint brings along is drawn
    anew unless `keep_classifier`: all seeds would share it, and its labels may be others or in another order. The
    attribute `checkpoint_note` says which, "" where there is none. Raises UserError for what cannot be loaded.
    """
    if init not in ("pretrained", "random"):
        raise UserError(f"init must be 'pretrained' or 'random', got {init!r}")
    folder = model_dir(model, weights=init == "pretrained")
    config = read_config(model, folder)
    config.num_labels = num_labels
    config.problem_type = "regression" if regression else "single_label_classification"
    if dropout is not None:
        for field in family_of(config).dropouts:
            setattr(config, field, dropout)
    with quiet_transformers(), torch.random.fork_rng(devices=[]):
        if init == "random":
            classifier = build_classifier(config, attention)
            lacking, classifier.checkpoint_note = [name for name, _ in classifier.named_parameters()], ""
        else:
            classifier, lacking = _read(model, folder, config, attention, keep_classifier)
    return draw(classifier.float().eval(), lacking, seed)


def _without_classifier(
    model: str, classifier: nn.Module, lacking: set[str], absent: set[str], keep: bool
) -> list[str]:
    """`lacking` and, unless `keep`, all that is outside the encoder, of which the checkpoint has what is not `absent`.

    Notes on the model what became of the checkpoint's. Raises UserError where it is to be kept and is `lacking`.
    """
    base = classifier.base_model_prefix + "."
    outside = {name for name, _ in classifier.named_parameters() if not name.startswith(base)}
    if keep and outside & lacking:
        text = f"model {model!r}: keep_classifier asks for its classifier, but it has none for so many labels"
        raise UserError(f"{text} ({classifier.num_labels}); leave keep_classifier out")
    classes = ", ".join(map(str, classifier.config.id2label.values()))
    how = f"kept, its classes in this order: {classes}" if keep else "left out, and a new one drawn"
    classifier.checkpoint_note = f"the checkpoint's own classifier was {how}" if outside - absent else ""
    return sorted(lacking if keep else lacking | outside)


def build_classifier(config: PretrainedConfig, attention: str = "sdpa") -> nn.Module:
    """Return an untrained float32 classifier of a transformers configuration."""
    from transformers import AutoModelForSequenceClassification

    kernel = _kernel(config, attention)
    return AutoModelForSequenceClassification.from_config(config, attn_implementation=kernel, dtype=torch.float32)


def _kernel(config: PretrainedConfig, attention: str) -> str:
    """The attention kernel to ask for: a model that adds to the scores (MPNet) has the plain one only."""
    return "eager" if family_of(config).score_bias else attention


def _read(
    model: str, folder: Path, config: PretrainedConfig, attention: str, keep_classifier: bool
) -> tuple[nn.Module, list[str]]:
    """Return the classifier with the checkpoint's weights, and the names of the parameters still to be drawn."""
    from transformers import AutoModelForSequenceClassification

    try:
        classifier, info = AutoModelForSequenceClassification.from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            attn_implementation=_kernel(config, attention),
            use_safetensors=True,
            local_files_only=True,
            ignore_mismatched_sizes=True,  # a classifier for another number of labels is drawn anew
            output_loading_info=True,
        )
    except Exception as error:  # damaged files: SafetensorError, OSError, ValueError, RuntimeError, KeyError
        reason = f"the weights in {folder} cannot be read ({one_line(error, 200)}); get them again"
        raise UserError(f"model {model!r}: {reason}") from error
    names = {name for name, _ in classifier.named_parameters()}
    wrong_size = {key[0] for key in info["mismatched_keys"]}
    absent = set(info["missing_keys"])
    drawn = (absent | wrong_size) & names
    base, layers = classifier.base_model_prefix + ".", family_of(config).encoder + "."
    lacking = sorted(name for name in drawn if name.startswith(base) and not name.startswith(base + "pooler."))
    surplus = [key for key in info["unexpected_keys"] if layers in key and not key.endswith("position_ids")]
    misfits = [f"{name} {'has another size' if name in wrong_size else 'is missing'}" for name in lacking]
    misfits += [f"it has no place for {key}" for key in sorted(surplus)]
    if misfits:
        raise UserError(
            f"model {model!r}: the weights do not fit config.json: {misfits[0]} ({len(misfits)} such); expected a "
            f"{config.model_type} checkpoint that matches its configuration"
        )
    return classifier, _without_classifier(model, classifier, drawn, absent, keep_classifier)


@torch.no_grad()
def draw(classifier: nn.Module, names: list[str], seed: int) -> nn.Module:
    """Fill the named parameters: LayerNorm weights 1, biases 0, others N(0, initializer_range); padding rows 0.

    Each draw depends on the seed and the parameter's name only, so full, retrained and randomly initialised runs of one
    seed share them (protocol: Fine-tuning); the global random state is left alone.
    """
    std = getattr(classifier.config, "initializer_range", None) or 0.02
    for name in names:
        path, _, kind = name.rpartition(".")
        module, parameter = classifier.get_submodule(path), classifier.get_parameter(name)
        if kind == "bias":
            parameter.zero_()
        elif isinstance(module, nn.LayerNorm):
            parameter.fill_(1.0)
        else:
            key = hashlib.sha256(f"{seed}/{name}".encode()).digest()
            generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big") >> 1)
            parameter.normal_(0.0, std, generator=generator)
            if getattr(module, "padding_idx", None) is not None:
                parameter[module.padding_idx].zero_()
    return classifier
