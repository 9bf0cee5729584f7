"""What is wrong with a release: listed, never fatal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

COLUMNS = ("path", "problem", "reason")
KINDS = ("missing", "damaged", "unexpected", "left out")


@dataclass
class Problems:
    """A list of (path below the release's root, one of `KINDS`, reason); each is listed once."""

    root: Path
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def add(self, path: Path | str, kind: str, reason: object) -> None:
        """Note a problem; the reason is cut to one line."""
        place = Path(path)
        place = place.relative_to(self.root) if place.is_relative_to(self.root) else place
        row = (place.as_posix(), kind, " ".join(str(reason).split())[:200])
        if row not in self.rows:
            self.rows.append(row)

    def count(self, kind: str) -> int:
        """How many problems are of `kind`."""
        return sum(row[1] == kind for row in self.rows)
