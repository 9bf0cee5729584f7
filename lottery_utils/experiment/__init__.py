"""Cells, computed once and kept: from a preset to stored records, by one way.

`stage_table` declares the stages; `cells` says which cells there are and which needs which; `identity` makes
addresses, by a `Key` for each study; `store` writes and reads cells, of which `record` and `packs` say what they look
like. `study` opens a study, and `reading` reads its results. `run` hands the cells of a `schedule` to an engine, of
`pool` or `ray_engine`; there `compute` computes one and makes its record, by its function in `stages`. `work` is what a
stage gets and fills in, `stage` what several do, and `remade` makes again what records came without.
"""
