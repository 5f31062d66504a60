//! `postgate allowlist import`: pasted text in, a clean list out, and what it would change.

use std::collections::BTreeSet;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use ipnet::IpNet;

use super::paste;
use crate::config;

/// A page of the web with its pictures left out is far smaller.
const MOST_BYTES: u64 = 16 << 20;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Text or HTML; `-` or nothing reads stdin.
    file: Option<PathBuf>,
    /// Take private, loopback and very wide ranges as well.
    #[arg(long)]
    force: bool,
}

/// Prints the ranges on stdout, one a line, and on stderr what was refused and how the list differs
/// from the configuration's. Exits 1 when anything was refused or nothing was found.
pub(super) fn run(config: &Path, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let text = read(arguments.file.as_deref())?;
    let pasted = paste::read(&text, arguments.force);
    let refused = &pasted.refused;
    for refusal in refused {
        anstream::eprintln!("refused: line {}: {}: {}", refusal.line, refusal.text, refusal.why);
    }
    let ranges = pasted.merged(arguments.force).map_err(anyhow::Error::msg)?;
    let mut out = anstream::stdout().lock();
    for range in &ranges {
        writeln!(out, "{range}")?;
    }
    match config::admission(config) {
        Ok(admission) => anstream::eprint!("{}", difference(&admission.allowlist.ranges, &ranges)),
        Err(_) => anstream::eprintln!(
            "no comparison: {} has problems; see `postgate check`",
            config.display()
        ),
    }
    if ranges.is_empty() {
        anstream::eprintln!("no range was found");
    }
    let good = refused.is_empty() && !ranges.is_empty();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(super::super::EXIT_FAILED) })
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

/// One line for each range that is in one of the two alone. Both are merged first, so that only a
/// difference in addresses counts.
fn difference(now: &[IpNet], wanted: &[IpNet]) -> String {
    let merged = |ranges: &[IpNet]| -> BTreeSet<IpNet> {
        IpNet::aggregate(&ranges.to_vec()).into_iter().collect()
    };
    let (now, wanted) = (merged(now), merged(wanted));
    if now == wanted {
        return "no difference to the configuration\n".to_owned();
    }
    let added = wanted.difference(&now).map(|range| format!("+ {range}\n"));
    let removed = now.difference(&wanted).map(|range| format!("- {range}\n"));
    let lines: String = added.chain(removed).collect();
    format!("difference to the configuration:\n{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(text: &str) -> Vec<IpNet> {
        text.split_whitespace().map(|net| net.parse().unwrap()).collect()
    }

    #[test]
    fn only_addresses_make_a_difference() {
        let halves = nets("192.0.2.0/25 192.0.2.128/25");
        assert!(difference(&halves, &nets("192.0.2.0/24")).starts_with("no difference"));
        assert_eq!(
            difference(&halves, &nets("192.0.2.0/25 2001:db8::/32")),
            "difference to the configuration:\n+ 192.0.2.0/25\n+ 2001:db8::/32\n- 192.0.2.0/24\n"
        );
    }

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
