//! `postgate allowlist`, by the real binary.

use crate::support::config::{Folder, ROUTE};
use crate::support::process::output;

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn folder() -> Folder {
    let folder = Folder::new("127.0.0.1:9".parse().unwrap(), ROUTE);
    let text = std::fs::read_to_string(folder.config()).unwrap();
    let list = "files = [\"impact.txt\"]\ntrusted_proxies = [\"10.0.0.0/8\"]";
    folder.write(&text.replace("ranges = [\"127.0.0.1/32\"]", list));
    std::fs::write(folder.path("impact.txt"), "# impact.com\n192.0.2.0/24\n").unwrap();
    folder
}

#[test]
fn check_says_yes_or_no_and_why() {
    let folder = folder();
    let config = folder.config();
    let check = |more: &[&str]| {
        let mut arguments = vec!["allowlist", "check", "--config", config.to_str().unwrap()];
        arguments.extend(more);
        output(&arguments, b"")
    };
    let yes = check(&["192.0.2.7"]);
    assert_eq!(yes.status.code(), Some(0));
    let out = text(&yes.stdout);
    assert!(out.starts_with("yes, by peer: 192.0.2.7 is in 192.0.2.0/24 ("), "{out}");
    assert!(out.ends_with("impact.txt:2)\n"), "{out}");

    let no = check(&["10.0.0.1", "--forwarded-for", "192.0.2.7, 203.0.113.9", "--json"]);
    assert_eq!(no.status.code(), Some(1));
    let object: serde_json::Value = serde_json::from_slice(&no.stdout).unwrap();
    assert_eq!((&object["allowed"], &object["client"]), (&false.into(), &"203.0.113.9".into()));

    // A secret that another shell has is no reason not to answer; for a route it is.
    let text = std::fs::read_to_string(folder.config()).unwrap();
    folder.write(&text.replace("[upstream]\n", "[upstream]\nsigning_secret = \"env:NOT_SET\"\n"));
    assert_eq!(check(&["192.0.2.7"]).status.code(), Some(0));
    assert_eq!(check(&["192.0.2.7", "--route", "actions"]).status.code(), Some(78));

    assert_eq!(check(&["10.0.0.1", "--proxied", "LOCAL"]).status.code(), Some(1));
    assert_eq!(check(&["10.0.0.1", "--proxied", "nobody"]).status.code(), Some(2));
    assert_eq!(check(&["impact.com"]).status.code(), Some(2));
    folder.write("[allowlist]\nrange = []\n");
    assert_eq!(check(&["192.0.2.7"]).status.code(), Some(78));
}

#[test]
fn import_prints_a_list_that_the_configuration_takes() {
    let folder = folder();
    let config = folder.config();
    let import = |more: &[&str], input: &str| {
        let mut arguments = vec!["allowlist", "import", "--config", config.to_str().unwrap()];
        arguments.extend(more);
        output(&arguments, input.as_bytes())
    };
    let page = "<h1>Our addresses</h1><ul><li>198.51.100.7 (new)</li>\n\
                <li>192.0.2.128/25</li><li>192.0.2.0 &ndash; 192.0.2.127</li></ul>";
    let done = import(&[], page);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stderr));
    assert_eq!(text(&done.stdout), "192.0.2.0/24\n198.51.100.7/32\n");
    assert_eq!(text(&done.stderr), "difference to the configuration:\n+ 198.51.100.7/32\n");

    std::fs::write(folder.path("impact.txt"), &done.stdout).unwrap();
    let same = import(&[folder.path("impact.txt").to_str().unwrap()], "");
    assert_eq!(text(&same.stderr), "no difference to the configuration\n");

    let private = import(&[], "192.0.2.0/24\n10.0.0.0/8\n");
    assert_eq!(private.status.code(), Some(1));
    assert_eq!(text(&private.stdout), "192.0.2.0/24\n");
    assert!(text(&private.stderr).contains("refused: line 2: 10.0.0.0/8: private"));
    assert_eq!(import(&["--force"], "10.0.0.0/8").status.code(), Some(0));

    let (halves, whole) = ("35.16.0.0/16 35.17.0.0/16", "35.16.0.0/15");
    let wide = import(&[], halves);
    assert_eq!((wide.status.code(), wide.stdout.len()), (Some(1), 0));
    assert!(text(&wide.stderr).contains(&format!("make {whole}: wider than /16")));
    assert_eq!(text(&import(&["--force"], halves).stdout), format!("{whole}\n"));

    let nothing = import(&[], "nothing here");
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(1), 0));
}
