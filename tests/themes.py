"""The colours of JupyterLab's themes, as installed, and how far two colours are apart (WCAG 2.2)."""

import re
import sys
from pathlib import Path

THEMES = Path(sys.prefix, "share", "jupyter", "lab", "themes", "@jupyterlab")


def luminance(colour):
    """The relative luminance of "#rrggbb", as WCAG defines it: 0 is black, 1 is white."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def theme(name):
    """(text, backgrounds) of an installed JupyterLab theme, each "#rrggbb", translucent text laid on its page."""
    css = (THEMES / f"theme-{name}-extension" / "index.css").read_text(encoding="utf-8")
    variables = dict(re.findall(r"(--[\w-]+):\s*([^;}]+)", css))

    def value(variable):
        found = variables[variable].strip()
        while reference := re.fullmatch(r"var\((--[\w-]+)(?:,\s*(.*))?\)", found):
            found = (variables.get(reference[1]) or reference[2]).strip()
        return {"white": "#ffffff", "black": "#000000", "#fff": "#ffffff", "#111": "#111111"}.get(
            found, found
        )

    pages = [value(f"--jp-layout-color{number}") for number in (0, 1)]
    text = value("--jp-content-font-color1")
    if translucent := re.fullmatch(r"rgba\((\d+), ?\d+, ?\d+, ?([\d.]+)\)", text):
        level, share = int(translucent[1]), float(translucent[2])
        under = int(pages[0][1:3], 16)
        text = "#" + 3 * f"{round(level * share + under * (1 - share)):02x}"
    return text, pages
