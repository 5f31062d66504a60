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
    assert!(text(&wide.stderr).contains(&format!("{whole} is wider than /16")));
    let lines = import(&[], &halves.replace(' ', "\n"));
    assert_eq!((lines.status.code(), lines.stdout.len()), (Some(1), 0));
    let said = text(&lines.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&format!("make {whole}: wider than /16")), "{said}");
    let cut = import(&[], "35.0.0.1-35.3.255.254");
    assert_eq!((cut.status.code(), cut.stdout.len()), (Some(1), 0));
    assert!(text(&cut.stderr).contains("wider than /16"));
    // It takes what is odd, and guesses nothing.
    let mistyped = import(&["--force"], "34.1.2.7/24");
    assert_eq!((mistyped.status.code(), mistyped.stdout.len()), (Some(1), 0));
    assert!(text(&mistyped.stderr).contains("write 34.1.2.0/24"), "{}", text(&mistyped.stderr));
    assert_eq!(text(&import(&["--force"], halves).stdout), format!("{whole}\n"));

    let nothing = import(&[], "nothing here");
    assert_eq!((nothing.status.code(), nothing.stdout.len()), (Some(1), 0));
}

/// The list that the gateway reads is compared before it is replaced, and left alone where anybody has to
/// look at the page first.
#[test]
fn an_import_replaces_a_list_whole_or_not_at_all() {
    let folder = folder();
    let (config, list) = (folder.config(), folder.path("impact.txt"));
    let import = |more: &[&str], input: &str| {
        let mut arguments = vec!["allowlist", "import", "--config", config.to_str().unwrap()];
        arguments.extend(["--output", list.to_str().unwrap()]);
        arguments.extend(more);
        let done = output(&arguments, input.as_bytes());
        assert_eq!(text(&done.stdout), "");
        (done.status.code(), text(&done.stderr).to_owned())
    };
    let before = std::fs::read_to_string(&list).unwrap();
    let (halves, private) = ("35.16.0.0/16\n35.17.0.0/16", "198.51.100.7\n10.0.0.1\n");
    for page in [private, "nothing here", halves] {
        let (code, said) = import(&[], page);
        assert_eq!(code, Some(1), "{said}");
        let end =
            "impact.txt is left as it was: nothing may be refused, and something must be found\n";
        assert!(said.ends_with(end), "{said}");
        assert_eq!(std::fs::read_to_string(&list).unwrap(), before);
    }

    let (code, said) = import(&[], "198.51.100.0 - 198.51.100.7\n");
    assert_eq!(code, Some(0), "{said}");
    let difference = "difference to the configuration:\n+ 198.51.100.0/29\n- 192.0.2.0/24\n";
    assert!(said.starts_with(difference), "{said}");
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "198.51.100.0/29\n");
    assert_eq!(import(&["--force"], private).0, Some(0));
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "10.0.0.1/32\n198.51.100.7/32\n");

    // The first one, before there is a list to compare with; and the page may be the list itself.
    std::fs::remove_file(&list).unwrap();
    let (code, said) = import(&[], "192.0.2.128/25\n192.0.2.0/25");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("no comparison: "), "{said}");
    let (code, said) = import(&[list.to_str().unwrap()], "");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("no difference to the configuration\n"), "{said}");
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "192.0.2.0/24\n");

    let nowhere = folder.path("gone/list");
    let done =
        output(&["allowlist", "import", "--output", nowhere.to_str().unwrap()], b"192.0.2.7");
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).contains("cannot write beside "), "{}", text(&done.stderr));
}

#[test]
fn a_long_row_that_is_refused_is_not_told_whole() {
    let folder = folder();
    let row =
        format!("10.0.0.1 and {} 35.0.2.7:443{}\n", "word ".repeat(10_000), "4".repeat(10_000));
    let config = folder.config();
    let done =
        output(&["allowlist", "import", "--config", config.to_str().unwrap()], row.as_bytes());
    let said = text(&done.stderr);
    assert!(said.starts_with("refused: line 1: 10.0.0.1 and word "), "{said}");
    assert!(said.contains("35.0.2.7:4434"), "{said}");
    assert!(said.lines().all(|line| line.chars().count() < 600), "{said}");
}
