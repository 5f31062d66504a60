//! Every route's way to its upstream, from the start to the end of the process. A route that is no
//! longer configured keeps delivering what it has left: to stop would strand events that were
//! acknowledged.

use std::collections::HashMap;
use std::sync::Arc;

use tokio_util::task::TaskTracker;

use super::StartError;
use crate::config::{self, Settings};
use crate::deliver::{DirectOutcome, Outgoing, Route, Upstream, UpstreamSettings};
use crate::ingress::{self, Forward, Forwarded, ForwardedEvent};
use crate::spool::{RouteName, Spool};
use crate::telemetry::Telemetry;

/// The upstream of each route of the configuration, in its order. Routes with equal settings share
/// one: one pool, one `max_in_flight`, one health.
pub(super) type Upstreams = Vec<(UpstreamSettings, Arc<Upstream>)>;

/// The routes that deliver.
#[derive(Debug)]
pub(super) struct Deliveries {
    routes: HashMap<RouteName, Route>,
    upstreams: Upstreams,
    spool: Spool,
    telemetry: Arc<Telemetry>,
    tasks: TaskTracker,
}

/// Makes the upstreams of `settings`, or takes them from `known`.
pub(super) fn upstreams(
    settings: &Settings,
    known: &[(UpstreamSettings, Arc<Upstream>)],
) -> Result<Upstreams, StartError> {
    let mut upstreams = Upstreams::new();
    for config::Route { deliver: route, .. } in &settings.routes {
        let wanted = &route.upstream;
        let found = find(&upstreams, wanted).or_else(|| find(known, wanted));
        let upstream = if let Some(upstream) = found {
            upstream
        } else {
            let failed = |cause| StartError::Upstream { route: route.name.to_string(), cause };
            Arc::new(Upstream::new(wanted).map_err(failed)?)
        };
        upstreams.push((wanted.clone(), upstream));
    }
    Ok(upstreams)
}

impl Deliveries {
    /// No route yet. `tasks` is where they will run.
    pub(super) fn new(spool: Spool, telemetry: Arc<Telemetry>, tasks: TaskTracker) -> Self {
        let (routes, upstreams) = (HashMap::new(), Upstreams::new());
        Self { routes, upstreams, spool, telemetry, tasks }
    }

    /// The upstreams in use.
    pub(super) fn upstreams(&self) -> &Upstreams {
        &self.upstreams
    }

    /// Starts the routes that are new, and gives the others their settings and their upstreams,
    /// which [`upstreams`] has made of the same `settings`.
    pub(super) fn take(&mut self, settings: &Settings, upstreams: Upstreams) {
        for (config::Route { deliver: route, .. }, (_, upstream)) in
            settings.routes.iter().zip(&upstreams)
        {
            let upstream = Arc::clone(upstream);
            if let Some(running) = self.routes.get(&route.name) {
                running.replace(route, upstream, &self.telemetry);
            } else {
                let started = Route::new(route, upstream, &self.telemetry);
                self.tasks.spawn(started.clone().run(self.spool.clone()));
                self.routes.insert(RouteName::clone(&route.name), started);
            }
        }
        self.upstreams = upstreams;
    }

    /// How each `direct` route reaches its upstream: the one thing that the front door and delivery
    /// share besides the spool.
    pub(super) fn forwards(&self, settings: &Settings) -> HashMap<RouteName, Forward> {
        let routes = settings.routes.iter().map(|route| &route.ingress);
        let direct = routes.filter(|route| route.delivery == ingress::Delivery::Direct);
        let forward = |route: &ingress::RouteSettings| {
            let delivery = self.routes.get(&route.name)?.clone();
            Some((RouteName::clone(&route.name), forward(delivery)))
        };
        direct.filter_map(forward).collect()
    }
}

fn find(
    upstreams: &[(UpstreamSettings, Arc<Upstream>)],
    wanted: &UpstreamSettings,
) -> Option<Arc<Upstream>> {
    let found = upstreams.iter().find(|(settings, _)| settings == wanted);
    found.map(|(_, upstream)| Arc::clone(upstream))
}

fn forward(route: Route) -> Forward {
    Forward::new(move |ForwardedEvent { id, accepted, client, body }| {
        let route = route.clone();
        Box::pin(async move {
            let event = Outgoing { id, accepted, attempt: 1, body };
            match route.forward(event, client).await {
                DirectOutcome::Delivered => Forwarded::Delivered,
                DirectOutcome::Refused(_) => Forwarded::Refused,
                DirectOutcome::Unavailable => Forwarded::Unavailable,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::clock;

    /// The breaker, the pool and `max_in_flight` are an upstream's: what is made anew has forgotten them.
    #[tokio::test]
    async fn an_upstream_stays_until_something_of_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let authority =
            || rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap().cert.pem();
        let config = |timeout: &str, more: &str| {
            let route = |name: &str| {
                format!("[[routes]]\nname = \"{name}\"\npath = \"/{name}\"\nkind = \"action\"\n")
            };
            let text = format!(
                "[tls]\nmode = \"off\"\n[allowlist]\nranges = [\"192.0.2.0/24\"{more}]\n\
                 [upstream]\nurl = \"https://shop.example/\"\nca = \"ca.pem\"\n\
                 {}{}[routes.upstream]\nca = \"other.pem\"\ntimeout = \"{timeout}\"\n",
                route("a"),
                route("b"),
            );
            write("config.toml", &text);
        };
        let load = |path: &Path| config::load_from(path, [], clock::now()).unwrap();
        let (one, two) = (authority(), authority());
        write("ca.pem", &one);
        write("other.pem", &two);
        config("5s", "");
        let mut known = upstreams(&load(&path), &[]).unwrap();
        let mut stay = |what: &str, expected: [bool; 2]| {
            let new = upstreams(&load(&path), &known).unwrap();
            let pairs = known.iter().zip(&new);
            let same: Vec<_> = pairs.map(|((_, old), (_, new))| Arc::ptr_eq(old, new)).collect();
            assert_eq!(same, expected, "{what}");
            known = new;
        };
        config("5s", ", \"198.51.100.7\"");
        stay("the allowlist", [true, true]);
        write("ca.pem", &format!("# written anew\n{one}"));
        stay("a file that says the same", [true, true]);
        config("6s", "");
        stay("a setting of the second", [true, false]);
        write("other.pem", &authority());
        stay("the authority of the second", [true, false]);
        write("ca.pem", &two);
        stay("the authority of the first", [false, true]);
    }
}
