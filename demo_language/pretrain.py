"""Pre-train the micro-BERT: ``python -m demo_language.pretrain --out DIR --seed N [--corpus NAME]``.

Two objectives, as BERT's: half of the rows are masked (20 % of the words), the other half are whole pairs with
the question whether the second text follows (see `corpus` for what the pairs are). All rows of a batch have equal
length, so there is no padding and no attention mask. Every draw comes from the seed and the step, so a run that
was stopped goes on from its last checkpoint as if it had not been.

With a corpus (see `corpora`) all rows are masked and there is no second objective: what follows what has no meaning in
noise, and the demo's pair objective is close to the labels of its tasks, which would favour the language.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from datetime import UTC, datetime
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn.functional import cross_entropy
from tqdm import tqdm
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining

from lottery_book.pretraining import CORPORA

from .pretrain_data import Recipe, batches, mask, phase, recipe
from .vocabulary import PAD, save_tokenizer, vocabulary

DECAY = 0.2  # share of the steps
STEPS, CORPUS_STEPS = 20_000, 3_000


def config(hidden: int = 96, layers: int = 6, heads: int = 8) -> BertConfig:
    """Return the architecture: BERT with `layers` x `heads` heads, MLPs four times `hidden`, no dropout."""
    return BertConfig(
        vocab_size=len(vocabulary()), hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * hidden, max_position_embeddings=64, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, pad_token_id=PAD,
    )


def losses(model, batch: dict, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, dict]:
    """Return both losses of one batch and counts of right answers for the log."""
    masked_rows = batch["follows"] < 0
    ids, chosen = mask(batch["ids"], masked_rows, generator)
    hidden, pooled = model.bert(ids, token_type_ids=batch["types"])[:2]
    zero = hidden.sum() * 0.0
    counts = {"words": int(chosen.sum()), "pairs": int((~masked_rows).sum()), "words_right": 0, "pairs_right": 0}
    counts["tokens"] = batch["ids"].numel()
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
def held_out_accuracy(model, seed: int, batch_size: int, plan: Recipe | None = None) -> dict:
    """Return accuracy on texts whose first sentence is reserved: masked words, pairs, and pairs by kind.

    For a corpus with masked words alone also their mean loss, in nats.
    """
    model.eval()
    total = {"words": 0, "words_right": 0, "pairs": 0, "pairs_right": 0, "loss": 0.0}
    kinds: dict[str, list[bool]] = {}
    for i, batch in enumerate(batches(seed, 0, batch_size, "late", held_out=True, plan=plan)):
        loss, _, counts = losses(model, batch, torch.Generator().manual_seed(i))
        for kind, right in counts.pop("by_kind", []):
            kinds.setdefault(kind, []).append(right)
        counts["loss"] = float(loss) * counts["words"]
        total = {k: v + counts[k] for k, v in total.items()}
    model.train()
    found = {"masked_words": round(total["words_right"] / total["words"], 4)}
    if not total["pairs"]:
        return {**found, "masked_words_loss": round(total["loss"] / total["words"], 4)}
    pairs = {k: round(sum(v) / len(v), 4) for k, v in sorted(kinds.items())}
    return {**found, "pairs": round(total["pairs_right"] / total["pairs"], 4), "pairs_by_kind": pairs}


def pretrain(
    out: Path,
    seed: int,
    steps: int,
    batch_size: int,
    peak: float,
    hidden: int,
    stop: int | None = None,
    corpus: str = "",
) -> dict:
    """Train for `steps` steps (or until `stop`), writing a checkpoint every 500; returns the log.

    Linear warm-up (480 steps; with a `corpus` 8 % of them), then constant, linear decay over the last 20 %; short
    sentences first. Corpus "none" is the weights before the first step.
    """
    plan = recipe(corpus, steps, batch_size)
    steps = 0 if corpus == "none" else steps
    torch.manual_seed(seed)  # the initial weights
    model = BertForPreTraining(config(hidden)).train()
    model.set_attn_implementation("eager")  # for short rows on a CPU faster than the fused kernel
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / plan.warm_up, (steps - step) / (DECAY * max(1, steps)))
    )
    log = {"seed": seed, "steps": steps, "batch_size": batch_size, "learning_rate": peak, "curve": [],
           "seconds": 0.0, "cpu_seconds": 0.0, "started": datetime.now(UTC).isoformat(timespec="seconds"),
           "step": 0, "chunk": 0, "place": 0}
    log |= {"corpus": corpus, "texts": 0, "tokens": 0, "masked": 0} if corpus else {}
    out.mkdir(parents=True, exist_ok=True)
    if (out / "state.json").exists():
        log = {**_resume(out, model, optimizer, schedule), "steps": steps}
    begin, worked = time.perf_counter() - log["seconds"], time.process_time() - log["cpu_seconds"]
    sums, bar = {}, tqdm(total=steps, initial=log["step"], unit="step")
    pending = batches(seed, log["chunk"], batch_size, phase(log["chunk"], plan), plan=plan) if steps else []
    del pending[: log["place"]]
    while log["step"] < (stop or steps):
        if not pending:
            log["chunk"], log["place"] = log["chunk"] + 1, 0
            pending = batches(seed, log["chunk"], batch_size, phase(log["chunk"], plan), plan=plan)
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
        if corpus:
            seen = {"texts": len(batch["ids"]), "tokens": counts["tokens"], "masked": counts["words"]}
            log |= {key: log[key] + count for key, count in seen.items()}
        for key, value in {**counts, "word_loss": word_loss.item(), "pair_loss": pair_loss.item()}.items():
            sums[key] = sums.get(key, 0) + value
        bar.update()
        if log["step"] % 100 == 0:
            log["curve"].append(_point(log["step"], sums))
            bar.set_postfix_str(" ".join(f"{k} {v}" for k, v in log["curve"][-1].items() if k != "step"))
            sums = {}
        if log["step"] % 500 == 0:
            log |= _times(begin, worked)
            _checkpoint(out, model, optimizer, log)
    bar.close()
    log |= _times(begin, worked)
    return finish(out, model, log, batch_size, plan)


def finish(out: Path, model, log: dict, batch_size: int, plan: Recipe) -> dict:
    """Write config.json, model.safetensors, the tokenizer and pretrain_log.json.

    A corpus' model is stored in half precision, without the parts that only the second objective trains.
    """
    log = {k: v for k, v in log.items() if k not in ("chunk", "place")}
    log["held_out"] = held_out_accuracy(model, log["seed"], batch_size, plan) if log["step"] else {}
    log["command"] = f"python -m demo_language.pretrain --out DIR --seed {log['seed']} --steps {log['steps']}"
    if plan.corpus:
        log["command"] += f" --corpus {plan.corpus}"
        model = masked_words_model(model)
    log["parameters"] = sum(p.numel() for p in model.parameters())
    log["machine"] = f"CPU {platform.machine()}, {torch.get_num_threads()} thread(s)"
    log["versions"] = {"python": platform.python_version(), "torch": torch.__version__,
                       "transformers": transformers.__version__}
    model.eval().save_pretrained(out)
    save_tokenizer(out)
    (out / "pretrain_log.json").write_text(json.dumps(log, indent=1) + "\n")
    if log["step"] >= log["steps"]:  # its tensors would count among the model's
        for name in ("state.json", "state.safetensors"):
            (out / name).unlink(missing_ok=True)
    return log


def masked_words_model(model: BertForPreTraining) -> BertForMaskedLM:
    """The encoder and the masked-word head in half precision: 1.5 MB. The pooler was not trained and is left out."""
    kept = BertForMaskedLM(model.config)
    kept.load_state_dict(model.state_dict(), strict=False)
    return kept.half()


def _times(begin: float, worked: float) -> dict[str, float]:
    now = {"seconds": time.perf_counter() - begin, "cpu_seconds": time.process_time() - worked}
    return {name: round(value, 1) for name, value in now.items()}


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
    only = "masked words of this corpus; without it, the demo's model"
    parser.add_argument("--corpus", choices=CORPORA, default="", help=only)
    parser.add_argument("--steps", type=int, help=f"default {STEPS:,}, with a corpus {CORPUS_STEPS:,}")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--hidden", type=int, default=96)
    parser.add_argument("--stop", type=int, default=None, help="stop early at this step (a later call goes on)")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    steps = args.steps or (CORPUS_STEPS if args.corpus else STEPS)
    log = pretrain(
        args.out, args.seed, steps, args.batch_size, args.learning_rate, args.hidden, args.stop, args.corpus
    )
    print(json.dumps({k: log[k] for k in ("step", "seconds", "held_out")}))


if __name__ == "__main__":
    main()
