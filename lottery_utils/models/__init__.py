"""Where heads and MLPs are: loading checkpoints, the anatomy of each family, gates, compact models.

The modules are imported one by one (``from lottery_utils.models.gates import Gates``), so that asking for a model's
fingerprint does not load torch.
"""
