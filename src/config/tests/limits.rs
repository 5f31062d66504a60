//! The bounds on what the configuration itself may be, at each and one past it.

use super::*;

fn keys(found: &Result<Settings, Problems>) -> Vec<&str> {
    let problems = found.as_ref().err().into_iter().flatten();
    problems.map(|problem| problem.key.as_str()).collect()
}

/// `text` with comments behind it, `bytes` in all.
fn padded(text: &str, bytes: usize) -> String {
    let comment = "#".repeat(bytes - text.len() - 1);
    format!("{text}\n{comment}")
}

#[test]
fn a_file_has_four_mebibytes_at_most() {
    let most = 4 * 1024 * 1024;
    assert!(load(&padded(&changed(&[]), most)).is_ok());
    let problems = load(&padded(&changed(&[]), most + 1)).expect_err("too large");
    assert!(problems.to_string().contains("larger than 4194304 bytes"), "{problems}");
}

#[test]
fn a_file_of_ranges_has_four_mebibytes_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ranges");
    let text = changed(&[("allowlist.files", &format!("[{:?}]", path.display().to_string()))]);
    let most = 4 * 1024 * 1024;
    std::fs::write(&path, padded("192.0.2.0/24", most)).expect("written");
    assert!(load(&text).is_ok());
    std::fs::write(&path, padded("192.0.2.0/24", most + 1)).expect("written");
    assert_eq!(keys(&load(&text)), ["allowlist.files[0]"]);
}

#[test]
fn fifty_mistakes_of_a_file_of_ranges_are_enough() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ranges");
    let text = changed(&[("allowlist.files", &format!("[{:?}]", path.display().to_string()))]);
    for (wrong, listed) in [(49, 49), (50, 50), (51, 50)] {
        std::fs::write(&path, "wrong\n".repeat(wrong)).expect("written");
        assert_eq!(keys(&load(&text)).len(), listed);
    }
}

#[test]
fn five_hundred_unknown_keys_are_enough() {
    for (unknown, listed) in [(500, 500), (501, 500)] {
        let keys: Vec<_> = (0..unknown).map(|number| format!("[qq{number}]\n")).collect();
        let keys = keys.concat();
        let problems = load(&format!("{}\n{keys}", changed(&[]))).expect_err("unknown");
        assert_eq!(problems.iter().count(), listed);
    }
}

#[test]
fn a_thousand_routes_and_no_more() {
    let routes = |number: usize| {
        let one =
            |at| format!("[[routes]]\nname = \"r{at}\"\npath = \"/{at}\"\nkind = \"action\"\n");
        route(&(0..number).map(one).collect::<String>())
    };
    assert_eq!(keys(&load(&routes(1000))), [""; 0]);
    assert_eq!(keys(&load(&routes(1001))), ["routes"]);
}
