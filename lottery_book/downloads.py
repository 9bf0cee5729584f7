"""Data to take away from a page: a link that holds the file, so that it works without network and in a copied page."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from IPython.display import HTML


def csv_link(frame: pd.DataFrame, filename: str) -> HTML:
    """A link that saves `frame` as `filename`, CSV with a header; numbers with all their digits, gaps empty."""
    from IPython.display import HTML

    data = base64.b64encode(frame.to_csv(index=False, lineterminator="\n").encode()).decode()
    name = html.escape(filename)
    columns = html.escape(", ".join(map(str, frame.columns)))
    link = f'<a download="{name}" href="data:text/csv;base64,{data}">{name}</a>'
    return HTML(f'<p class="download">{link}: {len(frame):,} rows; columns {columns}</p>')
