"""Pre-train the micro-BERT on the demo language: ``python -m lottery_utils.tasks.pretrain --out DIR --seed N``.

Two objectives, as BERT's: half of the rows are masked (20 % of the words), the other half are whole pairs with
the question whether the second text follows (see `corpus` for what the pairs are). All rows of a batch have equal
length, so there is no padding and no attention mask. Every draw comes from the seed and the step, so a run that
was stopped goes on from its last checkpoint as if it had not been.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import BertConfig, BertForPreTraining

from .corpus import texts
from .vocabulary import CLS, MASK, PAD, SEP, SPECIAL, encode, save_tokenizer, vocabulary

CHUNK = 24_000  # texts drawn at a time
MASKED = 0.2  # of the words
WARM_UP = 480  # steps
DECAY = 0.2  # share of the steps
SHORT_CHUNKS = 5  # chunks of short sentences first
LATE_CHUNK = 29  # from this chunk on, the late mix of texts


def config(hidden: int = 96, layers: int = 6, heads: int = 8) -> BertConfig:
    """Return the architecture: BERT with `layers` x `heads` heads, MLPs four times `hidden`, no dropout."""
    return BertConfig(
        vocab_size=len(vocabulary()), hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * hidden, max_position_embeddings=64, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, pad_token_id=PAD,
    )


def batches(seed: int, chunk: int, batch_size: int, phase: str, held_out: bool = False) -> list[dict]:
    """Return a chunk of the corpus as shuffled batches of equal length: ids (B, T), types (B, T), follows (B,)."""
    rng = Random(f"{'held out ' * held_out}{seed} {chunk}")
    vocab, by_length = vocabulary(), {}
    for text in texts(rng, CHUNK // 6 if held_out else CHUNK, phase, held_out):
        ids, types = encode(vocab, text.first, text.second)
        by_length.setdefault(len(ids), []).append((ids, types, text.follows, text.kind))
    found = []
    for length in sorted(by_length):
        rows = by_length[length]
        for start in range(0, len(rows), batch_size):
            part = rows[start : start + batch_size]
            if len(part) >= batch_size // 4 or held_out:
                ids, types, follows, kinds = zip(*part)
                found.append({"ids": torch.tensor(ids), "types": torch.tensor(types), "follows": torch.tensor(follows),
                              "kinds": kinds})
    rng.shuffle(found)
    return found


def phase(chunk: int) -> str:
    """Return the corpus phase of a chunk: "short", "main" or "late"."""
    return "short" if chunk < SHORT_CHUNKS else "main" if chunk < LATE_CHUNK else "late"


def mask(ids: torch.Tensor, rows: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask words of the given rows as BERT does (80 % [MASK], 10 % another word, 10 % unchanged).

    Returns the changed ids (B, T) and the chosen positions, boolean (B, T).
    """
    draw = torch.rand(ids.shape, generator=generator)
    chosen = (draw < MASKED) & (ids != CLS) & (ids != SEP) & rows[:, None]
    how = torch.rand(ids.shape, generator=generator)
    other = torch.randint(len(SPECIAL), len(vocabulary()), ids.shape, generator=generator)
    changed = torch.where(chosen & (how < 0.8), MASK, ids)
    return torch.where(chosen & (how >= 0.9), other, changed), chosen


def losses(model, batch: dict, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, dict]:
    """Return both losses of one batch and counts of right answers for the log."""
    masked_rows = batch["follows"] < 0
    ids, chosen = mask(batch["ids"], masked_rows, generator)
    hidden, pooled = model.bert(ids, token_type_ids=batch["types"])[:2]
    zero = hidden.sum() * 0.0
    counts = {"words": int(chosen.sum()), "pairs": int((~masked_rows).sum()), "words_right": 0, "pairs_right": 0}
    word_loss = pair_loss = zero
    if counts["words"]:
        scores, target = model.cls.predictions(hidden[chosen]), batch["ids"][chosen]
        word_loss = cross_entropy(scores, target)
        counts["words_right"] = int((scores.argmax(-1) == target).sum())
    if counts["pairs"]:
        scores, target = model.cls.seq_relationship(pooled[~masked_rows]), 1 - batch["follows"][~masked_rows]
        pair_loss = cross_entropy(scores, target)  # label 0 is "follows", as in BERT
        right = scores.argmax(-1) == target
        counts["pairs_right"] = int(right.sum())
        kinds = [kind for kind, masked in zip(batch["kinds"], masked_rows.tolist()) if not masked]
        counts["by_kind"] = list(zip(kinds, right.tolist()))
    return word_loss, pair_loss, counts


@torch.no_grad()
def held_out_accuracy(model, seed: int, batch_size: int) -> dict:
    """Return accuracy on texts whose first sentence is reserved: masked words, pairs, and pairs by kind."""
    model.eval()
    total = {"words": 0, "words_right": 0, "pairs": 0, "pairs_right": 0}
    kinds: dict[str, list[bool]] = {}
    for i, batch in enumerate(batches(seed, 0, batch_size, "late", held_out=True)):
        counts = losses(model, batch, torch.Generator().manual_seed(i))[2]
        for kind, right in counts.pop("by_kind", []):
            kinds.setdefault(kind, []).append(right)
        total = {k: v + counts[k] for k, v in total.items()}
    model.train()
    return {
        "masked_words": round(total["words_right"] / total["words"], 4),
        "pairs": round(total["pairs_right"] / total["pairs"], 4),
        "pairs_by_kind": {k: round(sum(v) / len(v), 4) for k, v in sorted(kinds.items())},
    }


def pretrain(
    out: Path, seed: int, steps: int, batch_size: int, peak: float, hidden: int, stop: int | None = None
) -> dict:
    """Train for `steps` steps (or until `stop`), writing a checkpoint every 500; returns the log.

    Linear warm-up over 480 steps, then constant, linear decay over the last 20 %; short sentences first.
    """
    torch.manual_seed(seed)  # the initial weights
    model = BertForPreTraining(config(hidden)).train()
    model.set_attn_implementation("eager")  # for short rows on a CPU faster than the fused kernel
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / WARM_UP, (steps - step) / (DECAY * steps))
    )
    log = {"seed": seed, "steps": steps, "batch_size": batch_size, "learning_rate": peak, "curve": [], "seconds": 0.0,
           "started": datetime.now(UTC).isoformat(timespec="seconds"), "step": 0, "chunk": 0, "place": 0}
    out.mkdir(parents=True, exist_ok=True)
    if (out / "state.json").exists():
        log = {**_resume(out, model, optimizer, schedule), "steps": steps}
    begin, sums, bar = time.perf_counter() - log["seconds"], {}, tqdm(total=steps, initial=log["step"], unit="step")
    pending = batches(seed, log["chunk"], batch_size, phase(log["chunk"]))[log["place"] :]
    while log["step"] < (stop or steps):
        if not pending:
            log["chunk"], log["place"] = log["chunk"] + 1, 0
            pending = batches(seed, log["chunk"], batch_size, phase(log["chunk"]))
        batch = pending.pop(0)
        generator = torch.Generator().manual_seed(seed * 1_000_003 + log["step"])
        word_loss, pair_loss, counts = losses(model, batch, generator)
        loss = word_loss + pair_loss
        if not torch.isfinite(loss):
            raise FloatingPointError(f"pre-training: loss is {loss.item()} at step {log['step']}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        log["step"], log["place"] = log["step"] + 1, log["place"] + 1
        counts.pop("by_kind", None)
        for key, value in {**counts, "word_loss": word_loss.item(), "pair_loss": pair_loss.item()}.items():
            sums[key] = sums.get(key, 0) + value
        bar.update()
        if log["step"] % 100 == 0:
            log["curve"].append(_point(log["step"], sums))
            bar.set_postfix_str(" ".join(f"{k} {v}" for k, v in log["curve"][-1].items() if k != "step"))
            sums = {}
        if log["step"] % 500 == 0:
            log["seconds"] = round(time.perf_counter() - begin, 1)
            _checkpoint(out, model, optimizer, log)
    bar.close()
    log["seconds"] = round(time.perf_counter() - begin, 1)
    return finish(out, model, log, batch_size)


def finish(out: Path, model, log: dict, batch_size: int) -> dict:
    """Write config.json, model.safetensors, the tokenizer and pretrain_log.json."""
    log = {k: v for k, v in log.items() if k not in ("chunk", "place")}
    log["held_out"] = held_out_accuracy(model, log["seed"], batch_size)
    log["command"] = f"python -m lottery_utils.tasks.pretrain --out DIR --seed {log['seed']} --steps {log['steps']}"
    log["parameters"] = sum(p.numel() for p in model.parameters())
    log["machine"] = f"CPU {platform.machine()}, {torch.get_num_threads()} thread(s)"
    log["versions"] = {"python": platform.python_version(), "torch": torch.__version__,
                       "transformers": transformers.__version__}
    model.eval().save_pretrained(out)
    save_tokenizer(out)
    (out / "pretrain_log.json").write_text(json.dumps(log, indent=1) + "\n")
    return log


def _point(step: int, sums: dict) -> dict:
    return {"step": step, "word_loss": round(sums["word_loss"] / 100, 4),
            "pair_loss": round(sums["pair_loss"] / 100, 4),
            "word_acc": round(sums["words_right"] / max(1, sums["words"]), 4),
            "pair_acc": round(sums["pairs_right"] / max(1, sums["pairs"]), 4)}


def _checkpoint(out: Path, model, optimizer, log: dict) -> None:
    tensors = {f"model.{k}": v.contiguous() for k, v in dict(model.named_parameters()).items()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state[parameter].items():
            tensors[f"{key}.{name}"] = value
    save_file(tensors, out / "state.tmp")
    (out / "state.tmp").rename(out / "state.safetensors")
    (out / "state.json").write_text(json.dumps(log))


def _resume(out: Path, model, optimizer, schedule) -> dict:
    """Load weights, Adam moments and position of the last checkpoint; returns its log."""
    log, tensors = json.loads((out / "state.json").read_text()), load_file(out / "state.safetensors")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(tensors[f"model.{name}"])
            optimizer.state[parameter] = {k: tensors[f"{k}.{name}"] for k in ("step", "exp_avg", "exp_avg_sq")}
    schedule.last_epoch = log["step"] - 1
    optimizer._step_count = schedule._step_count = 1
    schedule.step()
    return log


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--stop", type=int, default=None, help="stop early at this step (a later call goes on)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    log = pretrain(args.out, args.seed, args.steps, args.batch_size, args.learning_rate, args.hidden, args.stop)
    print(json.dumps({k: log[k] for k in ("step", "seconds", "held_out")}))


if __name__ == "__main__":
    main()
