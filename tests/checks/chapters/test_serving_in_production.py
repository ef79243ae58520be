"""Every question of exercise 17: the solution, the stub, wrong answers with the message they get, other right ways."""

import json
from functools import partial

import pytest

from course_utils.checks.chapters import serving_in_production as serving
from course_utils.checks.draw import Draw
from course_utils.checks.framework import load_exercise
from course_utils.checks.testing import changed_answer, given_cells, judged_well, namespace

EXERCISE = "17_serving_in_production"
given = partial(given_cells, EXERCISE)
changed = partial(changed_answer, EXERCISE)


def test_the_card():
    exercise = load_exercise(EXERCISE)
    assert len(exercise.questions) == 11
    assert exercise.points == 40
    assert [question.name for question in exercise.questions.values() if question.manual] == ["q11"]


def judged(question, *, wrong, right, before=("imports",)):
    return judged_well(EXERCISE, question, wrong=wrong, right=right, before=given(*before))


STREAM = """
class Stream:
    def __init__(self, seconds, clock):
        self.seconds, self.clock, self.began = seconds, clock, clock()
        self.pieces, self.reason, self.usage, self.first = [], None, None, None

    def take(self, line):
        late = self.clock() - self.began
        if late > self.seconds:
            raise TimeoutError
        if line == "data: [DONE]" or line == "data:[DONE]":
            return False
        if line[:5] == "data:":
            event = json.loads(line[5:])
            if event.get("usage") is not None:
                self.usage = event["usage"]
            for choice in event["choices"][:1]:
                if choice["finish_reason"] is not None:
                    self.reason = choice["finish_reason"]
                if choice["delta"].get("content"):
                    self.pieces.append(choice["delta"]["content"])
                    if self.first is None:
                        self.first = late
        return True

def read_stream(client, body, seconds, clock):
    stream, gave_up, waiting = Stream(seconds, clock), False, b""
    whole = {**body, "stream": True, "stream_options": dict(include_usage=True)}
    response = None
    try:
        response = client.send(client.build_request("POST", "/v1/chat/completions", json=whole), stream=True)
        response.raise_for_status()
        going = True
        for piece in response.iter_bytes():
            *lines, waiting = (waiting + piece).split(b"\\n")
            going = all([stream.take(line.decode()) for line in lines])
            if not going:
                break
    except (TimeoutError, httpx2.TimeoutException):
        gave_up = True
    finally:
        if response is not None:
            response.close()
    return dict(text="".join(stream.pieces), finish_reason=stream.reason, usage=stream.usage, first=stream.first,
                gave_up=gave_up)
"""
AT_ONCE = """
def read_stream(client, body, seconds, clock):
    began = clock()
    response = client.post("/v1/chat/completions", json=body | {"stream": True, "stream_options": {"include_usage": True}})
    response.raise_for_status()
    got = {"text": "", "finish_reason": None, "usage": None, "first": None, "gave_up": False}
    for line in response.text.splitlines():
        if not line.startswith("data:") or line.endswith(" [DONE]"):
            continue
        chunk = json.loads(line[5:])
        got["usage"] = chunk.get("usage") or got["usage"]
        for choice in chunk["choices"][:1]:
            piece = choice["delta"].get("content") or ""
            got["text"] += piece
            got["finish_reason"] = choice["finish_reason"] or got["finish_reason"]
            if piece and got["first"] is None:
                got["first"] = clock() - began
    return got
"""


def test_a_stream():
    swap = partial(changed, "q1")
    result = judged(
        "q1",
        wrong={
            AT_ONCE: "'first' for a whole stream",
            swap(("body | {", "body.update({"), ('"include_usage": True}}', '"include_usage": True}}) or body')): "the dict body, after the call,",
            swap((', "stream_options": {"include_usage": True}', "")): "what the server is asked",
            swap(('"/v1/chat/completions"', '"/v1/completions"')): "what the server is asked",
            swap(('if event == "[DONE]":', 'if "[DONE]" in line:')): "a piece is '[DONE]'",
            swap(('line.removeprefix("data:").strip()', 'line.removeprefix("data: ").strip()'), ("event != line.strip()", 'line.startswith("data: ")')): "'text' for a stream without [DONE]",
            swap(('json.loads(event) if event != line.strip() else {"choices": []}', 'json.loads(event) if event else {"choices": []}')): "JSONDecodeError",
            swap(('choice["delta"].get("content") or ""', 'choice["delta"]["content"]')): "KeyError",
            swap(('choice["delta"].get("content") or ""', 'choice["delta"].get("content", "")')): "TypeError",
            swap(('for choice in chunk["choices"][:1]:', 'for choice in [chunk["choices"][0]]:')): "IndexError",
            swap(('chunk.get("usage") or got["usage"]', 'chunk.get("usage")')): "'usage' for",
            swap(('choice.get("finish_reason") or got["finish_reason"]', 'choice.get("finish_reason")')): "'finish_reason' for",
            swap(('if piece and got["first"] is None', 'if got["first"] is None')): "'first' for a whole stream, whose first piece is empty",
            swap(('got["first"] = passed', 'got["first"] = clock()')): "'first' for",
            swap(('if piece and got["first"] is None', "if piece")): "'first' for",
            swap(("            if passed > seconds:\n                return got\n", "")): "a piece every few seconds",
            swap(("if passed > seconds:", 'if passed > seconds and event != line.strip():')): ": ping",
            swap(("if passed > seconds:", "if passed >= seconds:")): "exactly at the end of patience",
            swap(("            if passed > seconds:\n                return got\n", ""), ("                got[\"text\"] += piece\n", "                got[\"text\"] += piece\n                if passed > seconds:\n                    return got\n")): "'text' for",
            swap(("contextlib.suppress(httpx2.TimeoutException)", "contextlib.nullcontext()")): "ReadTimeout",
            swap(("        response.raise_for_status()\n", "")): "to raise httpx2.HTTPStatusError",
            swap(('"gave_up": True}', '"gave_up": False}')): "'gave_up' for",
            swap(('chunk["choices"][:1]', 'chunk["choices"][-1:]')): "with two choices in a chunk",
            swap(('chunk["choices"][:1]', 'chunk["choices"]')): "with two choices in a chunk",
            swap(('            if passed > seconds:\n                return got\n            if event == "[DONE]":\n                break\n', '            if event == "[DONE]":\n                break\n            if passed > seconds:\n                return got\n')): "whose [DONE] comes after the end of patience",
            swap(("httpx2.TimeoutException", "httpx2.ReadTimeout")): "Timeout: the server does not answer",
            swap(('client.stream("POST", path, json=asked) as response', 'contextlib.nullcontext(client.send(client.build_request("POST", path, json=asked), stream=True)) as response'), ("response.raise_for_status()", "contextlib.nullcontext() if response.is_success else response.raise_for_status()"), ("for line in response.iter_lines()", "with contextlib.closing(response):\n          for line in response.iter_lines()")): "to be closed after the status",
            swap(('choice.get("finish_reason") or got["finish_reason"]', 'got["finish_reason"] or choice.get("finish_reason")')): "'finish_reason' for a stream that was cut off",
            swap(('got["usage"] = chunk.get("usage") or got["usage"]', 'got["usage"] = chunk.get("usage", got["usage"])')): "'usage' for a stream without any text",
            swap(("asked = body | {", "asked = {"), ('"include_usage": True}}', '"include_usage": True}} | body')): "what the server is asked",
            swap(("    return got\n    ### END", "    return got['text']\n    ### END")): "to be a dict",
        },
        right=[STREAM, swap(('chunk["choices"][:1]', 'chunk.get("choices", [])[:1]'))],
    )  # fmt: skip
    assert result.wrong[0].points == 2, "read at once, the text and the usage are right"


ENDPOINT = """
from email.message import Message

def create_endpoint(api, name, repository, revision, machine, highest, idle):
    found = api.repo_info(repo_id=repository, revision=revision, repo_type="model")
    settings = dict(machine, framework="pytorch", task="text-generation", revision=found.sha, repository=repository)
    settings.update(scale_to_zero_timeout=idle, min_replica=0, max_replica=highest, namespace="me")
    return api.create_inference_endpoint(name=name, **settings)

def ask_until_ready(send, sleep, draw, patience, safe=True):
    passing, left, step = {429, 503} | ({502, 504} if safe else set()), patience, 0.5
    response = send()
    while response.status_code in passing:
        if "retry-after" in response.headers:
            wait = int(response.headers["retry-after"])
        else:
            wait = draw() * step
        step = min(2 * step, 8)
        left -= wait
        if left < 0:
            raise TimeoutError("too long")
        sleep(wait)
        response = send()
    if not response.is_success:
        response.raise_for_status()
    return response
"""
BY_COMMITS = """
def create_endpoint(api, name, repository, revision, machine, highest, idle):
    commit = api.list_repo_commits(repository, revision=revision)[0].commit_id
    return api.create_inference_endpoint(name, repository=repository, framework="pytorch", task="text-generation",
        revision=commit, min_replica=0, max_replica=highest, scale_to_zero_timeout=idle, **machine)
"""


def test_an_endpoint():
    swap = partial(changed, "q2")
    result = judged(
        "q2",
        wrong={
            swap(("revision=commit", "revision=revision")): "the model's revision, where",
            swap((", revision=commit", "")): "the model's revision, where",
            swap(("api.model_info(repository, revision=revision)", "api.model_info(repository)")): "the model's revision, where",
            swap(('task="text-generation",', "")): "the model's task",
            swap(("min_replica=0, ", "")): "the order's scaling",
            swap((", scale_to_zero_timeout=idle", "")): "the order's scaling",
            swap(("scale_to_zero_timeout=idle", "scale_to_zero_timeout=60 * idle")): "the order's scaling",
            swap(("max_replica=highest, ", "")): "the order's scaling",
            swap(('type="authenticated"', 'type="public"')): "the order's type",
            swap(("**machine", "**dict(machine, vendor='aws', region='us-east-2')")): "the order's provider",
            swap(("    return api.create", "    api.create")): "the name of the endpoint",
            swap(("**machine)", "**machine, account='me')")): "TypeError",
            swap(("draw() * min(8, 0.5 * 2**k)", "min(8, 0.5 * 2**k)")): "the waits of",
            swap(("draw() * min(8, 0.5 * 2**k)", "draw() * 0.5 * 2**k")): "the waits of",
            swap(("draw() * min(8, 0.5 * 2**k)", "draw() * min(8, 2**k)")): "the waits of",
            swap(("draw() * min(8, 0.5 * 2**k)", "draw() * min(8, 0.5 * k)")): "the waits of",
            swap(("float(named) if named else ", "")): "with Retry-After",
            swap(("float(named) if named", "min(8, float(named)) if named")): "with Retry-After",
            swap(("(429, 502, 503, 504) if safe", "(503, 429) if safe")): "after [",
            swap(("((429, 502, 503, 504) if safe else (429, 503))", "(429, 502, 503, 504)")): "safe=False",
            swap(("if safe else (429, 503)", "if safe else ()")): "safe=False",
            swap(("float(named) if named else draw", "max(float(named or 0), draw() * min(8, 0.5 * 2**k)) if named else draw")): "with Retry-After: 0 and 1",
            swap(("if named else", "if named and float(named) else")): "with Retry-After: 0 and 1",
            swap(("if named else", "if named and safe else")): "with Retry-After: 0 and 1 in the third and fourth of five responses 503, safe=False",
            swap(("((429, 502, 503, 504) if safe else", "((408, 429, 502, 503, 504) if safe else")): "answered by 408",
            swap(("return response.raise_for_status()", "return response if response.is_redirect else response.raise_for_status()")): "answered by 307",
            swap(("((429, 502, 503, 504) if safe else (429, 503))", "(400, 401, 404, 422, 429, 500, 502, 503, 504)")): "answered by 4",
            swap(("waited + wait > patience", "waited > patience")): "answered by 503 for ever",
            swap(("waited + wait > patience", "waited + wait >= patience")): "answered by 503 for ever",
            swap(("waited + wait > patience", "k > 6")): "answered by 503 for ever",
            swap(('raise TimeoutError(f"status {response.status_code}, and {waited:.1f} s waited")', "return response")): "to end in TimeoutError",
            swap(("response.raise_for_status()", "response")): "to end in HTTPStatusError",
            swap(("return response.raise_for_status()", "response.raise_for_status()\n            return response.json()")): "to end in response 1",
        },
        right=[ENDPOINT, BY_COMMITS + ENDPOINT.partition("def ask")[1] + ENDPOINT.partition("def ask")[2]],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:2]] == [3, 3]


MENDED = """
from copy import deepcopy

def find(documents, kind):
    return next((each for each in documents if each["kind"] == kind), None)

def repaired(documents):
    result = []
    deployment = find(documents, "Deployment")
    for document in documents:
        document = deepcopy(document)
        if document["kind"] == "Deployment":
            mend(document, find(documents, "HorizontalPodAutoscaler"))
        if document["kind"] == "Service":
            labels = deployment["spec"]["template"]["metadata"]["labels"]
            wanted = document["spec"]["selector"]
            if any(labels.get(name) != wanted[name] for name in wanted):
                document["spec"]["selector"] = deepcopy(deployment["spec"]["selector"]["matchLabels"])
        result.append(document)
    return tuple(result)

def mend(document, scaler):
    pod = document["spec"]["template"]["spec"]
    gpus = 0
    for box in pod["containers"]:
        if "env" in box:
            box["env"] = [secret(document["metadata"]["name"], each) for each in box["env"]]
        if not box.get("readinessProbe"):
            box["readinessProbe"] = {"httpGet": {"port": box["ports"][0]["containerPort"], "path": "/health"}}
        gpus += "nvidia.com/gpu" in ((box.get("resources") or {}).get("limits") or {})
    if gpus and not [each for each in pod.get("tolerations", []) if each.get("key") in (None, "nvidia.com/gpu")]:
        new = {"effect": "NoSchedule", "key": "nvidia.com/gpu", "operator": "Exists"}
        pod["tolerations"] = [new] + pod.get("tolerations", [])
    if scaler:
        target = scaler["spec"]["scaleTargetRef"]
        if target["kind"] == "Deployment" and target["name"] == document["metadata"]["name"]:
            document["spec"] = {name: value for name, value in document["spec"].items() if name != "replicas"}

def secret(name, each):
    if "value" in each and re.search("(TOKEN|KEY|SECRET|PASSWORD)$", each["name"]):
        return {"name": each["name"], "valueFrom": {"secretKeyRef": {"name": name, "key": each["name"]}}}
    return each
"""


def test_manifests():
    swap = partial(changed, "q3")
    result = judged(
        "q3",
        wrong={
            swap(("copy.deepcopy(documents)", "list(documents)")): "after the call",
            swap(("copy.deepcopy(documents)", "[dict(each) for each in documents]")): "after the call",
            swap(('                del each["value"]\n', "")): ".env[",
            swap(('("TOKEN", "KEY", "SECRET", "PASSWORD")', '("TOKEN",)')): ".env[",
            swap(('each["name"].endswith(("TOKEN", "KEY", "SECRET", "PASSWORD"))', 'any(word in each["name"] for word in ("TOKEN", "KEY", "SECRET", "PASSWORD"))')): ".env[",
            swap(('{"name": name, "key": each["name"]}', '{"name": each["name"], "key": name}')): "secretKeyRef",
            swap(('{"name": name, "key": each["name"]}', '{"name": labels["app"], "key": each["name"]}')): "secretKeyRef",
            swap(('("TOKEN", "KEY", "SECRET", "PASSWORD")', '("_TOKEN", "_KEY", "_SECRET", "_PASSWORD")')): "with a value of APIKEY",
            swap(('if "value" in each and', 'if each.get("value") and')): "with an empty value of API_KEY",
            swap(('box.setdefault("readinessProbe", {"httpGet": {"path": "/health", "port": port}})', '"livenessProbe" in box or box.setdefault("readinessProbe", {"httpGet": {"path": "/health", "port": port}})')): "which has a livenessProbe",
            swap(('port = box["ports"][0]["containerPort"]', 'port = box["ports"][0].get("name", box["ports"][0]["containerPort"])')): "readinessProbe.httpGet.port",
            swap(('gpu in box.get("resources", {}).get("limits", {})', '"gpu" in str(box.get("resources"))')): "a GPU of another maker (amd.com/gpu)",
            swap(('each.get("key", gpu) == gpu', '"gpu" in each.get("key", gpu)')): "a toleration of another maker's",
            swap(('box.get("env", [])', 'pod["containers"][0]["env"]')): ".env[",
            swap(('each["name"].endswith(', 'each["name"].upper().endswith(')): "sort_key",
            swap(('"path": "/health"', '"path": "/"')): "readinessProbe",
            swap(('port = box["ports"][0]["containerPort"]', "port = 8000")): "readinessProbe",
            swap(('port = box["ports"][0]["containerPort"]', 'port = pod["containers"][0]["ports"][0]["containerPort"]')): "containers[1].readinessProbe",
            swap(('box.setdefault("readinessProbe", ', 'box.update(readinessProbe=')): "readinessProbe",
            swap(('each.get("key", gpu) == gpu', 'each["key"] == gpu')): "KeyError",
            swap(('each.get("key", gpu) == gpu', 'each.get("key") == gpu')): "without a key, which tolerates all",
            swap(('asked and not any(each.get("key", gpu) == gpu for each in pod.get("tolerations", []))', 'asked and "tolerations" not in pod')): "and another toleration",
            swap(('pod.setdefault("tolerations", []).append({"key": gpu, "operator": "Exists", "effect": "NoSchedule"})', 'pod["tolerations"] = [{"key": gpu, "operator": "Exists", "effect": "NoSchedule"}]')): "and another toleration",
            swap(("if asked and not", "if not")): "which are sound already",
            swap(('for box in pod["containers"])\n', 'for box in pod["containers"][:1])\n')): "with a GPU in container 1",
            swap(('if (target.get("kind"), target.get("name")) == ("Deployment", name):\n        spec', 'if True:\n        spec')): "with replicas and no autoscaler",
            swap(('(target.get("kind"), target.get("name")) == ("Deployment", name)', 'target.get("name") == name')): "for a StatefulSet",
            swap(('(target.get("kind"), target.get("name")) == ("Deployment", name)', '"HorizontalPodAutoscaler" in kinds')): "for a Deployment another",
            swap(('spec.pop("replicas", None)', 'spec["replicas"] = None')): "Deployment.spec.replicas",
            swap(("if not labels.items() >= service[\"selector\"].items():", 'if labels != service["selector"]:')): "Service.spec.selector",
            swap(("if not labels.items() >= service[\"selector\"].items():", 'if not labels.keys() >= service["selector"].keys():')): "Service.spec.selector",
            swap(('dict(spec["selector"]["matchLabels"])', "dict(labels)")): "Service.spec.selector",
            swap(("    return documents", "    return [deployment, kinds['Service'], *([kinds['HorizontalPodAutoscaler']] if len(kinds) > 2 else [])]")): "in the order in which they came",
            "def repaired(documents):\n    return documents[0]": "to be",
        },
        right=[MENDED, swap(("copy.deepcopy(documents)", "json.loads(json.dumps(documents))"))],
    )  # fmt: skip
    assert result.solution.points == 4


def test_the_manifests_are_ones():
    """Kubernetes' own schema takes what is drawn, and what it becomes."""
    validate = pytest.importorskip("kubernetes_validate").validate
    documents = serving._manifests(Draw(b"a"))
    for fault in serving.FAULTS:
        documents = serving._with(documents, fault)
    for document in (*documents, *serving._mended(documents)):
        validate(document, "1.37", strict=True)


SIMULATED = """
import heapq

def simulate(arrivals, services, speeds, choose):
    free, running, outstanding, latencies = [0.0] * len(speeds), [], [0] * len(speeds), np.zeros(len(arrivals))
    for k in range(len(arrivals)):
        while running and running[0][0] <= arrivals[k]:
            outstanding[heapq.heappop(running)[1]] -= 1
        place = choose(tuple(outstanding), k)
        free[place] = max(free[place], arrivals[k]) + services[k] / speeds[place]
        heapq.heappush(running, (free[place], place))
        outstanding[place] += 1
        latencies[k] = free[place] - arrivals[k]
    return latencies

def least_loaded(outstanding, speeds):
    return int(np.argmin((np.array(outstanding) + 1) / np.array(speeds)))
"""


def test_routing():
    swap = partial(changed, "q4")
    result = judged(
        "q4",
        wrong={
            swap(("ends[-1] - arrival", "ends[-1]")): "the seconds of request",
            swap(("ends[-1] - arrival", "service / speeds[number]")): "the seconds of request",
            swap(("(ends[-1] if ends else arrival)", "max(ends, default=0)")): "the seconds of request",
            swap(("(ends[-1] if ends else arrival)", "arrival")): "the seconds of request",
            swap((" + service / speeds[number]", " + service")): "the seconds of request",
            swap(("service / speeds[number]", "service * speeds[number]")): "the seconds of request",
            swap(("ends[0] <= arrival", "ends[0] < arrival")): "what choose is told",
            swap(("            while ends and ends[0] <= arrival:\n                ends.popleft()\n", "            pass\n")): "what choose is told",
            swap(("[len(each) for each in held]", "[max(0, len(each) - 1) for each in held]")): "what choose is told",
            swap(("[len(each) for each in held]", "[len(each) > 0 for each in held]")): "what choose is told",
            swap(("        latencies.append(ends[-1] - arrival)\n    return latencies", "        latencies.append(ends[-1] - arrival)\n    return sum(latencies)")): "to be a list",
            swap(("(held + 1) / speed", "held / speed")): "least_loaded(",
            swap(("(held + 1) / speed", "held")): "least_loaded(",
            swap(("(held + 1) / speed", "(held + 1) * speed")): "least_loaded(",
            swap(("loads.index(min(loads))", "len(loads) - 1 - loads[::-1].index(min(loads))")): "least_loaded([0, 0, 0], [1, 1, 1])",
            swap(("loads.index(min(loads))", "min(loads)")): "least_loaded(",
        },
        right=[SIMULATED, swap(("loads.index(min(loads))", "min(range(len(loads)), key=loads.__getitem__)"))],
    )  # fmt: skip
    assert result.wrong[6].points == 3, "a tie costs what is told to choose"


SCALED = """
def desired_replicas(current, value, target, tolerance=0.1, lowest=1, highest=10):
    ratio = value / target
    if 1 - tolerance <= ratio <= 1 + tolerance:
        wanted = current
    else:
        wanted = -int(-(current * value) // target)
    return int(np.clip(wanted, lowest, highest))

def scaled(readings, current, target, lowest, highest, window=300):
    history, result = deque(), []
    for second, value in readings:
        now = desired_replicas(current, value, target, 0.1, lowest, highest)
        history.append((second, now))
        while history[0][0] < second - window:
            history.popleft()
        if now > current:
            current = now
        elif max(count for _, count in history) < current:
            current = max(count for _, count in history)
        result.append(np.int64(current))
    return tuple(result)
"""


def test_autoscaling():
    swap = partial(changed, "q5")
    result = judged(
        "q5",
        wrong={
            swap(("math.ceil(current * value / target)", "round(current * value / target)")): "rounded up",
            swap(("math.ceil(current * value / target)", "int(current * value / target)")): "rounded up",
            swap(("math.ceil(current * value / target)", "int(current * value / target) + 1")): "rounded up",
            swap(("math.ceil(current * value / target)", "math.ceil(current * target / value)")): "desired_replicas",
            swap(("math.ceil(current * value / target)", "current * value / target")): "desired_replicas",
            swap(("max(lowest, min(highest, wanted))", "min(highest, wanted)")): "1 at least",
            swap(("max(lowest, min(highest, wanted))", "max(lowest, wanted)")): "at most",
            swap(("max(lowest, min(highest, wanted))", "current if wanted == current else max(lowest, min(highest, wanted))")): "on the target, and too",
            swap(("current if abs(value / target - 1) <= tolerance else ", "")): "within the tolerance",
            swap(("abs(value / target - 1) <= tolerance", "0 <= value / target - 1 <= tolerance")): "8 % below",
            swap(("abs(value / target - 1) <= tolerance", "abs(value / target - 1) < tolerance")): "exactly the tolerance",
            swap(("abs(value / target - 1) <= tolerance", "abs(value / target - 1) <= 0.1")): "exactly the tolerance",
            swap(("abs(value / target - 1) <= tolerance", "abs(value - target) <= tolerance")): "within the tolerance",
            swap(("max(wanted[-1][1], min(current, recent))", "wanted[-1][1]")): "going down at once",
            swap(("when >= second - window", "when > second - window")): "exactly a window ago",
            swap(("desired_replicas(current, value", "desired_replicas(counts[0] if counts else current, value")): "to be",
            swap(("window=300", "window=60")): "with the usual window",
            swap(("max(count for when, count in wanted if when >= second - window)", "max(count for _, count in wanted[-(window // 15 + 1):])")): "the window is in seconds",
            swap(("max(wanted[-1][1], min(current, recent))", "current if current > highest else max(wanted[-1][1], min(current, recent))")): "more replicas than the highest",
            swap(("wanted.append((second, desired_replicas(current, value, target, lowest=lowest, highest=highest)))", "wanted.append((second, desired_replicas(current, value, target)))")): "to be",
            swap(("counts.append(current)", "counts.append((second, current))")): "scaled(",
        },
        right=[SCALED, SCALED.replace("tuple(result)", "np.array(result)"), swap(("max(lowest, min(highest, wanted))", "sorted((lowest, wanted, highest))[1]"))],
    )  # fmt: skip
    assert result.wrong[13].points == 2


QUANTILES = """
import numpy as np

def quantile_from_buckets(buckets, q):
    bounds = [0.0, *(bound for bound, _ in buckets)]
    counts = [0.0, *(count for _, count in buckets)]
    rank = q * counts[-1]
    if counts[-1] == 0:
        return np.float64("nan")
    place = int(np.searchsorted(counts[1:], rank)) + 1
    if bounds[place] == float("inf"):
        return bounds[place - 1]
    share = (rank - counts[place - 1]) / (counts[place] - counts[place - 1])
    return np.float64(bounds[place - 1] + share * (bounds[place] - bounds[place - 1]))

def parsed(text, name):
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(re.escape(name) + r"_bucket\\{(.*)\\} (\\S+)", line)
        if match:
            labels = dict(re.findall(r'(\\w+)="([^"]*)"', match[1]))
            found[tuple(labels.items())] = float(match[2])
    return found

def quantile_between(before, after, name, q):
    old, new = parsed(before, name), parsed(after, name)
    total = {}
    for key in new:
        more = new[key] - old.get(key, 0)
        bound = float(dict(key)["le"])
        total[bound] = total.get(bound, 0) + (new[key] if more < 0 else more)
    return quantile_from_buckets([(bound, total[bound]) for bound in sorted(total)], q)
"""


def test_quantiles():
    swap = partial(changed, "q6")
    line = "value - (old.get(labels, 0) if value >= old.get(labels, 0) else 0)"
    result = judged(
        "q6",
        wrong={
            swap(("below + (upper - below) * (rank - under) / (count - under)", "upper")): "with a quantile within a bucket",
            swap(("below + (upper - below) * (rank - under) / (count - under)", "below")): "with a quantile within a bucket",
            swap(("below + (upper - below) * (rank - under) / (count - under)", "(below + upper) / 2")): "with a quantile within a bucket",
            swap(("(rank - under) / (count - under)", "rank / count")): "with a quantile within a bucket",
            swap(("if count >= rank:", "if count > rank:")): "with a rank that is exactly reached",
            swap(("q * buckets[-1][1]", "q * sum(count for _, count in buckets)")): "quantile_from_buckets(",
            swap(("q * buckets[-1][1]", "q * buckets[-2][1]")): "quantile_from_buckets(",
            swap(("below if math.isinf(upper) else ", "")): "above all finite bounds",
            swap(("return below if math.isinf(upper)", "return upper if math.isinf(upper)")): "above all finite bounds",
            swap(("for upper, count in buckets if rank else ():", "for upper, count in buckets:")): "ZeroDivisionError",
            swap(("    return math.nan\n", "    return 0.0\n")): "without any observation",
            swap(("below, under, rank = 0.0,", "below, under, rank = buckets[0][0],")): "in the first bucket",
            swap((line, "value")): "with one series",
            swap((line, "value - old.get(labels, 0)")): "with a series that began anew",
            swap((line, "max(0, value - old.get(labels, 0))")): "with a series that began anew",
            swap(("old.get(labels, 0)", "old[labels]")): "KeyError",
            swap(("sorted(grown.items())", 'sorted(grown.items(), key=lambda pair: (math.isinf(pair[0]), str(pair[0])))')): "that comes of sorting the bounds as texts",
            swap((line, "value - old.get(labels, value)")): "quantile_between(",
            swap(("    return quantile_from_buckets(sorted(grown.items()), q)", "    for labels in old.keys() - counts(after).keys():\n        grown[float(dict(labels)['le'])] -= old[labels]\n    return quantile_from_buckets(sorted(grown.items()), q)")): "with a series that is there no longer (the counts of its buckets before",
            swap(('each.name == f"{name}_bucket"', 'each.name.startswith(name) and each.name.endswith("_bucket")')): "quantile_between(",
            swap(("tuple(sorted(each.labels.items())): each.value", '(("le", each.labels["le"]),): each.value')): "with two series",
        },
        right=[QUANTILES, swap(("for upper, count in buckets if rank else ():", "for upper, count in [pair for pair in buckets if rank]:"))],
    )  # fmt: skip
    assert [report.points for report in result.wrong[12:15]] == [2, 3, 3]


METRICS = """
KEYWORDS = "and or unless offset bool by without on ignoring group_left group_right".split()

def metrics_in(expr):
    found, place = [], 0
    kinds = r'''(?P<text>"(?:\\\\.|[^"])*"|'[^']*')|(?P<curly>\\{[^}]*\\})|(?P<range>\\[[^]]*\\])|(?P<number>\\d[\\w.]*)|(?P<name>[a-zA-Z_:][\\w:]*)|(?P<other>.)'''
    tokens = [(match.lastgroup, match[0]) for match in re.finditer(kinds, expr) if match[0].strip()]
    skipping = False
    for number, (kind, word) in enumerate(tokens):
        after = tokens[number + 1][1] if number + 1 < len(tokens) else ""
        if skipping:
            skipping = word != ")"
        elif word in KEYWORDS:
            skipping = after == "(" and word not in ("and", "or", "unless", "offset", "bool")
        elif kind == "name" and after != "(" and not (after in ("by", "without") and word.islower() and "_" not in word):
            found.append(word)
    return found

def broken_panels(board, text):
    names = {re.match(r"[\\w:]+", line)[0] for line in text.splitlines() if line and line[0] != "#"}
    result = {}

    def look(panel):
        for inner in panel.get("panels", ()):
            look(inner)
        for target in panel.get("targets", ()):
            for name in metrics_in(target["expr"]):
                if name not in names:
                    result.setdefault(panel["title"], set()).add(name)

    look({"title": "all", "panels": board["panels"]})
    return result
"""

#: the functions that the lesson and the question name
KNOWN = "'rate', 'sum', 'max', 'histogram_quantile', 'topk', 'label_replace', 'clamp_max', 'vector', 'max_over_time', 'absent', 'time', 'avg'"


def test_a_board():
    swap = partial(changed, "q7")
    result = judged(
        "q7",
        wrong={
            swap((r'(?![\w:]|\s*\()', r'(?![\w:])')): "metrics_in(",
            swap((r'(?![\w:]|\s*\()', r'(?![\w:]|\()')): "not expected: 'sum'",
            swap((r"|\[[^\]]*\]|", r"|")): "metrics_in(",
            swap((r"by|without|on|ignoring|group_left|group_right)\s", r"on|ignoring|group_left|group_right)\s")): "metrics_in(",
            swap((r"by|without|on|ignoring|group_left|group_right)\s", r"by|without)\s")): "metrics_in(",
            swap((', "group_left", "group_right"', "")): "group_right",
            swap((r"\"[^\"]*\"", r"\"\"")): "metrics_in('label_replace",
            swap(('"and", "or", "unless", "offset", "bool", ', '"and", "or", ')): "metrics_in(",
            swap((r"(?<![\w:.])", "")): "offset 5m",
            swap(("[a-zA-Z_:][\\w:]*", "[a-zA-Z_]\\w*"), ("(?![\\w:]|", "(?![\\w]|"), (r"(?<![\w:.])", r"(?<![\w.])")): "saltmarsh:request_seconds:p99",
            "def metrics_in(expr):\n    return set(re.findall(r'saltmarsh_\\w+', expr))\n" + METRICS.partition("def broken_panels")[1] + METRICS.partition("def broken_panels")[2]: "metrics_in('label_replace",
            swap((r"\{{[^}}]*\}}", r"\{{.*\}}")): "/ sum(",
            swap(("expr = re.sub(r\"'[^']*'|", "expr = re.sub(r\"")): "'app', '$1'",
            swap(("[a-zA-Z_:][\\w:]*(?!", "[a-z_:][a-z0-9_:]*(?!")): "DCGM_FI_DEV_GPU_UTIL",
            swap(("return words - {", 'return {word for word in words if "_" in word} - {')): "metrics_in('up == 0",
            swap((r"(?![\w:]|\s*\()", r"(?![\w:])"), ("return words - {", f"return words - {{{KNOWN}, ")): "metrics_in(",
            swap(("for sample in family.samples}", "for sample in family.samples if sample.value}")): "the titles that",
            swap(('panel.get("targets", [])))\n', 'panel.get("targets", [])))\n        asked = {each for each in asked if ":" not in each}\n')): "where saltmarsh:request_seconds:p99 is missing",
            swap(('        panels.extend(panel.get("panels", []))\n', "")): "the titles that",
            swap(('panels.extend(panel.get("panels", []))', 'panels.extend(each for each in panel.get("panels", []) if "targets" in each)')): "the titles that",
            swap(('for target in panel.get("targets", [])', 'for target in panel.get("targets", [])[:1]')): "broken_panels(board, text)",
            swap(('panel.get("targets", [])', 'panel["targets"]')): "KeyError",
            swap(('{sample.name for family in text_string_to_metric_families(text) for sample in family.samples}', 'set(re.findall(r"\\w+", text))')): "the titles that",
            swap(("        if asked - there:\n", "        if True:\n")): "the titles that",
        },
        right=[METRICS, swap(("sorted(asked - there)", "tuple(asked - there)"))],
    )  # fmt: skip
    assert result.wrong[18].points == 2


EXPERIMENT = """
def variant(user, weights, salt):
    dice = random.Random(f"{user}|{salt}")
    names = list(weights)
    return np.array(dice.choices(names, [weights[name] for name in names]))[0].item()

def always_valid(a, b, n, tau):
    p_a, p_b = a / n, b / n
    v, d = p_a * (1 - p_a) + p_b * (1 - p_b), p_b - p_a
    if v == 0:
        return 1
    ratio = math.sqrt(v / (v + n * tau**2)) * math.exp(n**2 * tau**2 * d**2 / (2 * v * (v + n * tau**2)))
    return np.float64(min(1, 1 / ratio))

def decided(a, b, tau, alpha):
    sums = np.cumsum(a), np.cumsum(b)
    for n in range(1, len(a) + 1):
        if always_valid(int(sums[0][n - 1]), int(sums[1][n - 1]), n, tau) <= alpha:
            return np.int64(n)
"""
RENDEZVOUS = """
def variant(user, weights, salt):
    def score(name):
        share = (int(hashlib.blake2b(f"{salt}:{name}:{user}".encode(), digest_size=8).hexdigest(), 16) + 0.5) / 2**64
        return -weights[name] / math.log(share)
    return max(weights, key=score)
"""
CHEAP = ("    place = int(", "    raise ValueError\n    place = int(")  # thousands of users are not asked for


def test_an_experiment():
    swap = partial(changed, "q8")
    result = judged(
        "q8",
        wrong={
            swap(('int(hashlib.sha256(f"{salt}/{user}".encode()).hexdigest()[:13], 16) / 16**13', 'hash(f"{salt}/{user}") % 2**32 / 2**32')): "in another process",
            swap(('int(hashlib.sha256(f"{salt}/{user}".encode()).hexdigest()[:13], 16) / 16**13', "random.random()")): "in another process",
            swap(("{salt}/{user}", "{user}")): "of two tests with another salt",
            swap(("{salt}/{user}", "{salt}")): "the share of",
            swap(("hexdigest()[:13], 16) / 16**13", "hexdigest()[:13], 16) % 100 / 100")): "the share of 'canary'",
            swap(("hexdigest()[:13], 16) / 16**13", "hexdigest()[:13], 16) / 16**14")): "the share of",
            swap(("sum(place >= bound for bound in bounds)", "int(place * len(weights))")): "the share of",
            swap(("    return list(weights)[sum(", "    return sum("), ("for bound in bounds)]", "for bound in bounds)")): "to be a text",
            swap(('f"{salt}/{user}"', 'f"{salt}/{user}/{weights}"')): "nobody to lose the canary",
            swap(CHEAP, ("min(1.0, math.sqrt", "math.sqrt"), ("* wide)))", "* wide))")): "always_valid(",
            swap(CHEAP, ("math.sqrt(wide / v)", "math.sqrt(v / wide)")): "always_valid(",
            swap(CHEAP, (" if v else 1.0", "")): "ZeroDivisionError",
            swap(CHEAP, (" if v else 1.0", " if v else float(d == 0)")): "always_valid(0, ",
            swap(CHEAP, ("n, tau) <= alpha", "n, tau) <= 0.05")): "decided(a, b, 0.",
            swap(CHEAP, ("n, tau) <= alpha", "n, 0.1) <= alpha")): "decided(a, b, 0.",
            swap(CHEAP, ("n, tau) <= alpha", "n, tau) <= alpha and n >= 10")): "shares of about 0.05 and 0.85",
            swap(CHEAP, ("n, tau) <= alpha", "n, tau) <= alpha and others")): "shares of about 0.3 and 0.0",
            swap(CHEAP, ("if always_valid", "if n < len(a) and always_valid")): "decided(a, b, 0.",
            swap(CHEAP, ("n * tau**2", "n * tau")): "always_valid(",
            swap(CHEAP, ("math.exp(-((", "math.exp(((")): "always_valid(",
            swap(CHEAP, ("<= alpha), None)", "<= alpha), len(a))")): "to be None",
            swap(CHEAP, ("itertools.accumulate(b)), 1)", "itertools.accumulate(b)))")): "ZeroDivisionError",
            swap(CHEAP, ("return next(", "return max("), ("if always_valid(bought, others, n, tau) <= alpha), None)", "if always_valid(bought, others, n, tau) <= alpha), default=None)")): "decided(a, b, 0.",
        },
        right=[EXPERIMENT, RENDEZVOUS + EXPERIMENT.partition("def always_valid")[1] + EXPERIMENT.partition("def always_valid")[2]],
    )  # fmt: skip
    assert result.wrong[0].points == 3


CANARY = """
import statistics
from dataclasses import dataclass, field

@dataclass
class Canary:
    stages: tuple = (0.01, 0.05, 0.25, 1.0)
    least: int = 200
    limit: float = 3.0
    number: int = 0
    gone: bool = False
    start: np.ndarray = field(default_factory=lambda: np.zeros(4))

    @property
    def weight(self):
        return 0 if self.gone else self.stages[self.number]

    def is_worse(self, e_s, n_s, e_c, n_c):
        if e_c < 5 or n_s == 0 or n_c == 0:
            return False
        p = (e_s + e_c) / (n_s + n_c)
        if p in (0, 1):
            return False
        return e_c / n_c - e_s / n_s > self.limit * (p * (1 - p) * (1 / n_c + 1 / n_s)) ** 0.5

    def observe(self, *counters):
        now = np.array(counters)
        if self.gone or self.is_worse(*(now - self.start)):
            self.gone = True
            return "back"
        if (now - self.start)[3] >= self.least and self.number + 1 < len(self.stages):
            self.number, self.start = self.number + 1, now
            return "forward"
        return "wait"
"""


def test_a_canary():
    swap = partial(changed, "q9")
    result = judged(
        "q9",
        wrong={
            swap(("self.base = self.stages.pop(0), counters", "self.base = self.stages.pop(0), (0, 0, 0, 0)")): "counting from the beginning of the release",
            swap(("self.base = self.stages.pop(0), counters", "self.base = self.stages.pop(0), (0, 0, *counters[2:])")): "counting the stable version from the beginning of the release",
            swap(("p = (e_s + e_c) / (n_s + n_c)", "p = (stable_errors + canary_errors) / (stable_n + canary_n)")): "computing p from the beginning of the release",
            swap(("(1 / n_c + 1 / n_s)", "(1 / canary_n + 1 / stable_n)")): "taking the requests in 1/n from the beginning of the release",
            swap(("- e_s / n_s)", "- stable_errors / stable_n)")): "counting the stable version from the beginning of the release",
            swap(("n_c < self.least", "n_c <= self.least")): "to return 'forward'",
            swap(("least=200", "least=100")): "to return 'wait'",
            swap(("n_c < self.least", "n_s < self.least")): "to return",
            swap(("if n_c < self.least or not self.stages:", "if n_c < self.least:")): "IndexError",
            swap(("self.weight == 0 or (", "(")): "to return 'back'",
            swap(("            self.weight = 0.0\n", "")): "the weight after",
            swap(("            self.weight = 0.0\n", "            self.weight = 0.01\n")): "the weight after",
            swap(("e_c >= 5 and ", "")): "with four errors of four",
            swap(("e_c >= 5 and z > self.limit", "e_c >= 5")): "with as many errors as the other",
            swap(("z > self.limit", "z > 0")): "to return",
            swap(("z > self.limit", "abs(z) > self.limit")): "with fewer errors than the other",
            swap(("z > self.limit", "z > 3.0")): "with z near",
            swap(("math.sqrt(p * (1 - p) * (1 / n_c + 1 / n_s))", "math.sqrt(e_c / n_c * (1 - e_c / n_c) / n_c + e_s / n_s * (1 - e_s / n_s) / n_s)")): "ZeroDivisionError",
            swap(("z = (e_c / n_c - e_s / n_s) / math.sqrt(p * (1 - p) * (1 / n_c + 1 / n_s))", "z = (e_c / n_c - e_s / n_s) / max(1e-9, math.sqrt(e_c / n_c * (1 - e_c / n_c) / n_c + e_s / n_s * (1 - e_s / n_s) / n_s))")): "to return",
            swap(("if n_s and n_c and 0 < e_s + e_c < n_s + n_c:", "if True:")): "ZeroDivisionError",
            swap(("if n_s and n_c and 0 < e_s + e_c < n_s + n_c:", "if 0 < e_s + e_c < n_s + n_c:")): "ZeroDivisionError",
            swap(("if self.weight == 0 or (e_c >= 5 and z > self.limit):", "if n_c >= self.least and (self.weight == 0 or (e_c >= 5 and z > self.limit)):")): "with many errors",
            swap(("self.weight, self.base = self.stages.pop(0), (0, 0, 0, 0)", "self.weight, self.base = 0.01, (0, 0, 0, 0)")): "the weight of Canary(",
        },
        right=[CANARY, swap(("list(stages), least, limit", "[*stages], least, limit"))],
    )  # fmt: skip
    assert [report.points for report in result.wrong[:5]] == [2, 3, 3, 3, 3], (
        "counters that are not taken off"
    )


PREDICTIONS = "def predictions():\n    return dict(within=False, modulo=False, bucket=False, busy=True, rare=True, peek=True)"


def test_predictions():
    judged_well(
        EXERCISE,
        "q10",
        before=f"NAMES = {list(serving.FOUND)}",
        wrong={
            "def predictions(): return {'busy': True}": "to have the key",
            "def predictions(): return dict.fromkeys(NAMES, True)": "right predictions",
            "def predictions(): return dict.fromkeys(NAMES, False)": "right predictions",
            "def predictions(): return [True] * 6": "to be a dict",
            "def predictions(): return dict.fromkeys(NAMES, 1)": "True or False",
        },
        right=[PREDICTIONS],
    )


def test_what_is_predicted_is_measured():
    measured = namespace(given("imports"), given("q10-parts", "q10-measure"))["measure"]()
    assert {name: bool(found) for name, found in measured.items()} == serving.FOUND


@pytest.mark.parametrize("number", range(3))
def test_every_draw_tells_the_mistakes_apart(number):
    draw = Draw(b"draw %d" % number)
    serving._day(draw)
    serving._load(draw, 40, whole=False)
    below, above = serving._near(draw, 3.0)
    assert serving._z(below) < 3 < serving._z(above)
    for fault in serving.FAULTS:
        documents = serving._manifests(draw)
        assert serving._mended(documents) == documents
        broken = serving._with(json.loads(json.dumps(documents)), fault)
        assert serving._mended(broken) != broken
