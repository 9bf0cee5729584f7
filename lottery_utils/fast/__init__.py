"""The same results sooner. Nothing here is needed to understand the method, and `switch` turns it all off.

`packed` batches have no padding, and `packed_model` computes a classifier on them, with `cpu_attention`, `cpu_halves`
and `cpu_dropout` for the CPU, whose gradients are written out; `packed_forward` gives its logits. `training` takes
steps over `flat` parameters, `cuda_graphs` replays them on a GPU. `cut_passes` measure importances without what a mask
removes, and keep activations between masks. `histogram` orders weights without sorting them.
"""
