//! `postgate allowlist import`: pasted text in, a clean list out, and what it would change.

use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use ipnet::IpNet;

use super::output;
use super::paste::{self, Refusal};
use super::sane::Care;
use super::words::shown;
use crate::{config, ingress};

/// A page of the web with its pictures left out is far smaller.
const MOST_BYTES: u64 = 16 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Text or HTML; `-` or nothing reads stdin.
    file: Option<PathBuf>,
    /// Put the ranges in the place of this file instead of printing them: all at once, and only if
    /// nothing was refused. A shell's `>` would empty the list before it is compared, and a gateway
    /// takes over whatever is in it. `-` prints them.
    #[arg(long, value_name = "LIST")]
    output: Option<PathBuf>,
    /// Take private, loopback and very wide ranges as well; nothing else.
    #[arg(long)]
    force: bool,
}

/// Prints the ranges, one a line, or puts them in the place of a file; and tells on stderr what was
/// refused and how the list differs from the configuration's. Exits 1 when anything was refused or
/// nothing was found: then no file is touched.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let text = read(arguments.file.as_deref())?;
    let care = if arguments.force { Care::Forced } else { Care::Usual };
    let pasted = paste::read(&text, care);
    for Refusal { line, text, why } in &pasted.refused {
        anstream::eprintln!("refused: line {line}: {}: {why}", shown(text));
    }
    let merged = pasted.merged(care);
    if let Err(why) = &merged {
        anstream::eprintln!("refused: {why}");
    }
    let is_whole = merged.is_ok() && pasted.refused.is_empty();
    let ranges = merged.unwrap_or_default();
    if pasted.ranges.is_empty() {
        anstream::eprintln!("no range was found");
    }
    if !ranges.is_empty() {
        anstream::eprint!("{}", compared(config, &ranges));
    }

    let list = ranges.iter().fold(String::new(), |list, range| list + &range.to_string() + "\n");
    let is_good = is_whole && !ranges.is_empty();
    match arguments.output.as_deref().filter(|output| *output != Path::new("-")) {
        None => anstream::stdout().lock().write_all(list.as_bytes())?,
        Some(file) if is_good => {
            output::replace(file, &list)?;
            anstream::eprintln!("{} has the new list", file.display());
        }
        Some(file) => anstream::eprintln!(
            "{} is left as it was: nothing may be refused, and something must be found",
            file.display()
        ),
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(super::super::EXIT_FAILED) })
}

fn read(file: Option<&Path>) -> anyhow::Result<String> {
    let bytes = match file {
        Some(path) if path != Path::new("-") => std::fs::File::open(path)
            .and_then(take)
            .with_context(|| format!("cannot read {}", path.display()))?,
        _ => take(std::io::stdin().lock()).context("cannot read stdin")?,
    };
    let fits = u64::try_from(bytes.len()).is_ok_and(|bytes| bytes <= MOST_BYTES);
    anyhow::ensure!(fits, "the text is larger than {MOST_BYTES} bytes");
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One byte more than is good, at most.
fn take(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What would change, one line for each range.
fn compared(config: &Path, wanted: &[IpNet]) -> String {
    let Ok(admission) = config::admission(config) else {
        return format!("no comparison: {} has problems; see `postgate check`\n", config.display());
    };
    let (added, removed) = ingress::difference(&admission.allowlist.ranges, wanted);
    if added.is_empty() && removed.is_empty() {
        return "no difference to the configuration\n".to_owned();
    }
    let added = added.iter().map(|range| format!("+ {range}\n"));
    let removed = removed.iter().map(|range| format!("- {range}\n"));
    let lines: String = added.chain(removed).collect();
    format!("difference to the configuration:\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_at_the_limit_and_one_byte_past_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("page");
        let file = std::fs::File::create(&path).unwrap();
        file.set_len(MOST_BYTES).unwrap();
        assert!(read(Some(&path)).is_ok());
        file.set_len(MOST_BYTES + 1).unwrap();
        let told = read(Some(&path)).unwrap_err().to_string();
        assert_eq!(told, "the text is larger than 16777216 bytes");
        // A page without an end is read no further.
        assert_eq!(take(io::repeat(b'x')).unwrap().len(), (16 << 20) + 1);
    }
}
