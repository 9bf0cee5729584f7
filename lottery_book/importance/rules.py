"""The ways to sum gradients into importances, as chapter 7 shows them: the package's own functions."""

from lottery_utils.pruning.importance import normalise_heads, reduce_gradients

__all__ = ["normalise_heads", "reduce_gradients"]
