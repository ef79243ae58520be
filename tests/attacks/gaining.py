"""Attacks for points: lying objects, patched libraries, forged scores, oracles, edited cells and metadata.

Question 1 is never honestly solved here, so whatever it earns was gained.
"""

from course_utils.checks.draw import Draw
from course_utils.checks.framework import PUBLIC_SECRET, seed_key
from tests.attacks import attacked
from tests.attacks.attack import Attack, family
from tests.attacks.attacked import find


# A table reads best with one attack after another.
# fmt: off
def lie(name, aim, body, says="", keeps=("q2", "q3")):
    """An attack whose whole work is in the answer to question 1."""
    return Attack(name, aim, {"q1": body}, says=says, keeps=keeps)


RETURNS = "def double(number):\n    return {}"

# --- objects that lie -------------------------------------------------------------------------------------

OBJECTS = [
    lie("equal-to-everything", "an int whose == is always true", """
class Yes(int):
    __eq__ = lambda self, other: True
    __ne__ = lambda self, other: False
    __hash__ = int.__hash__
def double(number):
    return Yes(0)
""", "the doubles"),
    lie("no-plain-data", "an object that claims to equal and to be anything", """
class Anything:
    def __eq__(self, other): return True
    def __getattr__(self, name): return Anything()
    def __call__(self, *a, **k): return Anything()
    __class__ = int
def double(number):
    return Anything()
"""),
    lie("lying-isinstance", "a metaclass that makes every isinstance true", """
class Meta(type):
    def __instancecheck__(cls, other): return True
class Number(metaclass=Meta):
    def __int__(self): return 7
    def bit_length(self): return 3
def double(number):
    return Number()
"""),
    lie("lying-float", "a float whose conversion, repr and comparison lie", """
class Lie(float):
    def __float__(self): return float("nan")
    __eq__ = __le__ = __ge__ = __lt__ = __gt__ = lambda self, other: True
    __hash__ = float.__hash__
    def __repr__(self): return "NaN"
def double(number):
    return Lie(1)
"""),
    lie("lying-text", "a str with lying encode and ==", """
class Lie(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
    def __str__(self): return self
    def encode(self, *a): return b"4"
def double(number):
    return Lie("4")
"""),
    lie("lying-list", "a list whose length and items differ each time", """
class Lie(list):
    turn = 0
    def __len__(self): Lie.turn += 1; return Lie.turn
    def __iter__(self): return iter([1] * 3)
    def __eq__(self, other): return True
def double(number):
    return Lie()
"""),
    lie("lying-dict", "a mapping with lying items and keys", """
from collections.abc import Mapping
class Lie(Mapping):
    def __len__(self): return 1
    def __iter__(self): return iter(["points"])
    def __getitem__(self, key): return 4
    def items(self): return [("points", 4), ("status", "ok")]
def double(number):
    return Lie()
"""),
    lie("lying-to-dict", "an object whose to_dict, __dict__ and __array__ claim a full report", """
class Report:
    points = max_points = 4
    rung = "right"
    def to_dict(self): return {"points": 4, "max_points": 4, "rung": "right"}
    def __array__(self, *a, **k): return 4
    def __index__(self): return 4
def double(number):
    return Report()
"""),
    lie("lying-dataclass", "a dataclass called Report with full points", """
from dataclasses import dataclass
@dataclass
class Report:
    points: float = 4.0
    max_points: float = 4.0
    rung: str = "right"
def double(number):
    return Report()
"""),
    lie("lying-array", "a numpy array whose ufuncs, tolist and tobytes lie", """
class Lie(np.ndarray):
    def __eq__(self, other): return np.array(True)
    def tolist(self): return 4
    def tobytes(self, *a): return b"\\xff" * 8
    def __array_ufunc__(self, *a, **k): return np.array(True)
def double(number):
    return np.zeros(1).view(Lie)
"""),
    lie("lying-key", "dict keys that collide and claim to be equal", """
class Key(str):
    def __hash__(self): return 0
    def __eq__(self, other): return False
def double(number):
    return {Key("a"): 1, Key("a"): 2}
"""),
    lie("lying-set", "a frozenset of objects that compare as everything", """
class Member(int):
    def __eq__(self, other): return True
    def __hash__(self): return 1
def double(number):
    return frozenset([Member(2)])
"""),
    lie("descriptor-class", "an object whose __class__ is a property", """
class Two:
    @property
    def __class__(self): return type(0)
def double(number):
    return Two()
"""),
    lie("pickled", "an object that runs code when it is unpickled", """
class Pickled:
    def __reduce__(self):
        import os
        return os.system, (f"touch {THE_DROP}/pickled",)
import pickle
def double(number):
    return [Pickled(), pickle.dumps(Pickled())]
"""),
    lie("callable-answer", "a class in place of a function, equal to each result", """
class double(int):
    def __new__(cls, number): return int.__new__(cls, 0)
    def __eq__(self, other): return True
    __hash__ = int.__hash__
"""),
    *(
        lie(f"odd-number-{name}", f"{value} as a mark or an answer", RETURNS.format(value))
        for name, value in [
            ("nan", "float('nan')"),
            ("infinity", "float('inf')"),
            ("negative", "-10.0"),
            ("huge", "10 ** 100"),
            ("true", "True"),
            ("complex", "complex(number, 0) * 2"),
            ("text", "str(2 * number)"),
            ("nested", "[2 * number]"),
            ("none", "None"),
        ]
    ),
]

# --- patched libraries, and the grader's own side in the learner's process --------------------------------

PATCH = "def double(number):\n    return 0\n"
PATCHES = [
    lie("patched-builtins", "int, isinstance, len, abs and sum always agree", PATCH + """
import builtins
builtins.isinstance = lambda *a: True
builtins.abs = lambda value: 0
builtins.sum = lambda *a: 0
"""),
    lie("patched-numpy", "numpy.testing and numpy's comparisons always agree", PATCH + """
import numpy.testing
for name in ("assert_allclose", "assert_equal", "assert_array_equal", "assert_almost_equal"):
    setattr(numpy.testing, name, lambda *a, **k: None)
np.allclose = np.array_equal = lambda *a, **k: True
"""),
    lie("patched-operators", "operator, math and unittest always agree", PATCH + """
import math, operator, unittest
math.isfinite = math.isclose = operator.eq = lambda *a, **k: True
unittest.TestCase.assertEqual = lambda *a, **k: None
"""),
    lie("patched-json", "json writes full points whatever it is given", PATCH + """
json_dumps = json.dumps
def dumps(value, *a, **k):
    text = json_dumps(value, *a, **k)
    return text.replace("false", "true").replace('"status","crashed"', '"status","ok"')
json.dumps = dumps
"""),
    lie("patched-codec", "the codec's kernel side answers with a full report", PATCH + """
from course_utils.wire import codec
real = codec.encode
def encode(value, *a):
    if isinstance(value, dict) and value.get("status") == "ok":
        value = value | {"points": 4, "max_points": 4, "rung": "right", "value": {"points": 4}}
    return real(value, *a)
codec.encode = encode
""", keeps=()),
    lie("patched-respond", "the side that answers says ok to everything", PATCH + """
import sys
from course_utils.wire import codec, learner
for module in [m for m in list(sys.modules.values()) if hasattr(m, "respond")]:
    module.respond = lambda *a: codec.encode({"status": "right", "points": 4, "value": True})
""", keeps=()),
    lie("patched-deliveries", "whatever is asked for, the question's own words come back", PATCH + """
from course_utils.wire import learner
learner._DELIVERIES = {name: (lambda found: "right") for name in learner._DELIVERIES}
""", keeps=()),
    lie("patched-limits", "the limits are lifted on the learner's side", """
from course_utils.wire import codec
for name in ("bytes", "nodes", "depth", "text", "header_bytes"):
    object.__setattr__(codec.DATA, name, 2 ** 40)
def double(number):
    return [0] * 3_000_000
"""),
    lie("patched-type", "the names of types lie", """
class Int(int): pass
Int.__name__ = Int.__qualname__ = "int"
Int.__module__ = "builtins"
Int.__eq__ = lambda self, other: True
def double(number):
    return Int(0)
"""),
    lie("patched-modules", "own modules in place of checks, framework and numpy", PATCH + """
import sys, types
for name in ("course_utils.checks", "course_utils.checks.framework", "course_utils.checks.expect", "numpy.testing"):
    fake = types.ModuleType(name)
    fake.equal = fake.close = fake.part = lambda *a, **k: None
    sys.modules[name] = fake
"""),
    lie("patched-import", "an import hook that hands out doctored modules", PATCH + """
import sys
class Hook:
    def find_spec(self, name, path=None, target=None):
        print("asked for", name)
sys.meta_path.insert(0, Hook())
"""),
    lie("patched-framework", "the framework's Report always has full points, if it can be had", PATCH + """
try:
    import course_utils.checks.framework as framework
    framework.Report.points = 4
    framework.Question.run = lambda *a, **k: None
except Exception as error:
    print(type(error).__name__)
"""),
    lie("patched-grader", "the executor's own functions, if they can be had", PATCH + """
for name in ("run.executor", "desk.autograde", "run.batch", "gradebook.reports", "gradebook.nbgrader_steps"):
    try:
        module = __import__("course_utils.grading." + name, fromlist=["x"])
        module.grade = lambda *a, **k: None
        print("patched", name)
    except Exception as error:
        print(type(error).__name__)
"""),
    lie("checks-from-disk", "the checks, loaded from their files and patched", PATCH + """
import importlib.util, sys
try:
    spec = importlib.util.spec_from_file_location("framework", THE_REPOSITORY + "/course_utils/checks/framework.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["course_utils.checks.framework"] = module
    spec.loader.exec_module(module)
except Exception as error:
    print(type(error).__name__)
"""),
]

# --- forged scores ----------------------------------------------------------------------------------------

FORGED = [
    lie("score-as-result", "a number as the cell's result, which nbgrader takes for points", PATCH + "4.0"),
    lie("display-hook", "sys.displayhook called with the points", PATCH + "import sys\nsys.displayhook(4.0)"),
    lie("display-hook-in-call", "the display hook called while the question is asked", """
def double(number):
    import sys
    sys.displayhook(4.0)
    get_ipython().display_pub.publish({"text/plain": "4.0"})
    raise AssertionError
"""),
    lie("display-card", "a card like the check's own, with full points", PATCH + """
from IPython.display import HTML, display
display(HTML("<div>q1 · Double · 4 of 4 points</div>"))
display({"text/plain": "4.0"}, raw=True)
"""),
    lie("printed-score", "the words of a result on stdout", PATCH + """
print('{"question": "q1", "score": 4, "max": 4, "status": "graded"}')
print("q1  Double: 4 of 4 points (right)")
"""),
    lie("cleared-after-error", "clear_output after the fact", PATCH + """
from IPython.display import clear_output
def post(result):
    clear_output()
    result.error_in_exec = result.error_before_exec = None
get_ipython().events.register("post_run_cell", post)
1 / 0
"""),
    lie("forged-execution-result", "every ExecutionResult in memory becomes a success", PATCH + """
import gc
from IPython.core.interactiveshell import ExecutionResult
for found in gc.get_objects():
    if isinstance(found, ExecutionResult):
        found.error_in_exec = None
        found.result = 4.0
"""),
    lie("patched-run-cell", "run_cell, run_cell_async and run_code of the shell", PATCH + """
shell = get_ipython()
shell.run_code = lambda *a, **k: False
type(shell).showtraceback = lambda *a, **k: None
""", keeps=()),
    lie("input-transformer", "an input transformer that rewrites what comes after", PATCH + """
def transform(lines):
    return [line.replace("course.check", "print") for line in lines]
get_ipython().input_transformers_cleanup.append(transform)
"""),
    lie("ast-transformer", "an AST transformer that takes assertions out", PATCH + """
import ast
class Out(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.Pass()
get_ipython().ast_transformers.append(Out())
"""),
    lie("events", "patches that are put in again before every cell", PATCH + """
def again(*a):
    import builtins
    builtins.print = lambda *a: None
get_ipython().events.register("pre_run_cell", again)
"""),
    lie("own-course", "a course object whose check always says right", PATCH + """
class Course:
    def check(self, name): print(name, "4 of 4 points"); return 4
course = Course()
course.check("q1")
"""),
    lie("custom-exception", "set_custom_exc swallows every error", """
get_ipython().set_custom_exc((BaseException,), lambda *a, **k: None)
def double(number):
    raise ValueError
"""),
    *(
        lie(f"odd-exception-{name}", f"{name} raised while the question is asked", f"""
def double(number):
    import asyncio
    class Odd({name}):
        __str__ = lambda self: "4 of 4 points"
        __eq__ = lambda self, other: True
    raise Odd
""")
        for name in ("SystemExit", "KeyboardInterrupt", "GeneratorExit", "asyncio.CancelledError", "BaseException",
                     "NotImplementedError", "ConnectionError", "TimeoutError", "MemoryError", "RecursionError")
    ),
    lie("forged-not-started", "an error that claims to come from the grader", """
def double(number):
    from course_utils.wire.codec import CodecError
    raise CodecError("right")
"""),
]  # fmt: skip

# --- oracles ----------------------------------------------------------------------------------------------


def table_of_public_answers():
    """What a learner can find out at home: the numbers of the public draw, and their doubles."""
    draw = Draw(seed_key(PUBLIC_SECRET, "", attacked.NAME, "q1"))
    return {number: 2 * number for number in (draw.random.randrange(1, 10**6) for _ in range(3))}


ORACLES = [
    lie("frame-oracle", "reads the calling frames' variables for what is expected", """
def double(number):
    import sys
    frame = sys._getframe()
    while frame:
        for name, value in frame.f_locals.items():
            if name in ("expected", "key", "draw", "secret"):
                print(name, value)
                return value
        frame = frame.f_back
    return None
"""),
    lie("gc-oracle", "looks through all objects for a draw, a key or a report", """
def double(number):
    import gc
    for found in gc.get_objects():
        if type(found).__name__ in ("Draw", "Report", "Question", "Exercise"):
            print(found.__dict__)
            return found
    return None
"""),
    lie("trace-oracle", "sys.settrace and setprofile on everything that runs", """
import sys, threading
seen = []
def trace(frame, event, arg):
    seen.append(sorted(frame.f_locals)[:3])
    return trace
def double(number):
    sys.settrace(trace)
    sys.setprofile(lambda *a: None)
    return seen[-1:] or 0
"""),
    lie("history-oracle", "In[], the history and linecache for the check's source", """
def double(number):
    import linecache
    print(In, Out)
    print(sorted(linecache.cache))
    return 0
"""),
    lie("request-oracle", "the request's bytes hold no expected value", """
import sys
from course_utils.wire import learner
real = learner.respond
def respond(request, *rest):
    print(bytes(request))
    return real(request, *rest)
for module in [m for m in list(sys.modules.values()) if hasattr(m, "respond")]:
    module.respond = respond
def double(number):
    return 0
"""),
    lie("public-answers", "a table of the public data's answers", f"""
TABLE = {table_of_public_answers()}
def double(number):
    return TABLE.get(number, 0)
"""),
    lie("seeded-guess", "draws the public data again and answers from it", """
import random
random.seed(0)
def double(number):
    return random.randrange(1, 10 ** 6) * 2
"""),
    lie("state-of-arguments", "changes its arguments and answers later from what it saw", """
seen = []
def double(number):
    seen.append(number)
    return seen[0]
"""),
]

# --- cells and metadata -----------------------------------------------------------------------------------


def change(name, aim, function, **more):
    return Attack(name, aim, {"q1": PATCH}, change=function, **more)


def edit(name, **marks):
    """A change of one cell's nbgrader metadata."""
    return lambda notebook: find(notebook, name)["metadata"]["nbgrader"].update(marks)


def drop_checks(notebook):
    notebook["cells"] = [one for one in notebook["cells"] if not one["metadata"].get("nbgrader", {}).get("grade")]


def forge_outputs(notebook):
    for one in notebook["cells"]:
        if one["cell_type"] == "code":
            one["execution_count"] = 1
            one["outputs"] = [
                {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "4.0"}}
            ]


def skip_all(notebook):
    for one in notebook["cells"]:
        one["metadata"]["tags"] = ["skip-execution", "remove-cell", "raises-exception", "instructor"]


def edit_check(notebook):
    find(notebook, "q1-check")["source"] = "4.0"


def unlock_check(notebook):
    edit("q1-check", locked=False)(notebook)
    edit_check(notebook)


def double_check(notebook):
    copy = dict(find(notebook, "q1-check"), id="copy", source="print('right')")
    notebook["cells"].append(copy)


def add_graded_cell(notebook):
    find(notebook, "q1-check")["metadata"]["nbgrader"]["grade_id"] = "q9-check"
    extra = dict(find(notebook, "q2-check"), id="extra")
    extra["metadata"] = {"nbgrader": dict(extra["metadata"]["nbgrader"], grade_id="q99-check", points=100)}
    notebook["cells"].insert(0, extra)


def solve_in_other_cells(notebook):
    """The answer to question 1 stands in a cell that is not an answer cell."""
    source = "def double(number):\n    return 2 * number"
    for place in (0, len(notebook["cells"])):
        notebook["cells"].insert(
            place, {"cell_type": "code", "id": f"own{place}", "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        )
    find(notebook, "q1-check")["source"] = source


def own(notebook, place, source, name):
    """A code cell of the attacker's own."""
    cell = {"cell_type": "code", "id": name, "metadata": {}, "source": source, "outputs": [], "execution_count": None}
    notebook["cells"].insert(place, cell)


MEDDLES = """
import json, gc, sys
def double(number):
    return 0
for one in gc.get_objects():
    if type(one).__name__ in ("Report", "Question", "PartResult"):
        one.points = 4.0
print("4 of 4 points")
4.0
"""


def meddle_everywhere(notebook):
    for place in range(len(notebook["cells"]), -1, -1):
        own(notebook, place, MEDDLES, f"meddler-{place}")


def meddle_in_the_given(notebook):
    next(one for one in notebook["cells"] if one["id"] == "setup")["source"] = "import numpy as np\n" + MEDDLES


def own_checks(notebook):
    """Cells of one's own that call themselves checks, by id and by metadata, with points under them."""
    for place, name in ((0, "q1-check"), (len(notebook["cells"]), "check-1")):
        own(notebook, place, "4.0", name)
        notebook["cells"][place]["metadata"] = dict(find(notebook, "q1-check")["metadata"])
        notebook["cells"][place]["outputs"] = [
            {"output_type": "execute_result", "execution_count": 1, "metadata": {}, "data": {"text/plain": "4.0"}}
        ]


def guess_again(notebook):
    """Another guess in every place, so that the question is asked as often as may be."""
    for place in range(len(notebook["cells"]), -1, -1):
        own(notebook, place, f"def double(number):\n    return {place} + number", f"guess-{place}")


def reverse(notebook):
    notebook["cells"].reverse()


def kernel(notebook):
    notebook["metadata"]["kernelspec"] = {"name": "../../evil", "display_name": "R", "language": "bash"}
    notebook["metadata"]["language_info"] = {"name": "bash", "file_extension": ".sh"}


def widgets(notebook):
    notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"a": "<script>"}}}
    notebook["metadata"]["celltoolbar"] = "Create Assignment"
    notebook["metadata"]["nbgrader"] = {"score": 100, "max_score": 0}


CELLS = [
    change("points-edited", "100 points for question 1", edit("q1-check", points=100)),
    change("points-negative", "negative points for question 1", edit("q1-check", points=-4)),
    change("grade-taken-from-check", "the check is no longer a graded cell", edit("q1-check", grade=False)),
    change("answer-made-graded", "the answer cell is graded by hand", edit("q1", grade=True, points=50)),
    change("check-made-answer", "the check is an answer cell", edit("q1-check", solution=True, locked=False)),
    change("unlocked", "the check is unlocked and edited", unlock_check),
    change("task", "the answer is a task cell", edit("q1", task=True, solution=False, points=100)),
    change("schema-1", "metadata of nbgrader's first schema, which aborts a batch", edit("q1-check", schema_version=1)),
    change("schema-99", "metadata of a schema to come", edit("q1", schema_version=99)),
    change("ids-swapped", "the honest answer's grade id on question 1", edit("q1", grade_id="q1-check")),
    change("forged-outputs", "outputs that say 4.0 under every cell", forge_outputs),
    change("skip-execution", "the tag skip-execution on every cell", skip_all),
    change("check-edited", "the check cell returns 4.0", edit_check),
    change("checks-deleted", "no check cells at all", drop_checks),
    change("check-doubled", "a second check cell of the same grade id", double_check),
    change("check-invented", "a graded cell of 100 points that was not released", add_graded_cell),
    change("other-cells", "code in cells that are no answer cells, right in itself", solve_in_other_cells, earns=("q1",)),
    change("own-cells-meddle", "cells of one's own everywhere, which look for marks to change", meddle_everywhere),
    change("given-cell-meddles", "a given cell that was changed into one that looks for marks", meddle_in_the_given),
    change("own-checks", "cells of one's own that call themselves the check, with points under them", own_checks),
    change("guess-again", "another guess in a cell of one's own at every place", guess_again),
    change("cells-reversed", "all cells in the other order", reverse),
    change("other-kernel", "another kernel and language", kernel),
    change("widget-state", "widget state and scores in the notebook's metadata", widgets),
    Attack("answer-as-markdown", "the answer cell is a markdown cell", {"q1": PATCH}, change=lambda n: find(n, "q1").update(cell_type="markdown")),
    Attack("source-as-lines", "the answer's source as a list with other things in it", {"q1": PATCH}, change=lambda n: find(n, "q1").update(source=["def double(n):", 3, None])),
]  # fmt: skip

ATTACKS = family("gain", OBJECTS + PATCHES + FORGED + ORACLES + CELLS)
