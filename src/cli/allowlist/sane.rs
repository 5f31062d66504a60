//! Whom nobody should let in, whatever a page says. Pure.

use std::net::IpAddr;

use ipnet::IpNet;

/// Wider ranges are a slip of the pen: 65,536 addresses, or what a whole provider has. Nobody sends
/// postbacks from more.
const LEAST_PREFIX_V4: u8 = 16;
const LEAST_PREFIX_V6: u8 = 32;
/// No sender on the internet has one of these.
const SPECIAL: [(&str, &str); 15] = [
    ("0.0.0.0/8", "this network"),
    ("10.0.0.0/8", "private"),
    ("100.64.0.0/10", "shared by carriers"),
    ("127.0.0.0/8", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("172.16.0.0/12", "private"),
    ("192.168.0.0/16", "private"),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved"),
    ("::/128", "unspecified"),
    ("::1/128", "loopback"),
    ("fc00::/7", "private"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
    // IPv4 in IPv6 clothes is in it (RFC 4291, 2.4).
    ("::/8", "reserved"),
];

/// Which ranges are taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Care {
    /// Those that a sender may have.
    Usual,
    /// All: somebody has said `--force`.
    Forced,
}

impl Care {
    /// Why nobody should let these ranges in, and which of their addresses. How they are cut into
    /// ranges does not count: those that touch are looked at as one.
    pub(super) fn complaint(self, ranges: &[IpNet]) -> Option<(String, String)> {
        if let Self::Forced = self {
            return None;
        }
        let merged = IpNet::aggregate(&ranges.to_vec());
        let special = merged.iter().find_map(|range| Some((range.to_string(), special(range)?)));
        special.or_else(|| runs(&merged).iter().find_map(|run| Some((run.written(), run.wide()?))))
    }
}

fn special(range: &IpNet) -> Option<String> {
    let (net, what) = SPECIAL.iter().find(|(special, _)| {
        special.parse::<IpNet>().is_ok_and(|net| net.contains(range) || range.contains(&net))
    })?;
    Some(format!("{what} ({net}); --force takes it"))
}

/// Addresses without a gap.
struct Run {
    first: IpAddr,
    last: IpAddr,
    range: Option<IpNet>,
}

/// Of ranges that are merged and sorted.
fn runs(merged: &[IpNet]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for range in merged {
        let (first, last) = (range.network(), range.broadcast());
        match runs.last_mut() {
            Some(run) if is_next(run.last, first) => (run.last, run.range) = (last, None),
            _ => runs.push(Run { first, last, range: Some(*range) }),
        }
    }
    runs
}

fn is_next(last: IpAddr, first: IpAddr) -> bool {
    match (last, first) {
        (IpAddr::V4(last), IpAddr::V4(first)) => {
            last.to_bits().checked_add(1) == Some(first.to_bits())
        }
        (IpAddr::V6(last), IpAddr::V6(first)) => {
            last.to_bits().checked_add(1) == Some(first.to_bits())
        }
        _ => false,
    }
}

impl Run {
    fn written(&self) -> String {
        let ends = || format!("{}-{}", self.first, self.last);
        self.range.map_or_else(ends, |range| range.to_string())
    }

    fn wide(&self) -> Option<String> {
        let (further, least, host_bits) = match (self.first, self.last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => (
                u128::from(last.to_bits() - first.to_bits()),
                LEAST_PREFIX_V4,
                32 - LEAST_PREFIX_V4,
            ),
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                (last.to_bits() - first.to_bits(), LEAST_PREFIX_V6, 128 - LEAST_PREFIX_V6)
            }
            _ => return None,
        };
        let is_wide = further >> host_bits > 0;
        is_wide.then(|| format!("wider than /{least}; --force takes it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> Option<(String, String)> {
        let ranges: Vec<IpNet> = text.split(' ').map(|range| range.parse().unwrap()).collect();
        assert_eq!(Care::Forced.complaint(&ranges), None);
        Care::Usual.complaint(&ranges)
    }

    #[test]
    fn what_touches_is_as_wide_as_all_of_it() {
        for (at_the_limit, past_it, run) in [
            ("35.16.0.0/16", "35.16.0.0/15", "35.16.0.0/15"),
            ("35.16.0.0/17 35.16.128.0/17", "35.16.0.0/16 35.17.0.0/16", "35.16.0.0/15"),
            // In no range of its own width.
            (
                "35.16.128.0/17 35.17.0.0/17",
                "35.17.0.0/17 35.17.128.0/32 35.16.128.0/17",
                "35.16.128.0-35.17.128.0",
            ),
            ("2001:db8::/32", "2001:db8::/32 2001:db9::/128", "2001:db8::-2001:db9::"),
        ] {
            assert_eq!(complaint(at_the_limit), None);
            let (what, why) = complaint(past_it).unwrap();
            assert_eq!(what, run);
            assert!(why.starts_with("wider than /"), "{why}");
        }
        assert_eq!(complaint("35.16.0.0/16 35.18.0.0/16"), None, "they do not touch");
    }
}
