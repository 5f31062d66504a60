//! What a reload has changed, told: who may send, and what is received where.

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use rustls::pki_types::ServerName;

use crate::config::Settings;
use crate::ingress;
use crate::net::ClientSettings;
use crate::spool::RouteName;
use crate::telemetry::ReloadMetrics;

/// Logs what differs between two configurations.
pub(super) fn tell(log: &ReloadMetrics, before: &Settings, now: &Settings) {
    for warning in &now.warnings {
        tracing::warn!(%warning, "configuration");
    }
    let (old, new) = (&before.allowlist, &now.allowlist);
    match (old.allow_any, new.allow_any) {
        (false, true) => log.opened(),
        (true, false) => log.closed(),
        _ => {}
    }
    tell_ranges(log, "ranges", &old.ranges, &new.ranges);
    tell_ranges(log, "trusted_proxies", &old.trusted_proxies, &new.trusted_proxies);
    let (old, new) = (lists(before), lists(now));
    for (name, new) in &new {
        let list = format!("route {name}");
        match (old.get(name), new) {
            (None | Some(None), None) => {}
            (None, Some(new)) => tell_ranges(log, &list, &[], new),
            (Some(None), Some(new)) => log.narrowed(&list, new),
            (Some(Some(_)), None) => log.widened(&list),
            (Some(Some(old)), Some(new)) => tell_ranges(log, &list, old, new),
        }
    }
    let added: Vec<_> = new.keys().filter(|name| !old.contains_key(*name)).collect();
    let removed: Vec<_> = old.keys().filter(|name| !new.contains_key(*name)).collect();
    if !added.is_empty() || !removed.is_empty() {
        log.routes(&added, &removed);
    }
}

/// Logs whose certificates are good from now on.
pub(super) fn tell_clients(log: &ReloadMetrics, clients: Option<ClientSettings>) {
    let (authorities, names) =
        clients.map_or_else(Default::default, |clients| (clients.authorities.len(), clients.names));
    let names: Vec<_> = names.iter().map(ServerName::to_str).collect();
    log.clients(authorities, &names);
}

/// The list of each route's own; `None`: it has none, and takes from all who may send.
fn lists(settings: &Settings) -> BTreeMap<RouteName, Option<&[IpNet]>> {
    let routes = settings.routes.iter().map(|route| &route.ingress);
    routes.map(|route| (Arc::clone(&route.name), route.allowlist.as_deref())).collect()
}

fn tell_ranges(log: &ReloadMetrics, list: &str, old: &[IpNet], new: &[IpNet]) {
    let (added, removed) = ingress::difference(old, new);
    if !added.is_empty() || !removed.is_empty() {
        log.allowlist(list, &added, &removed);
    }
}
