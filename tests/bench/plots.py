"""Bar charts as SVG, written by hand: the same bytes from the same figures, readable on light and on dark pages."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from tests.bench import ours, report
from tests.bench.messages import WORK, case_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.bench.measure import Figure
    from tests.bench.results import Results

WIDTH, NAMES, LINE, BAR = 720, 190, 20, 13
# Where bars end that are longer: one very slow library would make all others look alike.
CUT: Final = 6.0
# Greys and hues in the middle, since a picture cannot ask which colours its page has.
INK, OURS, PEER, OTHER, RULE = "#7b828c", "#2f8fd8", "#8a919c", "#c08a3e", "#9aa1ab"
SHOWN: Final = ("200 B", "2 KB", "64 KB", "1 MB")
TITLES: Final = {
    "verify": "Verifying, ES256: CPU time, in times of the bare signature and of parsing the JSON",
    "sign": "Signing, ES256: CPU time, in times of the bare signature and of writing the JSON",
}


class Bar(NamedTuple):
    name: str
    value: float
    colour: str


def bars(figures: Mapping[str, Figure]) -> list[Bar]:
    """Return what a panel shows: ours and the peers', the quickest first."""
    floor = report.floor_of(figures)
    told = {name: each for name, each in figures.items() if not name.startswith(("signature", "bare", "signedmsg,"))}
    found = [Bar(name, each.best / floor, _colour(name)) for name, each in told.items()]
    return sorted(found, key=lambda bar: bar.value)


def _colour(name: str) -> str:
    if name == ours.NAME:
        return OURS
    return OTHER if "HMAC" in name else PEER


def draw(work: str, results: Results) -> str:
    """Return the chart of one kind of work: a panel for each size."""
    top, body = 46, list[str]()
    for size in SHOWN:
        figures = results.cases.get(case_of(work, "ES256", size))
        if figures:
            panel = bars(figures)
            body += [_text(0, top, size, "b"), *_panel(panel, top + 8)]
            top += LINE * len(panel) + 34
    height = top - 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(TITLES[work])}">\n'
        f"<style>text{{font:12px system-ui,sans-serif;fill:{INK}}}.b{{font-weight:bold}}.e{{text-anchor:end}}</style>\n"
        f"{_text(0, 16, TITLES[work], 'b')}\n" + "\n".join(body) + "\n</svg>\n"
    )


def _panel(panel: list[Bar], top: int) -> list[str]:
    scale = (WIDTH - NAMES - 60) / CUT
    end = top + LINE * len(panel)
    drawn = [f'<path d="M{NAMES + scale:.1f} {top}V{end}" stroke="{RULE}" stroke-dasharray="2 3"/>']
    for at, bar in enumerate(panel):
        y = top + LINE * at + (LINE - BAR) // 2
        length = scale * min(bar.value, CUT)
        drawn += [
            _text(NAMES - 8, y + 11, bar.name, "b e" if bar.colour == OURS else "e"),
            f'<rect x="{NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" fill="{bar.colour}"/>',
            _text(NAMES + length + 6, y + 11, f"{bar.value:.2f}" + (" ▸" if bar.value > CUT else ""), ""),
        ]
    return drawn


def _text(x: float, y: int, text: str, style: str) -> str:
    kind = f' class="{style}"' if style else ""
    return f'<text x="{x:.0f}" y="{y}"{kind}>{escape(text)}</text>'


def write(folder: Path, results: Results) -> None:
    """Write `verify.svg` and `sign.svg`."""
    folder.mkdir(parents=True, exist_ok=True)
    for work in WORK:
        (folder / f"{work}.svg").write_text(draw(work, results), "utf-8")
