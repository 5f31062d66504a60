"""Whom the suites are run against: postgate, or a proxy with every default before an upstream that says OK."""

import nginx
import rig

PATHS = {"postgate": ("/postback/actions", "/"), "nginx": ("/",), "haproxy": ("/",)}
ACCEPTING = (
    '[[routes]]\nname = "root"\npath = "/"\nkind = "action"\non_malformed = "accept"\n'
    '[routes.reply]\nsuccess_body = "OK"\n'
)
# What Http11Probe knows for an answer without an echo; and one that a window can be smaller than.
SHORT, LONG = "OK", "OK, and more"


class Haproxy(rig.Process):
    def __init__(self, where, upstream, tls):
        self.port = rig.port()
        where.mkdir()
        speaks = ""
        if tls:
            pair = where / "pair.pem"
            pair.write_text((where.parent / "tls.crt").read_text() + (where.parent / "tls.key").read_text())
            speaks = f"ssl crt {pair} alpn h2"
        config = where / "haproxy.cfg"
        config.write_text(
            "defaults\n mode http\n timeout client 30s\n timeout server 30s\n timeout connect 5s\n"
            f"listen all\n bind 127.0.0.1:{self.port} {speaks}\n server upstream 127.0.0.1:{upstream}\n"
        )
        super().__init__([rig.need("haproxy", "haproxy"), "-f", config], where / "log")
        self.until_listening("HAProxy")


def start(who, program, where, tls):
    """It speaks HTTP/2 with TLS, and HTTP/1.1 without."""
    place = where / who
    if who == "postgate":
        more = {} if tls else {"tls": 'mode = "off"', "routes": ACCEPTING}
        gateway = rig.Postgate(program, place, upstream=9, **more)
        rig.until("start of postgate", rig.START_SECONDS, gateway.ready)
        return gateway
    says = f'; default_type text/plain; location / {{ return 200 "{LONG if tls else SHORT}"; }}'
    upstream = nginx.Nginx(where / f"{who}-upstream", says).port
    if who == "haproxy":
        return Haproxy(place, upstream, tls)
    speaks = f"ssl http2; ssl_certificate {where}/tls.crt; ssl_certificate_key {where}/tls.key" if tls else ""
    return nginx.Nginx(place, f"{speaks}; location / {{ proxy_pass http://127.0.0.1:{upstream}; }}")
