"""The plots of growth, as SVG that is the same for the same figures and can be read on light and dark pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from tests.bench.scale_model import NAMES, Figures, projected, replay_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes

GREY: Final = "#808080"
COLOURS: Final = ("#3b82c4", "#d97706", "#2f9e6e", "#b8569b")
STYLE: Final[Any] = {
    "svg.hashsalt": "signedmsg",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), GREY),
    "grid.color": GREY,
    "grid.alpha": 0.25,
    "axes.grid": True,
    "legend.frameon": False,
    "lines.marker": "o",
    "lines.markersize": 4,
}


def axes(figure: Figure, at: tuple[int, int, int], title: str, across: str, up: str) -> Axes:
    """Return axes with logarithmic scales, which show growth in proportion as a line of slope one."""
    made = figure.add_subplot(*at)
    made.set_prop_cycle(color=COLOURS)
    made.set_xscale("log")
    made.set_yscale("log")
    made.minorticks_off()
    made.set_title(title, fontsize=10)
    made.set_xlabel(across)
    made.set_ylabel(up)
    return made


def issuers(figure: Figure, figures: Figures) -> None:
    rows = figures["issuers"]
    counts = [row["issuers"] for row in rows]
    room = axes(figure, (1, 2, 1), "Memory of a directory", "issuers", "MB")
    for kind, label in (("http", "sets at URLs"), ("fixed", "fixed sets")):
        room.plot(counts, [row[kind]["resident"] / 1e6 for row in rows], label=label)
    spent = axes(figure, (1, 2, 2), "CPU time of a message", "issuers", "µs")
    for kind, label in (("verify", "verify"), ("find", "of it, look-up of the key")):
        spent.plot(counts, [row["fixed"][kind] * 1e6 for row in rows], label=label)
    spent.set_ylim(0.1, 1000)
    spent.minorticks_off()


def endpoints(figure: Figure, figures: Figures) -> None:
    rows = figures["fan_out"]
    counts = [row["endpoints"]["count"] for row in rows]
    signed = axes(figure, (1, 2, 1), "Signing one event for all", "endpoints", "seconds, or MB")
    signed.plot(counts, [row["endpoints"]["cpu"] for row in rows], label="CPU seconds")
    signed.plot(counts, [row["endpoints"]["held_all"] / 1e6 for row in rows], label="all tokens at once, MB")
    sent = axes(figure, (1, 2, 2), "Delivering it, answers after 20 ms", "endpoints", "seconds")
    for row, colour in zip(figures["delivery"]["rows"][:3], COLOURS, strict=False):
        times = [projected(figures, count, row["at_once"]) for count in counts]
        sent.plot(counts, times, label=f"{row['at_once']} at once", color=colour, marker="")
        sent.plot([row["endpoints"]], [row["seconds"]], color=colour, linestyle="")


def replay(figure: Figure, figures: Figures) -> None:
    rates = [10**power for power in range(5)]
    made = axes(figure, (1, 1, 1), "Room of a replay cache, tokens of 60 s", "messages a second", "MB")
    for engine, name in NAMES.items():
        made.plot(rates, [replay_bytes(figures, engine, rate) / 1e6 for rate in rates], label=name)


PLOTS: Final = {"issuers": (issuers, 7.6), "endpoints": (endpoints, 7.6), "replay": (replay, 5.2)}


def draw(figures: Figures, folder: Path) -> None:
    """Write `scale-issuers.svg`, `scale-endpoints.svg` and `scale-replay.svg` into the folder."""
    with mpl.rc_context(STYLE):
        for name, (plot, width) in PLOTS.items():
            figure = Figure(figsize=(width, 3.2), layout="constrained")
            plot(figure, figures)
            for each in figure.axes:
                each.legend(fontsize=9)
            metadata = {"Date": None, "Creator": None}
            figure.savefig(folder / f"scale-{name}.svg", format="svg", transparent=True, metadata=metadata)
