"""h2spec's "generic": what every server must take. The sections are its own."""

from suites.frames import *


def user_agent(start, huffman):
    """user-agent: h2spec, as a literal with a name of its own (RFC 7541, 6.2)."""
    name, value = ((bytes.fromhex("87b505b161cc5a93"), bytes.fromhex("849c48aca4")) if huffman
                   else (b"\x0auser-agent", b"\x06h2spec"))
    return bytes((start,)) + name + value


def x_test(start, huffman):
    name, value = ((bytes.fromhex("85f2b24a84ff"), bytes.fromhex("849c48aca4")) if huffman
                   else (b"\x06x-test", b"\x06h2spec"))
    return bytes((start,)) + name + value


def literal(what, representation):
    """A request whose last field is this."""
    return what, lambda c: (c.head(after=representation),), ANSWER


def split(*at):
    """A request whose block is cut at these places, the first part in HEADERS."""
    def steps(c):
        block = c.block(c.fields())
        parts = [block[begin:end] for begin, end in zip((0, *at), (*at, None))]
        last = len(parts) - 1
        return [frame(CONTINUATION if number else HEADERS,
                      (0 if number else END_STREAM) | (END_HEADERS if number == last else 0), 1, part)
                for number, part in enumerate(parts)]
    return steps


NO_WINDOW = settings((INITIAL_WINDOW_SIZE, 0))

CASES = [
    *section(
        "generic/1",
        ("a preface", lambda c: (PREFACE, settings((INITIAL_WINDOW_SIZE, WINDOW))), at_once, False),
    ),
    *section(
        "generic/2",
        ("PRIORITY on an idle stream", lambda c: (priority(), ping()), pong()),
        ("WINDOW_UPDATE on a half-closed stream", lambda c: (NO_WINDOW, c.head(), window(1, 1)), SOME_DATA),
        ("PRIORITY on a half-closed stream", lambda c: (NO_WINDOW, c.head(), priority(), window(1, 1)), SOME_DATA),
        ("RST_STREAM on a half-closed stream", lambda c: (c.head(), reset(), ping()), pong_or_end()),
        ("PRIORITY on a closed stream", lambda c: (c.head(), STREAM_END, priority(), ping()), pong()),
    ),
    *section(
        "generic/3.1",
        ("DATA", lambda c: (c.post(), data()), ANSWER),
        ("DATA twice", lambda c: (c.post(), data(flags=0), data()), ANSWER),
        ("padded DATA", lambda c: (c.post(), data(b"\x06testpadded", END_STREAM | PADDED)), ANSWER),
    ),
    *section(
        "generic/3.2",
        ("HEADERS", lambda c: (c.head(),), ANSWER),
        ("padded HEADERS", lambda c: (c.head(WHOLE | PADDED, before=b"\x08", after=bytes(8)),), ANSWER),
        ("HEADERS with a priority", lambda c: (c.head(WHOLE | WITH_PRIORITY, before=dependency(0)),), ANSWER),
    ),
    *section(
        "generic/3.3",
        ("PRIORITY of 1", lambda c: (priority(weight=0), c.head()), ANSWER),
        ("PRIORITY of 256", lambda c: (priority(weight=255), c.head()), ANSWER),
        ("PRIORITY with a dependency", lambda c: (priority(3, on=1, weight=0), c.head()), ANSWER),
        ("an exclusive PRIORITY", lambda c: (priority(weight=0, exclusive=True), c.head()), ANSWER),
        ("PRIORITY on an idle stream above", lambda c: (priority(3), c.head()), ANSWER),
    ),
    *section("generic/3.4", ("RST_STREAM", lambda c: (c.head(END_HEADERS), reset(), ping()), pong_or_end())),
    *section(
        "generic/3.5",
        ("SETTINGS", lambda c: (settings((HEADER_TABLE_SIZE, 4096), (ENABLE_PUSH, 1), (MAX_CONCURRENT_STREAMS, 100),
                                         (INITIAL_WINDOW_SIZE, WINDOW), (MAX_FRAME_SIZE, 16384),
                                         (MAX_HEADER_LIST_SIZE, 100)),), ACKNOWLEDGED),
    ),
    *section("generic/3.7", ("PING", lambda c: (ping(H2SPEC),), pong(H2SPEC))),
    *section("generic/3.8", ("GOAWAY", lambda c: (goaway(NO_ERROR, b"h2spec"), ping(H2SPEC)), pong_or_end(H2SPEC))),
    *section(
        "generic/3.9",
        ("WINDOW_UPDATE of the connection", lambda c: (window(0, 1), ping()), SOME_PING),
        ("WINDOW_UPDATE of a stream", lambda c: (c.head(), window(1, 1)), ANSWER),
    ),
    *section(
        "generic/3.10",
        ("CONTINUATION", split(5), ANSWER),
        ("CONTINUATION twice", split(5, 10), ANSWER),
    ),
    *section(
        "generic/4",
        ("GET", lambda c: (c.head(),), ANSWER),
        ("HEAD", lambda c: (c.head(method="HEAD"),), ANSWER),
        ("POST", lambda c: (c.post(), data()), ANSWER),
        ("POST with trailers", lambda c: (c.post(("trailer", "x-test")), data(flags=0),
                                          c.head(fields=[("x-test", "ok")])), ANSWER),
    ),
    *section(
        "generic/5",
        literal("an indexed field", b"\xba"),
        # The second and third are where h2spec has them, the one for the other.
        literal("a literal into the table, with Huffman code", user_agent(0x40, True)),
        literal("a literal into the table", user_agent(0x40, False)),
        literal("a literal into the table, new name", x_test(0x40, False)),
        literal("a literal into the table, new name, Huffman code", x_test(0x40, True)),
        literal("a literal beside the table", user_agent(0, False)),
        literal("a literal beside the table, Huffman code", user_agent(0, True)),
        literal("a literal beside the table, new name", x_test(0, False)),
        literal("a literal beside the table, new name, Huffman code", x_test(0, True)),
        literal("a literal never in a table", user_agent(0x10, False)),
        literal("a literal never in a table, Huffman code", user_agent(0x10, True)),
        literal("a literal never in a table, new name", x_test(0x10, True)),
        literal("a literal never in a table, new name, Huffman code", x_test(0x10, True)),
        ("an update of the table's size", lambda c: (c.head(before=b"\x20"),), ANSWER),
        ("two updates of the table's size", lambda c: (c.head(before=b"\x20\x3f\xe1\x1f"),), ANSWER),
    ),
]
