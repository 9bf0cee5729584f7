"""Chapter 12: maps of heads and MLPs that answer to pointer, keys and links, a search step by step.

A still picture beside them is what print and search engines see. They are drawn in the browser by Vega, which
`building.extension` puts into the book; nothing is fetched from elsewhere.

Vega and not Plotly, because it is smaller and says what it draws. Its bundle (Vega 6.2, Vega-Lite 6.4, Vega-Embed 7.0,
out of vl-convert-python 1.9) has 898 kB, 305 kB compressed; plotly.min.js of plotly 7.1 has 4,816 kB, 1,469 kB
compressed. Vega labels every mark of its SVG for screen readers (ARIA); Plotly's charts have no such labels.
"""

from lottery_utils.places import submodules

__getattr__ = submodules(__name__)
