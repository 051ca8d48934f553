"""Draws a panel with matplotlib, as SVG for a page: text stays text, colours are the page's own variables.

So one drawing is readable in the light, in the dark and on paper. matplotlib is imported when something is drawn: the
other commands start without it.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from baselines.files.run_folder import RunFileError
from baselines.report.figures.svg import for_page
from baselines.report.figures.values import Panel, Series, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH: Final = 340
"""Of a panel, in pixels: a phone shows it as it is."""
HEIGHT: Final = 235
ROW_HEIGHT: Final = 21
MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "p")
WORDS: Final = ("ink", "quiet", "line", "band", "bad", "doubt", "good", "calm", *(f"s{number}" for number in range(8)))
"""The page's colours."""
HEXES: Final = {word: f"#f0{number:02x}a5" for number, word in enumerate(WORDS)}
"""Stand-ins for them inside matplotlib, which insists on real colours."""

Box = tuple[float, float, float, float]
"""A corner, width and height."""

STYLE: Final[dict[str, Any]] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    "text.parse_math": False,  # a name with two $ in it is a name
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.titlesize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": HEXES["quiet"],
    "axes.labelcolor": HEXES["quiet"],
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": HEXES["line"],
    "grid.linewidth": 0.8,
    "text.color": HEXES["ink"],
    "xtick.color": HEXES["quiet"],
    "ytick.color": HEXES["quiet"],
    "lines.linewidth": 1.6,
    "lines.markersize": 5.5,
}


@contextlib.contextmanager
def drawing() -> Iterator[None]:
    """Within it panels can be drawn; RunFileError where matplotlib is not installed."""
    try:
        import matplotlib
    except ImportError as error:
        raise RunFileError(f"{error}: a report needs matplotlib; pip install -c constraints.txt matplotlib") from None
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)  # the browser has the font
        yield


def draw(panel: Panel, name: str) -> str:
    """The SVG element of a panel; `name` is unique on the page."""
    from matplotlib.figure import Figure

    height = HEIGHT if panel.kind == "lines" else max(110, 62 + ROW_HEIGHT * len(panel.ticks))
    figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.add_subplot()
    axes.patch.set_visible(False)
    {"lines": _lines, "rows": _rows, "bars": _bars, "cpus": _cpus}[panel.kind](axes, panel)
    return for_page(_text_of(figure), name=name, title=panel.title, words=in_words(panel), colours=HEXES)


def in_words(panel: Panel) -> str:
    """What a panel shows, for those who do not see it; its table has the rest."""
    if panel.kind == "cpus":
        return f"{panel.title}: {len(panel.ticks)} configurations on CPUs; what each did is in the table."
    by_row = panel.kind in ("rows", "bars")
    unit = panel.x_label if by_row else panel.y_label
    names = dict(panel.ticks)
    lines = [
        f"{short(one.label)}: " * bool(one.label)
        + ", ".join(f"{names.get(dot.x, f'{dot.x:g}')}: {dot.value:.3g}" for dot in one.dots)
        for one in panel.series
    ]
    return short(f"{short(panel.title)}. {unit}, by {'row' if by_row else panel.x_label}. {'; '.join(lines)}", 900)


def _lines(axes: Axes, panel: Panel) -> None:
    if panel.log_x:
        axes.set_xscale("log", base=2)
    axes.set_xticks([place for place, _ in panel.ticks], [short(text, 10) for _, text in panel.ticks])
    axes.minorticks_off()
    if panel.ideal and panel.ticks:
        first, last = panel.ticks[0][0], panel.ticks[-1][0]
        axes.plot([first, last], [1, last / first], color=HEXES["quiet"], linestyle=(0, (4, 3)), linewidth=1.2)
    if panel.level is not None:
        axes.axhline(panel.level, color=HEXES["quiet"], linestyle=(0, (2, 3)), linewidth=1)
    for number, one in enumerate(panel.series):
        # Intervals of different series at one place would hide each other.
        shift = 0.03 * (number - (len(panel.series) - 1) / 2)
        places = [dot.x * 2**shift if panel.log_x else dot.x for dot in one.dots]
        axes.errorbar(places, [dot.value for dot in one.dots], yerr=_errors(one), **_look(one))
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    _value_scale(axes.yaxis, axes, "y", panel)
    axes.grid(visible=False, axis="x")
    if len(panel.ticks) == 1:
        axes.set_xlim(panel.ticks[0][0] / 2, panel.ticks[0][0] * 2)


def _rows(axes: Axes, panel: Panel) -> None:
    for number, one in enumerate(panel.series):
        shift = 0.5 * ((number + 0.5) / len(panel.series) - 0.5)
        places = [dot.x + shift for dot in one.dots]
        axes.errorbar([dot.value for dot in one.dots], places, xerr=_errors(one), **_look(one))
    axes.set_xlabel(panel.x_label)
    _value_scale(axes.xaxis, axes, "x", panel)
    _row_names(axes, panel)


def _bars(axes: Axes, panel: Panel) -> None:
    """A bar from zero in each row, with its interval; series lie in the same rows, and give colours."""
    for one in panel.series:
        places, values = [dot.x for dot in one.dots], [dot.value for dot in one.dots]
        axes.barh(places, values, height=0.62, color=HEXES[one.colour], xerr=_errors(one), ecolor=HEXES["ink"], capsize=2)
    axes.axvline(0, color=HEXES["quiet"], linewidth=0.8)
    axes.set_xlabel(panel.x_label)
    _value_scale(axes.xaxis, axes, "x", panel)
    _row_names(axes, panel)
    axes.grid(visible=False, axis="y")


def _cpus(axes: Axes, panel: Panel) -> None:
    granted: dict[str, list[Box]] = {}
    busy: dict[str, list[Box]] = {}
    for band in panel.bands:
        if band.colour is not None:
            granted.setdefault(band.colour, []).append((band.first, band.row - 0.36, band.count, 0.72))
        if band.busy:
            box = (band.first, band.row + 0.36, band.count, -0.72 * band.busy)
            busy.setdefault(band.colour or "quiet", []).append(box)
    for boxes_of, alpha in ((granted, 0.22), (busy, 1.0)):
        for colour, boxes in boxes_of.items():
            _boxes(axes, boxes, HEXES[colour], alpha)
    last = max((band.first + band.count for band in panel.bands), default=1)
    axes.set_xlim(0, last)
    places = sorted({0, last - 1}) if last > 16 else range(last)
    axes.set_xticks([place + 0.5 for place in places], [str(place) for place in places])
    axes.set_xlabel(panel.x_label)
    axes.grid(visible=False)
    _row_names(axes, panel)


def _boxes(axes: Axes, boxes: Sequence[Box], colour: str, alpha: float) -> None:
    """Filled boxes as one path: a map of 96 CPUs has hundreds, and an artist each takes a second."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    places: list[tuple[float, float]] = []
    for x, y, width, height in boxes:
        places += [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(boxes)
    axes.add_patch(PathPatch(Path(places, codes), facecolor=colour, alpha=alpha, linewidth=0))


def _row_names(axes: Axes, panel: Panel) -> None:
    axes.set_yticks([place for place, _ in panel.ticks], [text for _, text in panel.ticks])
    axes.set_ylim(len(panel.ticks) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0, labelcolor=HEXES["ink"])


def _value_scale(axis: Any, axes: Axes, which: Literal["x", "y"], panel: Panel) -> None:
    """Logarithmic where values lie far apart, else from zero; plain numbers either way."""
    from matplotlib.ticker import AutoLocator, FuncFormatter, LogLocator, NullFormatter

    if panel.log_values:
        (axes.set_yscale if which == "y" else axes.set_xscale)("log")
        low, high = axis.get_view_interval()
        decades = math.log10(high / low)
        subs = (1, 2, 5) if decades < 1.8 else (1,)
        axis.set_major_locator(AutoLocator() if decades < 0.7 else LogLocator(base=10, subs=subs, numticks=8))
        axis.set_minor_formatter(NullFormatter())
        axis.set_tick_params(which="minor", length=0)
    elif panel.from_zero:
        (axes.set_ylim if which == "y" else axes.set_xlim)(0)
        axes.locator_params(axis=which, nbins=6)
    else:
        axes.margins(0.12)
        axes.locator_params(axis=which, nbins=6)
    axis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:g}"))


def _errors(series: Series) -> list[list[float]]:
    """How far the ends of the intervals lie from the values."""
    return [[max(0.0, dot.value - dot.low) for dot in series.dots], [max(0.0, dot.high - dot.value) for dot in series.dots]]


def _look(series: Series) -> dict[str, Any]:
    return {
        "color": HEXES[series.colour],
        "marker": MARKERS[series.marker % len(MARKERS)],
        "linestyle": "-" if series.line else "none",
        "elinewidth": 1.1,
        "capsize": 2,
        "capthick": 1.1,
        "markeredgewidth": 0,
    }


def _text_of(figure: Figure) -> str:
    """As `savefig` writes it, which would draw everything once more before, for a layout that drawing finds by itself."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    file = io.StringIO()
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None})
    return file.getvalue()
