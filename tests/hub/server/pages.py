"""The Hub's page as a browser asks for it, without a browser."""

import http.client
from dataclasses import dataclass
from urllib.parse import urlencode


@dataclass
class Page:
    status: int
    headers: object
    body: bytes

    @property
    def text(self):
        return self.body.decode()


def look(hub, path, user=None, method="GET", form=None, **headers):
    """The `Page` that `user` (None: nobody) sees at a path. form: sent as the Hub's own page would, unless headers say otherwise."""
    port = int(hub.url.rpartition(":")[2])
    sent = {"Host": f"127.0.0.1:{port}"}
    if user is not None:
        with hub.as_user(user):
            sent["Cookie"] = f"course_hub_{port}={hub.page.partition('key=')[2]}"
    body = None
    if form is not None:
        body = urlencode(form)
        sent |= {"Origin": hub.url, "Content-Type": "application/x-www-form-urlencoded"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    line.request(method, path, body, {name: value for name, value in sent.items() if value is not None})
    answer = line.getresponse()
    return Page(answer.status, answer.headers, answer.read())
