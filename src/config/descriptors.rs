//! Who gets the process's file descriptors: the front door leaves what the others need, so that the
//! operator is answered and deliveries go out however many senders there are.

use super::key::Key;
use super::report::Report;
use super::{Route, Settings};
use crate::admin;
use crate::net::ListenSettings;

/// Standard streams, both runtimes, sockets, watched files, and the spool's file with its log, its
/// index and its lock; with room for files that a reload reads.
const ITSELF: usize = 48;

/// Of few descriptors the front door gets this part all the same: without it the rest is good for
/// nothing.
const LEAST_PART: usize = 8;

/// How the front door listens where the process may open `descriptors` files: as it is set, or with
/// fewer connections; then one address gets half of them, so that it cannot take all.
#[must_use]
pub fn listen(settings: &Settings, descriptors: usize) -> ListenSettings {
    let mut listen = settings.listen.clone();
    let places = places(settings, descriptors);
    if places < listen.connections {
        listen.connections = places;
        listen.connections_per_address = listen.connections_per_address.min(places.div_ceil(2));
    }
    listen
}

/// How many connections there is room for: `limits.connections`, or fewer.
fn places(settings: &Settings, descriptors: usize) -> usize {
    let left = descriptors.saturating_sub(reserve(&settings.routes));
    settings.listen.connections.min(left.max(descriptors / LEAST_PART)).max(1)
}

/// Says so where it is fewer, if it is known how many files may be opened.
pub(super) fn scarce(settings: &Settings, report: &mut Report) {
    let Some(descriptors) = report.descriptors else { return };
    let (wanted, places) = (settings.listen.connections, places(settings, descriptors));
    if places >= wanted {
        return;
    }
    let reserve = reserve(&settings.routes);
    let needed = wanted.saturating_add(reserve);
    let what = format!(
        "is {wanted}, and {reserve} more files are open for upstreams, spool and admin listener; this \
         process may open {descriptors}, so that no more than {places} connections are accepted at once, \
         half of them from one address"
    );
    let mend = format!(
        "give the process more where it is started: `ulimit -n {needed}`, or LimitNOFILE={needed} in a \
         systemd unit; or make it smaller"
    );
    report.warn(&Key::top("limits").child("connections"), what, mend);
}

/// What everybody but the front door may have open at once.
fn reserve(routes: &[Route]) -> usize {
    let mut upstreams = Vec::new();
    for route in routes {
        if !upstreams.contains(&&route.deliver.upstream) {
            upstreams.push(&route.deliver.upstream);
        }
    }
    let in_flight = upstreams.iter().map(|upstream| upstream.max_in_flight);
    in_flight.fold(ITSELF + admin::CONNECTIONS, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::super::tests::settings;
    use super::*;

    fn connections(number: &str) -> Settings {
        settings(&[("limits.connections", number), ("upstream.max_in_flight", "10")])
    }

    #[test]
    fn the_front_door_leaves_what_the_others_need() {
        let reserve = ITSELF + admin::CONNECTIONS + 10;
        for (wanted, descriptors, all, of_one) in [
            ("1000", usize::MAX, 1000, 1000),
            ("1000", 1000 + reserve, 1000, 1000),
            ("1000", 999 + reserve, 999, 500),
            ("1000", 64, 8, 4),
            ("3", 64, 3, 1000),
            ("1000", 0, 1, 1),
        ] {
            let listen = listen(&connections(wanted), descriptors);
            let found = (listen.connections, listen.connections_per_address);
            assert_eq!(found, (all, of_one), "{descriptors}");
        }
    }

    #[test]
    fn too_few_are_told_with_what_would_do() {
        let settings = connections("1000");
        let needed = 1000 + reserve(&settings.routes);
        for (descriptors, warned) in [(None, 0), (Some(needed), 0), (Some(needed - 1), 1)] {
            let mut report = super::super::tests::report();
            report.descriptors = descriptors;
            scarce(&settings, &mut report);
            assert_eq!(report.warnings.len(), warned, "{descriptors:?}");
            for warning in report.warnings {
                assert_eq!(warning.key, "limits.connections");
                assert!(warning.what.contains("no more than 999 connections"), "{}", warning.what);
                assert!(
                    warning.mend.contains(&format!("`ulimit -n {needed}`")),
                    "{}",
                    warning.mend
                );
            }
        }
    }
}
