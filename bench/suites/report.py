"""What a suite's run was asked for, and what came of it."""

import argparse
import concurrent.futures
import json

import rig
from suites import subjects

# At a time: they wait more than they work.
WORKERS = 8


def arguments(text, timeout):
    parser = argparse.ArgumentParser(description=text)
    parser.add_argument("--who", default="postgate", help="postgate, nginx and haproxy, with commas between")
    parser.add_argument("--timeout", type=float, default=timeout, help="seconds without an answer that are none")
    parser.add_argument("--json", action="store_true", help="every case, as JSON")
    parser.add_argument("--postgate", default=rig.ROOT / "target/release/postgate")
    parser.add_argument("--folder", default=rig.ROOT / "target/bench", help="not on a tmpfs")
    args = parser.parse_args()
    args.who = args.who.split(",")
    if unknown := set(args.who) - set(subjects.PATHS):
        parser.error(f"--who: {', '.join(sorted(unknown))} is none of {', '.join(subjects.PATHS)}")
    args.postgate = rig.binary(args.postgate) if "postgate" in args.who else None
    return args


def at_once(run, cases):
    """The result of each, in their order."""
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as workers:
        return list(workers.map(run, cases))


def finish(found, as_json, good):
    """`found`: subject, case, verdict, what came. All but what is quietly good is shown, then the counts."""
    if as_json:
        print(json.dumps([dict(zip(("subject", "case", "verdict", "found"), row)) for row in found], indent=1))
    counts = {}
    for subject, case, verdict, what in found:
        counts.setdefault(subject, dict.fromkeys(good, 0))
        counts[subject][verdict] = counts[subject].get(verdict, 0) + 1
        if verdict != good[0] and not as_json:
            print(f"{subject}: {verdict}: {case}: {what}")
    bad = []
    for subject, counted in counts.items():
        listed = ", ".join(f"{count} {verdict}" for verdict, count in counted.items())
        line = f"{subject}: {sum(counted.values())} cases: {listed}"
        if set(counted) - set(good):
            bad.append(line)
        elif not as_json:
            print(line)
    if bad:
        raise rig.Failure("\n".join(bad))
