//! Undelivered events of routes that are not configured: nobody delivers them until one of that name
//! is.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::spool::{RouteName, Spool};

/// Knows which routes are configured.
#[derive(Clone)]
pub struct Configured(Arc<dyn Fn(&RouteName) -> bool + Send + Sync>);

/// How many there are of a route.
#[derive(Serialize)]
pub(super) struct Orphans {
    route: String,
    events: u64,
}

impl Configured {
    /// Asks this.
    pub fn new(is_configured: impl Fn(&RouteName) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_configured))
    }

    pub(super) fn has(&self, route: &RouteName) -> bool {
        (self.0)(route)
    }

    /// Says in the log how many events there are that nobody delivers.
    pub fn warn_of_orphans(&self, spool: &Spool) {
        for Orphans { route, events } in self.orphans(spool) {
            tracing::error!(
                %route,
                events,
                "undelivered events of a route that is not configured; they are kept until it is"
            );
        }
    }

    pub(super) fn orphans(&self, spool: &Spool) -> impl Iterator<Item = Orphans> {
        let orphans = spool.backlog().into_iter().filter(|(route, _)| !self.has(route));
        orphans.map(|(route, events)| Orphans { route: route.to_string(), events })
    }
}

impl fmt::Debug for Configured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configured(…)")
    }
}
