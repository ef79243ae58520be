"""The questions of chapter 17: serving in production.

Nobody has a port where answers are graded, and no check waits: servers answer within the process that asks,
by a transport of httpx2, and time is a function that the check moves on.
"""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from course_utils.checks import expect
from course_utils.checks.draw import Draw
from course_utils.checks.framework import Exercise, part
from course_utils.checks.predictions import six_predictions
from course_utils.checks.report import Failed, Rung
from course_utils.wire.answer import Answer

if TYPE_CHECKING:
    # what the learner writes: the functions below that are sent along call it by its name
    read_stream: Any = None
    create_endpoint: Any = None
    ask_until_ready: Any = None
    simulate: Any = None
    least_loaded: Any = None
    quantile_from_buckets: Any = None
    quantile_between: Any = None
    variant: Any = None
    Canary: Any = None

LESSONS = "lessons/17_serving_in_production/"
CLIENT = LESSONS + "01_a_server_and_its_client.ipynb"
CLUSTER = LESSONS + "02_an_endpoint_and_a_cluster.ipynb"
REPLICAS = LESSONS + "03_many_replicas.ipynb"
WATCHED = LESSONS + "04_watched.ipynb"
STEPS = LESSONS + "05_released_in_steps.ipynb"

exercise = Exercise(
    "17_serving_in_production",
    title="Serving in production",
    minutes=130,
    difficulty="hard",
    cost="some seconds; nothing is trained",
)

WORDS = "ferry harbour late nobody minded lamp kettle pier green boat tide rope gull salt net oar".split()


# q1: a stream


@exercise.question(
    "q1",
    title="A stream, read to its end or given up",
    points=4,
    difficulty=2,
    needs=("read_stream",),
    lesson=CLIENT + "#Token by token",
    hints=(
        "Which lines of a stream are events, and which fields can be missing in one? And whose time-out ends "
        "a server that sends a line every second, for ever?",
        "`with client.stream(…) as response` closes it in any case; response.iter_lines() gives whole lines. "
        "Read the clock once before you ask and once for each line, before you look at what the line says. "
        "dict.get gives None for a name that is missing, and `value or before` keeps the one from before. "
        "Put the exception that is let pass around everything, the request included.",
        "The same for a file of measurements, given up after a while:\n"
        "began = clock()\n"
        "for line in lines:\n"
        "    if clock() - began > seconds:\n"
        "        break\n"
        '    if line.startswith("T "):\n'
        '        found.append(json.loads(line.removeprefix("T ")).get("degrees"))',
    ),
)
def stream(answer: Answer, draw: Draw) -> None:
    mine = answer.given(streamed)
    told = _Told(draw)
    whole, short, silent = told.whole(), told.short(), told.silent()

    def ask(plan: Mapping[str, Any], name: str) -> dict[str, Any]:
        came = mine.call("streamed", dict(plan))
        expect.keys(came, ("value", "error", "asked", "body", "closed", "taken"), f"a call with {name}")
        return came

    def read(plan: Mapping[str, Any], name: str) -> dict[str, Any]:
        came = ask(plan, name)
        if came["error"]:
            raise Failed(Rung.CRASHED, f"read_stream(…) with {name} to return a dict", came["error"])
        expect.keys(came["value"], NOTHING, f"what read_stream gives for {name}")
        return came

    def judge(plan: Mapping[str, Any], name: str, *names: str) -> None:
        found, wanted = read(plan, name)["value"], _reading(plan)
        for each in names:
            what = f"{each!r} for {name}"
            if isinstance(wanted[each], float):
                expect.close(found[each], wanted[each], what, tolerance=1e-6)
            else:
                expect.equal(found[each], wanted[each], what)

    with part("what is asked, and the text", points=1):
        came = read(whole, "a whole stream")
        asked = {**whole["body"], "stream": True, "stream_options": {"include_usage": True}}
        expect.equal(came["asked"], [["POST", "/v1/chat/completions", asked]], "what the server is asked")
        expect.equal(came["body"], whole["body"], "the dict body, after the call,")
        judge(whole, "a whole stream, in which a piece is '[DONE]'", "text")
        judge(told.several(), "a stream with two choices in a chunk", "text")
        judge(short, "a stream without [DONE], with `data:` and no space behind it", "text")
        judge(silent, "a stream without any text", "text")
    with part("why it ended, and what it used", points=1):
        judge(whole, "a whole stream, whose usage comes in a chunk without choices", "finish_reason", "usage")
        judge(short, "a stream that was cut off, and never names its usage", "finish_reason", "usage")
        judge(silent, "a stream without any text", "finish_reason", "usage")
    with part("the time to the first token, and the end of patience", points=1):
        judge(whole, "a whole stream, whose first piece is empty", "first", "gave_up")
        judge(silent, "a stream without any text", "first", "gave_up")
        for slow, name in (
            (told.slow(), "a stream with a piece every few seconds, without end"),
            (told.pings(), "a stream that ends in lines `: ping`, without end"),
        ):
            judge(slow, name, "text", "gave_up", "first")
            taken, most = read(slow, name)["taken"], _reading(slow)["lines"] + 2
            expect.true(
                taken <= most,
                f"at most {most} pieces of {name} to be read in {slow['seconds']} s",
                f"{taken}",
            )
        judge(told.just(), "a stream whose last line comes exactly at the end of patience", "text", "gave_up")
        judge(told.late(), "a stream whose [DONE] comes after the end of patience", "text", "gave_up")
    with part("time-outs, refusals, and a response that is closed", points=1):
        for timeout in ("ReadTimeout", draw.random.choice(("ConnectTimeout", "WriteTimeout", "PoolTimeout"))):
            plan = told.stuck(0) | {"timeout": timeout}
            judge(plan, f"a server that does not answer (httpx2.{timeout})", *NOTHING)
        judge(told.stuck(3), "a stream that stops in the middle (httpx2.ReadTimeout)", *NOTHING)
        judge(told.after(), "a stream whose connection stays open after [DONE]", "text", "gave_up")
        for plan, name in (
            (whole, "a whole stream"),
            (told.slow(), "a stream that is given up"),
            (told.stuck(3), "a ReadTimeout"),
        ):
            expect.true(read(plan, name)["closed"], f"the response to be closed after {name}", "it is open")
        for status in draw.sample((400, 401, 429, 500, 503), 2):
            came = ask(whole | {"status": status}, f"the status {status}")
            expect.true(
                came["error"] == f"HTTPStatusError: {status}",
                f"the status {status} to raise httpx2.HTTPStatusError",
                came["error"] or expect.show(came["value"]),
            )
            expect.true(came["closed"], f"the response to be closed after the status {status}", "it is open")


#: what comes of a stream in which there is nothing
NOTHING: dict[str, Any] = {"text": "", "finish_reason": None, "usage": None, "first": None, "gave_up": True}


class _Told:
    """What a server says: lines with the seconds that pass before each; None for one that never comes."""

    def __init__(self, draw: Draw) -> None:
        self.random = draw.random
        messages = [{"role": "user", "content": self.words(3)}]
        self.body = {"model": "tiny", "messages": messages, "stream": False}

    def words(self, count: int) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(count))

    def plan(
        self, lines: Iterable[tuple[float, str | None]], seconds: float = 1e6, **more: Any
    ) -> dict[str, Any]:
        began, wait = self.random.randrange(10**5) / 8, self.random.randrange(1, 9) / 8
        return {
            "body": self.body,
            "lines": list(lines),
            "seconds": seconds,
            "began": began,
            "wait": wait,
            "status": 200,
            "timeout": "ReadTimeout",
            **more,
        }

    def piece(self, content: str | None, reason: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": {"content": content}, "finish_reason": reason}
        return "data: " + json.dumps({"choices": [choice], **more}, ensure_ascii=False)

    def role(self) -> str:
        return 'data: {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": null}]}'

    def some(self) -> float:
        return self.random.randrange(1, 16) / 8

    def whole(self) -> dict[str, Any]:
        count = self.random.randrange(5, 90)
        usage = {"prompt_tokens": 7, "completion_tokens": count, "total_tokens": 7 + count}
        said = ["", self.words(1) + " ", "[DONE] ", "data: ", "überm Meer ", self.words(1)]
        lines = [self.role(), *(self.piece(each, usage=None) for each in said), ": ping"]
        lines += [self.piece(None, "stop", usage=None), "event: end"]
        lines += ["data: " + json.dumps({"choices": [], "usage": usage}), "data: [DONE]"]
        return self.plan([(self.some(), line) for line in lines])

    def short(self) -> dict[str, Any]:
        lines = [
            self.role(),
            *(self.piece(self.words(1)) for _ in range(2)),
            self.piece(self.words(1), "stop"),
        ]
        lines += [self.piece("…", "length")]
        lines += [lines[0], 'data: {"choices": []}']
        return self.plan([(self.some(), line.replace("data: ", "data:", 1)) for line in lines])

    def silent(self) -> dict[str, Any]:
        usage = {"prompt_tokens": self.random.randrange(9, 99), "completion_tokens": 0}
        return self.plan(
            [
                (1.0, self.role()),
                (2.0, self.piece("", "stop", usage=usage)),
                (1.0, 'data: {"choices": [], "usage": null}'),
                (1.0, "data: [DONE]"),
            ]
        )

    def slow(self) -> dict[str, Any]:
        lines = [(2.0, self.piece(self.words(1) + " ")) for _ in range(300)]
        return self.plan(lines, 2.0 * self.random.randrange(5, 12) + 1.25)

    def pings(self) -> dict[str, Any]:
        lines = [(1.0, self.piece(self.words(1))) for _ in range(3)] + [(1.0, ": ping")] * 300
        return self.plan(lines, self.random.randrange(6, 20) + 1.25)

    def just(self) -> dict[str, Any]:
        plan = self.plan([(2.0, self.piece(self.words(1))) for _ in range(4)])
        return plan | {"seconds": plan["wait"] + 8.0}

    def late(self) -> dict[str, Any]:
        lines = [(1.0, self.piece(self.words(1))), (1.0, self.piece(self.words(1), "stop"))]
        return self.plan([*lines, (20.0, "data: [DONE]")], 10.25)

    def several(self) -> dict[str, Any]:
        """Chunks with a second choice, whose words are not asked for."""
        deltas = [[self.words(1) + " ", "other "] for _ in range(3)]
        chunks = (
            [{"index": n, "delta": {"content": said}, "finish_reason": None} for n, said in enumerate(pair)]
            for pair in deltas
        )
        lines = [(1.0, "data: " + json.dumps({"choices": choices})) for choices in chunks]
        return self.plan([*lines, (1.0, "data: [DONE]")])

    def stuck(self, after: int) -> dict[str, Any]:
        lines = [(1.0, self.piece(self.words(1) + " ")) for _ in range(after)]
        return self.plan([*lines, (5.0, None)], status=200 if after else 0)

    def after(self) -> dict[str, Any]:
        return self.plan([(1.0, self.piece(self.words(2), "stop")), (1.0, "data: [DONE]"), (60.0, None)])


def _reading(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What read_stream gives for a plan, and how many lines it takes for that."""
    got = {**NOTHING, "lines": 0}
    passed = plan["wait"]
    if not plan["status"]:
        return got
    for seconds, line in plan["lines"]:
        passed += seconds
        if line is None or passed > plan["seconds"]:
            return got
        got["lines"] += 1
        event = line.removeprefix("data:").strip()
        if event == "[DONE]":
            break
        if event == line:
            continue
        chunk = json.loads(event)
        got["usage"] = chunk.get("usage") or got["usage"]
        for choice in chunk["choices"][:1]:
            piece = choice["delta"].get("content") or ""
            got["text"] += piece
            got["finish_reason"] = choice["finish_reason"] or got["finish_reason"]
            if piece and got["first"] is None:
                got["first"] = passed
    return got | {"gave_up": False}


def streamed(plan: dict) -> dict:
    """What the learner's function makes of a stream that comes line by line, cut in the middle of lines."""
    import copy
    import json

    import httpx2

    now: list[float] = [plan["began"]]
    seen: dict[str, Any] = {"asked": [], "closed": False, "taken": 0}
    whole = [f"{line}\n\n".encode() if line is not None else None for _, line in plan["lines"]]

    class Lines(httpx2.SyncByteStream):
        """The plan's lines; each piece brings the second half of one and the first half of the next."""

        def __iter__(self) -> Any:
            for number, (seconds, _) in enumerate(plan["lines"]):
                now[0] += seconds
                mine = whole[number]
                if mine is None:
                    raise getattr(httpx2, plan["timeout"])("the server has gone quiet")
                seen["taken"] += 1
                later = (whole[number + 1] if number + 1 < len(whole) else None) or b""
                yield mine[len(mine) // 2 if number else 0 :] + later[: len(later) // 2]

        def close(self) -> None:
            seen["closed"] = True

    def serve(request: Any) -> Any:
        seen["asked"].append([request.method, request.url.path, json.loads(request.content)])
        now[0] += plan["wait"]
        if not plan["status"]:
            raise getattr(httpx2, plan["timeout"])("the server does not answer")
        return httpx2.Response(plan["status"], stream=Lines(), headers={"content-type": "text/event-stream"})

    body, value, error = copy.deepcopy(plan["body"]), None, ""
    with httpx2.Client(transport=httpx2.MockTransport(serve), base_url="http://server") as client:
        try:
            value = read_stream(client, body, plan["seconds"], lambda: now[0])
        except NotImplementedError:
            raise
        except httpx2.HTTPStatusError as refused:
            error = f"HTTPStatusError: {refused.response.status_code}"
        except Exception as other:
            error = f"{type(other).__name__}: {other}"
        closed = seen["closed"]  # before the client closes what is left
    return {**seen, "value": value, "error": error, "body": body, "closed": closed}


# q2: an endpoint


@exercise.question(
    "q2",
    title="An endpoint, pinned, and a client that waits for it",
    points=4,
    difficulty=2,
    needs=("create_endpoint", "ask_until_ready"),
    lesson=CLUSTER + "#What is asked for",
    hints=(
        "What does `main` mean in a month? And what would a thousand clients do to a server that comes back, "
        "if all of them waited for exactly as long?",
        "model_info(repository, revision=…) has the commit as .sha. Of create_inference_endpoint you need "
        "revision, min_replica, max_replica, scale_to_zero_timeout (minutes) and type; **machine hands the "
        "rest over. For the waits: count them from 0, and compare what has been waited, and the next wait, "
        "with patience before you sleep. response.headers.get gives None for a header that is missing.",
        "Knocking at a door, each time after a longer break, for ten minutes at most:\n"
        "rested, knocks = 0.0, 0\n"
        "while not knock():\n"
        "    rest = min(60, 5 * 2**knocks)\n"
        "    if rested + rest > 600:\n"
        '        raise TimeoutError("nobody is in")\n'
        "    rested, knocks = rested + rest, knocks + 1\n"
        "    pause(rest)",
    ),
)
def endpoint(answer: Answer, draw: Draw) -> None:
    plans = [_order(draw, kind) for kind in ("branch", "tag", "commit")]
    mine = answer.given(ordered)

    def order(plan: Mapping[str, Any]) -> dict[str, Any]:
        what = f"create_endpoint(api, {plan['name']!r}, {plan['repository']!r}, {plan['revision']!r}, …)"
        came = mine.call("ordered", dict(plan))
        expect.keys(came, ("orders", "returned", "error"), what)
        if came["error"]:
            raise Failed(Rung.CRASHED, f"{what} to run", came["error"])
        expect.length(came["orders"], 1, f"the orders that {what} sends")
        expect.equal(came["returned"], plan["name"], f"the name of the endpoint that {what} returns")
        expect.keys(came["orders"][0], ("compute", "model", "provider", "type"), "the order")
        return came["orders"][0]

    with part("the model, pinned to a commit", points=1):
        for plan in plans:
            model = order(plan)["model"]
            wanted = plan["commits"][plan["revision"]]
            what = f"the model's revision, where {plan['revision']!r} is asked for,"
            expect.equal(model.get("revision"), wanted, what)
            expect.equal(model.get("repository"), plan["repository"], "the model's repository")
            for name, value in (("framework", "pytorch"), ("task", "text-generation")):
                expect.equal(model.get(name), value, f"the model's {name}")
    with part("the machine, how many of it, and for whom", points=1):
        for plan in plans:
            sent, machine = order(plan), plan["machine"]
            scaling = {"minReplica": 0, "maxReplica": plan["highest"], "scaleToZeroTimeout": plan["idle"]}
            found = sent["compute"].get("scaling")
            expect.equal(found, scaling, "the order's scaling")
            for name, key in (
                ("accelerator", "accelerator"),
                ("instanceSize", "instance_size"),
                ("instanceType", "instance_type"),
            ):
                expect.equal(sent["compute"].get(name), machine[key], f"the order's {name}")
            wanted = {"region": machine["region"], "vendor": machine["vendor"]}
            expect.equal(sent["provider"], wanted, "the order's provider")
            expect.equal(sent["type"], "authenticated", "the order's type")
    _waits(answer, draw)


def _order(draw: Draw, kind: str) -> dict[str, Any]:
    def commit() -> str:
        return f"{draw.random.getrandbits(160):040x}"

    main, other, older = commit(), commit(), commit()
    branch, tag = draw.random.choice(("next", "small")), f"v{draw.random.randrange(1, 9)}.0"
    machine = {
        "vendor": draw.random.choice(("aws", "gcp", "azure")),
        "region": draw.random.choice(("us-east-1", "eu-west-1")),
        "accelerator": "gpu",
        "instance_type": draw.random.choice(("nvidia-t4", "nvidia-l4", "nvidia-a10g")),
        "instance_size": draw.random.choice(("x1", "x2", "x4")),
    }
    return {
        "name": f"desk-{draw.random.randrange(10**4)}",
        "repository": f"team/{draw.random.choice(WORDS)}",
        "revision": {"branch": draw.random.choice(("main", branch)), "tag": tag, "commit": older}[kind],
        "commits": {"main": main, branch: other, tag: older, older: older, other: other, main: main},
        "refs": {"branches": {"main": main, branch: other}, "tags": {tag: older}},
        "machine": machine,
        "highest": draw.random.randrange(2, 9),
        "idle": draw.random.choice((15, 30, 45, 60)),
    }


def ordered(plan: dict) -> dict:
    """What the learner's function orders from a service that answers within this process."""
    import json

    import httpx2
    import huggingface_hub
    from huggingface_hub.utils import _http

    orders: list = []

    def made(payload: dict) -> dict:
        times = {"createdAt": "2026-11-30T09:00:00Z", "updatedAt": "2026-11-30T09:00:00Z"}
        model = {"task": None, **payload["model"]}
        return {**payload, "model": model, "status": {"state": "pending", **times}, "healthRoute": "/health"}

    def serve(request: Any) -> Any:
        path, base = request.url.path, f"/api/models/{plan['repository']}"
        if request.method == "POST" and "/endpoint/" in path:
            orders.append(json.loads(request.content))
            return httpx2.Response(200, json=made(orders[-1]))
        if path == "/api/whoami-v2":
            return httpx2.Response(200, json={"type": "user", "name": "me", "orgs": []})
        if path == f"{base}/refs":
            refs = {
                kind: [{"name": n, "ref": f"refs/{kind}/{n}", "targetCommit": c} for n, c in named.items()]
                for kind, named in plan["refs"].items()
            }
            return httpx2.Response(200, json={"converts": [], **refs})
        for between in ("/revision/", "/commits/"):
            commit = plan["commits"].get(path.removeprefix(base + between))
            if path.startswith(base + between) and commit:
                found = {"id": plan["repository"], "sha": commit}
                entry = {
                    "id": commit,
                    "title": "",
                    "message": "",
                    "authors": [],
                    "date": "2026-11-30T09:00:00Z",
                }
                return httpx2.Response(200, json=found if between == "/revision/" else [entry])
        if path == base:
            return httpx2.Response(200, json={"id": plan["repository"], "sha": plan["commits"]["main"]})
        return httpx2.Response(404, headers={"X-Error-Code": "RevisionNotFound"}, json={"error": "not found"})

    before = _http._GLOBAL_CLIENT_FACTORY
    huggingface_hub.set_client_factory(lambda: httpx2.Client(transport=httpx2.MockTransport(serve)))
    returned, error = None, ""
    try:
        api = huggingface_hub.HfApi(token="hf_notarealone")
        given = [plan[name] for name in ("name", "repository", "revision")]
        came = create_endpoint(api, *given, dict(plan["machine"]), plan["highest"], plan["idle"])
        returned = getattr(came, "name", None)
    except NotImplementedError:
        raise
    except Exception as other:
        error = f"{type(other).__name__}: {other}"
    finally:
        huggingface_hub.set_client_factory(before)
    return {"orders": orders, "returned": returned, "error": error}


def _waits(answer: Answer, draw: Draw) -> None:
    """The two parts of question 2 that are about waiting."""
    mine = answer.given(waited)
    shares = [draw.random.randrange(1, 64) / 64 for _ in range(9)]

    def judge(
        told: str,
        responses: Sequence[tuple[int, str | None]],
        patience: float,
        waits: Sequence[float],
        end: object,
        draws: Sequence[float] = (1.0,),
        safe: bool = True,
    ) -> None:
        plan = {"responses": [list(each) for each in responses], "patience": patience, "draws": list(draws)}
        came = mine.call("waited", plan | {"safe": safe})
        what = f"ask_until_ready(…) with patience={patience:g}, {told}{'' if safe else ', safe=False'},"
        expect.keys(came, ("end", "waits", "asked"), what)
        expect.true(
            came["end"] == end, f"{what} to end in {end}", f"{came['end']}, after waits of {came['waits']} s"
        )
        expect.all_close(came["waits"], list(waits), f"the waits of {what}")
        expect.equal(came["asked"], len(waits) + 1, f"how often {what} asks")

    passing = [draw.random.choice((429, 502, 503, 504)) for _ in range(7)]
    with part("waits that grow, and Retry-After", points=1):
        judge("answered at once", [(200, None)], 60, [], "response 1")
        grown = [share * min(8, 0.5 * 2**k) for k, share in enumerate(shares[:7])]
        statuses = [(status, None) for status in passing]
        judge(f"after {passing}", [*statuses, (200, None)], 600, grown, "response 8", shares)
        for status in (429, 502, 503, 504):
            judge(f"after {status}", [(status, None), (201, None)], 60, [0.5], "response 2")
        share, named = shares[0], str(draw.random.randrange(11, 30))
        waits = [0.5 * share, float(named), 2 * share]
        told = f"with Retry-After: {named} in the second of three responses 503"
        judge(told, [(503, None), (503, named), (503, None), (200, None)], 600, waits, "response 4", [share])
        named_waits = [(503, each) for each in (None, None, "0", "1", None)]
        told = "with Retry-After: 0 and 1 in the third and fourth of five responses 503"
        judge(told, [*named_waits, (200, None)], 600, [0.5, 1, 0, 1, 8], "response 6")
        judge(told, [*named_waits, (200, None)], 600, [0.5, 1, 0, 1, 8], "response 6", safe=False)
    with part("patience that ends, and what is not asked again", points=1):
        for_ever = [(503, None)] * 60
        for patience, waits in ((10, [0.5, 1, 2, 4]), (7.5, [0.5, 1, 2, 4]), (7.25, [0.5, 1, 2]), (0.25, [])):
            judge("answered by 503 for ever", for_ever, patience, waits, "TimeoutError")
        judge("with Retry-After: 61", [(503, "61"), (200, None)], 60, [], "TimeoutError")
        judge("with Retry-After: 7, again and again", [(429, "7")] * 60, 24, [7, 7, 7], "TimeoutError")
        for status in (307, 400, 401, 404, 408, 422, 500):
            judge(f"answered by {status}", [(status, None), (200, None)], 60, [], f"HTTPStatusError {status}")
        for status in (502, 504):
            end = f"HTTPStatusError {status}"
            judge(f"answered by {status}", [(status, None), (200, None)], 60, [], end, safe=False)
        for status in (429, 503):
            judge(f"answered by {status}", [(status, None), (200, None)], 60, [0.5], "response 2", safe=False)
        status = draw.random.choice((403, 500))
        told = f"answered by 503 and then {status}"
        judge(told, [(503, None), (status, None), (200, None)], 60, [0.5], f"HTTPStatusError {status}")


def waited(plan: dict) -> dict:
    """What the learner's function makes of responses that come one after the other, without any real wait."""
    import httpx2

    asked, waits, drawn = [0], [], [0]

    def send() -> Any:
        asked[0] += 1
        if asked[0] > 500:
            raise RuntimeError("500 requests, and no end")
        status, named = plan["responses"][min(asked[0], len(plan["responses"])) - 1]
        headers = {} if named is None else {"Retry-After": named}
        request = httpx2.Request("POST", "http://endpoint/ask")
        return httpx2.Response(status, headers=headers, json={"number": asked[0]}, request=request)

    def draw() -> float:
        drawn[0] += 1
        return plan["draws"][(drawn[0] - 1) % len(plan["draws"])]

    try:
        more = {} if plan["safe"] else {"safe": False}
        came = ask_until_ready(send, lambda s: waits.append(float(s)), draw, plan["patience"], **more)
        known = isinstance(came, httpx2.Response)
        end = f"response {came.json()['number']}" if known else f"a {type(came).__name__}"
    except NotImplementedError:
        raise
    except httpx2.HTTPStatusError as error:
        end = f"HTTPStatusError {error.response.status_code}"
    except TimeoutError:
        end = "TimeoutError"
    except Exception as error:
        end = f"{type(error).__name__}: {error}"
    return {"end": end, "waits": waits, "asked": asked[0]}


# q3: manifests

GPU, OTHER_GPU = "nvidia.com/gpu", "amd.com/gpu"
TAINT = {"key": GPU, "operator": "Exists", "effect": "NoSchedule"}


@exercise.question(
    "q3",
    title="Three manifests that do not agree",
    points=4,
    difficulty=2,
    needs=("repaired",),
    lesson=CLUSTER + "#What no schema sees",
    hints=(
        "For each line of the table: in which document does it stand, and which other place do you have to "
        "look at before you know whether it is a fault?",
        "Make a deep copy first. A dict from each kind to its document spares you the order, and "
        '.get("env", []) those that are missing. The pod is spec.template.spec of the Deployment, its labels '
        "stand in spec.template.metadata. For two dicts of labels, labels.items() >= selector.items() says "
        "whether all of the second are in the first.",
        "Boats and berths; every boat with a mast wants a berth that has room above it:\n"
        "boats = copy.deepcopy(boats)\n"
        "for boat in boats:\n"
        '    if boat.get("masts", 0) and not any(b.get("open") for b in boat.get("berths", [])):\n'
        '        boat.setdefault("berths", []).append({"open": True})',
    ),
)
def manifests(answer: Answer, draw: Draw) -> None:
    def judge(told: str, documents: list[dict[str, Any]]) -> None:
        given = [documents[place] for place in draw.sample(range(len(documents)), len(documents))]
        wanted = _mended(given)
        found = answer.call("repaired", json.loads(json.dumps(given)))
        what = f"repaired(documents), {told},"
        expect.each_of(found, dict, what)
        expect.length(found, len(given), what)
        for mine, theirs in zip(found, wanted, strict=True):
            expect.equal(
                mine.get("kind"), theirs["kind"], f"the kinds, in the order in which they came, of {what}"
            )
            _same(mine, theirs, theirs["kind"], told)

    judge("which are sound already", _manifests(draw))
    with part("a value that is secret, and a probe that is missing", points=1):
        for box, name in ((0, "HF_TOKEN"), (1, "APIKEY"), (0, "SECRET"), (1, "PGPASSWORD")):
            told = f"with a value of {name} in container {box}"
            judge(told, _with(_manifests(draw), "secret", box=box, name=name))
        told = "with a value of sort_key, in small letters, which is none of the faults"
        judge(told, _with(_manifests(draw), "secret", name="sort_key", value="time"))
        judge("with an empty value of API_KEY", _with(_manifests(draw), "secret", name="API_KEY", value=""))
        for box in (0, 1):
            told = f"without a readinessProbe in container {box}{', which has a livenessProbe' * (box == 0)}"
            judge(told, _with(_manifests(draw), "probe", box=box))
    with part("a GPU that nobody tolerates", points=1):
        for box in (0, 1):
            judge(
                f"with a GPU in container {box} and no tolerations", _with(_manifests(draw), "gpu", box=box)
            )
        for told, tolerations in (
            ("and another toleration", [{"key": "spot", "operator": "Exists"}]),
            ("and a toleration of another maker's", [{"key": OTHER_GPU, "operator": "Exists"}]),
            ("and a toleration without a key, which tolerates all", [{"operator": "Exists"}]),
            (
                "and its toleration",
                [{"key": "spot", "operator": "Exists"}, {"key": GPU, "operator": "Exists"}],
            ),
        ):
            judge(f"with a GPU {told}", _with(_manifests(draw), "gpu", box=0, tolerations=tolerations))
        told = f"with a GPU of another maker ({OTHER_GPU}), which is none of the faults"
        judge(told, _with(_manifests(draw), "gpu", box=0, limit=OTHER_GPU))
    with part("documents that do not agree", points=1):
        judge("with replicas and an autoscaler", _with(_manifests(draw), "replicas"))
        judge("with replicas and no autoscaler", _with(_manifests(draw, scaler=False), "replicas"))
        for kind, name in (("Deployment", "another"), ("StatefulSet", "")):
            told = f"with replicas and an autoscaler for a {kind} {name}"
            judge(told, _with(_manifests(draw, kind=kind, name=name), "replicas"))
        for wrong in ({"app": "other"}, {"app": None}, {"tier": "page"}, {"colour": "blue"}):
            told = f"whose Service selects {expect.show(wrong)}"
            judge(told, _with(_manifests(draw), "selector", wrong=wrong))
    with part("three at once, and what was given", points=1):
        for _ in range(4):
            documents, names = _manifests(draw), draw.sample(FAULTS, 3)
            for name in names:
                documents = _with(documents, name)
            judge(f"with three faults ({', '.join(sorted(names))})", documents)
        documents = _manifests(draw)
        for name in FAULTS:
            documents = _with(documents, name)
        judge("with all five faults", documents)
        (left,) = answer.left("repaired", json.loads(json.dumps(documents)))
        for mine, theirs in zip(left, documents, strict=True):
            _same(mine, theirs, f"the {theirs['kind']} that was given", "after the call")


FAULTS = ("secret", "probe", "gpu", "replicas", "selector")


def _manifests(
    draw: Draw, scaler: bool = True, kind: str = "Deployment", name: str = ""
) -> list[dict[str, Any]]:
    """A Deployment, a Service and perhaps an autoscaler that agree; kind and name are those of its target."""
    own, port, other = (
        draw.random.choice(WORDS),
        draw.random.randrange(8000, 8999),
        draw.random.randrange(9000, 9999),
    )
    probe = {"httpGet": {"path": "/ready", "port": port}, "periodSeconds": draw.random.randrange(3, 20)}
    env = [
        {"name": "LANGUAGE", "value": "en"},
        {"name": "MOST_TOKENS", "value": "256"},
        {"name": "KEYBOARD", "value": "de"},
    ]
    env.append({"name": "HUB_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}})  # type: ignore[dict-item]
    boxes = [
        {
            "name": "server",
            "image": f"ghcr.io/team/{own}:1.{draw.random.randrange(9)}",
            "env": env,
            "ports": [
                {"name": "answers", "containerPort": port},
                {"name": "http", "containerPort": port + 1},
            ],
            "readinessProbe": probe,
            "livenessProbe": {"httpGet": {"path": "/alive", "port": port + 1}},
            "resources": {
                "requests": {"cpu": "2"},
                "limits": {"memory": f"{draw.random.randrange(4, 64)}Gi"},
            },
        },
        {
            "name": "proxy",
            "image": "ghcr.io/team/proxy:3.1",
            "ports": [{"containerPort": other}],
            "readinessProbe": {"tcpSocket": {"port": other}},
        },
    ]
    labels = {"app": own, "tier": "model"}
    template = {
        "metadata": {"labels": dict(labels)},
        "spec": {"containers": boxes, "terminationGracePeriodSeconds": 60},
    }
    spec = {"selector": {"matchLabels": {"app": own}}, "template": template}
    deployment = f"{own}-desk"
    documents: list[dict[str, Any]] = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": deployment}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"{own}-service"},
            "spec": {"selector": dict(labels), "ports": [{"port": 80, "targetPort": port}]},
        },
    ]
    if scaler:
        target = {"apiVersion": "apps/v1", "kind": kind, "name": name or deployment}
        documents.append(
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": f"{own}-scaler"},
                "spec": {
                    "scaleTargetRef": target,
                    "minReplicas": 1,
                    "maxReplicas": draw.random.randrange(2, 9),
                },
            }
        )
    return json.loads(json.dumps(documents))


def _with(documents: list[dict[str, Any]], fault: str, *, box: int = 0, **more: Any) -> list[dict[str, Any]]:
    """The documents with one fault more, as it may be."""
    spec, pod = documents[0]["spec"], documents[0]["spec"]["template"]["spec"]
    container = pod["containers"][box]
    if fault == "secret":
        container.setdefault("env", []).insert(
            0, {"name": more.get("name", "HF_TOKEN"), "value": more.get("value", "notarealone")}
        )
    if fault == "probe":
        del container["readinessProbe"]
    if fault == "gpu":
        container.setdefault("resources", {}).setdefault("limits", {})[more.get("limit", GPU)] = 1
        if "tolerations" in more:
            pod["tolerations"] = more["tolerations"]
    if fault == "replicas":
        spec["replicas"] = 3
    if fault == "selector":
        selector = documents[1]["spec"]["selector"] | more.get("wrong", {"app": "other"})
        documents[1]["spec"]["selector"] = {
            name: value for name, value in selector.items() if value is not None
        }
    return documents


def _mended(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Documents without the five faults."""
    mended: list[dict[str, Any]] = json.loads(json.dumps(list(documents)))
    kinds = {document["kind"]: document for document in mended}
    deployment, service = kinds["Deployment"], kinds["Service"]["spec"]
    spec, own = deployment["spec"], deployment["metadata"]["name"]
    pod, labels = spec["template"]["spec"], spec["template"]["metadata"]["labels"]
    for box in pod["containers"]:
        for each in box.get("env", []):
            if (
                each["name"].endswith(("TOKEN", "KEY", "SECRET", "PASSWORD"))
                and each.pop("value", None) is not None
            ):
                each["valueFrom"] = {"secretKeyRef": {"name": own, "key": each["name"]}}
        probe = {"httpGet": {"path": "/health", "port": box["ports"][0]["containerPort"]}}
        box.setdefault("readinessProbe", probe)
        keys = [each.get("key", GPU) for each in pod.get("tolerations", [])]
        if GPU in box.get("resources", {}).get("limits", {}) and GPU not in keys:
            pod.setdefault("tolerations", []).append(dict(TAINT))
    scaler = kinds.get("HorizontalPodAutoscaler", {"spec": {"scaleTargetRef": {}}})["spec"]["scaleTargetRef"]
    if (scaler.get("kind"), scaler.get("name")) == ("Deployment", own):
        spec.pop("replicas", None)
    if not labels.items() >= service["selector"].items():
        service["selector"] = dict(spec["selector"]["matchLabels"])
    return mended


#: lists in which the order says nothing
IN_ANY_ORDER = ("env", "tolerations")


def _same(found: Any, wanted: Any, path: str, told: str) -> None:
    """Two documents are the same; a message names the first place where they differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for name in (*wanted, *(name for name in found if name not in wanted)):
            place = f"{path}.{name}"
            if name not in wanted or name not in found:
                there = expect.show(wanted[name]) if name in wanted else "not to be there"
                raise Failed(
                    Rung.WRONG_VALUE,
                    f"{place}, {told}, {'to be ' * (name in wanted)}{there}",
                    expect.show(found[name]) if name in found else "nothing of that name",
                )
            mine, theirs = found[name], wanted[name]
            if name in IN_ANY_ORDER and isinstance(mine, (list, tuple)):
                mine, theirs = (sorted(each, key=_written) for each in (mine, theirs))
            _same(mine, theirs, place, told)
    elif isinstance(wanted, list) and isinstance(found, (list, tuple)) and len(found) == len(wanted):
        for number, (mine, theirs) in enumerate(zip(found, wanted, strict=True)):
            _same(mine, theirs, f"{path}[{number}]", told)
    elif found != wanted or type(found) is not type(wanted):
        raise Failed(Rung.WRONG_VALUE, f"{path}, {told}, to be {expect.show(wanted)}", expect.show(found))


def _written(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


# q4: routing


@exercise.question(
    "q4",
    title="Whose turn?",
    points=4,
    difficulty=2,
    needs=("simulate", "least_loaded"),
    lesson=REPLICAS + "#A queue in a page",
    hints=(
        "When does a request begin that comes to a replica with three others before it? And which of those "
        "three are still there when the next one arrives?",
        "Keep for each replica the moments at which its requests end. Those at or before an arrival are "
        "gone. What is left is what it holds; a new request begins at the last of these moments, or at once "
        "where none is left. The list that choose gets is the lengths.",
        "One till, each customer's moment of leaving:\n"
        "leaving = []\n"
        "for arrival, minutes in customers:\n"
        "    leaving = [moment for moment in leaving if moment > arrival]\n"
        "    leaving.append((leaving[-1] if leaving else arrival) + minutes)",
    ),
)
def routing(answer: Answer, draw: Draw) -> None:
    mine = answer.given(routed, chosen)
    loads = [_load(draw, n, whole) for n, whole in ((40, False), (60, True), (400, False))]

    def judge(load: Mapping[str, Any], speeds: Sequence[float], kind: str, told: str) -> Sequence[float]:
        came = mine.call("routed", dict(load), list(speeds), kind)
        what = f"simulate(arrivals, services, {list(speeds)}, {kind})"
        expect.keys(came, ("latencies", "held"), what)
        found, (latencies, held) = came["latencies"], _routed(load, speeds, kind)
        expect.type_of(found, (list, tuple), what)
        expect.length(found, len(latencies), what)
        if told == "held":
            expect.length(came["held"], len(held), f"the calls of choose by {what}")
            for k, (counts, right) in enumerate(zip(came["held"], held, strict=True)):
                expect.equal(counts, right, f"what choose is told for request {k} by {what}")
        shown = expect.show(dict(load))
        for k, (given, theirs) in enumerate(zip(found, latencies, strict=True)):
            expect.close(given, theirs, f"the seconds of request {k} by {what}, {shown},")
        return found

    with part("one replica", points=1):
        for load in loads[:2]:
            judge(load, [1], "round_robin", "latencies")
    with part("several replicas of several speeds, in turn", points=1):
        judge(loads[0], [1] * draw.random.choice((2, 3, 4)), "round_robin", "latencies")
        judge(loads[1], draw.sample((1, 2, 4, 0.5), 3), "round_robin", "latencies")
        judge(loads[0], draw.sample((1, 2, 4, 0.5), 3), "last", "latencies")
    with part("what each replica holds when a request arrives", points=1):
        for load, speeds in zip(loads[:2], ([1, 1, 1], draw.sample((1, 2, 0.5), 3)), strict=True):
            judge(load, speeds, "round_robin", "held")
    with part("the one with the least to do", points=1):
        for held, speeds in (
            ([0, 0, 0], [1, 1, 1]),
            ([2, 1, 1], [1, 1, 1]),
            ([0, 0], [1, 2]),
            ([3, 7], [1, 2]),
            ([3, 6, 1], [1, 2, 0.25]),
            (draw.sample(range(9), 5), draw.sample((1, 2, 3, 4, 5, 6), 5)),
            ([1], [4]),
            ([1, 0, 4], [4, 1, 3]),
        ):
            what = f"least_loaded({held}, {speeds})"
            expect.equal(mine.call("chosen", list(held), list(speeds)), _least(held, speeds), what)
        speeds = [2, 1, 1, 2]
        turn = judge(loads[2], speeds, "round_robin", "latencies")
        least = judge(loads[2], speeds, "least_loaded", "latencies")
        tails = [statistics.quantiles(each, n=100)[-1] for each in (turn, least)]
        expect.true(
            tails[1] < tails[0], f"a p99 below the {tails[0]:.2f} s of round robin", f"{tails[1]:.2f} s"
        )


def _load(draw: Draw, n: int, whole: bool) -> dict[str, list[float]]:
    """Arrivals and services in seconds, on which the choice shortens the tail; whole: with ties."""
    for _ in range(200):
        now, arrivals, services = 0.0, [], []
        for _ in range(n):
            now += draw.random.randrange(0, 3) if whole else draw.random.expovariate(6.0)
            arrivals.append(now)
            services.append(
                float(draw.random.choice((1, 1, 2, 2, 9))) if whole else draw.random.lognormvariate(-1, 1)
            )
        arrivals[-1] += 500  # when all replicas have been idle for a while
        load = {"arrivals": arrivals, "services": services}
        found = (_routed(load, [2, 1, 1, 2], kind)[0] for kind in ("round_robin", "least_loaded"))
        turn, least = (statistics.quantiles(each, n=100)[-1] for each in found)
        if least < 0.95 * turn:
            return load
    raise LookupError("no load on which routing matters")


def _least(held: Sequence[int], speeds: Sequence[float]) -> int:
    return min(range(len(held)), key=lambda number: ((held[number] + 1) / speeds[number], number))


def _routed(
    load: Mapping[str, Any], speeds: Sequence[float], kind: str
) -> tuple[list[float], list[list[int]]]:
    """The latencies, and what each replica holds when a request arrives."""
    queues: list[deque[float]] = [deque() for _ in speeds]
    latencies, held = [], []
    for k, (arrival, service) in enumerate(zip(load["arrivals"], load["services"], strict=True)):
        for queue in queues:
            while queue and queue[0] <= arrival:
                queue.popleft()
        held.append([len(queue) for queue in queues])
        numbers = {
            "round_robin": k % len(speeds),
            "last": len(speeds) - 1,
            "least_loaded": _least(held[-1], speeds),
        }
        queue = queues[numbers[kind]]
        queue.append((queue[-1] if queue else arrival) + service / speeds[numbers[kind]])
        latencies.append(queue[-1] - arrival)
    return latencies, held


def routed(load: dict, speeds: list, kind: str) -> dict:
    """What the learner's simulation gives for a load, and what it tells the function that chooses."""
    held = []

    def choose(outstanding: Any, k: int) -> Any:
        held.append([int(each) for each in outstanding])
        if kind == "least_loaded":
            return least_loaded(list(outstanding), list(speeds))
        return k % len(speeds) if kind == "round_robin" else len(speeds) - 1

    found = simulate(list(load["arrivals"]), list(load["services"]), list(speeds), choose)
    return {"latencies": found.tolist() if hasattr(found, "tolist") else found, "held": held}


def chosen(held: list, speeds: list) -> object:
    """The learner's choice."""
    return least_loaded(held, speeds)


# q5: autoscaling


@exercise.question(
    "q5",
    title="How many replicas?",
    points=3,
    difficulty=2,
    needs=("desired_replicas", "scaled"),
    lesson=REPLICAS + "#The HPA's formula",
    hints=(
        "What does the formula multiply: the replicas of this morning, or those that there are by now? And "
        "what is remembered for five minutes: what there was, or what was wanted?",
        "math.ceil rounds up; the tolerance is looked at before that, and the bounds after it, whatever "
        "came. In scaled, keep a list of (second, wanted), each with the bounds already. Going down: to the "
        "highest wanted of those not older than the window, and never above what there is.",
        "A lamp that turns bright at once, and dim only to the brightest wish of the last minute:\n"
        "wishes.append((now, wish))\n"
        "recent = max(each for when, each in wishes if when >= now - 60)\n"
        "light = wish if wish > light else min(light, recent)",
    ),
)
def autoscaling(answer: Answer, draw: Draw) -> None:
    def judge(given: Sequence[Any], told: str, **more: Any) -> None:
        found = answer.call("desired_replicas", *given, **more)
        named = "".join(f", {name}={value}" for name, value in more.items())
        what = f"desired_replicas({', '.join(map(str, given))}{named})"
        expect.number(found, what)
        wanted = _desired(*given, **more)
        expect.true(found == wanted, f"{what} to be {wanted} ({told})", f"{found:g}")

    def follow(given: Mapping[str, Any], told: str) -> None:
        found = answer.call("scaled", *_arguments(given))
        found = found.tolist() if hasattr(found, "tolist") else found
        what = f"scaled({', '.join(expect.show(each) for each in _arguments(given))}), {told},"
        expect.each_of(found, (int, float), what)
        wanted = _scaled(given)
        guess = next((why for name, why in SCALED.items() if _scaled(given, name) == list(found)), "")
        if list(found) != wanted:
            came = expect.show(list(found)) + (f": that comes of {guess}" if guess else "")
            raise Failed(Rung.WRONG_VALUE, f"{what} to be {expect.show(wanted)}", came)

    with part("the formula, rounded up, within its bounds", points=1):
        for current, value, target in ((3, 90, 60), (3, 95, 60), (6, 21, 60), (4, 31, 60), (2, 100, 64)):
            judge((current, value, target), "current * value / target, rounded up", highest=50)
        target = draw.random.randrange(40, 80)
        judge((draw.random.randrange(5, 9), target * 4, target), "10 at most, as a rule")
        judge((3, 0, target), "1 at least, as a rule")
        low = draw.random.randrange(2, 5)
        judge((low + 3, 1, target), f"{low} at least", lowest=low)
        judge((low + 3, 10 * target, target), f"{low + 9} at most", lowest=low, highest=low + 9)
    with part("the tolerance", points=1):
        for value, told in ((65, "8 % above"), (55, "8 % below"), (60, "on the target")):
            judge((13, value, 60), f"{told}: within the tolerance", highest=50)
        for value, told in ((67, "12 % above"), (53, "12 % below")):
            judge((13, value, 60), f"{told}: beyond the tolerance", highest=50)
        judge((8, 10, 8), "exactly the tolerance of 0.25 above", tolerance=0.25)
        judge((8, 6, 8), "exactly the tolerance of 0.25 below", tolerance=0.25)
        judge((8, 8.5, 8), "no tolerance", tolerance=0)
        judge((15, 60, 60), "on the target, and too many", highest=12)
        judge((2, 60, 60), "on the target, and too few", lowest=3)
    with part("up at once, down after a while", points=1):
        burst = [(15 * n, 120 if n in (3, 4) else 20) for n in range(16)]
        usual: dict[str, Any] = {"current": 2, "target": 60, "lowest": 1, "highest": 12}
        follow(usual | {"readings": burst, "window": 60}, "a burst")
        follow(usual | {"readings": burst, "window": None}, "a burst, with the usual window")
        follow(usual | {"readings": burst, "window": 0}, "a burst, without any window")
        follow(usual | {"readings": [(0, 60)], "window": 60, "lowest": 3}, "one reading")
        follow(usual | {"readings": [], "window": 60}, "no readings")
        follow(usual | {"readings": [(0, 60)], "window": 60, "current": 20}, "more replicas than the highest")
        for _ in range(3):
            follow(_day(draw), "loads that go up and down")


#: mistake -> what a message says of it
SCALED = {
    "first": "computing with the replicas of the beginning each time",
    "none": "going down at once",
    "open": "leaving out what was wanted exactly a window ago",
    "had": "taking the highest number that there was, and not the highest that was wanted",
    "mean": "going down to the mean of what was wanted",
    "tight": "leaving out the tolerance",
    "readings": "counting readings, as if one came every 15 seconds: the window is in seconds",
}


def _arguments(given: Mapping[str, Any]) -> list[Any]:
    arguments = [
        [tuple(each) for each in given["readings"]],
        *(given[n] for n in ("current", "target", "lowest", "highest")),
    ]
    return arguments if given["window"] is None else [*arguments, given["window"]]


def _desired(
    current: int, value: float, target: float, tolerance: float = 0.1, lowest: int = 1, highest: int = 10
) -> int:
    wanted = current if abs(value / target - 1) <= tolerance else math.ceil(current * value / target)
    return max(lowest, min(highest, wanted))


def _scaled(given: Mapping[str, Any], mistake: str = "") -> list[int]:
    """The replicas after each reading, or what they would be with a mistake."""
    current, low, high = given["current"], given["lowest"], given["highest"]
    window = 300 if given["window"] is None else given["window"]
    wanted: list[tuple[float, int]] = []
    had: list[tuple[float, int]] = []
    counts: list[int] = []
    for second, value in given["readings"]:
        base = given["current"] if mistake == "first" else current
        wish = _desired(base, value, given["target"], 0.0 if mistake == "tight" else 0.1, low, high)
        wanted.append((second, wish))
        had.append((second, max(current, wish)))
        kept = [
            count
            for when, count in (had if mistake == "had" else wanted)
            if (when > second - window if mistake == "open" else when >= second - window)
        ]
        if mistake == "readings":
            kept = [count for _, count in wanted[-(window // 15 + 1) :]]
        recent = max(kept, default=wish) if mistake != "mean" else math.ceil(statistics.fmean(kept))
        current = wish if wish >= current or mistake == "none" else min(current, recent)
        counts.append(current)
    return counts


def _day(draw: Draw) -> dict[str, Any]:
    """Readings on which each mistake shows, and none lies on the edge of rounding."""
    for _ in range(20_000):
        target, level, second, readings = draw.random.choice((50, 60, 70)), 60.0, 0, []
        for _ in range(24):
            if draw.random.random() < 0.4:
                near = draw.random.choice((1.03, 1.05, 1.08)) * target
                level = near if draw.random.random() < 0.25 else draw.random.randrange(3, 150)
            readings.append((second, round(level + draw.random.randrange(1, 9) / 10, 1)))
            second += draw.random.choice((5, 10, 15, 15, 30))
        given = {
            "readings": readings,
            "current": draw.random.randrange(2, 5),
            "target": target,
            "lowest": draw.random.choice((1, 2)),
            "highest": draw.random.randrange(9, 14),
            "window": draw.random.choice((45, 60, 90)),
        }
        right = _scaled(given)
        if all(_scaled(given, each) != right for each in SCALED) and not _on_the_edge(given, right):
            return given
    raise LookupError("no readings tell the mistakes apart")


def _on_the_edge(given: Mapping[str, Any], counts: Sequence[int]) -> bool:
    """Whether another order of multiplying could round to another number."""
    pairs = zip([given["current"], *counts], given["readings"], strict=False)
    exact = [current * value / given["target"] for current, (_, value) in pairs]
    return any(0 < abs(each - round(each)) < 1e-9 for each in exact)


# q6: quantiles

ROUTES = ("/predict", "/chat,tools", "/embed")


@exercise.question(
    "q6",
    title="p99 from buckets",
    points=4,
    difficulty=3,
    needs=("quantile_from_buckets", "quantile_between"),
    lesson=WATCHED + "#p99 from buckets",
    hints=(
        "How many observations lie in a bucket alone, if its count holds those of all smaller ones? And what "
        "is it that has to be added up over the series: the counts, or what they have grown by?",
        "rank = q * last count. In the first bucket that reaches it, the share (rank - count before) / "
        "(count - count before) of its width comes on top of its lower bound. text_string_to_metric_families "
        "gives families, these have .samples, each with .name, .labels and .value; float('+Inf') is "
        "math.inf. "
        "Compare each series, with all its labels, with itself before you add anything up.",
        "How much rain fell, by gauges that start again at 0 when they are emptied:\n"
        "total = Counter()\n"
        "for place, level in evening.items():\n"
        "    before = morning.get(place, 0)\n"
        "    total[place.valley] += level - before if level >= before else level",
    ),
)
def quantiles(answer: Answer, draw: Draw) -> None:
    mine = answer.given(estimated)

    def judge(buckets: Sequence[tuple[float, int]], q: float, told: str) -> None:
        found = mine.call("estimated", [(None if math.isinf(bound) else bound, n) for bound, n in buckets], q)
        what = f"quantile_from_buckets({expect.show(list(buckets))}, {q}), {told},"
        _quantile(found, _interpolated(buckets, q), what)

    bounds = draw.random.choice(((0.1, 0.5, 2.5, 10.0), (0.25, 1.0, 4.0, 10.0)))
    with part("within a bucket", points=1):
        for q in (0.5, 0.9, 0.99):
            sizes = [draw.random.randrange(20, 60), *(draw.random.randrange(60, 400) for _ in bounds[1:])]
            counts = list(itertools.accumulate(sizes))  # no median in the first bucket
            judge(
                [*zip(bounds, counts, strict=True), (math.inf, counts[-1])],
                q,
                "with a quantile within a bucket",
            )
        gap = [(bounds[0], 7), (bounds[1], 7), (bounds[2], 7), (bounds[3], 90), (math.inf, 90)]
        judge(gap, 0.5, "with empty buckets")
        judge(
            [(bounds[0], 5), (bounds[1], 10), (bounds[2], 10), (bounds[3], 20), (math.inf, 20)],
            0.5,
            "with a rank that is exactly reached, and an empty bucket behind it",
        )
    with part("the first bucket, the last one, and none", points=1):
        judge([(bounds[0], 90), (bounds[1], 95), (math.inf, 95)], 0.5, "with a quantile in the first bucket")
        judge(
            [(bounds[0], 10), (bounds[1], 20), (math.inf, 90)], 0.9, "with a quantile above all finite bounds"
        )
        judge(
            [(bounds[0], 0), (bounds[1], 0), (math.inf, 90)],
            0.5,
            "with observations above all finite bounds only",
        )
        judge([(bounds[0], 0), (bounds[1], 0), (math.inf, 0)], 0.99, "without any observation")
    with part("between two scrapes, over several series", points=1):
        for told, scrapes in _scrapes(draw, bounds, reset=False):
            _between(mine, scrapes, told)
    with part("a process that began anew, and one that was not there", points=1):
        for told, scrapes in _scrapes(draw, bounds, reset=True):
            _between(mine, scrapes, told)


def _quantile(found: Any, wanted: float, what: str) -> None:
    if math.isnan(wanted):
        expect.true(found == "nan", f"{what} to be nan", expect.show(found))
    elif found in ("nan", "inf"):
        raise Failed(Rung.WRONG_VALUE, f"{what} to be {wanted:.6g}", found)
    else:
        expect.close(found, wanted, what, tolerance=1e-6)


def _between(mine: Answer, scrapes: Mapping[str, Any], told: str) -> None:
    for q in (0.5, 0.7):
        found = mine.call("estimated", [scrapes["before"], scrapes["after"], scrapes["name"]], q)
        what = f"quantile_between(before, after, {scrapes['name']!r}, {q}), {told} ({scrapes['told']}),"
        wanted, as_texts = (_interpolated(each, q) for each in (scrapes["grown"], _by_text(scrapes["grown"])))
        if isinstance(found, float) and abs(found - as_texts) < 1e-6 < abs(found - wanted):
            came = f"{found:.6g}: that comes of sorting the bounds as texts, where '10.0' stands before '2.5'"
            raise Failed(Rung.WRONG_VALUE, f"{what} to be {wanted:.6g}", came)
        _quantile(found, wanted, what)


def _by_text(buckets: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Buckets in the order in which their bounds have to be as texts, but for the last one."""
    return [*sorted(buckets[:-1], key=lambda pair: str(pair[0])), buckets[-1]]


def estimated(given: list, q: float) -> object:
    """The learner's quantile of buckets, or of two scrapes; what is not finite comes as a text."""
    import math

    if isinstance(given[0], str):
        found = quantile_between(*given, q)
    else:
        found = quantile_from_buckets(
            [(math.inf if bound is None else bound, count) for bound, count in given], q
        )
    try:
        return found if math.isfinite(found) else str(float(found))
    except TypeError:
        return found


def _le(bound: float) -> str:
    return "+Inf" if math.isinf(bound) else str(bound)


def _interpolated(buckets: Sequence[tuple[float, int]], q: float) -> float:
    """The quantile as PromQL computes it: promql/quantile.go of Prometheus, `BucketQuantile`."""
    rank = q * buckets[-1][1]
    if not rank:
        return math.nan
    below, under = 0.0, 0
    for upper, count in buckets:
        if count >= rank:
            return below if math.isinf(upper) else below + (upper - below) * (rank - under) / (count - under)
        below, under = upper, count
    return math.nan


def _scrapes(draw: Draw, bounds: Sequence[float], reset: bool) -> list[tuple[str, dict[str, Any]]]:
    """Pairs of texts of /metrics, with what every bucket has grown by between the two."""
    name = f"saltmarsh_{draw.random.choice(('request', 'answer', 'queue'))}_seconds"
    every = (*bounds, math.inf)

    def counts(weight: int) -> list[int]:
        """Cumulative; the first bucket and the last one hold few, so that no median falls there."""
        few = [draw.random.randrange(weight // 2 + 1, weight + 1) for _ in range(2)]
        many = [draw.random.randrange(2 * weight, 9 * weight) for _ in every[2:]]
        return list(itertools.accumulate([few[0], *many, few[1]]))

    def told(series: Mapping[str, list[int]]) -> str:
        lines = [f"# HELP {name} Time.", f"# TYPE {name} histogram"]
        for route, found in series.items():
            for bound, count in zip(every, found, strict=True):
                lines.append(f'{name}_bucket{{route="{route}",le="{_le(bound)}"}} {count}.0')
            lines += [
                f'{name}_count{{route="{route}"}} {found[-1]}.0',
                f'{name}_sum{{route="{route}"}} {found[-1] * 0.7}',
            ]
        lines += [f"# HELP {name}_first Time.", f"# TYPE {name}_first histogram"]
        lines += [
            f'{name}_first_bucket{{le="{_le(bound)}"}} {5 * k + sum(map(sum, series.values()))}.0'
            for k, bound in enumerate(every)
        ]
        return "\n".join(lines) + "\n"

    def pair(
        before: Mapping[str, list[int]], grown: Mapping[str, list[int]], fresh: Sequence[str]
    ) -> dict[str, Any]:
        """`fresh` began anew; a series that nothing is said of in `grown` is there no longer."""
        after = {
            route: [
                more + (0 if route in fresh else was)
                for was, more in zip(before.get(route, [0] * len(every)), grown[route], strict=True)
            ]
            for route in grown
        }
        total = [sum(column) for column in zip(*grown.values(), strict=True)]
        return {
            "name": name,
            "told": f"the counts of its buckets before: {dict(before)}, after: {after}",
            "before": told(before),
            "after": told(after),
            "grown": list(zip(every, total, strict=True)),
        }

    one, two, three = ROUTES
    before = {one: counts(90), two: list(itertools.accumulate((2, 3, 2, 4, 900)))}
    if not reset:
        return [
            ("with one series", pair({one: before[one]}, {one: counts(9)}, ())),
            ("with two series", pair(before, {one: counts(9), two: counts(5)}, ())),
            ("where nothing came", pair(before, {one: [0] * 5, two: [0] * 5}, ())),
        ]
    return [
        ("with a series that began anew", pair(before, {one: counts(3), two: counts(5)}, (one,))),
        (
            "with a series that was not there before",
            pair({one: before[one]}, {one: counts(9), three: counts(7)}, ()),
        ),
        ("with a series that is there no longer", pair(before, {one: counts(9)}, ())),
    ]


# q7: a board


@exercise.question(
    "q7",
    title="Panels that show nothing",
    points=3,
    difficulty=3,
    needs=("metrics_in", "broken_panels"),
    lesson=WATCHED + "#A board that refers to what there is",
    hints=(
        "Take a query and strike out everything that is no name of a metric. What goes first, so that "
        "nothing within it is taken for a name later?",
        "re.sub takes out texts in quotes, then {…} and […], then by (…) and its like. Of the words that are "
        "left, those with a bracket behind them are functions: (?!…) in a pattern looks ahead, and (?<!…) "
        "back, so that the m of 5m is no word. Panels can lie in panels: keep a list of those that are still "
        "to be looked at. A sample's name has _bucket, _count or _total at its end; a family's has not.",
        "The names of boats in a sentence, without those that are told of or stand in brackets:\n"
        "text = re.sub(r'\"[^\"]*\"', '', text)\n"
        "text = re.sub(r'\\([^)]*\\)', '', text)\n"
        "set(re.findall(r'\\bboat_\\w+', text)) - {'boat_house'}",
    ),
)
def board(answer: Answer, draw: Draw) -> None:
    names = [f"saltmarsh_{name}" for name in draw.sample(NAMES, 5)]

    def judge(expr: str, *wanted: str) -> None:
        found = answer.call("metrics_in", expr)
        expect.type_of(found, (set, frozenset, list, tuple), "metrics_in(expr)")
        expect.equal(sorted(set(map(str, found))), sorted(wanted), f"metrics_in({expr!r})")

    with part("metrics among functions and labels", points=1):
        for expr, *wanted in _queries(draw, names)[:10]:
            judge(expr, *wanted)
    with part("metrics among words, durations and texts", points=1):
        for expr, *wanted in _queries(draw, names)[10:]:
            judge(expr, *wanted)
    with part("a board with rows", points=1):
        for gone in (names[:1], names[1:3], names[3:], [RECORDED], []):
            given, broken = _board(draw, names, gone)
            found = answer.call("broken_panels", given, _metrics([*names, RECORDED], gone))
            what = f"broken_panels(board, text), where {', '.join(gone) or 'nothing'} is missing,"
            expect.type_of(found, dict, what)
            expect.equal(sorted(found), sorted(broken), f"the titles that {what} names")
            for title, missing in broken.items():
                expect.type_of(found[title], (list, tuple, set), f"what {what} says of {title!r}")
                expect.equal(sorted(found[title]), sorted(missing), f"what {what} says of {title!r}")


NAMES = (
    "requests_total",
    "request_seconds_bucket",
    "request_seconds_sum",
    "request_seconds_count",
    "in_flight",
    "tokens_total",
    "offset_bytes",
    "by_route_total",
    "bool_flags",
    "sum_of_tokens_total",
    "rate_limited_total",
)
RECORDED = "saltmarsh:request_seconds:p99"  # as a recording rule is named

#: functions and aggregations of PromQL that are less known
FUNCTIONS = (
    "changes deriv idelta resets last_over_time stddev_over_time count_over_time present_over_time".split()
)
AGGREGATIONS = "group stddev stdvar count avg".split()


def _queries(draw: Draw, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Queries in PromQL, each with the metrics in it: ten with functions and labels, then ten others."""
    one, two, three, four, five = names
    function, other = draw.sample(FUNCTIONS, 2)
    around = draw.random.choice(AGGREGATIONS)
    return [
        (one, one),
        (f"sum(rate({one}[5m])) / sum(rate({two}[5m]))", one, two),
        (f'{one}{{status=~"5..", route="/predict"}}', one),
        (f"histogram_quantile(0.99, sum by (le) (rate({one}[$__rate_interval])))", one),
        (f"sum without (instance, pod) ({one}) - max ({two})", one, two),
        (f"sum({one}) by (route, status) > {two}", one, two),
        (f"{one} / on (pod) group_left (node) {two}", one, two),
        (f"topk(3, {three}) + ignoring(status) group_right {four}", three, four),
        (f'sum({one}{{status="500"}}) / sum({two}{{status=~"2.."}})', one, two),
        (f"{around}({function}({one}[1h])) > {other}({four}[5m])", one, four),
        (f'label_replace({one}, "app", "$1", "pod", "({two}|up)")', one),
        (f"label_replace({three}, 'app', '$1', 'pod', '({four}|up)')", three),
        ("up == 0 or avg(DCGM_FI_DEV_GPU_UTIL) > 80", "up", "DCGM_FI_DEV_GPU_UTIL"),
        (f"{one} offset 5m and {two} unless {three} or {four}", one, two, three, four),
        (f"{one}>bool 1e3 and {two} == bool {three}", one, two, three),
        (f"clamp_max({one}, 0.5) * 1.5e2 + vector(1)", one),
        (f"{RECORDED}{{route='/chat'}} > 2", RECORDED),
        (f"max_over_time({one}[1h:5m] offset 1d)", one),
        (f'absent({five}{{job="desk"}}) or ({five} != {five})', five),
        ("time() - 3600 > 5",),
    ]


def _metrics(names: Iterable[str], gone: Iterable[str]) -> str:
    """A text as /metrics has it, with a sample of each name that is not gone; `up` is 0, and there."""
    there = [name for name in names if name not in gone]
    lines = [f'{name}{{le="1.0"}} 3.0' if name.endswith("_bucket") else f"{name} 3.0" for name in there]
    told = [f"# HELP {name} Counts what {name} counts." for name in gone]
    return "\n".join([*told, *lines, "up 0.0", ""])


def _board(
    draw: Draw, names: Sequence[str], gone: Sequence[str]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """A board with rows, and what is missing in its panels."""
    one, two, three, four, five = names
    asked = {
        "Load": [f"rate({one}[5m])"],
        "Share of errors": [f"sum(rate({one}[5m]))", f"sum({two}) / sum({three})"],
        "Within a row": [f"{four} > 1"],
        "Also within": [f"max by (pod) ({five})", f"{four} and {two}"],
        "Up": ["up == 0"],
        "As recorded": [f"{RECORDED} > 2"],
    }
    panels: dict[str, dict[str, Any]] = {
        title: {
            "title": title,
            "type": "timeseries",
            "targets": [{"expr": expr, "refId": chr(65 + n)} for n, expr in enumerate(queries)],
        }
        for title, queries in asked.items()
    }
    rows = [
        {"title": "Details", "type": "row", "collapsed": True, "panels": [panels["Within a row"]]},
        {
            "title": "More",
            "type": "row",
            "panels": [{"title": "Also a row", "type": "row", "panels": [panels["Also within"]]}],
        },
        {"title": "Read this", "type": "text", "options": {"content": one}},
    ]
    every = [*(panels[title] for title in ("Load", "Share of errors", "Up", "As recorded")), *rows]
    metrics = {
        "Load": [one],
        "Share of errors": [one, two, three],
        "Within a row": [four],
        "Also within": [five, four, two],
        "As recorded": [RECORDED],
    }
    missing = {title: [name for name in found if name in gone] for title, found in metrics.items()}
    board = {"title": "Desk", "panels": draw.sample(every, len(every))}
    return board, {title: found for title, found in missing.items() if found}


# q8: an A/B test

USERS = 12_000  # how many are asked for; their shares come within 2 % of the weights


@exercise.question(
    "q8",
    title="An A/B test that may be looked at",
    points=4,
    difficulty=2,
    needs=("variant", "always_valid", "decided"),
    lesson=STEPS + "#A test that may be looked at",
    hints=(
        "What has to go into the hash so that two tests do not pick the same people, and how does a hash "
        "become a number between 0 and 1 that is fine enough for a share of half a per cent?",
        "hashlib.sha256(text.encode()).hexdigest() is a number in base 16: int(…, 16), divided by 16 to the "
        "number of its digits. Lay the shares one behind the other from 0 to 1, in the order of the dict, "
        "and see where the user falls: a share that grows from its end keeps its users. For the test, count "
        "what was bought as you go along; 1 / Λ is a product of a square root and an exp with a minus sign.",
        "A seat for a guest, always the same one, from the first letters' number:\n"
        'digits = hashlib.md5(f"supper:{guest}".encode()).hexdigest()[:8]\n'
        "place = int(digits, 16) / 16**8\n"
        'seat = "window" if place < 0.3 else "door"',
    ),
)
def experiment(answer: Answer, draw: Draw) -> None:
    mine, salt = answer.given(assigned), f"test-{draw.random.randrange(10**6)}"
    start = draw.random.randrange(10**6)

    def ask(weights: Mapping[str, float], told: str, twisted: int = 0) -> list[str]:
        found = mine.call("assigned", start, USERS, dict(weights), told, twisted)
        what = f"variant('user-{start}', {dict(weights)}, {told!r})"
        expect.type_of(found, str, what)
        names = found.split("\n")
        expect.length(names, USERS, "the variants of the users")
        return names

    with part("each variant has its share", points=1):
        small = draw.random.choice((0.004, 0.006))
        for weights, within in (
            ({"canary": small, "stable": 1 - small}, 0.0025),
            ({"a": 0.5, "b": 0.5}, 0.02),
            ({"red": 0.2, "blue": 0.35, "plain": 0.45}, 0.02),
        ):
            found = ask(weights, salt)
            for name, weight in weights.items():
                share = found.count(name) / USERS
                told = f"the share of {name!r} of {USERS} users with {weights}"
                expect.true(
                    abs(share - weight) <= within,
                    f"{told} to be {weight:g} (within {within:g})",
                    f"{share:.4f}",
                )
    with part("the same user, the same variant; another test, others", points=1):
        weights = {"canary": 0.1, "stable": 0.9}
        first = ask(weights, salt)
        expect.true(
            ask(weights, salt, twisted=1) == first,
            "each user to have the same variant in another process (Python's hash of a text differs there)",
            "other variants",
        )
        more = draw.random.choice((0.25, 0.4))
        grown = ask({"canary": more, "stable": 1 - more}, salt)
        lost = sum(before == "canary" != after for before, after in zip(first, grown, strict=True))
        expect.true(
            lost == 0,
            "nobody to lose the canary when its share grows",
            f"{lost} of {first.count('canary')} users",
        )
        other = ask(weights, salt + "-other")
        both = sum(one == two == "canary" for one, two in zip(first, other, strict=True)) / USERS
        told = (
            "a hundredth of all users to be in the canary of two tests with another salt (a tenth of a tenth)"
        )
        expect.true(0.006 <= both <= 0.014, told, f"{both:.4f}")
    with part("a p that may be looked at", points=1):
        for a, b, n, tau in _counts(draw):
            found = answer.call("always_valid", a, b, n, tau)
            expect.close(
                found, _always_valid(a, b, n, tau), f"always_valid({a}, {b}, {n}, {tau})", tolerance=1e-7
            )
    with part("the first look that decides", points=1):
        for p_a, p_b, early in LOOKS:
            tau, alpha = draw.random.choice((0.05, 0.2)), draw.random.choice((0.01, 0.2))
            bought, others, first_look = _pairs(draw, p_a, p_b, (tau, alpha), early)
            for count in (len(bought), first_look):  # the second time the last look is the one that decides
                if count is None:
                    continue
                what = f"decided(a, b, {tau}, {alpha}), {count} pairs with shares of about {p_a} and {p_b},"
                found = answer.call("decided", bought[:count], others[:count], tau, alpha)
                if first_look is None:
                    expect.true(found is None, f"{what} to be None", expect.show(found))
                else:
                    expect.true(found is not None, f"{what} to be {first_look}", "None")
                    expect.number(found, what)
                    expect.true(found == first_look, f"{what} to be {first_look}", expect.show(found))


#: the shares of two variants, and whether the test decides within the first nine pairs
LOOKS = (
    (0.1, 0.4, False),
    (0.5, 0.2, False),
    (0.3, 0.3, False),
    (0.0, 0.0, False),
    (0.0, 0.3, False),
    (0.3, 0.0, False),
    (0.05, 0.85, True),
)


def _counts(draw: Draw) -> list[tuple[int, int, int, float]]:
    """What two variants sold: about equal, apart, the other way round, and nothing."""
    n, tau = draw.random.randrange(200, 400), draw.random.choice((0.02, 0.05, 0.1))
    a, b = draw.random.randrange(20, 30), draw.random.randrange(45, 60)
    return [
        (a, b, n, tau),
        (b, a, n, tau),
        (a, a + 1, n, tau),
        (0, 0, n, tau),
        (0, b, n, tau),
        (n, n, n, tau),
        (0, n, n, tau),
        (n, 0, n, tau),
        (1, 0, 3, tau),
    ]


def _always_valid(a: int, b: int, n: int, tau: float) -> float:
    """p of the mixture sequential test; Johari et al., arXiv 1512.04922."""
    p_a, p_b = a / n, b / n
    v = p_a * (1 - p_a) + p_b * (1 - p_b)
    if v <= 0:
        return 1.0
    wide = v + n * tau**2
    return min(1.0, math.sqrt(wide / v) * math.exp(-((n * tau * (p_b - p_a)) ** 2) / (2 * v * wide)))


def _pairs(
    draw: Draw, p_a: float, p_b: float, given: tuple[float, float], early: bool
) -> tuple[list[int], list[int], int | None]:
    """Users of two variants, in their order, and the first look that decides; none comes near the bound.

    given: tau and alpha; with the usual 0.1 and 0.05 instead of either, another look decides.
    """
    (tau, alpha), most = given, 40 if early else 250
    for _ in range(10_000):
        a, b = ([int(draw.random.random() < p) for _ in range(most)] for p in (p_a, p_b))
        if a[0] != b[0]:  # V is 0 after a first pair that differs: always_valid is asked for that, above
            continue
        found = _looks(a, b, tau)
        first = _first(found, alpha)
        if (first is None) != (p_a == p_b) or any(abs(p - alpha) < 1e-6 for p in found):
            continue
        if first is None:
            return a, b, None
        others = (_first(found, 0.05), _first(_looks(a, b, 0.1), alpha))
        if first not in others and found[-1] <= alpha and (first < 10) == early:
            return a, b, first
    raise LookupError("no users on which the test decides")


def _looks(a: Sequence[int], b: Sequence[int], tau: float) -> list[float]:
    """p after each pair."""
    sums = enumerate(zip(itertools.accumulate(a), itertools.accumulate(b), strict=True), 1)
    return [_always_valid(bought, others, n, tau) for n, (bought, others) in sums]


def _first(found: Sequence[float], alpha: float) -> int | None:
    return next((n for n, p in enumerate(found, 1) if p <= alpha), None)


def assigned(start: int, count: int, weights: dict, salt: str, twisted: int) -> object:
    """The learner's variants of many users, one a line, or the first one that is no text.

    twisted: as in another process, where texts have other hashes.
    """
    import builtins
    import random

    own = builtins.hash
    random.seed(twisted)
    try:
        if twisted:
            builtins.hash = lambda value: own((twisted, value))
        found = [variant(f"user-{start + number}", dict(weights), salt) for number in range(count)]
    finally:
        builtins.hash = own
    return next((each for each in found if not isinstance(each, str)), "\n".join(map(str, found)))


# q9: a canary


@exercise.question(
    "q9",
    title="A canary that finds its way back",
    points=4,
    difficulty=2,
    needs=("Canary",),
    lesson=STEPS + "#A canary, and the way back",
    hints=(
        "Which of the three answers is looked for first, and what does the object have to remember from one "
        "call to the next?",
        "Keep the weight, which stages are still to come, and all four counters as they were when the stage "
        "began. Once the weight is 0 there is only one answer. "
        "p is (errors of both) / (requests of both); nothing can be divided where a version has had no "
        "requests, or where p is 0 or 1. The five errors and the limit both have to be met.",
        "A kettle that goes on by steps and, once too hot, stays off:\n"
        "class Kettle:\n"
        "    def __init__(self, steps):\n"
        "        self.steps, self.power = list(steps), 0\n\n"
        "    def read(self, degrees):\n"
        "        if self.power is None or degrees > 100:\n"
        "            self.power = None\n"
        '            return "off"\n'
        "        self.power = self.steps.pop(0) if self.steps else self.power\n"
        '        return "on"',
    ),
)
def canary(answer: Answer, draw: Draw) -> None:
    mine = answer.given(observed)

    def judge(told: str, settings: Mapping[str, Any], stage_looks: Sequence[Sequence[int]]) -> None:
        looks = _counters(settings, stage_looks)
        came = mine.call("observed", dict(settings), [list(each) for each in looks])
        made = f"Canary({', '.join(f'{name}={value}' for name, value in settings.items())})"
        expect.keys(came, ("first", "then"), made)
        first, wanted = _observed(settings, looks)
        mistaken = {why: _observed(settings, looks, name)[1] for name, why in RELEASE.items()}
        expect.close(came["first"], first, f"the weight of {made} at first")
        expect.length(came["then"], len(looks), f"the answers of {made}")
        for number, (found, theirs) in enumerate(zip(came["then"], wanted, strict=True)):
            calls = "; ".join(str(tuple(look)) for look in looks[: number + 1])
            what = f"call {number + 1} of observe, {told}, {made}, counters {calls},"
            guess = ", or of ".join(why for why, each in mistaken.items() if each[number][0] == found[0])
            shown = expect.show(found[0]) + (f": that comes of {guess}" if guess else "")
            expect.true(found[0] == theirs[0], f"{what} to return {theirs[0]!r}", shown)
            expect.close(found[1], theirs[1], f"the weight after {what}", tolerance=1e-9)

    least = draw.random.randrange(60, 150)
    stages = tuple(draw.random.choice(((0.02, 0.2, 1.0), (0.05, 0.1, 0.5, 1.0), (0.01, 1.0))))
    own = {"stages": stages, "least": least}
    calm = (2, 9000, 0, least)
    with part("forward, stage by stage", points=1):
        judge(
            "with the usual settings",
            {},
            [(0, 0, 0, 0), (9, 900, 0, 199), (9, 900, 1, 200), *[(9, 900, 2, 400)] * 4],
        )
        judge("few requests in its second stage", {}, [(9, 900, 0, 200), (0, 90, 0, 3), (9, 900, 1, 200)])
        judge("just enough requests", own, [(2, 9000, 0, least - 1), calm, (0, 90, 0, 3), *[calm] * 5])
    with part("back, and for good", points=1):
        bad = (20, 2000, draw.random.randrange(12, 20), 50)
        judge(
            "with many errors",
            own,
            [calm, bad, calm, (0, 0, 0, 0), calm] if len(stages) > 2 else [bad, calm, (0, 0, 0, 0)],
        )
        judge(
            "with four errors in its first stage and two in its second",
            {},
            [(20, 2000, 4, 200), (9, 900, 2, 20)],
        )
        judge("with many errors and few requests", own, [(0, 500, 5, 6), calm])
        judge("with errors and enough requests", own, [(20, 2000, 40, least + 100), calm])
        judge("at the last stage", own, [*[calm] * len(stages), (20, 2000, 40, 900), calm])
        worse, alike = _turned(draw, own)
        judge("when the stable version has become better, and the canary has not", own, worse)
        judge("when both versions have become worse, and about equally", own, alike)
    with part("not by noise", points=1):
        judge("with four errors of four", own, [(0, 5000, 4, 4), calm])
        judge("with as many errors as the other", own, [(500, 5000, 5, 50), (500, 5000, least // 10, least)])
        judge("with fewer errors than the other", own, [(900, 3000, 6, least + 10)])
        below, above = _near(draw, 3.0)
        judge("with z just below 3", own | {"least": 10**6}, [below])
        judge("with z just above 3", own | {"least": 10**6}, [above])
        limit = draw.random.choice((2.0, 4.0))
        for look in _near(draw, limit):
            judge(f"with z near {limit}", own | {"least": 10**6, "limit": limit}, [look])
    with part("where nothing can be said", points=1):
        judge("with no requests of the stable version", own, [(0, 0, 6, 8), (0, 0, 0, least)])
        judge("with no errors at all", own, [(0, 900, 0, 9), (0, 900, 0, least)])
        judge("with errors only, on both sides", own, [(900, 900, 9, 9)])
        judge("with no requests at all", own, [(0, 0, 0, 0)])


def _z(look: Sequence[int], rate: Sequence[int] = (), requests: Sequence[int] = ()) -> float:
    """z of a look; rate and requests: the look that p and 1/n are taken from, where that is another one."""
    stable_errors, stable_n, canary_errors, canary_n = look
    errors, n = (sum(each) for each in ((rate or look)[::2], (rate or look)[1::2]))
    if not stable_n or not canary_n or errors in (0, n):
        return 0.0
    p = errors / n
    spread = math.sqrt(p * (1 - p) * sum(1 / count for count in (requests or look)[1::2]))
    return (canary_errors / canary_n - stable_errors / stable_n) / spread


def _unpooled(look: Sequence[int]) -> float:
    stable_errors, stable_n, canary_errors, canary_n = look
    p_s, p_c = stable_errors / stable_n, canary_errors / canary_n
    return (p_c - p_s) / math.sqrt(p_c * (1 - p_c) / canary_n + p_s * (1 - p_s) / stable_n)


def _near(draw: Draw, limit: float) -> tuple[list[int], list[int]]:
    """Counts a little below the limit, and a little above it with the rate of both together alone."""
    for _ in range(20_000):
        looks = []
        for sign in (-1, 1):
            stable_n, canary_n = draw.random.randrange(500, 3000), draw.random.randrange(40, 300)
            look = [
                draw.random.randrange(5, stable_n // 20),
                stable_n,
                draw.random.randrange(5, 40),
                canary_n,
            ]
            near = 0.02 < sign * (_z(look) - limit) < 0.4
            looks += [look] if near and (sign < 0 or _unpooled(look) < limit - 0.05) else []
        if len(looks) == 2:
            return looks[0], looks[1]
    raise LookupError("no counts near the limit")


#: mistake -> what a message says of it
RELEASE = {
    "whole": "counting from the beginning of the release",
    "stable": "counting the stable version from the beginning of the release",
    "rate": "computing p from the beginning of the release, and not in this stage",
    "requests": "taking the requests in 1/n from the beginning of the release, and not in this stage",
}


def _observed(
    settings: Mapping[str, Any], looks: Sequence[Sequence[int]], mistake: str = ""
) -> tuple[float, list[tuple[str, float]]]:
    """The first weight, and what each look comes to: what is said, and the weight then.

    mistake: what comes of that instead.
    """
    stages = list(settings.get("stages", (0.01, 0.05, 0.25, 1.0)))
    least, limit = settings.get("least", 200), settings.get("limit", 3.0)
    first = weight = stages.pop(0)
    found, base = [], [0, 0, 0, 0]
    for counters in looks:
        look = [now - before for now, before in zip(counters, base, strict=True)]
        said = "wait"
        if mistake == "stable":
            look[:2] = counters[:2]
        z = _z(look, **({mistake: counters} if mistake in ("rate", "requests") else {}))
        if weight == 0 or (look[2] >= 5 and z > limit):
            said, weight = "back", 0.0
        elif look[3] >= least and stages:
            said, weight = "forward", stages.pop(0)
            base = base if mistake == "whole" else list(counters)
        found.append((said, weight))
    return first, found


def _turned(
    draw: Draw, settings: Mapping[str, Any]
) -> tuple[list[tuple[int, int, int, int]], list[tuple[int, int, int, int]]]:
    """Two releases in which the stable version's errors change with the second stage.

    In the first the canary has to go back, in the second it has not to; all the mistakes of RELEASE end
    otherwise in one of the two.
    """
    random, least = draw.random, settings["least"]
    for _ in range(20_000):
        often, seldom = random.randrange(600, 1200), random.randrange(1, 5)
        worse = [(often, 3000, 4, least), (random.randrange(5, 15), 2000, random.randrange(6, 11), 50)]
        alike = [(seldom, 9000, 0, least), (random.randrange(30, 60), 500, random.randrange(6, 12), 50)]
        if all(_tells(settings, looks, wanted) for looks, wanted in ((worse, "back"), (alike, "wait"))):
            return worse, alike
    raise LookupError("no release tells the mistakes apart")


def _tells(settings: Mapping[str, Any], stage_looks: Sequence[Sequence[int]], wanted: str) -> bool:
    """Whether the last look comes to what is wanted, and with each mistake that can show there to another."""
    looks = _counters(settings, stage_looks)
    ends = {name: _observed(settings, looks, name)[1][-1][0] for name in ("", *RELEASE)}
    shown = ("stable", "rate") if wanted == "back" else ("stable", "rate", "requests")
    return ends[""] == wanted and all(ends[name] != wanted for name in shown)


def _counters(settings: Mapping[str, Any], looks: Sequence[Sequence[int]]) -> list[list[int]]:
    """Counts of a stage, look by look, as counters show them that began with the release."""
    base, counters = [0, 0, 0, 0], []
    for look in looks:
        counters.append([before + more for before, more in zip(base, look, strict=True)])
        if _observed(settings, counters)[1][-1][0] == "forward":
            base = counters[-1]
    return counters


def observed(settings: dict, looks: list) -> dict:
    """What the learner's canary says to looks, one after the other, and its weight after each."""
    made = Canary(**settings)
    first, then = float(made.weight), []
    for look in looks:
        said = made.observe(*look)
        then.append([said, float(made.weight)])
    return {"first": first, "then": then}


# q10: predictions

#: what the notebook's own cells measure; tests/checks/chapters/test_serving_in_production.py runs them
FOUND = {"busy": True, "bucket": False, "rare": True, "peek": True, "modulo": False, "within": False}


@exercise.question(
    "q10",
    title="Predict, then measure",
    points=2,
    difficulty=2,
    needs=("predictions",),
    lesson=REPLICAS + "#Utilisation",
    hints=(
        "Which of these follow from a formula of lessons 17.3 to 17.5, and which from what you wrote above?",
        "For `busy`, compare u / (1 - u) at both. For `rare`, how many errors are expected in such a "
        "release? For `bucket`, only the counts are known, not where within the bucket. For `modulo`, when "
        "do two remainders agree?",
        "The answer is a function that returns a dict:\n"
        "def guesses():\n"
        "    return {'rain': True, 'wind': False}",
    ),
)
def predict(answer: Answer, draw: Draw) -> None:
    six_predictions(answer, FOUND)


exercise.manual("q11", title="Would you release it?", points=4, lesson=STEPS + "#A canary, and the way back")
