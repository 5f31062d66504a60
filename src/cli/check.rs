//! `postgate check`: everything wrong with the configuration at once, or a summary of it.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use bytesize::ByteSize;
use comfy_table::{Table, TableStyle};
use serde::Serialize;

use crate::clock::{self, Timestamp};
use crate::config::{self, Certificate, Problem, Problems, Route, Settings};
use crate::deliver::UpstreamUrl;
use crate::ingress::{Delivery, SecretPlace};
use crate::net::TlsMode;

/// Ranges shown to people; the count tells the rest.
const SHOWN_RANGES: usize = 5;

/// What `postgate check` takes.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(super) struct Arguments {
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Checks the configuration at `path` and prints what was found on stdout: text, or with `--json`
/// one JSON object. The exit code is 0, or 78 when there is a problem.
///
/// # Errors
/// When stdout cannot be written.
pub(super) fn run(path: &Path, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let found = config::load(path);
    let mut out = anstream::stdout().lock();
    if arguments.json {
        write_json(&mut out, path, &found, clock::now())
    } else {
        write_text(&mut out, path, &found, clock::now())
    }
    .context("cannot write the result")?;
    Ok(match found {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::from(super::EXIT_CONFIG),
    })
}

fn write_text(
    out: &mut impl Write,
    path: &Path,
    found: &Result<Settings, Problems>,
    now: Timestamp,
) -> io::Result<()> {
    let settings = match found {
        Ok(settings) => settings,
        Err(problems) => return writeln!(out, "{problems}"),
    };
    writeln!(out, "{}: no problems", path.display())?;
    for warning in &settings.warnings {
        writeln!(out, "warning: {warning}\n         {}", warning.mend)?;
    }
    let summary = Summary::new(settings, now);
    writeln!(out, "\n{}\n\n{}", summary.facts(), summary.table())
}

fn write_json(
    out: &mut impl Write,
    path: &Path,
    found: &Result<Settings, Problems>,
    now: Timestamp,
) -> io::Result<()> {
    let (settings, problems) = match found {
        Ok(settings) => (Some(settings), Vec::new()),
        Err(problems) => (None, problems.iter().collect()),
    };
    let answer = Answer {
        file: path.display().to_string(),
        ok: settings.is_some(),
        problems,
        warnings: settings.map_or(&[], |settings| &settings.warnings),
        summary: settings.map(|settings| Summary::new(settings, now)),
    };
    serde_json::to_writer(&mut *out, &answer)?;
    writeln!(out)
}

#[derive(Serialize)]
struct Answer<'a> {
    file: String,
    ok: bool,
    problems: Vec<&'a Problem>,
    warnings: &'a [Problem],
    summary: Option<Summary>,
}

/// What an operator wants to see before starting: no secret, and no query of an upstream.
#[derive(Serialize)]
struct Summary {
    listen: String,
    tls: &'static str,
    client_certificates: bool,
    certificate: Option<CertificateSummary>,
    allow_any: bool,
    ranges: Vec<String>,
    trusted_proxies: Vec<String>,
    /// Where a trusted proxy says who its client is.
    told_by: &'static str,
    spool: String,
    spool_max_bytes: u64,
    admin: String,
    admin_token: bool,
    routes: Vec<RouteSummary>,
}

#[derive(Serialize)]
struct CertificateSummary {
    names: Vec<String>,
    expires: String,
    days: u64,
}

#[derive(Serialize)]
struct RouteSummary {
    name: String,
    methods: Vec<String>,
    path: String,
    kind: &'static str,
    delivery: &'static str,
    secret: Option<String>,
    upstream: String,
}

impl Summary {
    fn new(settings: &Settings, now: Timestamp) -> Self {
        let (tls, client_certificates) = match &settings.tls.mode {
            TlsMode::Files { clients, .. } => ("files", clients.is_some()),
            TlsMode::SelfSigned => ("self-signed", false),
            TlsMode::Off => ("off", false),
        };
        let texts = |ranges: &[ipnet::IpNet]| ranges.iter().map(ToString::to_string).collect();
        let certificate = settings.certificate.as_ref();
        Self {
            listen: settings.listen.address.to_string(),
            tls,
            client_certificates,
            certificate: certificate.map(|certificate| CertificateSummary::new(certificate, now)),
            allow_any: settings.allowlist.allow_any,
            ranges: texts(&settings.allowlist.ranges),
            trusted_proxies: texts(&settings.allowlist.trusted_proxies),
            told_by: if settings.allowlist.proxy_protocol {
                "the PROXY header"
            } else {
                "X-Forwarded-For or Forwarded"
            },
            spool: settings.spool.path.display().to_string(),
            spool_max_bytes: settings.spool.max_bytes,
            admin: settings.admin.address.to_string(),
            admin_token: settings.admin.token.is_some(),
            routes: settings.routes.iter().map(RouteSummary::new).collect(),
        }
    }

    fn facts(&self) -> String {
        let mut tls = self.tls.to_owned();
        if let Some(certificate) = &self.certificate {
            let names = certificate.names.join(", ");
            let (days, expires) = (certificate.days, &certificate.expires);
            tls = format!("{tls}, {names}, expires in {days} days ({expires})");
        }
        if self.client_certificates {
            tls += ", client certificates required";
        }
        let token = if self.admin_token { ", with a token" } else { "" };
        let size = ByteSize(self.spool_max_bytes);
        format!(
            "listen     {}\ntls        {tls}\nallowlist  {}\nclients    {}\nspool      {}, up to {size}\n\
             admin      {}{token}",
            self.listen,
            self.allowed(),
            self.told(),
            self.spool,
            self.admin,
        )
    }

    /// What tells who a client is.
    fn told(&self) -> String {
        if self.trusted_proxies.is_empty() {
            return "by the peer's address alone".to_owned();
        }
        let proxies = several(&self.trusted_proxies);
        format!("by {} of {proxies}; of anybody else by the peer's address", self.told_by)
    }

    fn allowed(&self) -> String {
        if self.allow_any {
            return "everybody (allow_any = true)".to_owned();
        }
        several(&self.ranges)
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(TableStyle::new());
        table.set_header(["ROUTE", "METHODS", "PATH", "KIND", "DELIVERY", "SECRET", "UPSTREAM"]);
        for route in &self.routes {
            table.add_row([
                route.name.as_str(),
                &route.methods.join(" "),
                &route.path,
                route.kind,
                route.delivery,
                route.secret.as_deref().unwrap_or("none"),
                &route.upstream,
            ]);
        }
        table.trim_fmt()
    }
}

/// How many, and the first of them.
fn several(ranges: &[String]) -> String {
    let count = ranges.len();
    let noun = if count == 1 { "range" } else { "ranges" };
    let first: Vec<&str> = ranges.iter().map(String::as_str).take(SHOWN_RANGES).collect();
    let rest = if count > SHOWN_RANGES { ", ..." } else { "" };
    format!("{count} {noun}: {}{rest}", first.join(", "))
}

impl CertificateSummary {
    fn new(certificate: &Certificate, now: Timestamp) -> Self {
        // The second that the certificate names.
        let second = i64::try_from(certificate.not_after.as_millis() / 1000).unwrap_or(i64::MAX);
        let expires = jiff::Timestamp::from_second(second);
        Self {
            names: certificate.names.clone(),
            expires: expires.map_or_else(|_| "never".to_owned(), |moment| moment.to_string()),
            days: certificate.not_after.since(now).as_secs() / (24 * 3600),
        }
    }
}

impl RouteSummary {
    fn new(route: &Route) -> Self {
        let door = &route.ingress;
        Self {
            name: door.name.to_string(),
            methods: door.methods.iter().map(ToString::to_string).collect(),
            path: door.path.clone(),
            kind: route.deliver.kind,
            delivery: match door.delivery {
                Delivery::Queued => "queued",
                Delivery::Direct => "direct",
            },
            secret: door.secret.as_ref().map(|secret| match &secret.place {
                SecretPlace::Header(name) => format!("header {name}"),
                SecretPlace::Query(name) => format!("query {name}"),
            }),
            upstream: place(&route.deliver.upstream.url),
        }
    }
}

/// The URL without its query, which may carry a secret.
fn place(url: &UpstreamUrl) -> String {
    match url {
        UpstreamUrl::Http(uri) => {
            let scheme = uri.scheme_str().unwrap_or_default();
            let authority = uri.authority().map_or("", |authority| authority.as_str());
            format!("{scheme}://{authority}{}", uri.path())
        }
        UpstreamUrl::Unix { socket, path } => format!("unix:{}:{}", socket.display(), path.path()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[tls]
mode = "off"
[allowlist]
ranges = ["192.0.2.0/24", "198.51.100.7"]
[upstream]
url = "https://shop.example/in?key=s3cret"
[[routes]]
name = "actions"
path = "/postback/actions"
kind = "action"
secret = { query = "t", value = "s3cret" }
"#;

    fn found(text: &str) -> Result<Settings, Problems> {
        config::parse(text, Path::new("config.toml"), [], Timestamp::default())
    }

    fn text(found: &Result<Settings, Problems>) -> String {
        let mut out = Vec::new();
        let path = Path::new("config.toml");
        write_text(&mut out, path, found, Timestamp::default()).expect("written");
        String::from_utf8(out).expect("text")
    }

    fn json(found: &Result<Settings, Problems>) -> serde_json::Value {
        let mut out = Vec::new();
        let path = Path::new("config.toml");
        write_json(&mut out, path, found, Timestamp::default()).expect("written");
        serde_json::from_slice(&out).expect("one object")
    }

    #[test]
    fn a_good_one_is_summed_up() {
        let found = found(GOOD);
        let shown = text(&found);
        for part in [
            "config.toml: no problems\n",
            "warning: config.toml:3:1: tls.mode",
            "0.0.0.0:8443",
            "2 ranges: 192.0.2.0/24, 198.51.100.7/32\n",
            "clients    by the peer's address alone\n",
            "up to 1.0 GiB",
            "/postback/actions",
            "https://shop.example/in",
            "query t",
        ] {
            assert!(shown.contains(part), "{part:?} is not in:\n{shown}");
        }
        assert!(!shown.contains("s3cret"), "{shown}");
        let object = json(&found);
        assert_eq!(object["ok"], true);
        assert_eq!(object["summary"]["routes"][0]["upstream"], "https://shop.example/in");
        assert!(!object.to_string().contains("s3cret"));
    }

    #[test]
    fn what_tells_who_a_client_is_is_said() {
        let proxied = GOOD.replace("ranges =", "trusted_proxies = [\"10.0.0.0/8\"]\nranges =");
        let by_head = "by X-Forwarded-For or Forwarded of 1 range: 10.0.0.0/8; of anybody else";
        assert!(text(&found(&proxied)).contains(by_head));
        let protocol = format!("listen.proxy_protocol = true\n{proxied}");
        assert!(text(&found(&protocol)).contains("by the PROXY header of 1 range"));
    }

    #[test]
    fn a_bad_one_is_listed() {
        let found = found("[tls]\nmode = \"of\"\n");
        let shown = text(&found);
        assert!(shown.starts_with("3 problems in the configuration\n"), "{shown}");
        assert!(shown.contains("1. config.toml:2:1: tls.mode: \"of\" is not known\n"), "{shown}");
        let object = json(&found);
        assert_eq!(object["ok"], false);
        assert_eq!(object["problems"][0]["line"], 2);
        assert_eq!(object["problems"].as_array().map(Vec::len), Some(3));
    }

    #[test]
    fn the_exit_code_tells_a_script() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, GOOD).expect("written");
        let json = Arguments { json: true };
        let code = |path: &Path| run(path, json).map(|code| format!("{code:?}")).expect("written");
        assert_eq!(code(&path), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(code(&folder.path().join("gone")), format!("{:?}", ExitCode::from(78)));
    }
}
