"""The same results sooner. Nothing here is needed to understand the method, and `switch` turns it all off.

`packed` batches have no padding, `packed_model` computes a classifier on them, layer by `packed_layer`, with gradients
written out for the CPU in `cpu_attention` and `cpu_halves`. `training` takes steps over all parameters as one tensor,
which `cuda_graphs` replays on a GPU. `cut_passes` measure importances without what a mask removes, and keep activations
between masks. `histogram` orders weights without sorting them.
"""
