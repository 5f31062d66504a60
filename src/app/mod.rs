//! The wiring. In: typed settings. Out: a running gateway. Never: logic of a stage; this is the only file that knows
//! them all.

mod shutdown;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admin::{self, AdminServer, AdminState, Desk, Readiness};
use crate::config::{self, Settings};
use crate::deliver::{BuildError, DirectOutcome, Outgoing, Route, Upstream, UpstreamSettings};
use crate::event::{self, Input, Rules};
use crate::ingress::{self, Delivery, Forward, Forwarded, ForwardedEvent, Front, FrontSettings};
use crate::net::{self, Listener, Tls};
use crate::spool::{Convert, Malformed, OpenError, Reread, RouteName, Spool, SpoolSettings};
use crate::telemetry::Telemetry;

/// Why the gateway did not start, after its configuration was found good.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file, its folder, its lock, or its contents.
    #[error("cannot open the spool")]
    Spool(#[from] OpenError),
    /// The address is taken, or not ours.
    #[error("cannot listen")]
    Listen(#[from] net::ListenError),
    /// The certificate or its key.
    #[error("cannot set up TLS")]
    Tls(#[from] net::TlsError),
    /// The admin listener.
    #[error("cannot start the admin listener")]
    Admin(#[from] admin::AdminError),
    /// A client for an upstream.
    #[error("cannot set up delivery for the route {route:?}")]
    Upstream {
        /// The route whose upstream it is.
        route: String,
        /// What is wrong with it.
        #[source]
        cause: BuildError,
    },
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    certificate: Option<CertificateDer<'static>>,
    spool: Spool,
    readiness: Readiness,
    admin: AdminServer,
    /// For the requests under way, and again for the deliveries.
    shutdown_time: Duration,
    /// Cancelled: accept nothing more and finish the requests under way.
    stop: CancellationToken,
    front: TaskTracker,
    deliveries: TaskTracker,
}

/// Starts everything, in an order in which nothing is accepted before it can be kept and nobody is told "ready" too
/// early: spool, admin, delivery, front door.
///
/// # Errors
/// See [`StartError`]; what had been started ends with the error.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn start(settings: Settings) -> Result<Gateway, StartError> {
    let telemetry = Arc::new(Telemetry::new());
    let tls = Tls::new(&settings.tls)?;
    let listener = Listener::bind(&settings.listen, Arc::clone(&telemetry))?;
    let routes = routes(&settings, &telemetry)?;
    let spool = open_spool(settings.spool.clone(), &telemetry).await?;
    warn_of_orphans(&spool, &routes);

    let readiness = Readiness::new();
    let watched = spool.clone();
    let desk = Desk::new(spool.clone(), conversion(&settings));
    let state =
        AdminState::new(readiness.clone(), Arc::clone(&telemetry), move || watched.status())
            .with_desk(desk);
    let admin = admin::start(&settings.admin, state)?;

    let front =
        Front::new(&front(&settings), forwards(&settings, &routes), spool.clone(), telemetry);
    let gateway = Gateway {
        address: listener.local_addr(),
        certificate: tls.certificate(),
        spool,
        readiness,
        admin,
        shutdown_time: settings.shutdown_time,
        stop: CancellationToken::new(),
        front: TaskTracker::new(),
        deliveries: TaskTracker::new(),
    };
    for route in routes.into_values() {
        gateway.deliveries.spawn(route.run(gateway.spool.clone()));
    }
    gateway.deliveries.close();
    gateway.front.spawn(ingress::serve(listener, tls, front, gateway.stop.clone()));
    gateway.front.close();
    gateway.readiness.ready();
    tracing::info!(address = %gateway.address, admin = %gateway.admin_address(), "ready");
    Ok(gateway)
}

impl Gateway {
    /// Where postbacks are received.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the operator asks.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.local_addr()
    }

    /// Our own certificate; `None` where TLS is off.
    #[must_use]
    pub fn certificate(&self) -> Option<CertificateDer<'static>> {
        self.certificate.clone()
    }

    /// Resolves when the gateway can no longer do its work: the spool's writer has died, by a bug. Nothing that was
    /// acknowledged is lost, and nothing more is accepted.
    pub async fn failed(&self) {
        self.spool.ended().await;
        self.readiness.stopping();
        tracing::error!("the spool has ended; restart, and report this as a bug");
    }
}

/// Reading a large backlog blocks, so it happens beside the runtime's own work.
async fn open_spool(
    settings: SpoolSettings,
    telemetry: &Arc<Telemetry>,
) -> Result<Spool, OpenError> {
    let telemetry = Arc::clone(telemetry);
    let opened = tokio::task::spawn_blocking(move || Spool::open(&settings, telemetry)).await;
    opened.unwrap_or_else(|panicked| std::panic::resume_unwind(panicked.into_panic()))
}

/// Every route's way to its upstream. Routes with equal upstreams share one: one pool, one `max_in_flight`.
fn routes(
    settings: &Settings,
    telemetry: &Telemetry,
) -> Result<HashMap<RouteName, Route>, StartError> {
    let mut upstreams: Vec<(&UpstreamSettings, Arc<Upstream>)> = Vec::new();
    let mut routes = HashMap::new();
    for route in &settings.routes {
        let route = &route.deliver;
        let known = upstreams.iter().find(|(settings, _)| **settings == route.upstream);
        let upstream = if let Some((_, upstream)) = known {
            Arc::clone(upstream)
        } else {
            let failed = |cause| StartError::Upstream { route: route.name.to_string(), cause };
            let upstream = Arc::new(Upstream::new(&route.upstream).map_err(failed)?);
            upstreams.push((&route.upstream, Arc::clone(&upstream)));
            upstream
        };
        routes.insert(RouteName::clone(&route.name), Route::new(route, upstream, telemetry));
    }
    Ok(routes)
}

fn front(settings: &Settings) -> FrontSettings {
    FrontSettings {
        allowlist: settings.allowlist.clone(),
        limits: settings.limits,
        routes: settings.routes.iter().map(|route| route.ingress.clone()).collect(),
    }
}

/// How each `direct` route reaches its upstream: the one thing that the front door and delivery share besides the spool.
fn forwards(
    settings: &Settings,
    routes: &HashMap<RouteName, Route>,
) -> HashMap<RouteName, Forward> {
    let direct = settings.routes.iter().filter(|route| route.ingress.delivery == Delivery::Direct);
    let forward = |route: &config::Route| {
        let name = &route.ingress.name;
        routes.get(name).map(|route| (RouteName::clone(name), forward(route.clone())))
    };
    direct.filter_map(forward).collect()
}

fn forward(route: Route) -> Forward {
    Forward::new(move |ForwardedEvent { id, accepted, body }| {
        let route = route.clone();
        Box::pin(async move {
            let event = Outgoing { id, accepted, attempt: 1, body };
            match route.forward(event).await {
                DirectOutcome::Delivered => Forwarded::Delivered,
                DirectOutcome::Refused(_) => Forwarded::Refused,
                DirectOutcome::Unavailable => Forwarded::Unavailable,
            }
        })
    })
}

/// How what is in quarantine is read again: with the rules that its route has now.
#[must_use]
pub fn conversion(settings: &Settings) -> Convert {
    let rules = settings.routes.iter().map(|route| &route.ingress);
    let rules: HashMap<RouteName, Rules> =
        rules.map(|door| (RouteName::clone(&door.name), door.rules.clone())).collect();
    Convert::new(move |malformed: &Malformed| {
        let rules = rules.get(&malformed.route).ok_or("its route is no longer configured")?;
        let input = Input {
            content_type: malformed.content_type.as_deref(),
            query: malformed.query.as_deref(),
            body: &malformed.body,
        };
        let event = event::convert(&input, rules).map_err(|error| error.to_string())?;
        Ok(Reread { key: event.key().map(str::to_owned), body: event.to_canonical().into() })
    })
}

/// Says which events nobody will deliver, because their route is gone from the configuration.
fn warn_of_orphans(spool: &Spool, routes: &HashMap<RouteName, Route>) {
    for (route, events) in spool.backlog() {
        if !routes.contains_key(&route) {
            tracing::error!(
                %route,
                events,
                "undelivered events of a route that is no longer configured; they are kept until it is again"
            );
        }
    }
}
