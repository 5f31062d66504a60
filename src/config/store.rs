//! `[spool]` and `[dedup]`.

use std::fs::OpenOptions;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::key::Key;
use super::quantity::{duration, size};
use super::raw::{RawDedup, RawSpool};
use super::report::Report;
use super::word::word;
use crate::spool::SpoolSettings;

const DAY: Duration = Duration::from_hours(24);
const WINDOWS: RangeInclusive<Duration> = Duration::ZERO..=DAY.saturating_mul(366);

/// Below a mebibyte the file's own bookkeeping fills it; above a pebibyte it is a slip of the pen.
const SIZES: RangeInclusive<u64> = 1 << 20..=1 << 50;

/// `body_bytes`: the largest body that may come, as far as it is known.
pub(super) fn spool(
    raw: &RawSpool,
    dedup: &RawDedup,
    body_bytes: Option<usize>,
    report: &mut Report,
) -> Option<SpoolSettings> {
    let key = |name: &str| Key::top("spool").child(name);
    let engine = word(report, &key("engine"), &raw.engine, &[("sqlite", ())]);
    let max_bytes = size(report, &key("max_bytes"), &raw.max_bytes, SIZES);
    let quarantine_percent = percent(report, &key("quarantine_share"), raw.quarantine_share);
    let keep_delivered = duration(report, &key("keep_delivered"), &raw.keep_delivered, WINDOWS);
    let window = Key::top("dedup").child("window");
    let dedup_window = duration(report, &window, &dedup.window, WINDOWS);
    if let (Some(max_bytes), Some(body_bytes)) = (max_bytes, body_bytes)
        && u64::try_from(body_bytes).is_ok_and(|body_bytes| body_bytes > max_bytes)
    {
        let what = "is smaller than limits.body_bytes: such a body could never be kept";
        report.problem(&key("max_bytes"), what, "raise it, or lower limits.body_bytes");
    }
    let path = report.path(&raw.path);
    if raw.path.is_empty() {
        report.problem(&key("path"), "is empty", "name a file, such as \"data/spool.db\"");
    } else if !report.spool_is_left_alone
        && let Err(what) = writable(&path)
    {
        let mend = "run this as the user of the gateway, or name a file in a folder in which that user \
                    may write";
        report.problem(&key("path"), what, mend);
    }
    engine?;
    Some(SpoolSettings {
        path,
        max_bytes: max_bytes?,
        quarantine_percent: quarantine_percent?,
        keep_received: raw.keep_received,
        keep_delivered: keep_delivered?,
        dedup_window: dedup_window?,
    })
}

/// A share from a hundredth to the whole, in hundredths; what lies between two is the larger one.
fn percent(report: &mut Report, key: &Key, share: f64) -> Option<u8> {
    let whole = (1..=100).find(|&percent| f64::from(percent) / 100.0 >= share);
    let percent = whole.filter(|_| share >= 0.01);
    if percent.is_none() {
        report.problem(key, format!("{share} is out of bounds"), "write a number from 0.01 to 1");
    }
    percent
}

/// Tries it out: permissions, read-only mounts and full disks all look alike only that way.
fn writable(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err(format!("{} is a folder", path.display()));
    }
    if path.exists() {
        let opened = OpenOptions::new().read(true).write(true).open(path);
        opened.map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    // SQLite makes files beside its own, so the folder matters even when the file is there.
    let folder = path
        .ancestors()
        .skip(1)
        .map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder })
        .find(|folder| folder.exists())
        .unwrap_or(Path::new("."));
    let attempt = if folder.is_dir() {
        tempfile::tempfile_in(folder).map(drop)
    } else {
        Err(io::Error::from(io::ErrorKind::NotADirectory))
    };
    attempt.map_err(|error| format!("nothing can be written in {}: {error}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{problems, settings};

    #[test]
    fn bounds() {
        for (key, at, past) in [
            ("spool.max_bytes", "\"1MiB\"", "1048575"),
            ("spool.quarantine_share", "0.01", "0.009"),
            ("spool.quarantine_share", "1", "1.001"),
            ("spool.keep_delivered", "\"0s\"", "\"367d\""),
            ("dedup.window", "\"366d\"", "\"366d 1s\""),
        ] {
            assert_eq!(problems(&[(key, at)]), [""; 0], "{key} = {at}");
            assert_eq!(problems(&[(key, past)]), [key], "{key} = {past}");
        }
        let small = [("spool.max_bytes", "\"2MiB\""), ("limits.body_bytes", "\"2MiB\"")];
        assert_eq!(problems(&small), [""; 0]);
        let smaller = [small[0], ("limits.body_bytes", "2097153")];
        assert_eq!(problems(&smaller), ["spool.max_bytes"]);
    }

    #[test]
    fn a_share_is_counted_in_hundredths() {
        let percent =
            |share| settings(&[("spool.quarantine_share", share)]).spool.quarantine_percent;
        assert_eq!((percent("0.25"), percent("0.251"), percent("1")), (25, 26, 100));
        assert_eq!(problems(&[("spool.quarantine_share", "nan")]), ["spool.quarantine_share"]);
    }

    #[test]
    fn the_file_must_be_writable() {
        assert_eq!(problems(&[("spool.path", "\".\"")]), ["spool.path"], "a folder");
        assert_eq!(problems(&[("spool.path", "\"\"")]), ["spool.path"]);
        let below_a_file = [("spool.path", "\"config.toml/spool.db\"")];
        assert_eq!(problems(&below_a_file), ["spool.path"]);
        let new = settings(&[("spool.path", "\"new/folders/spool.db\"")]);
        assert!(new.spool.path.is_absolute());
        assert!(!new.spool.path.exists(), "a check makes nothing");
        assert_eq!(problems(&[("spool.engine", "\"sqlit\"")]), ["spool.engine"]);
    }
}
