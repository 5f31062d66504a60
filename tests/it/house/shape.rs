//! How long files are, how they are named, and how they begin.

use super::code;
use super::{Offence, Source};

/// Beyond this a file does two things.
const LINES: usize = 500;
/// Names that say nothing, so that everything ends up there.
const EMPTY_NAMES: [&str; 10] = [
    "base", "common", "helper", "helpers", "manager", "managers", "misc", "shared", "util", "utils",
];

pub(super) fn length(source: &Source) -> Option<Offence> {
    let lines = source.text.lines().count();
    (lines > LINES).then(|| {
        let what = format!("{lines} lines, {LINES} are the most: cut it in two");
        Offence::new(source, LINES + 1, what)
    })
}

/// The face of a stage begins with `//!` and says In, Out and Never.
pub(super) fn face(source: &Source) -> Option<Offence> {
    let stage = source.path.strip_prefix("src/")?.strip_suffix("/mod.rs")?;
    if stage.contains('/') {
        return None;
    }
    let docs = source.text.lines().map_while(|line| line.strip_prefix("//!"));
    let docs = docs.collect::<Vec<_>>().join("\n");
    let missing: Vec<_> =
        ["In:", "Out:", "Never:"].into_iter().filter(|word| !docs.contains(word)).collect();
    (!missing.is_empty()).then(|| {
        let what = format!("the `//!` at the top lacks {}", missing.join(" and "));
        Offence::new(source, 1, what)
    })
}

/// The file's own name and its folders'.
pub(super) fn name(source: &Source) -> Vec<Offence> {
    let path = source.path.strip_suffix(".rs").unwrap_or(&source.path);
    path.split(['/', '_'])
        .filter(|part| EMPTY_NAMES.contains(part))
        .map(|part| Offence::new(source, 1, format!("`{part}` names nothing: say what it holds")))
        .collect()
}

/// `#[ignore]` without `= "why"`.
pub(super) fn ignored(source: &Source) -> Vec<Offence> {
    let code = code::only(&source.text);
    let bare = code.match_indices("#[ignore]");
    bare.map(|(at, _)| Offence::new(source, code::line(&code, at), "say why: #[ignore = \"…\"]"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_501_lines_is_too_long_and_one_of_500_is_not() {
        let of = |lines| Source::planted("src/net/tls.rs", &"x\n".repeat(lines));
        assert_eq!(length(&of(LINES)), None);
        let offence = length(&of(LINES + 1)).unwrap();
        assert!(offence.to_string().starts_with("src/net/tls.rs:501: 501 lines"));
    }

    #[test]
    fn a_face_without_its_three_words_is_found() {
        let check = |path, text| face(&Source::planted(path, text)).map(|offence| offence.what);
        let whole = "//! Sockets. In: bytes.\n//! Out: connections. Never: a decision.\nmod tls;";
        assert_eq!(check("src/net/mod.rs", whole), None);
        assert_eq!(
            check("src/net/mod.rs", "//! Sockets. In: bytes.\n\nmod tls; // Out: Never:").unwrap(),
            "the `//!` at the top lacks Out: and Never:"
        );
        assert!(check("src/net/mod.rs", "").is_some());
        assert_eq!(check("src/net/tls.rs", ""), None);
        assert_eq!(check("src/spool/sqlite/mod.rs", ""), None);
    }

    #[test]
    fn empty_names_are_found_as_files_folders_and_parts() {
        let count = |path| name(&Source::planted(path, "")).len();
        assert_eq!(count("src/utils.rs"), 1);
        assert_eq!(count("src/helpers/mod.rs"), 1);
        assert_eq!(count("src/net/tls_manager.rs"), 1);
        assert_eq!(count("src/net/proxy_protocol.rs"), 0);
        assert_eq!(count("src/net/commonplace.rs"), 0);
    }

    #[test]
    fn a_bare_ignore_is_found_and_one_with_a_reason_is_not() {
        let text = "// #[ignore]\n#[test]\n#[ignore]\nfn a() {}\n#[ignore = \"slow\"]\nfn b() {}";
        let offences = ignored(&Source::planted("tests/it/a.rs", text));
        assert_eq!(offences.iter().map(|offence| offence.line).collect::<Vec<_>>(), [3]);
    }
}
