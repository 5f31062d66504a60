"""HTTP/1.1 byte by byte: what Http11Probe sends, and by what it judges what comes back."""

import collections
import re
import select
import socket
import time

PASS, WARN, FAIL = "pass", "warn", "fail"
OPEN, CLOSED, SILENT = "open", "closed", "silent"
# Behind a head it gives the body this time, and an end that is under way.
BODY_SECONDS, END_SECONDS = 0.1, 0.05
# It looks at no more of an answer.
SHOWN = 8192

Case = collections.namedtuple("Case", "id payloads judge")


def case(name, payload, judge):
    """One request, or one after the other on the same connection; the judge sees the first."""
    return Case(name, payload if isinstance(payload, tuple) else (payload,), judge)


class Requests:
    """Requests to a host, as bytes."""

    def __init__(self, host):
        self.host = host

    def raw(self, text):
        return text.encode("latin-1")

    def get(self, lines="", method="GET", target="/", version="HTTP/1.1", sp=" "):
        return self.raw(f"{method}{sp}{target} {version}\r\nHost: {self.host}\r\n{lines}\r\n")

    def post(self, lines, body="", **more):
        return self.get(lines, method="POST", **more) + self.raw(body)

    def sized(self, length, body="hello", **more):
        """A POST with this for Content-Length."""
        return self.post(f"Content-Length: {length}\r\n", body, **more)

    def coded(self, coding, body="hello", length=5, **more):
        """A POST with this for Transfer-Encoding, and a Content-Length behind it."""
        sized = "" if length is None else f"Content-Length: {length}\r\n"
        return self.post(f"Transfer-Encoding: {coding}\r\n{sized}", body, **more)

    def chunked(self, body):
        return self.coded("chunked", body, None)

    def chunk(self, size="5", data="hello", end="\r\n", after="\r\n"):
        """A chunked POST whose first chunk is written like this."""
        return self.chunked(f"{size}{after}{data}{end}0\r\n\r\n")

    def hidden(self, lines, method="GET", before="0\r\n\r\n"):
        """A POST with a whole request in its body. {} in the lines is the body's length."""
        body = f"{before}{method} / HTTP/1.1\r\nHost: {self.host}\r\n\r\n"
        return self.post(lines.format(len(body)), body)


class Answer:
    """What came back, as far as it is one."""

    def __init__(self, said):
        head, _, self.body = said.decode("latin-1").partition("\r\n\r\n")
        line, *lines = head.split("\n")
        self.status = int(re.match(r"\S+ (\d+)", line)[1])
        pairs = (line.partition(":") for line in lines)
        self.fields = {name.strip().lower(): value.strip() for name, _, value in pairs}
        self.answers = len(re.findall(rb"HTTP/\d\.\d \d{3}", said[:SHOWN]))

    def content(self):
        """The body without its coding."""
        if "chunked" not in self.fields.get("transfer-encoding", "").lower():
            return self.body.rstrip("\r\n")
        content, rest = "", self.body
        while match := re.match(r"([0-9a-fA-F]+)[^\r]*\r\n", rest):
            size, rest = int(match[1], 16), rest[match.end():]
            content, rest = content + rest[:size], rest[size + 2:]
        return content

    def is_2xx(self):
        return self.status // 100 == 2

    @classmethod
    def read(cls, said):
        return cls(said) if re.match(rb"\S+ \d+[ \r\n]", said) and b"\n" in said else None


def rule(passes, warns="", fails="", closed=FAIL, silent=FAIL):
    """By the status, such as "400 2xx", or by the end of the connection where there is none."""
    def judge(answer, state, _):
        if answer is None:
            return {CLOSED: closed, SILENT: silent}.get(state, FAIL)
        for statuses, verdict in ((fails, FAIL), (passes, PASS), (warns, WARN)):
            if {str(answer.status), f"{answer.status // 100}xx"} & set(statuses.split()):
                return verdict
        return FAIL
    return judge


def if_2xx(test, otherwise=FAIL, **others):
    """2xx, and `test` of the answer and of how the connection is; without, `otherwise`. All else by a rule."""
    by_rule = rule(**{"passes": "", **others})

    def judge(answer, state, followed):
        if answer is None or not answer.is_2xx():
            return by_rule(answer, state, followed)
        return test(answer, state) or otherwise
    return judge


def passes_if(holds):
    return PASS if holds else None


ANY = "1xx 2xx 3xx 4xx 5xx"
ONLY_400 = rule("400")
REFUSED = rule("400", closed=PASS, silent=PASS)
REFUSED_ALOUD = rule("400", closed=WARN, silent=WARN)
TAKEN = rule("2xx")
TAKEN_OR_CLOSED = rule("2xx", closed=PASS, silent=PASS)
BETTER_REFUSED = rule("400", "2xx", closed=PASS)
BETTER_REFUSED_ALOUD = rule("400", "2xx", closed=WARN, silent=WARN)
NO_CODING = rule("400 501", closed=PASS)
TOO_LARGE = rule("400 431", closed=PASS)
NOT_SWITCHED = rule(ANY, fails="101", closed=PASS)


def with_close(passes):
    """Refused; or else taken, and the connection closed."""
    return if_2xx(lambda _, state: WARN if state == CLOSED else None, passes=passes, closed=PASS)


def echoed(body, **others):
    """2xx, with the request's body, or with OK by those who do not echo."""
    return if_2xx(lambda answer, _: passes_if(answer.content() in (body, "OK")), **others)


def has(field, otherwise=FAIL, passes=""):
    return if_2xx(lambda answer, _: passes_if(field in answer.fields), otherwise, passes=passes)


def refused_or_ended(answer, state, _):
    if answer and answer.status == 400 or state == CLOSED:
        return PASS
    return WARN if answer and answer.is_2xx() else FAIL


def not_followed(answer, state, followed):
    """400, or the connection ends before the next request."""
    if answer and answer.status == 400 or state == CLOSED:
        return PASS
    return PASS if answer and answer.is_2xx() and not followed else FAIL


def one_answer(answer, state, _):
    """The request in the body has none."""
    if answer and answer.answers > 1:
        return FAIL
    return PASS if answer and answer.status == 400 or state == CLOSED else FAIL


def not_taken_for(field, written, value):
    """What is written like that must not come back as the field."""
    def judge(answer, state, _):
        if answer is None:
            return PASS if state == CLOSED else FAIL
        if not answer.is_2xx():
            return PASS if answer.status >= 400 else FAIL
        pairs = [line.rstrip("\r").partition(":") for line in answer.body.split("\n")]
        names = [name.lower() for name, _, said in pairs if said.strip().lower() == value]
        return FAIL if field.lower() in names else WARN if written.lower() in names else PASS
    return judge


def exchange(stream, payload, timeout):
    """What comes back for this, and how the connection is then."""
    said, deadline = b"", time.monotonic() + timeout
    stream.settimeout(timeout)
    stream.sendall(payload)
    try:
        while b"\r\n\r\n" not in said:
            stream.settimeout(max(0.001, deadline - time.monotonic()))
            more = stream.recv(65536)
            if not more:
                return said, CLOSED
            said += more
        # By its rule; there is nothing else to wait for, since a body may have no end.
        time.sleep(BODY_SECONDS)
        while select.select([stream], [], [], 0)[0] and (more := stream.recv(65536)):
            said += more
        ready = select.select([stream], [], [], END_SECONDS)[0]
        return said, CLOSED if ready and not stream.recv(1, socket.MSG_PEEK) else OPEN
    except TimeoutError:
        return said, SILENT
    except OSError:
        return said, CLOSED


def run(case, address, timeout):
    """The verdict, and what it was given for."""
    try:
        with socket.create_connection(address, timeout) as stream:
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            said, state = exchange(stream, case.payloads[0], timeout)
            followed = state == OPEN and len(case.payloads) > 1
            if followed:
                exchange(stream, case.payloads[1], timeout)
    except OSError as error:
        return FAIL, f"not sent whole: {error}"
    answer = Answer.read(said)
    found = f"{answer.status if answer else 'no answer'}, {state}"
    return case.judge(answer, state, followed), found
