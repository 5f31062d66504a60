//! The wiring. In: typed settings. Out: a running gateway. Never: logic of a stage; this is the
//! only place that knows them all.

mod changes;
mod delivery;
mod fixed;
mod notice;
mod reload;
mod shutdown;
mod watch;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::delivery::Deliveries;
use self::reload::Live;
use crate::admin::{self, AdminServer, AdminState, Configured, Desk, Readiness};
use crate::config::{self, Settings};
use crate::deliver::BuildError;
use crate::event::{self, Input, Rules};
use crate::ingress::{self, Front};
use crate::net::{self, Listener, Tls};
use crate::spool::{Convert, Malformed, OpenError, Reread, RouteName, Spool, SpoolSettings};
use crate::telemetry::Telemetry;

/// How often a running gateway looks whether its files have changed where the kernel does not tell it
/// so. Certificates are renewed days before their end and addresses announced before their use, so
/// seconds do not matter; an operator who waits for it should not have to long.
pub const WATCH_EVERY: Duration = Duration::from_secs(5);

/// Why the gateway did not start, after its configuration was found good.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The file, its folder, its lock, or its contents.
    #[error("cannot open the spool")]
    Spool(#[from] OpenError),
    /// The address is taken, or not ours.
    #[error(transparent)]
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
    tls: Tls,
    spool: Spool,
    readiness: Readiness,
    admin: AdminServer,
    /// For the requests under way, and again for the deliveries.
    shutdown_time: Duration,
    /// Cancelled: accept nothing more and finish the requests under way.
    stop: CancellationToken,
    front: TaskTracker,
    deliveries: TaskTracker,
    /// Gone once somebody watches.
    live: Option<Live>,
    reload: Arc<Notify>,
}

/// Starts everything, in an order in which nothing is accepted before it can be kept and nobody is
/// told "ready" too early: the addresses that others may have taken, spool, delivery, admin, front
/// door. A connection that comes before the last waits in the kernel.
///
/// # Errors
/// See [`StartError`]. Deliveries that have begun by then go on until the runtime ends.
///
/// # Panics
/// Outside of a tokio runtime.
pub async fn start(settings: Settings) -> Result<Gateway, StartError> {
    let telemetry = Arc::new(Telemetry::new());
    let tls = Tls::new(&settings.tls)?;
    let listen = config::listen(&settings, net::descriptors());
    let listener = Listener::bind(&listen, Arc::clone(&telemetry))?;
    let upstreams = delivery::upstreams(&settings, &[])?;
    let spool = open_spool(settings.spool.clone(), &telemetry).await?;
    configured(&settings).warn_of_orphans(&spool);

    let tasks = TaskTracker::new();
    let mut deliveries = Deliveries::new(spool.clone(), Arc::clone(&telemetry), tasks.clone());
    deliveries.take(&settings, upstreams);
    tasks.close();
    let forwards = deliveries.forwards(&settings);
    let (front, asked) = (reload::front(&settings), tls.client_rule());
    let front = Front::new(&front, asked, forwards, spool.clone(), Arc::clone(&telemetry));
    let front = Arc::new(front);

    let readiness = Readiness::new();
    let watched = spool.clone();
    let [live, known] = [Arc::clone(&front), Arc::clone(&front)];
    let convert = convert_by(move |route| live.rules_of(route));
    let configured = Configured::new(move |route| known.rules_of(route).is_some());
    let desk = Desk::new(spool.clone(), convert, configured);
    let state =
        AdminState::new(readiness.clone(), Arc::clone(&telemetry), move || watched.status())
            .with_desk(desk);
    let admin = admin::start(&settings.admin, state)?;

    let gateway = Gateway {
        address: listener.local_addr(),
        tls: tls.clone(),
        spool,
        readiness,
        admin,
        shutdown_time: settings.shutdown_time,
        stop: CancellationToken::new(),
        front: TaskTracker::new(),
        deliveries: tasks,
        live: Some(Live {
            started: settings.clone(),
            certificate: settings.certificate.clone(),
            marks: settings.watched.clone(),
            current: settings,
            tls: tls.clone(),
            front: Arc::clone(&front),
            deliveries,
            telemetry,
        }),
        reload: Arc::new(Notify::new()),
    };
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
        self.tls.certificate()
    }

    /// From now on, takes over the configuration at `path` when one of its files has changed, which the
    /// kernel tells and which is looked at this often, or when [`Gateway::reload`] asks for it. One
    /// that has problems changes nothing. The first call counts.
    pub fn watch(&mut self, path: PathBuf, every: Duration) {
        if let Some(live) = self.live.take() {
            let (asked, stop) = (Arc::clone(&self.reload), self.stop.clone());
            self.front.spawn(reload::watch(live, path, every, asked, stop));
        }
    }

    /// Asks for the configuration to be taken over now; whether it could be is told by log and
    /// metrics. Does nothing before [`Gateway::watch`].
    pub fn reload(&self) {
        self.reload.notify_one();
    }

    /// Resolves when the gateway can no longer do its work: the spool's writer has died, by a bug.
    /// Nothing that was acknowledged is lost, and nothing more is accepted.
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

/// How what is in quarantine is read again where no gateway runs: with the rules of these settings.
#[must_use]
pub fn conversion(settings: &Settings) -> Convert {
    let rules = settings.routes.iter().map(|route| &route.ingress);
    let rules: HashMap<RouteName, Rules> =
        rules.map(|door| (RouteName::clone(&door.name), door.rules.clone())).collect();
    convert_by(move |route| rules.get(route).cloned())
}

/// How it is read again with the rules that its route has at that moment.
fn convert_by(rules: impl Fn(&RouteName) -> Option<Rules> + Send + Sync + 'static) -> Convert {
    Convert::new(move |malformed: &Malformed| {
        let rules = rules(&malformed.route).ok_or("its route is no longer configured")?;
        let received = &malformed.received;
        let input = Input {
            content_type: received.content_type.as_deref(),
            query: received.query.as_deref(),
            body: &received.body,
        };
        let event = event::convert(&input, &rules).map_err(|error| error.to_string())?;
        Ok(Reread { key: event.key().map(str::to_owned), body: event.to_canonical().into() })
    })
}

/// Which routes these settings have.
#[must_use]
pub fn configured(settings: &Settings) -> Configured {
    let names = settings.routes.iter().map(|route| RouteName::clone(&route.deliver.name));
    let names: HashSet<RouteName> = names.collect();
    Configured::new(move |route| names.contains(route))
}
