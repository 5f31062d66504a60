//! The examples that are deployed as they are.

use std::path::Path;

use postgate::clock::Timestamp;
use postgate::config::{self, Settings};

/// What a quiet gateway takes, with what SQLite caches (README, "Idle").
const ITSELF: usize = 30_000_000;
/// A connection of HTTP/2 with the largest head that does not end (SECURITY.md).
const CONNECTION: usize = 375_000;
/// `limits.handshakes` in `config.toml`.
const HANDSHAKE: usize = 30 << 10;

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/postgate.yaml");
    std::fs::read_to_string(path).unwrap()
}

/// Its configuration, and what stands behind it.
fn configured(yaml: &str) -> (Settings, &str) {
    // A block scalar, and the next document.
    let (_, text) = yaml.split_once("config.toml: |\n").unwrap();
    let (text, rest) = text.split_once("\n---\n").unwrap();
    // The certificate is a secret of the cluster.
    let text = text.replace("\n    ", "\n").replace("[tls]\n", "[tls]\nmode = \"off\"\n");
    let variables = ["POSTBACK_TOKEN", "POSTGATE_ADMIN__TOKEN"];
    let variables = variables.map(|name| (name.to_owned(), "t0ken".to_owned()));
    let settings =
        config::parse(&text, Path::new("/none/config.toml"), variables, Timestamp::default());
    (settings.unwrap_or_else(|problems| panic!("{problems}")), rest)
}

#[test]
fn the_kubernetes_example_has_no_secret_and_shields_the_admin_listener() {
    let yaml = example();
    let (settings, rest) = configured(&yaml);
    assert!(!yaml.contains("kind: Secret"), "who applies it as it is has a secret of everybody's");
    for line in rest.lines().filter_map(|line| line.trim().strip_prefix("key: ")) {
        assert!(yaml.contains(&format!("--from-literal={line}=")), "no command makes {line}");
    }

    let policy = rest.split("\n---\n").find(|document| document.contains("kind: NetworkPolicy"));
    let (_, rules) = policy.unwrap().split_once("\n  ingress:\n").unwrap();
    let rules: Vec<_> = rules.split("\n    - ").collect();
    let (postbacks, admin) = (settings.listen.address.port(), settings.admin.address.port());
    for (port, is_open) in [(postbacks, true), (admin, false)] {
        let of_port: Vec<_> =
            rules.iter().filter(|rule| rule.contains(&format!("port: {port}"))).collect();
        assert_eq!(of_port.len(), 1, "{port}");
        assert_eq!(!of_port[0].contains("from:"), is_open, "{port}");
    }
}

#[test]
fn senders_cannot_fill_the_memory_of_the_kubernetes_example() {
    let yaml = example();
    let (settings, rest) = configured(&yaml);

    let (_, limit) = rest.split_once("limits:\n").unwrap();
    let limit = limit.trim_start().strip_prefix("memory: ").unwrap();
    let (mebibytes, _) = limit.split_once("Mi\n").unwrap();
    let memory = mebibytes.parse::<usize>().unwrap() << 20;

    let (connections, handshakes) = (settings.listen.connections, settings.tls.handshakes);
    let taken = ITSELF
        + connections * CONNECTION
        + handshakes.min(connections) * HANDSHAKE
        + 3 * settings.limits.bodies_bytes;
    assert!(taken < memory, "{taken} of {memory} bytes");
}
