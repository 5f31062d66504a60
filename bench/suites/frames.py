"""HTTP/2 frame by frame: what h2spec sends, and by what it judges what comes back."""

import collections
import socket
import ssl
import struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
NAMES = "DATA HEADERS PRIORITY RST_STREAM SETTINGS PUSH_PROMISE PING GOAWAY WINDOW_UPDATE CONTINUATION".split()
# How a connection ends. A reset is no end for h2spec: it takes an orderly one alone.
CLOSED, RESET, SILENCE = "the end of the connection", "a reset of TCP", "nothing"
# Of a case; the last where it cannot show anything.
PASS, FAIL, SKIPPED = "pass", "fail", "skipped"

END_STREAM = ACK = 1
END_HEADERS, PADDED, WITH_PRIORITY = 4, 8, 0x20
WHOLE = END_STREAM | END_HEADERS

(NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
 REFUSED_STREAM, CANCEL, COMPRESSION_ERROR) = range(10)
ERRORS = ("NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR "
          "REFUSED_STREAM CANCEL COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM").split()

(HEADER_TABLE_SIZE, ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE,
 MAX_HEADER_LIST_SIZE) = range(1, 7)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
WINDOW = 65535
TABLE = 4096
# A field that fills a table, and a frame with four of its kind.
DUMMIES = [(f"x-dummy{number}", "x" * 4000) for number in range(5)]

# RFC 7541, A: what a request here can take from it.
STATIC_FIELDS = {(":method", "GET"): 2, (":method", "POST"): 3, (":path", "/"): 4, (":scheme", "https"): 7,
                 (":status", "200"): 8}
STATIC_NAMES = {":authority": 1, ":method": 2, ":path": 4, ":scheme": 6, ":status": 8, "content-length": 28}


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def data(payload=b"test", flags=END_STREAM, stream=1):
    return frame(DATA, flags, stream, payload)


def priority(stream=1, on=0, weight=255, exclusive=False):
    return frame(PRIORITY, 0, stream, dependency(on, weight, exclusive))


def dependency(on, weight=255, exclusive=False):
    return struct.pack(">IB", on | exclusive << 31, weight)


def reset(stream=1, code=CANCEL):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


def ping(payload=bytes(8), flags=0):
    return frame(PING, flags, 0, payload)


def goaway(code, text=b""):
    return frame(GOAWAY, 0, 0, struct.pack(">II", 0, code) + text)


def window(stream, by):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", by))


def integer(value, bits, first):
    """RFC 7541, 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes((first | value,))
    encoded, value = [first | most], value - most
    while value >= 128:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes((*encoded, value))


def named(*codes):
    return " or ".join(ERRORS[code] if code < len(ERRORS) else f"error {code}" for code in codes)


class Event(collections.namedtuple("Event", "kind flags stream payload")):
    """A frame, or how the connection ended."""

    def error(self):
        at = {RST_STREAM: 0, GOAWAY: 4}[self.kind]
        return struct.unpack_from(">I", self.payload, at)[0]

    def __str__(self):
        if isinstance(self.kind, str):
            return self.kind
        name = NAMES[self.kind] if self.kind < len(NAMES) else f"frame {self.kind}"
        code = f", {named(self.error())}" if self.kind in (RST_STREAM, GOAWAY) else ""
        return f"{name} (flags {self.flags:#x}, stream {self.stream}, {len(self.payload)} bytes{code})"


class Connection:
    """One connection, and the encoder's half of HPACK."""

    def __init__(self, address, path, timeout):
        self.address, self.path, self.timeout = address, path, timeout
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        self.stream = context.wrap_socket(socket.create_connection(address, timeout), server_hostname="localhost")
        if self.stream.selected_alpn_protocol() != "h2":
            raise OSError("HTTP/2 is not spoken there")
        self.read, self.settings, self.table = b"", {}, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()

    def send(self, payload):
        try:
            self.stream.sendall(payload)
        except OSError:
            pass  # Whoever is refused early cannot send all: what counts is what was said.

    def take(self, count):
        while len(self.read) < count:
            more = self.stream.recv(65536)
            if not more:
                raise EOFError
            self.read += more
        taken, self.read = self.read[:count], self.read[count:]
        return taken

    def event(self):
        """The next frame, or the end."""
        try:
            length, kind, flags, stream = struct.unpack(">IBBI", b"\0" + self.take(9))
            return Event(kind, flags, stream & 0x7FFFFFFF, self.take(length))
        except TimeoutError:
            end = SILENCE
        except EOFError:
            end = CLOSED
        except OSError:
            end = RESET
        return Event(end, 0, 0, b"")

    def handshake(self):
        """Settings, both ways, and both acknowledged; what came instead."""
        self.send(PREFACE + settings((INITIAL_WINDOW_SIZE, WINDOW)))
        missing = {0, ACK}
        while missing:
            event = self.event()
            if isinstance(event.kind, str):
                return f"settings expected, found {event}"
            if event.kind == SETTINGS:
                missing.discard(event.flags & ACK)
                if not event.flags & ACK:
                    self.settings.update(struct.iter_unpack(">HI", event.payload))
                    self.send(frame(SETTINGS, ACK))
        return None

    def frame_size(self):
        return self.settings.get(MAX_FRAME_SIZE, 16384)

    def fields(self, method="GET", path=None):
        """Those of a request."""
        authority = "%s:%s" % self.address
        path = self.path if path is None else path
        return [(":method", method), (":scheme", "https"), (":path", path), (":authority", authority)]

    def block(self, fields):
        """RFC 7541: indexed where it can be, or else into the table; no Huffman code."""
        encoded = b""
        for name, value in fields:
            if index := STATIC_FIELDS.get((name, value)):
                encoded += integer(index, 7, 0x80)
            elif (name, value) in self.table:
                encoded += integer(62 + self.table.index((name, value)), 7, 0x80)
            else:
                index = STATIC_NAMES.get(name, 0)
                encoded += integer(index, 6, 0x40) + (b"" if index else self.text(name)) + self.text(value)
                self.table.insert(0, (name, value))
                while sum(len(n) + len(v) + 32 for n, v in self.table) > TABLE:
                    self.table.pop()
        return encoded

    @staticmethod
    def text(value):
        return integer(len(value), 7, 0) + value.encode()

    def head(self, flags=WHOLE, stream=1, method="GET", fields=None, more=(), before=b"", after=b""):
        """HEADERS of a request, with other bytes before and after the block where they are given."""
        fields = self.fields(method) if fields is None else fields
        return frame(HEADERS, flags, stream, before + self.block([*fields, *more]) + after)

    def post(self, *more):
        """The head of a POST whose body follows."""
        return self.head(END_HEADERS, method="POST", more=more)

    def rest(self, flags=END_HEADERS, stream=1):
        """CONTINUATION with a field that fills the table."""
        return frame(CONTINUATION, flags, stream, self.block(DUMMIES[:1]))

    def body_length(self):
        """How much the answer to a GET carries."""
        with Connection(self.address, self.path, self.timeout) as other:
            other.handshake()
            other.send(other.head())
            length, event = 0, Event(None, 0, 0, b"")
            while not (event.kind in (DATA, HEADERS) and event.flags & END_STREAM):
                event = other.event()
                if isinstance(event.kind, str):
                    raise OSError(f"no answer to a GET, but {event}")
                length += len(event.payload) if event.kind == DATA else 0
            return length


def until(what, test):
    """Whether `test` holds of something that comes before the end; what came last instead."""
    def judge(connection):
        last = None
        while True:
            event = connection.event()
            if test(event):
                return None
            if isinstance(event.kind, str):
                return f"{what} expected, found {last or event}"
            last = event
    return judge


def first(what, kind, test=lambda _: True):
    """Whether `test` holds of the first frame of this kind."""
    def judge(connection):
        last = None
        while True:
            event = connection.event()
            if event.kind == kind and test(event):
                return None
            if event.kind == kind or isinstance(event.kind, str):
                return f"{what} expected, found {event if event.kind == kind else last or event}"
            last = event
    return judge


def connection_error(*codes):
    test = lambda event: event.kind == CLOSED or event.kind == GOAWAY and event.error() in codes
    return until(f"{named(*codes)} of the connection", test)


def stream_error(*codes):
    ends = (RST_STREAM, GOAWAY)
    test = lambda event: event.kind == CLOSED or event.kind in ends and event.error() in codes
    return until(f"{named(*codes)} of the stream", test)


def pong(payload=bytes(8)):
    return first("the answer to a ping", PING, lambda event: event.flags & ACK and event.payload == payload)


def at_once(connection):
    """Settings, before everything else."""
    event = connection.event()
    return None if event.kind == SETTINGS and not event.flags & ACK else f"settings expected, found {event}"


def stream_ends(event):
    over = event.kind in (DATA, HEADERS) and event.flags & END_STREAM
    return over or event.kind == RST_STREAM and event.error() == NO_ERROR


H2SPEC = b"h2spec\0\0"
ANSWER = first("an answer", HEADERS, lambda event: event.stream == 1)
SOME_ANSWER = first("an answer", HEADERS)
SOME_DATA = first("DATA", DATA)
ONE_BYTE = first("DATA of one byte", DATA, lambda event: len(event.payload) == 1)
SOME_PING = first("a ping", PING)
SOME_SETTINGS = first("settings", SETTINGS)
ACKNOWLEDGED = first("acknowledged settings", SETTINGS, lambda event: event.flags & ACK)
STREAM_END = until("the end of the stream", stream_ends)
END = until(CLOSED, lambda event: event.kind == CLOSED)
SOME_GOAWAY = until("GOAWAY", lambda event: event.kind == GOAWAY)


def pong_or_end(payload=bytes(8)):
    test = lambda event: (event.kind == CLOSED
                          or event.kind == PING and event.flags & ACK and event.payload == payload)
    return until("the answer to a ping, or the end", test)


Case = collections.namedtuple("Case", "id what steps judge handshake", defaults=(True,))


def section(name, *rows):
    """The cases of a section of the suite. A row: what is sent, the steps, what must come of it."""
    return [Case(f"{name}/{number}", *row) for number, row in enumerate(rows, 1)]


def run(case, address, path, timeout):
    """The verdict, and what came instead."""
    try:
        with Connection(address, path, timeout) as connection:
            wrong = connection.handshake() if case.handshake else None
            steps = () if wrong else case.steps(connection)
            if steps is None:
                return SKIPPED, "it cannot show anything there"
            for step in (*steps, case.judge):
                if isinstance(step, bytes):
                    connection.send(step)
                else:
                    wrong = wrong or step(connection)
            return FAIL if wrong else PASS, wrong
    except OSError as error:
        return FAIL, f"no connection: {error}"
