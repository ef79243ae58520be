"""Pictures of how things hang together: boxes, arrows, and shades that can be read in black and white.

Every function returns a matplotlib Figure, which a notebook shows when it is the last line of a cell.
"""

from importlib import metadata
from typing import NamedTuple


class Box(NamedTuple):
    """A box of a drawing. x, y: its centre; the drawing is 100 wide and 60 high. shade: a matplotlib grey."""

    x: float
    y: float
    text: str
    width: float = 15
    height: float = 9
    shade: str = "white"


class Arrow(NamedTuple):
    """From one box to another, or both ways. dashed: now and then. shift: moves its words from the middle."""

    start: str
    end: str
    text: str = ""
    both: bool = False
    dashed: bool = False
    shift: tuple[float, float] = (0, 0)


#: package -> where its box stands and what it is for, in a few words
LIBRARIES = {
    "huggingface_hub": (52, 45, "up and down"),
    "datasets": (9, 31, "rows, on disk"),
    "tokenizers": (29, 31, "text to numbers"),
    "transformers": (52, 31, "models, pipelines"),
    "evaluate": (74, 31, "scores"),
    "gradio": (94, 31, "demos"),
    "accelerate": (29, 17, "any device"),
    "peft": (52, 17, "train few weights"),
    "safetensors": (74, 17, "weights as files"),
    "torch": (52, 5, "tensors and gradients: whatever is above computes here"),
}
_FLOWS = (
    Arrow("hub", "huggingface_hub", both=True),
    Arrow("huggingface_hub", "datasets", "load_dataset\npush_to_hub", both=True, shift=(-11, 1)),
    Arrow("huggingface_hub", "transformers", "from_pretrained\npush_to_hub", both=True, shift=(8, 0)),
    Arrow("gradio", "hub", "a Space", shift=(5, 0)),
    Arrow("datasets", "tokenizers", "text", shift=(0, 1.6)),
    Arrow("tokenizers", "transformers", "ids", shift=(0, 1.6)),
    Arrow("transformers", "evaluate", "answers", shift=(0, 1.6)),
    Arrow("evaluate", "gradio", "results", shift=(0, 1.6)),
    Arrow("accelerate", "transformers", "runs it", dashed=True, shift=(4, -1.5)),
    Arrow("peft", "transformers", "adapts it", dashed=True, shift=(5, 0)),
    Arrow("transformers", "safetensors", "saves", dashed=True, shift=(3, 1.5)),
)


def ecosystem(versions=None):
    """The Hugging Face libraries and what flows between them, each with the version installed here.

    versions: package -> version; looked up unless given.
    """
    versions = installed(LIBRARIES) if versions is None else versions
    boxes = {
        name: Box(x, y, f"{name} {versions.get(name, '(missing)')}\n{role}", width=15.5)
        for name, (x, y, role) in LIBRARIES.items()
    }
    boxes["torch"] = boxes["torch"]._replace(width=100, shade="0.85")
    boxes["hub"] = Box(
        52,
        57,
        "the Hub: models, data sets, Spaces (git repositories with cards)",
        width=100,
        height=6,
        shade="0.85",
    )
    return draw(boxes, _FLOWS, "One picture of the ecosystem (with the versions that are installed here)")


def installed(names):
    """The installed version of each package, without build suffixes; packages that are missing are left out."""
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
    return found


def making_of_a_mark():
    """How a mark comes about: the learner's code in one process, the check in another, data between them."""
    boxes = {
        "cell": Box(13, 48, "your answer cells\n(their source only)", width=22),
        "process": Box(47, 48, "a process of its own\nthat holds your functions", width=26),
        "check": Box(88, 48, "the check, in\nthe grader's process", width=26, shade="0.85"),
        "draw": Box(88, 30, "the data of one draw:\npublic for you,\nsecret for the mark", width=26),
        "mark": Box(47, 30, "points, part by part,\nand words that help", width=26, shade="0.85"),
    }
    arrows = [
        Arrow("cell", "process", "run", shift=(0, 1.6)),
        Arrow("check", "process", '"call it with these"\n\n"this is what it gave"', both=True),
        Arrow("draw", "check", "fresh inputs", shift=(8, 0)),
        Arrow("check", "mark"),
    ]
    return draw(boxes, arrows, "How a mark is made", height=4)


def draw(boxes, arrows, title, height=6):
    """Boxes joined by arrows. boxes: {name: Box}; arrows: a list of Arrow between those names. height: in inches."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, height), layout="constrained")
    pyplot.close(figure)
    axes.set_title(title)
    axes.set_xlim(0, 104)
    low = min(box.y - box.height for box in boxes.values())
    axes.set_ylim(max(0, low), 62)
    axes.axis("off")
    for box in boxes.values():
        _box(axes, box)
    for arrow in arrows:
        _arrow(axes, arrow, boxes[arrow.start], boxes[arrow.end])
    return figure


def _box(axes, box):
    from matplotlib.patches import FancyBboxPatch

    corner = (box.x - box.width / 2, box.y - box.height / 2)
    patch = FancyBboxPatch(
        corner, box.width, box.height, boxstyle="round,pad=0,rounding_size=1", fc=box.shade, ec="black"
    )
    axes.add_patch(patch)
    axes.text(box.x, box.y, box.text, ha="center", va="center", fontsize=8.5)


def _arrow(axes, arrow, start, end):
    begin, finish = _meeting_points(start, end)
    look = {
        "arrowstyle": "<|-|>" if arrow.both else "-|>",
        "linestyle": "--" if arrow.dashed else "-",
        "color": "black",
    }
    axes.annotate("", xy=finish, xytext=begin, arrowprops=look)
    middle = [(one + other) / 2 + move for one, other, move in zip(begin, finish, arrow.shift, strict=True)]
    axes.text(*middle, arrow.text, ha="center", va="center", fontsize=8, style="italic")


def _meeting_points(start, end):
    """Where an arrow leaves one box and meets the other: on the sides that face each other."""
    if abs(start.y - end.y) >= (start.height + end.height) / 2:
        side = 1 if end.y > start.y else -1
        begin = _within(end.x, start), start.y + side * start.height / 2
        return begin, (_within(start.x, end), end.y - side * end.height / 2)
    side = 1 if end.x > start.x else -1
    return (start.x + side * start.width / 2, start.y), (end.x - side * end.width / 2, end.y)


def _within(x, box):
    """x, or the nearest place to it over the box, a little inside its corners."""
    inside = box.width / 2 - 2
    return min(max(x, box.x - inside), box.x + inside)


def timetable(rows, title, unit, longest):
    """Lines of boxes as long as they take. rows: {line: [(name, length), …]}; longest: of all lines."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.6 * len(rows)), layout="constrained")
    pyplot.close(figure)
    for line, lengths in enumerate(rows.values()):
        left = 0.0
        for number, (name, length) in enumerate(lengths):
            colour = "0.8" if number % 2 else "white"
            # not clipped: the longest line ends where the axis does, and would lose half of its edge
            axes.barh(line, length, left=left, color=colour, edgecolor="black", clip_on=False)
            axes.text(left + length / 2, line, name, ha="center", va="center")
            left += length
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    axes.set_xlim(0, longest or 1)
    axes.set_xlabel(unit)
    axes.set_title(title)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def attention_map(weights, words, title):
    """Attention weights as shades. weights: (asking, asked) numbers from 0 to 1; words: one for each place."""
    from matplotlib import pyplot

    side = 2 + 0.4 * len(words)
    figure, axes = pyplot.subplots(figsize=(side + 1.5, side), layout="constrained")
    pyplot.close(figure)
    image = axes.imshow(weights, cmap="Greys", vmin=0, vmax=1)
    axes.set_xticks(range(len(words)), words, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(words)), words)
    axes.set_xlabel("looked at")
    axes.set_ylabel("looking")
    axes.set_title(title)
    figure.colorbar(image, ax=axes, label="weight", shrink=0.7)
    return figure
