//! Routes, ready to be asked: by exact path, then by method.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderValue, Method};

use super::admit::HeadRefusal;
use super::allowlist::Ranges;
use super::refusal::Refusal;
use super::reply::Replies;
use super::secret::Secret;
use super::settings::{OnMalformed, RouteSettings};
use super::{Forward, Refused, nowhere};
use crate::event::{Format, Rules};
use crate::spool::RouteName;
use crate::telemetry::{FrontMetrics, RouteMetrics};

/// A route as a request meets it.
#[derive(Debug)]
pub(super) struct Route {
    pub(super) name: RouteName,
    pub(super) rules: Rules,
    pub(super) secret: Option<Secret>,
    pub(super) on_malformed: OnMalformed,
    pub(super) replies: Replies,
    /// `Some`: answered with the upstream's outcome, and not spooled.
    pub(super) forward: Option<Forward>,
    pub(super) metrics: RouteMetrics,
    methods: Vec<Method>,
    allowed: Option<Ranges>,
}

/// What a request asks for.
#[derive(Debug)]
pub(super) enum Asked<'a> {
    /// That its event be received here.
    Event(&'a Arc<Route>),
    /// What a GET here would be answered, without doing it (RFC 9110, 9.3.2).
    Head(&'a Arc<Route>),
    /// What can be asked at a path: the value of `Allow` (RFC 9110, 9.3.7).
    Options(HeaderValue),
    /// What the server as a whole can do: nothing that could be said here.
    Server,
}

/// Every route.
#[derive(Debug, Default)]
pub(super) struct Routes {
    by_path: HashMap<Box<str>, Vec<Arc<Route>>>,
}

impl Route {
    pub(super) fn new(
        settings: &RouteSettings,
        forward: Option<Forward>,
        metrics: &FrontMetrics,
    ) -> Self {
        Self {
            name: RouteName::clone(&settings.name),
            rules: settings.rules.clone(),
            secret: settings.secret.as_ref().map(Secret::new),
            on_malformed: settings.on_malformed,
            replies: Replies::new(&settings.reply),
            forward,
            metrics: metrics.route(&settings.name, &Format::ALL.map(Format::as_str)),
            methods: settings.methods.clone(),
            allowed: settings.allowlist.as_deref().map(Ranges::new),
        }
    }

    /// Whether this client may send here, once the list for all has let it in.
    fn allows(&self, client: IpAddr) -> bool {
        self.allowed.as_ref().is_none_or(|allowed| allowed.contains(client))
    }
}

impl Routes {
    pub(super) fn add(&mut self, path: &str, route: Route) {
        let route = Arc::new(route);
        match self.by_path.entry(path.into()) {
            Entry::Vacant(entry) => {
                entry.insert(vec![route]);
            }
            Entry::Occupied(mut entry) => entry.get_mut().push(route),
        }
    }

    /// The route of this name. For the operator: it looks at all of them.
    pub(super) fn named(&self, name: &RouteName) -> Option<&Arc<Route>> {
        self.by_path.values().flatten().find(|route| route.name == *name)
    }

    /// What this client asks at this path by this method. Several routes may share a path, each with
    /// methods and a list of its own. Paths are compared as they are written: nothing is decoded, joined
    /// or collapsed.
    pub(super) fn find(
        &self,
        path: &str,
        method: &Method,
        client: IpAddr,
    ) -> Result<Asked<'_>, Refused<'_>> {
        if path == "*" && *method == Method::OPTIONS {
            return Ok(Asked::Server);
        }
        let here = self.by_path.get(path).ok_or(nowhere(Refusal::UnknownPath))?;
        let taking = |method| here.iter().find(|route| route.methods.contains(method));
        let asked = match (taking(method), method) {
            (Some(route), _) => Some((route, Asked::Event(route))),
            (None, &Method::HEAD) => taking(&Method::GET).map(|route| (route, Asked::Head(route))),
            (None, _) => None,
        };
        let refused = |route| {
            let refusal = Refusal::Address(HeadRefusal::NotAllowed);
            Err(Refused { route, refusal })
        };
        if let Some((route, asked)) = asked {
            return if route.allows(client) { Ok(asked) } else { refused(Some(route)) };
        }
        // What can be asked here is told to whom it concerns.
        let open: Vec<_> = here.iter().filter(|route| route.allows(client)).collect();
        if open.is_empty() {
            return refused(here.first());
        }
        match method {
            &Method::OPTIONS => Ok(Asked::Options(allow(&open))),
            _ => Err(nowhere(Refusal::UnknownMethod { allow: allow(&open) })),
        }
    }
}

/// The value of `Allow` (RFC 9110, 10.2.1).
fn allow(routes: &[&Arc<Route>]) -> HeaderValue {
    let own = routes.iter().flat_map(|route| &route.methods);
    let mut methods: Vec<&str> = own.map(Method::as_str).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    // A method is a token, so a list of them is always a good value.
    HeaderValue::from_str(&methods.join(", ")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::event::Kind;
    use crate::ingress::{Delivery, ReplySettings};
    use crate::telemetry::Telemetry;

    fn routes() -> Routes {
        let telemetry = Telemetry::new();
        let mut routes = Routes::default();
        for (name, path, methods, own) in [
            ("reads", "/a", vec![Method::GET], None),
            ("writes", "/a", vec![Method::POST, Method::PUT], None),
            ("other", "/b", vec![Method::POST], None),
            ("theirs", "/own", vec![Method::GET], Some(vec!["192.0.2.0/24".parse().unwrap()])),
            ("ours", "/own", vec![Method::PUT], Some(vec!["192.0.2.1/32".parse().unwrap()])),
        ] {
            let settings = RouteSettings {
                name: name.into(),
                path: path.to_owned(),
                methods,
                allowlist: own,
                delivery: Delivery::Queued,
                rules: Rules::of(Kind::Action),
                on_malformed: OnMalformed::Quarantine,
                secret: None,
                reply: ReplySettings {
                    success_status: StatusCode::OK,
                    success_body: String::new(),
                    error_body: String::new(),
                },
            };
            routes.add(path, Route::new(&settings, None, &telemetry.front));
        }
        routes
    }

    /// The route, or what `Allow` says.
    fn found(path: &str, method: &Method, client: [u8; 4]) -> Result<String, String> {
        let text = |allow: &HeaderValue| allow.to_str().unwrap().to_owned();
        match routes().find(path, method, client.into()) {
            Ok(Asked::Event(route)) => Ok(route.name.to_string()),
            Ok(Asked::Head(route)) => Ok(format!("HEAD {}", route.name)),
            Ok(Asked::Options(allow)) => Ok(text(&allow)),
            Ok(Asked::Server) => Ok("*".to_owned()),
            Err(Refused { route, refusal }) => Err(match refusal {
                Refusal::UnknownMethod { allow } => text(&allow),
                Refusal::UnknownPath => String::new(),
                Refusal::Address(_) => format!("not to {}", route.unwrap().name),
                other => panic!("{other:?}"),
            }),
        }
    }

    #[test]
    fn a_route_with_a_list_of_its_own_tells_others_nothing() {
        for (method, client, expected) in [
            (Method::GET, [192, 0, 2, 1], Ok("theirs")),
            (Method::PUT, [192, 0, 2, 1], Ok("ours")),
            (Method::OPTIONS, [192, 0, 2, 1], Ok("GET, PUT, HEAD, OPTIONS")),
            (Method::DELETE, [192, 0, 2, 1], Err("GET, PUT, HEAD, OPTIONS")),
            (Method::GET, [192, 0, 2, 2], Ok("theirs")),
            (Method::HEAD, [192, 0, 2, 2], Ok("HEAD theirs")),
            (Method::PUT, [192, 0, 2, 2], Err("not to ours")),
            (Method::OPTIONS, [192, 0, 2, 2], Ok("GET, HEAD, OPTIONS")),
            (Method::DELETE, [192, 0, 2, 2], Err("GET, HEAD, OPTIONS")),
            (Method::GET, [192, 0, 3, 1], Err("not to theirs")),
            (Method::HEAD, [192, 0, 3, 1], Err("not to theirs")),
            (Method::OPTIONS, [192, 0, 3, 1], Err("not to theirs")),
            (Method::DELETE, [192, 0, 3, 1], Err("not to theirs")),
        ] {
            let found = found("/own", &method, client);
            let found = found.as_deref().map_err(String::as_str);
            assert_eq!(found, expected, "{method} by {client:?}");
        }
        assert_eq!(found("*", &Method::OPTIONS, [192, 0, 3, 1]), Ok("*".to_owned()));
    }

    #[test]
    fn path_and_method_are_exact() {
        for (method, path, expected) in [
            (Method::GET, "/a", Ok("reads")),
            (Method::POST, "/a", Ok("writes")),
            (Method::PUT, "/a", Ok("writes")),
            (Method::POST, "/b", Ok("other")),
            (Method::HEAD, "/a", Ok("HEAD reads")),
            (Method::OPTIONS, "/a", Ok("GET, POST, PUT, HEAD, OPTIONS")),
            (Method::OPTIONS, "/b", Ok("POST, OPTIONS")),
            (Method::OPTIONS, "*", Ok("*")),
            (Method::DELETE, "/a", Err("GET, POST, PUT, HEAD, OPTIONS")),
            (Method::HEAD, "/b", Err("POST, OPTIONS")),
            (Method::GET, "/b", Err("POST, OPTIONS")),
            (Method::OPTIONS, "/c", Err("")),
            (Method::GET, "*", Err("")),
            (Method::GET, "//a", Err("")),
            (Method::GET, "/./a", Err("")),
            (Method::GET, "/b/../a", Err("")),
            (Method::GET, "/b%2f..%2fa", Err("")),
            (Method::GET, "/", Err("")),
            (Method::GET, "/a/", Err("")),
            (Method::GET, "/A", Err("")),
            (Method::GET, "/%61", Err("")),
            (Method::GET, "", Err("")),
        ] {
            let found = found(path, &method, [127, 0, 0, 1]);
            let found = found.as_deref().map_err(String::as_str);
            assert_eq!(found, expected, "{method} {path}");
        }
    }
}
