"""The evidence's map as one SVG that needs nothing else: for a file, a report, a page of the documentation."""

from typing import Final
from xml.sax.saxutils import escape

from rules.evidence import Evidence, SightingShown
from rules.map import JourneyMap, Mark, Place, draw

_STYLE: Final = (
    "svg{font:13px system-ui,sans-serif;background:#eef3f6}"
    ".land{fill:#d9dccf;stroke:#b9bda9;stroke-width:.6}.grid{stroke:#d5dfe5;stroke-width:.6;fill:none}"
    ".halo{stroke:#fff;stroke-width:5;fill:none;opacity:.8}.arc{stroke:#9a2a1c;stroke-width:2;fill:none;"
    "stroke-dasharray:6 4}text{text-anchor:middle;paint-order:stroke;stroke:#eef3f6;stroke-width:4px;fill:#1c2b33}"
    ".note{font-size:12px;fill:#43535c}.name{font-weight:600}.believed{fill:#1f5f78}.suspect{fill:#9a2a1c}"
)


def map_of(evidence: Evidence) -> str:
    """The map of an alert's evidence: both places with their local times, and the way between them."""
    against, suspect = evidence.against, evidence.suspect
    return svg(draw(None if against is None else _place(against), _place(suspect)), evidence.words)


def svg(drawn: JourneyMap, title: str) -> str:
    """A map as SVG; the title is what a screen reader says of it."""
    wide, high = f"{drawn.width:.0f}", f"{drawn.height:.0f}"
    size = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f'<path class="grid" d="{drawn.grid}"/><path class="land" d="{drawn.land}" fill-rule="evenodd"/>',
    ]
    if drawn.arc:
        parts.append(f'<path class="halo" d="{drawn.arc}"/><path class="arc" d="{drawn.arc}"/>')
    if drawn.start is not None:
        parts.append(_mark(drawn.start, "believed"))
    parts.append(_mark(drawn.end, "suspect"))
    return "\n".join([*parts, "</svg>\n"])


def _place(shown: SightingShown) -> Place:
    return Place(lat=shown.lat, lon=shown.lon, name=shown.place, note=f"{shown.local_time:%H:%M}, {shown.at:%H:%M} UTC")


def _mark(mark: Mark, kind: str) -> str:
    return (
        f'<circle class="{kind}" cx="{mark.x}" cy="{mark.y}" r="6" stroke="#fff" stroke-width="2"/>'
        f'<text class="name" x="{mark.label_x}" y="{mark.label_y}">{escape(mark.name)}</text>'
        f'<text class="note" x="{mark.label_x}" y="{mark.label_y + 15:.1f}">{escape(mark.note)}</text>'
    )
