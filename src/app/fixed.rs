//! What cannot change while the gateway runs.

use std::mem::discriminant;

use secrecy::ExposeSecret;

use crate::config::Settings;

/// Those that decide who gets as far as the allowlist, and how. A list that was written for the new value
/// says nothing beside the old one: `allow_any` may be meant for loopback, or for whoever shows a
/// certificate.
const GUARDS: [(&str, &str); 2] = [
    ("listen.address", "from where anybody can connect"),
    ("tls.mode", "whether clients can be asked for a certificate"),
];

/// Why a configuration in which these keys are `differing` cannot be taken at all without a restart.
pub(super) fn guarded(differing: &[&'static str]) -> Vec<String> {
    let guards = GUARDS.into_iter().filter(|(key, _)| differing.contains(key));
    let told = |(key, decides)| {
        format!(
            "{key} has changed, which takes a restart, and it decides {decides}: until then nothing of \
             the configuration on disk counts; restart postgate, or set {key} back"
        )
    };
    guards.map(told).collect()
}

/// The keys whose values in `wanted` are others than those that the gateway was started with.
pub(super) fn differing(started: &Settings, wanted: &Settings) -> Vec<&'static str> {
    let (a, b) = (started, wanted);
    let differs = [
        ("listen.address", a.listen.address != b.listen.address),
        ("listen.server_name", a.server_names != b.server_names),
        ("tls.mode", discriminant(&a.tls.mode) != discriminant(&b.tls.mode)),
        ("spool.path", a.spool.path != b.spool.path),
        ("spool.max_bytes", a.spool.max_bytes != b.spool.max_bytes),
        ("spool.quarantine_share", a.spool.quarantine_percent != b.spool.quarantine_percent),
        ("spool.keep_received", a.spool.keep_received != b.spool.keep_received),
        ("spool.keep_delivered", a.spool.keep_delivered != b.spool.keep_delivered),
        ("dedup.window", a.spool.dedup_window != b.spool.dedup_window),
        ("admin.address", a.admin.address != b.admin.address),
        ("admin.token", token(a) != token(b)),
        ("limits.connections", a.listen.connections != b.listen.connections),
        (
            "limits.connections_per_address",
            a.listen.connections_per_address != b.listen.connections_per_address,
        ),
        ("limits.handshake_time", a.tls.handshake_time != b.tls.handshake_time),
        ("limits.header_time", a.limits.header_time != b.limits.header_time),
        ("limits.idle_time", a.limits.idle_time != b.limits.idle_time),
        ("limits.header_bytes", a.limits.header_bytes != b.limits.header_bytes),
        ("limits.headers", a.limits.headers != b.limits.headers),
        ("limits.body_bytes", a.limits.body_bytes != b.limits.body_bytes),
        ("limits.body_time", a.limits.body_time != b.limits.body_time),
        ("limits.handshakes", a.tls.handshakes != b.tls.handshakes),
        ("limits.target_bytes", a.limits.target_bytes != b.limits.target_bytes),
        ("limits.body_grace", a.limits.body_grace != b.limits.body_grace),
        ("limits.body_rate", a.limits.body_rate != b.limits.body_rate),
        ("limits.bodies_bytes", a.limits.bodies_bytes != b.limits.bodies_bytes),
        (
            "limits.requests_per_connection",
            a.limits.requests_per_connection != b.limits.requests_per_connection,
        ),
        ("limits.http2_streams", a.limits.http2_streams != b.limits.http2_streams),
        ("limits.shutdown_time", a.shutdown_time != b.shutdown_time),
        ("log.format", discriminant(&a.log.format) != discriminant(&b.log.format)),
        ("log.level", a.log.level != b.log.level),
    ];
    differs.into_iter().filter_map(|(key, differs)| differs.then_some(key)).collect()
}

fn token(settings: &Settings) -> Option<&str> {
    settings.admin.token.as_ref().map(ExposeSecret::expose_secret)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock::Timestamp;
    use crate::config;

    fn settings(more: &str) -> Settings {
        let text = format!(
            "[allowlist]\nranges = [\"192.0.2.0/24\"]\ntrusted_proxies = [\"10.0.0.1\"]\n\
             [[routes]]\nname = \"a\"\npath = \"/a\"\nkind = \"action\"\n{more}"
        );
        let settings = config::parse(&text, Path::new("config.toml"), [], Timestamp::default());
        settings.unwrap_or_else(|problems| panic!("{problems}"))
    }

    #[test]
    fn every_key_that_is_read_at_start_alone_is_named() {
        let started = settings("[tls]\nmode = \"off\"\n");
        assert_eq!(differing(&started, &started), [""; 0]);
        for (key, section) in [
            ("listen.address", "[listen]\naddress = \"127.0.0.1:1\""),
            ("listen.server_name", "[listen]\nserver_name = [\"a\"]"),
            ("spool.path", "[spool]\npath = \"other.db\""),
            ("spool.max_bytes", "[spool]\nmax_bytes = \"2GiB\""),
            ("spool.quarantine_share", "[spool]\nquarantine_share = 0.5"),
            ("spool.keep_received", "[spool]\nkeep_received = false"),
            ("spool.keep_delivered", "[spool]\nkeep_delivered = \"48h\""),
            ("dedup.window", "[dedup]\nwindow = \"1h\""),
            ("admin.address", "[admin]\naddress = \"127.0.0.1:1\""),
            ("admin.token", "[admin]\ntoken = \"t0ken\""),
            ("limits.connections", "[limits]\nconnections = 5"),
            ("limits.connections_per_address", "[limits]\nconnections_per_address = 5"),
            ("limits.handshake_time", "[limits]\nhandshake_time = \"1s\""),
            ("limits.header_time", "[limits]\nheader_time = \"1s\""),
            ("limits.idle_time", "[limits]\nidle_time = \"1s\""),
            ("limits.header_bytes", "[limits]\nheader_bytes = \"16KiB\""),
            ("limits.headers", "[limits]\nheaders = 5"),
            ("limits.body_bytes", "[limits]\nbody_bytes = \"2KiB\""),
            ("limits.body_time", "[limits]\nbody_time = \"1s\""),
            ("limits.handshakes", "[limits]\nhandshakes = 5"),
            ("limits.target_bytes", "[limits]\ntarget_bytes = 2048"),
            ("limits.body_grace", "[limits]\nbody_grace = \"1s\""),
            ("limits.body_rate", "[limits]\nbody_rate = 5"),
            ("limits.bodies_bytes", "[limits]\nbodies_bytes = \"1GiB\""),
            ("limits.requests_per_connection", "[limits]\nrequests_per_connection = 5"),
            ("limits.http2_streams", "[limits]\nhttp2_streams = 5"),
            ("limits.shutdown_time", "[limits]\nshutdown_time = \"1s\""),
            ("log.format", "[log]\nformat = \"json\""),
            ("log.level", "[log]\nlevel = \"debug\""),
        ] {
            let wanted = settings(&format!("[tls]\nmode = \"off\"\n{section}\n"));
            assert_eq!(differing(&started, &wanted), [key]);
        }
        let tls = "[tls]\nmode = \"self-signed\"\nself_signed_anywhere = true\n";
        assert_eq!(differing(&started, &settings(tls)), ["tls.mode"]);
    }

    #[test]
    fn what_guards_the_lists_is_told_with_its_mend_and_nothing_else_is() {
        assert_eq!(guarded(&["listen.server_name", "limits.headers", "admin.token"]), [""; 0]);
        for (key, _) in GUARDS {
            let [told] = &guarded(&["limits.headers", key])[..] else { panic!("one line") };
            assert!(told.starts_with(key) && told.contains("restart postgate"), "{told}");
        }
        assert_eq!(guarded(&["tls.mode", "listen.address"]).len(), 2);
    }
}
