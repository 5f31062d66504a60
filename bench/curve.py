"""The picture of an outage: events and memory over time, as SVG."""

WIDTH, HEIGHT = 860, 380
LEFT, RIGHT, TOP, BOTTOM = 80, 60, 50, 45
SERIES = (
    # Column, name, colour. The three counts share the left axis.
    (1, "accepted", "#2563eb"),
    (2, "delivered", "#16a34a"),
    (3, "backlog", "#d97706"),
    (4, "memory", "#9333ea"),
)
MEMORY = 4


def draw(rows, marks):
    """`rows` are (seconds, accepted, delivered, backlog, memory in MiB), `marks` (seconds, text)."""
    seconds = rows[-1][0]
    events = rounded(max(row[1] for row in rows))
    memory = rounded(max(row[MEMORY] for row in rows))
    x = lambda value: LEFT + (WIDTH - LEFT - RIGHT) * value / seconds
    y = lambda value, most: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / most
    parts = [*grid(x, y, seconds, events, memory)]
    for number, (at, text) in enumerate(marks):
        parts.append(f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" '
                     'stroke="#6b7280" stroke-dasharray="4 3"/>')
        parts.append(label(x(at) + 5, TOP + 14 + 16 * number, text, "start", "#374151"))
    for number, (column, name, colour) in enumerate(SERIES):
        most = memory if column == MEMORY else events
        points = " ".join(f"{x(row[0]):.1f},{y(row[column], most):.1f}" for row in rows)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" '
                     'stroke-width="2" stroke-linejoin="round"/>')
        at = LEFT + 155 * number
        parts.append(f'<rect x="{at}" y="18" width="14" height="4" fill="{colour}"/>')
        unit = "MiB, right" if column == MEMORY else "events"
        parts.append(label(at + 20, 25, f"{name} ({unit})", "start", "#111827"))
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="sans-serif" font-size="12">\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n')


def grid(x, y, seconds, events, memory):
    """Four lines across, with both axes' numbers, and the time below."""
    for step in range(5):
        at = y(step, 4)
        yield f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e5e7eb"/>'
        yield label(LEFT - 8, at + 4, f"{events * step / 4:,.0f}", "end", "#374151")
        yield label(WIDTH - RIGHT + 8, at + 4, f"{memory * step / 4:,.0f}", "start", "#9333ea")
    every = max(1, rounded(seconds / 8))
    for number in range(int(seconds // every) + 1):
        yield label(x(number * every), HEIGHT - BOTTOM + 18, f"{number * every:g} s", "middle", "#374151")


def label(x, y, text, anchor, colour):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{text}</text>'


def rounded(value):
    """The next number upwards of 1, 1.2, 1.6, 2, 4, 5, 8 or 10 times a power of ten."""
    power = 1
    while power * 10 < value:
        power *= 10
    return next(power * step for step in (1, 1.2, 1.6, 2, 4, 5, 8, 10) if power * step >= value)
