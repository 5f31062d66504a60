//! Counts, durations and sizes, each within bounds.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytesize::ByteSize;

use super::key::Key;
use super::raw::RawSize;
use super::report::Report;

/// A whole number within `bounds`.
pub(super) fn count(
    report: &mut Report,
    key: &Key,
    number: u64,
    bounds: RangeInclusive<u64>,
) -> Option<u64> {
    if bounds.contains(&number) {
        return Some(number);
    }
    let (least, most) = bounds.into_inner();
    report.problem(
        key,
        format!("{number} is out of bounds"),
        format!("write a number from {least} to {most}"),
    );
    None
}

/// A whole number that counts things in memory.
pub(super) fn amount(
    report: &mut Report,
    key: &Key,
    number: u64,
    bounds: RangeInclusive<u64>,
) -> Option<usize> {
    usize::try_from(count(report, key, number, bounds)?).ok()
}

/// A duration such as `"10s"` or `"1h 30m"` within `bounds`.
pub(super) fn duration(
    report: &mut Report,
    key: &Key,
    text: &str,
    bounds: RangeInclusive<Duration>,
) -> Option<Duration> {
    let (least, most) = bounds.clone().into_inner();
    let mend = || {
        let (least, most) = (humantime::Duration::from(least), humantime::Duration::from(most));
        format!("write a duration such as \"500ms\", \"10s\" or \"72h\", from {least} to {most}")
    };
    match humantime::parse_duration(text) {
        Ok(duration) if bounds.contains(&duration) => Some(duration),
        Ok(_) => {
            report.problem(key, format!("{text:?} is out of bounds"), mend());
            None
        }
        Err(error) => {
            report.problem(key, format!("{text:?} is no duration: {error}"), mend());
            None
        }
    }
}

/// A size such as `"1MiB"`, or a plain number of bytes, within `bounds`; in bytes.
pub(super) fn size(
    report: &mut Report,
    key: &Key,
    size: &RawSize,
    bounds: RangeInclusive<u64>,
) -> Option<u64> {
    let text = &size.0;
    let (least, most) = (ByteSize(*bounds.start()), ByteSize(*bounds.end()));
    let mend =
        format!("write a size such as \"32KiB\", \"1MiB\" or \"1GiB\", from {least} to {most}");
    match text.parse::<ByteSize>() {
        Ok(size) if bounds.contains(&size.as_u64()) => Some(size.as_u64()),
        Ok(_) => {
            report.problem(key, format!("{text:?} is out of bounds"), mend);
            None
        }
        Err(_) => {
            report.problem(key, format!("{text:?} is no size"), mend);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn bounds_belong_to_the_range() {
        let (mut report, key) = (report(), Key::top("limits").child("x"));
        let seconds = Duration::from_secs;
        assert_eq!(count(&mut report, &key, 3, 3..=5), Some(3));
        assert_eq!(count(&mut report, &key, 5, 3..=5), Some(5));
        let range = seconds(1)..=seconds(3600);
        assert_eq!(duration(&mut report, &key, "1s", range.clone()), Some(seconds(1)));
        assert_eq!(duration(&mut report, &key, "1h", range.clone()), Some(seconds(3600)));
        let kib = RawSize("1KiB".to_owned());
        assert_eq!(size(&mut report, &key, &kib, 1024..=1024), Some(1024));
        assert_eq!(report.problems.len(), 0);

        assert_eq!(count(&mut report, &key, 2, 3..=5), None);
        assert_eq!(count(&mut report, &key, 6, 3..=5), None);
        assert_eq!(duration(&mut report, &key, "999ms", range.clone()), None);
        assert_eq!(duration(&mut report, &key, "3601s", range.clone()), None);
        assert_eq!(duration(&mut report, &key, "soon", range), None);
        assert_eq!(size(&mut report, &key, &kib, 0..=1023), None);
        assert_eq!(size(&mut report, &key, &kib, 1025..=2000), None);
        let word = RawSize("much".to_owned());
        assert_eq!(size(&mut report, &key, &word, 0..=1), None);
        assert_eq!(report.problems.len(), 8);
    }

    #[test]
    fn a_size_without_a_unit_is_bytes() {
        let key = Key::top("x");
        let plain = RawSize("4096".to_owned());
        assert_eq!(size(&mut report(), &key, &plain, 1..=4096), Some(4096));
    }
}
