"""How a model learns and is scored: batches, fine-tuning, evaluation, simple baselines."""
