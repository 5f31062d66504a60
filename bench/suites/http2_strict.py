"""h2spec's "http2" and "hpack", --strict: what a server must refuse, and how. The sections are its own."""

from suites.frames import *

# A frame of a kind that nobody knows.
UNKNOWN = frame(0x16, payload=bytes(8))


def too_many(c):
    """One stream more than is allowed, all with the same block."""
    if (allowed := c.settings.get(MAX_CONCURRENT_STREAMS)) is None:
        return None
    block = c.block(c.fields())
    heads = [frame(HEADERS, WHOLE, 1 + 2 * number, block) for number in range(allowed + 1)]
    return settings((INITIAL_WINDOW_SIZE, 0)), b"".join(heads)


def windowed(least, *steps):
    """These, if an answer carries as much as can show it; a window as a number."""
    def made(c):
        if c.body_length() < least:
            return None
        made = []
        for step in steps:
            if isinstance(step, tuple):
                made += settings(*((INITIAL_WINDOW_SIZE, size) for size in step)), SOME_SETTINGS
            else:
                made.append(c.head() if step == "head" else step)
        return made
    return made


def again(c, *between):
    """The same bytes twice."""
    head = c.head()
    return head, *between, head


def refused_head(what, error=PROTOCOL_ERROR, **head):
    """Whole HEADERS that are a mistake of the stream."""
    return what, lambda c: (c.head(**head),), stream_error(error)


def refused_fields(what, chosen):
    return what, lambda c: (c.head(fields=chosen(c)),), stream_error(PROTOCOL_ERROR)


def refused_block(what, before=b"", after=b""):
    """A block that cannot be decoded."""
    return what, lambda c: (c.head(before=before, after=after),), connection_error(COMPRESSION_ERROR)


def refused(what, sent, *codes):
    """Bytes that are a mistake of the connection."""
    return what, lambda c: (sent,), connection_error(*codes or (PROTOCOL_ERROR,))


def size_above_table(c):
    above = c.settings.get(HEADER_TABLE_SIZE, TABLE) + 1
    return (c.head(before=integer(above, 5, 0x20)),)


STARTING = section(
    "http2/3.5",
    ("a preface", lambda c: (PREFACE, settings((INITIAL_WINDOW_SIZE, WINDOW))), at_once, False),
    ("no preface", lambda c: (b"INVALID CONNECTION PREFACE\r\n\r\n",), connection_error(PROTOCOL_ERROR), False),
)

FRAMES = [
    *section(
        "http2/4.1",
        ("an unknown frame", lambda c: (UNKNOWN, ping()), SOME_PING),
        ("unknown flags", lambda c: (ping(flags=0x16),), SOME_PING),
        ("the reserved bit", lambda c: (frame(PING, 0x16, 1 << 31, bytes(8)),), SOME_PING),
    ),
    *section(
        "http2/4.2",
        ("DATA of the largest size", lambda c: (c.post(), data(b"x" * c.frame_size())), SOME_ANSWER),
        ("DATA above it", lambda c: (c.post(), data(b"x" * (c.frame_size() + 1))), stream_error(FRAME_SIZE_ERROR)),
        ("HEADERS above it", lambda c: (c.head(more=DUMMIES),), connection_error(FRAME_SIZE_ERROR)),
    ),
    *section(
        "http2/4.3",
        refused("half a block", frame(HEADERS, WHOLE, 1, b"\x40"), COMPRESSION_ERROR),
        ("PRIORITY within a block", lambda c: (c.head(0), priority(), c.rest()), connection_error(PROTOCOL_ERROR)),
        ("HEADERS within a block", lambda c: (c.head(0), c.head(stream=3), c.rest()),
         connection_error(PROTOCOL_ERROR)),
    ),
]

STREAMS = [
    *section(
        "http2/5.1",
        refused("idle: DATA", data()),
        refused("idle: RST_STREAM", reset()),
        refused("idle: WINDOW_UPDATE", window(1, 100)),
        ("idle: CONTINUATION", lambda c: (frame(CONTINUATION, END_HEADERS, 1, c.block(c.fields())),),
         connection_error(PROTOCOL_ERROR)),
        ("half closed: DATA", lambda c: (c.head(), data()), stream_error(STREAM_CLOSED)),
        ("half closed: HEADERS", lambda c: (c.head(), c.head()), stream_error(STREAM_CLOSED)),
        ("half closed: CONTINUATION",
         lambda c: [frame(kind, WHOLE if kind == HEADERS else END_HEADERS, 1, block)
                    for block in (c.block(c.fields()),) for kind in (HEADERS, CONTINUATION)],
         stream_error(STREAM_CLOSED, PROTOCOL_ERROR)),
        ("reset: DATA", lambda c: (c.head(END_HEADERS), reset(), data()), stream_error(STREAM_CLOSED)),
        ("reset: HEADERS", lambda c: (c.head(END_HEADERS), reset(), c.head()), stream_error(STREAM_CLOSED)),
        ("reset: CONTINUATION", lambda c: (c.head(END_HEADERS), reset(), c.rest()),
         stream_error(STREAM_CLOSED, PROTOCOL_ERROR)),
        ("closed: DATA", lambda c: (c.head(), STREAM_END, data()), stream_error(STREAM_CLOSED)),
        ("closed: HEADERS", lambda c: again(c, STREAM_END), connection_error(STREAM_CLOSED)),
        ("closed: CONTINUATION", lambda c: (c.head(), STREAM_END, c.rest()),
         connection_error(STREAM_CLOSED, PROTOCOL_ERROR)),
    ),
    *section(
        "http2/5.1.1",
        ("an even stream", lambda c: (c.head(stream=2),), connection_error(PROTOCOL_ERROR)),
        ("a stream below the last", lambda c: (c.head(stream=5), c.head(stream=3)), connection_error(PROTOCOL_ERROR)),
    ),
    *section("http2/5.1.2", ("too many streams", too_many, stream_error(PROTOCOL_ERROR, REFUSED_STREAM))),
    *section(
        "http2/5.3.1",
        refused_head("HEADERS that depend on themselves", flags=WHOLE | WITH_PRIORITY, before=dependency(1)),
        ("PRIORITY that depends on itself", lambda c: (priority(on=1),), stream_error(PROTOCOL_ERROR)),
    ),
    *section(
        "http2/5.4.1",
        ("a mistake, until the end", lambda c: (frame(PING, 0, 3, bytes(8)),), END),
        ("a mistake, until GOAWAY", lambda c: (frame(PING, 0, 3, bytes(8)),), SOME_GOAWAY),
    ),
    *section(
        "http2/5.5",
        ("an unknown frame", lambda c: (UNKNOWN, ping()), SOME_PING),
        ("an unknown frame within a block", lambda c: (c.head(END_STREAM), UNKNOWN), connection_error(PROTOCOL_ERROR)),
    ),
]

KINDS = [
    *section(
        "http2/6.1",
        refused("DATA on stream 0", data(stream=0)),
        ("DATA on a half-closed stream", lambda c: (c.head(method="POST"), data()), stream_error(STREAM_CLOSED)),
        ("DATA with more padding than there is",
         lambda c: (c.post(("content-length", "4")), data(b"\x06test", END_STREAM | PADDED)),
         connection_error(PROTOCOL_ERROR)),
    ),
    *section(
        "http2/6.2",
        ("HEADERS, and PRIORITY", lambda c: (c.head(0), priority(), c.rest()), connection_error(PROTOCOL_ERROR)),
        ("HEADERS, and HEADERS", lambda c: (c.head(0), c.head(stream=3), c.rest()), connection_error(PROTOCOL_ERROR)),
        ("HEADERS on stream 0", lambda c: (c.head(stream=0),), connection_error(PROTOCOL_ERROR)),
        ("HEADERS with more padding than there is",
         lambda c: [frame(HEADERS, WHOLE | PADDED, 1, bytes((len(block) + 2,)) + block)
                    for block in (c.block(c.fields()),)], stream_error(PROTOCOL_ERROR)),
    ),
    *section(
        "http2/6.3",
        refused("PRIORITY on stream 0", priority(0)),
        ("PRIORITY of 4 bytes", lambda c: (c.head(), frame(PRIORITY, 0, 1, b"\x80\0\0\1")),
         stream_error(FRAME_SIZE_ERROR)),
    ),
    *section(
        "http2/6.4",
        refused("RST_STREAM on stream 0", reset(0)),
        refused("RST_STREAM on an idle stream", reset()),
        ("RST_STREAM of 3 bytes", lambda c: (c.head(), frame(RST_STREAM, 0, 1, bytes(3))),
         stream_error(FRAME_SIZE_ERROR)),
    ),
    *section(
        "http2/6.5",
        refused("acknowledged SETTINGS that say something", frame(SETTINGS, ACK, 0, b"\0"), FRAME_SIZE_ERROR),
        refused("SETTINGS of a stream", frame(SETTINGS, 0, 1, b"\0\3\0\0\0\x64")),
        ("SETTINGS of 3 bytes", lambda c: (frame(SETTINGS, 0, 0, b"\0\3\0"),),
         stream_error(PROTOCOL_ERROR, FRAME_SIZE_ERROR)),
    ),
    *section(
        "http2/6.5.2",
        refused("ENABLE_PUSH of 2", settings((ENABLE_PUSH, 2))),
        refused("INITIAL_WINDOW_SIZE above the largest", settings((INITIAL_WINDOW_SIZE, 1 << 31)), FLOW_CONTROL_ERROR),
        refused("MAX_FRAME_SIZE below the least", settings((MAX_FRAME_SIZE, 16383))),
        refused("MAX_FRAME_SIZE above the largest", settings((MAX_FRAME_SIZE, 1 << 24))),
        ("an unknown setting", lambda c: (settings((0xFF, 1)), ping()), SOME_PING),
    ),
    *section(
        "http2/6.5.3",
        ("a window twice: the last counts", windowed(1, (100, 1), "head"), ONE_BYTE),
        ("SETTINGS", lambda c: (settings((ENABLE_PUSH, 0)),), ACKNOWLEDGED),
    ),
    *section(
        "http2/6.7",
        ("PING", lambda c: (ping(H2SPEC),), pong(H2SPEC)),
        ("an answer to no PING", lambda c: (ping(b"invalid\0", ACK), ping(H2SPEC)), pong(H2SPEC)),
        refused("PING of a stream", frame(PING, 0, 1, bytes(8))),
        refused("PING of 6 bytes", frame(PING, 0, 0, bytes(6)), FRAME_SIZE_ERROR),
    ),
    *section("http2/6.8", refused("GOAWAY of a stream", frame(GOAWAY, 0, 1, bytes(8)))),
    *section(
        "http2/6.9",
        refused("WINDOW_UPDATE by 0", window(0, 0)),
        ("WINDOW_UPDATE of a stream by 0", lambda c: (c.head(END_HEADERS), window(1, 0)),
         stream_error(PROTOCOL_ERROR)),
        refused("WINDOW_UPDATE of 3 bytes", frame(WINDOW_UPDATE, 0, 0, b"\0\0\1"), FRAME_SIZE_ERROR),
    ),
    *section(
        "http2/6.9.1",
        ("a window of 1", windowed(1, (1,), "head"), ONE_BYTE),
        ("a window above the largest", lambda c: (window(0, (1 << 31) - 1),) * 2,
         first("GOAWAY for the window", GOAWAY, lambda event: event.error() == FLOW_CONTROL_ERROR)),
        ("a stream's window above the largest", lambda c: (c.head(END_HEADERS), *(window(1, (1 << 31) - 1),) * 2),
         first("RST_STREAM for the window", RST_STREAM, lambda event: event.error() == FLOW_CONTROL_ERROR)),
    ),
    *section(
        "http2/6.9.2",
        ("a window that grows", windowed(1, (0,), "head", (1,)), ONE_BYTE),
        ("a window below nothing", windowed(5, (3,), "head", SOME_DATA, (2,), window(1, 2)), ONE_BYTE),
        refused("a first window above the largest", settings((INITIAL_WINDOW_SIZE, 1 << 31)), FLOW_CONTROL_ERROR),
    ),
    *section(
        "http2/6.10",
        ("CONTINUATION twice", lambda c: (c.head(END_STREAM), c.rest(0), c.rest()), ANSWER),
        ("CONTINUATION, and DATA", lambda c: (c.head(0, method="POST"), c.rest(0), data()),
         connection_error(PROTOCOL_ERROR)),
        ("CONTINUATION on stream 0", lambda c: (c.head(END_STREAM), c.rest(stream=0)),
         connection_error(PROTOCOL_ERROR)),
        ("CONTINUATION after whole HEADERS", lambda c: (c.head(), c.rest()), connection_error(PROTOCOL_ERROR)),
        ("CONTINUATION after the last", lambda c: (c.head(END_STREAM), c.rest(), c.rest()),
         connection_error(PROTOCOL_ERROR)),
        ("CONTINUATION after DATA",
         lambda c: (c.head(0, method="POST"), data(), c.rest(0), c.rest(stream=0)), connection_error(PROTOCOL_ERROR)),
    ),
    *section(
        "http2/7",
        ("GOAWAY with an unknown code", lambda c: (goaway(0xFF), ping(H2SPEC)), pong_or_end(H2SPEC)),
        ("RST_STREAM with an unknown code", lambda c: (c.post(), reset(code=0xFF), ping()), pong()),
    ),
]

MESSAGES = [
    *section(
        "http2/8.1",
        ("trailers that are not the end",
         lambda c: (c.post(), data(flags=0), c.head(END_HEADERS, fields=[("x-test", "ok")])),
         stream_error(PROTOCOL_ERROR)),
    ),
    *section("http2/8.1.2", refused_head("a name in capitals", more=[("X-TEST", "ok")])),
    *section(
        "http2/8.1.2.1",
        refused_head("an unknown pseudo-field", more=[(":test", "ok")]),
        refused_head("a pseudo-field of answers", more=[(":status", "200")]),
        ("a pseudo-field in trailers",
         lambda c: (c.post(), data(flags=0), c.head(END_HEADERS, fields=[(":method", "POST")])),
         stream_error(PROTOCOL_ERROR)),
        refused_fields("a pseudo-field behind a field", lambda c: [("x-test", "ok"), *c.fields()]),
    ),
    *section(
        "http2/8.1.2.2",
        refused_head("a field of the connection", more=[("connection", "keep-alive")]),
        refused_head("TE beyond trailers", more=[("trailers", "test"), ("te", "trailers, deflate")]),
    ),
    *section(
        "http2/8.1.2.3",
        refused_fields("an empty path", lambda c: c.fields(path="")),
        # And no scheme: so it is there.
        refused_fields("no method", lambda c: c.fields()[2:]),
        refused_fields("no scheme", lambda c: c.fields()[:1] + c.fields()[2:]),
        refused_fields("no path", lambda c: c.fields()[:2] + c.fields()[3:]),
        refused_fields("two methods", lambda c: c.fields() + c.fields()[:1]),
        refused_fields("two schemes", lambda c: c.fields() + c.fields()[1:2]),
        refused_fields("two methods, one of them a path", lambda c: [*c.fields(), (":method", c.path)]),
    ),
    *section(
        "http2/8.1.2.6",
        ("more DATA than content-length", lambda c: (c.post(("content-length", "1")), data()),
         stream_error(PROTOCOL_ERROR)),
        ("more DATA than content-length, in two", lambda c: (c.post(("content-length", "1")), data(flags=0), data()),
         stream_error(PROTOCOL_ERROR)),
    ),
    *section(
        "http2/8.2",
        ("PUSH_PROMISE", lambda c: (frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\3" + c.block(c.fields())),),
         connection_error(PROTOCOL_ERROR)),
    ),
]

HPACK = [
    *section(
        "hpack/2.3.3",
        refused_block("an index above the tables", after=b"\xc6"),
        refused_block("the index of a name above the tables", after=b"\x7f\x07\0"),
    ),
    *section("hpack/4.2", refused_block("an update of the table's size at the end", after=b"\x21")),
    *section(
        "hpack/5.2",
        refused_block("Huffman code with 8 bits of padding", after=bytes.fromhex("0085f2b24a84ff8449509fff")),
        refused_block("Huffman code with padding of zeros", after=bytes.fromhex("0085f2b24a84ff83495090")),
        refused_block("Huffman code with its end within", after=bytes.fromhex("0085f2b24a87fffffffd25427f")),
    ),
    *section("hpack/6.1", refused_block("index 0", after=b"\x80")),
    *section("hpack/6.3", ("a table above the largest", size_above_table, connection_error(COMPRESSION_ERROR))),
]

CASES = [*STARTING, *FRAMES, *STREAMS, *KINDS, *MESSAGES, *HPACK]
