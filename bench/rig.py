"""What the benchmarks stand on: folder, ports, certificate, and processes that end with us."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS = 10
STOP_SECONDS = 30
DRAIN_SECONDS = 300
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
NAMES = "IP:127.0.0.1,DNS:localhost"
LOOPBACK = 'ranges = ["127.0.0.0/8"]'
CERTIFICATE = 'certificate = "../tls.crt"\nprivate_key = "../tls.key"'
ROUTES = '[[routes]]\nname = "actions"\npath = "/postback/actions"\nkind = "action"\ndelivery = "{}"\n'
# A round leaves the events of its seconds on disk; a run that fills the disk measures nothing.
FREE_BYTES = 4 * 1024**3


class Failure(Exception):
    """What the person at the terminal has to mend."""


@contextlib.contextmanager
def folder(parent):
    """A temporary folder under `parent`, on a disk that can be synced."""
    parent = pathlib.Path(parent)
    parent.mkdir(parents=True, exist_ok=True)
    kind = file_system(parent)
    if kind in ("tmpfs", "ramfs"):
        raise Failure(f"{parent} is on {kind}: fsync costs nothing there; use --folder")
    free = shutil.disk_usage(parent).free
    if free < FREE_BYTES:
        raise Failure(f"{parent} has {free >> 20} MiB free, {FREE_BYTES >> 20} are needed")
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        yield pathlib.Path(name)


def file_system(path):
    """The type of the file system that holds `path`."""
    best = ("", "unknown")
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        inside = str(path.resolve()).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def sync_time(where):
    """The median of 200 appends of 2 KiB with fdatasync, in milliseconds."""
    times = []
    with open(where / "sync", "wb", buffering=0) as file:
        for _ in range(200):
            begun = time.perf_counter()
            file.write(bytes(2048))
            os.fdatasync(file.fileno())
            times.append(1000 * (time.perf_counter() - begun))
    return statistics.median(times)


def need(program, package):
    """The path of a program, or how to get it."""
    found = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin")
    if not found:
        raise Failure(f"{program} is missing: apt-get install {package}")
    return found


def binary(path):
    """The release binary."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise Failure(f"{path} is missing: cargo build --release --locked")
    return path.resolve()


def certificate(where):
    """One self-made certificate for all who serve TLS: tls.crt and tls.key in `where`."""
    openssl("req", "-x509", *NEW_KEY, "-days", "2", "-subj", "/CN=localhost",
            "-addext", f"subjectAltName={NAMES}", "-keyout", where / "tls.key", "-out", where / "tls.crt")


def authority(where):
    """The same by an authority of our own, ca.crt, for 90 days, as public ones do it."""
    openssl("req", "-x509", *NEW_KEY, "-days", "90", "-subj", "/CN=authority of the test",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", where / "ca.key", "-out", where / "ca.crt")
    openssl("req", *NEW_KEY, "-subj", "/CN=localhost", "-keyout", where / "tls.key", "-out", where / "request")
    extensions = where / "extensions"
    extensions.write_text(
        f"subjectAltName={NAMES}\nbasicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature\n"
        "extendedKeyUsage=serverAuth\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
    )
    openssl("x509", "-req", "-in", where / "request", "-CA", where / "ca.crt", "-CAkey", where / "ca.key",
            "-CAcreateserial", "-days", "90", "-extfile", extensions, "-out", where / "leaf.crt")
    chain = (where / "leaf.crt").read_text() + (where / "ca.crt").read_text()
    (where / "tls.crt").write_text(chain)


def openssl(*arguments):
    command = [need("openssl", "openssl"), *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def port():
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(url):
    """The body of a GET; raises OSError for every status but 2xx."""
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.read().decode()


def until(what, seconds, test, pause=0.005):
    """Waits until `test` is true; returns how long it took."""
    begun = time.perf_counter()
    while not test():
        if time.perf_counter() - begun > seconds:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(pause)
    return time.perf_counter() - begun


class Process:
    """A child with all it starts. Ends with the `with` block, or at the latest with `main`."""

    started = []

    def __init__(self, command, log):
        self.log = log
        with open(log, "ab") as out:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True,
            )
        self.started.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self.child.pid, signal.SIGKILL)
                self.child.wait()

    def alive(self):
        if self.child.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise Failure(f"{self.child.args[0]} ended with {self.child.returncode}:\n{tail}")
        return True

    def until_listening(self, name):
        """Waits until something takes connections at its `port`."""

        def listens():
            self.alive()
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return True
            return False

        until(f"start of {name}", START_SECONDS, listens)

    def pids(self):
        """The process and its children: nginx works in those."""
        task = pathlib.Path(f"/proc/{self.child.pid}/task/{self.child.pid}/children")
        return [self.child.pid, *map(int, task.read_text().split())]

    def cpu(self):
        """Seconds of CPU so far, user and system."""
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def written(self):
        """Bytes sent to the disk so far."""
        return sum(
            int(re.search(r"^write_bytes: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text(), re.M)[1])
            for pid in self.pids()
        )

    def memory(self):
        """Resident bytes: now, and at the most. Pages that two processes share count twice."""
        now = most = 0
        for pid in self.pids():
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            now += 1024 * int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1])
            most += 1024 * int(re.search(r"^VmHWM:\s+(\d+)", status, re.M)[1])
        return now, most


class Postgate(Process):
    """postgate with every default, but for what a machine of its own needs."""

    def __init__(self, program, where, upstream, delivery="queued", allowlist=LOOPBACK, tls=CERTIFICATE, routes=ROUTES):
        self.port, self.admin = port(), port()
        self.program, self.config = program, where / "config.toml"
        where.mkdir()
        self.config.write_text(
            f'[listen]\naddress = "127.0.0.1:{self.port}"\n'
            f"[tls]\n{tls}\n"
            f"[allowlist]\n{allowlist}\n"
            f'[upstream]\nurl = "http://127.0.0.1:{upstream}/postbacks"\n'
            # Room for a whole round: the limit is not what is measured.
            '[spool]\npath = "spool.db"\nmax_bytes = "16GiB"\n'
            f'[admin]\naddress = "127.0.0.1:{self.admin}"\n'
            f'[log]\nlevel = "warn"\n{routes.format(delivery)}'
        )
        self.start()

    def start(self):
        """Also again, once it has ended."""
        log = self.config.parent / "log"
        super().__init__([self.program, "run", "--config", self.config], log)

    def url(self, path="/postback/actions"):
        return f"https://127.0.0.1:{self.port}{path}"

    def ready(self):
        with contextlib.suppress(OSError):
            fetch(f"http://127.0.0.1:{self.admin}/readyz")
            return True
        self.alive()
        return False

    def events(self, state):
        """How many events are in this state, by the metrics."""
        return self.metric(f'postgate_spool_events{{state="{state}"}}')

    def metric(self, name, missing=None):
        """The count of this name; `missing` where it was never counted."""
        text = fetch(f"http://127.0.0.1:{self.admin}/metrics")
        found = re.search(rf"^{re.escape(name)} (\d+)", text, re.M)
        if not found and missing is not None:
            return missing
        if not found:
            raise Failure(f"/metrics has no {name}")
        return int(found[1])

    def drain(self):
        """Waits until everything accepted is delivered; returns the seconds."""
        drained = lambda: self.alive() and self.events("pending") == 0
        seconds = until("delivery of the backlog", DRAIN_SECONDS, drained, pause=0.05)
        if dead := self.events("dead"):
            raise Failure(f"{dead} events were not delivered")
        return seconds


def main(run):
    """Runs `run`; a failure is one line, and every way out cleans up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))
    try:
        run()
    except Failure as failure:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for process in Process.started:
            process.stop()
