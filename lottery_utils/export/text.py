"""What `lottery export` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .folder import Exported


def exported_lines(exported: Exported) -> list[str]:
    """Where what lies, how it compares with the record and between its forms, and how fast it is."""
    rebuilt, folder = exported.rebuilt, exported.folder
    same = f"{rebuilt.same} of {rebuilt.examples} dev predictions as recorded"
    lines = [f"{rebuilt.cell.name}: " + (f"{same}, every logit too" if rebuilt.exact else same)]
    lines.append(f"{folder}: dense, AutoModelForSequenceClassification.from_pretrained({str(folder)!r})")
    if exported.compact:
        lines.append(f"{folder / 'compact'}: compact, lottery_utils.load_compact({str(folder)!r})")
    if exported.onnx:
        lines.append(f"{folder / 'model.onnx'}: the smallest form for ONNX Runtime")
    lines.append(f"{folder / 'README.md'}: the model card")
    forms = ", ".join(f"{form} {apart:.1e}" for form, apart in exported.apart.items())
    lines.append(f"largest difference of two logits, loaded again: {forms}")
    for t in exported.latency:
        times = f"{t.milliseconds:.2f} ms (fastest {t.fastest:.2f})"
        lines.append(f"{t.form}: {times} for {t.batch} x {t.tokens} tokens, {t.threads} thread(s)")
    return lines
