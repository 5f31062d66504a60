"""nginx, as the upstream that takes everything and as what postgate is compared with."""

import os
import re

import rig

KEEP = "keepalive_requests 1000000000; keepalive_timeout 600s;"


class Nginx(rig.Process):
    """One worker."""

    def __init__(self, where, server, more="access_log off;", port=None):
        self.port = port or rig.port()
        where.mkdir()
        config = where / "nginx.conf"
        # Started by root it would change to a user who cannot read the temporary folder.
        user = "user root;" if os.geteuid() == 0 else ""
        temporary = "".join(
            f"{kind}_temp_path {where}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"daemon off; {user} worker_processes 1; pid {where}/pid; error_log stderr warn;\n"
            "events { worker_connections 4096; }\n"
            f"http {{ {KEEP} {temporary}\n{more}\n"
            f"server {{ listen 127.0.0.1:{self.port} {server} }} }}\n"
        )
        program = rig.need("nginx", "nginx-light")
        super().__init__([program, "-p", where, "-c", config], where / "log")
        self.until_listening("nginx")


class Upstream(Nginx):
    """Takes everything, answers 204, counts, and with `ids` writes down the id of every event."""

    def __init__(self, where, port=None, ids=None):
        self.asked = 0
        noting = f"log_format id $http_webhook_id; access_log {ids} id buffer=64k flush=1s;"
        super().__init__(
            where,
            "backlog=4096; location / { return 204; }"
            " location = /count { access_log off; stub_status; }",
            noting if ids else "access_log off;",
            port,
        )

    def count(self):
        """Requests so far, without those that asked for this."""
        self.asked += 1
        text = rig.fetch(f"http://127.0.0.1:{self.port}/count")
        return int(re.search(r"\n\s*\d+ \d+ (\d+)", text)[1]) - self.asked
