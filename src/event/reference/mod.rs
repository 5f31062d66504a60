//! What is published of the dictionary, made from it. In: the tables. Out: `docs/fields.md` for
//! people and `docs/event.schema.json` for programs. Never: a word that the tables do not say.
//!
//! `POSTGATE_BLESS=1` writes both; without it, they must be what would be written.

mod fields;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::Kind;
use super::dictionary::{self, Table};

/// The kinds and their dictionaries; kinds that share one stand together.
fn tables() -> Vec<(Vec<Kind>, &'static Table)> {
    let mut tables: Vec<(Vec<Kind>, &'static Table)> = Vec::new();
    for kind in Kind::ALL {
        let Some(table) = dictionary::table(kind) else { continue };
        match tables.iter_mut().find(|(_, known)| std::ptr::eq(*known, table)) {
            Some((kinds, _)) => kinds.push(kind),
            None => tables.push((vec![kind], table)),
        }
    }
    tables
}

/// Whether `canonical` is as the published schema says; what is wrong with it.
pub(super) fn complaint(canonical: &[u8]) -> Option<String> {
    static PUBLISHED: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = fs::read(place("event.schema.json")).unwrap();
        let schema = serde_json::from_slice(&schema).unwrap();
        jsonschema::draft202012::new(&schema).unwrap()
    });
    let value = serde_json::from_slice(canonical).unwrap();
    PUBLISHED.validate(&value).err().map(|error| error.to_string())
}

fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)
}

/// Holds a published file against what it is made from.
fn hold(name: &str, made: &str) {
    if std::env::var_os("POSTGATE_BLESS").is_some() {
        fs::write(place(name), made).unwrap();
    }
    let published = fs::read_to_string(place(name)).unwrap_or_default();
    assert!(published == made, "docs/{name} is old: POSTGATE_BLESS=1 writes it anew");
}
