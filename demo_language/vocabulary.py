"""The micro-BERT's tokenizer: one token a word, and the file format AutoTokenizer loads offline."""

from __future__ import annotations

from pathlib import Path

from .lexicon import words

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(5)


def vocabulary() -> dict[str, int]:
    """Return {token: id}, special tokens first, then the words in alphabetical order."""
    return {token: i for i, token in enumerate((*SPECIAL, *words()))}


def save_tokenizer(directory: Path, max_length: int = 64) -> None:
    """Write tokenizer.json and tokenizer_config.json: words split at spaces, [CLS] A [SEP] B [SEP], types 0 and 1."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.WordLevel(vocabulary(), unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS), ("[SEP]", SEP)],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        **{name.strip("[]").lower() + "_token": name for name in SPECIAL},
    )
    fast.save_pretrained(directory)


def encode(vocab: dict[str, int], first: str, second: str = "") -> tuple[list[int], list[int]]:
    """Return token ids and token types as the saved tokenizer gives them. Raises KeyError for an unknown word."""
    ids = [CLS, *(vocab[w] for w in first.split()), SEP]
    types = [0] * len(ids)
    if second:
        tail = [*(vocab[w] for w in second.split()), SEP]
        ids, types = ids + tail, types + [1] * len(tail)
    return ids, types
