//! Senders that, as impact.com does, send an event again until it is acknowledged, wherever the
//! gateway is; and the judge of what was promised to them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use postgate::clock;
use rustls::pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::client::{Client, id_in, post};
use super::upstream::Received;
use super::within;

/// How many actions each of them has. The events of one action wait for each other: few actions show
/// what is out of order, several keep more under way.
const SENDERS: [usize; 6] = [1, 5, 1, 5, 1, 5];

/// What was promised, by the id of the answer.
pub(crate) type Promises = HashMap<String, Promise>;

/// An event that was acknowledged.
#[derive(Clone)]
pub(crate) struct Promise {
    /// What the upstream shall get.
    pub(crate) body: String,
    /// When the request was sent that was answered so.
    pub(crate) sent: Instant,
    pub(crate) answered: Instant,
}

/// Senders at work.
pub(crate) struct Senders {
    /// Where the gateway is now; `None`: they shall stop.
    place: watch::Sender<Option<SocketAddr>>,
    promised: watch::Receiver<Promises>,
    refused: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Senders {
    /// Begins to send, over TLS.
    pub(crate) fn start(gateway: SocketAddr, trusted: &CertificateDer<'static>) -> Self {
        let (place, now) = watch::channel(Some(gateway));
        let (promise, promised) = watch::channel(Promises::new());
        let refused = Arc::<AtomicUsize>::default();
        let mut tasks = JoinSet::new();
        for (sender, actions) in SENDERS.into_iter().enumerate() {
            let (promise, refused) = (promise.clone(), Arc::clone(&refused));
            tasks.spawn(send((sender, actions), now.clone(), trusted.clone(), promise, refused));
        }
        Self { place, promised, refused, tasks }
    }

    /// Waits until so many more events have been acknowledged.
    pub(crate) async fn promised(&mut self, more: usize) {
        let enough = self.promised.borrow().len() + more;
        let reached = self.promised.wait_for(|promised| promised.len() >= enough);
        within("promises", reached).await.unwrap();
    }

    /// The gateway was started again, at another address.
    pub(crate) fn moved(&self, gateway: SocketAddr) {
        self.place.send(Some(gateway)).unwrap();
    }

    /// How many requests were refused with 503.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// Stops sending. What was promised in all.
    pub(crate) async fn stop(self) -> Promises {
        self.place.send(None).unwrap();
        within("the senders", self.tasks.join_all()).await;
        self.promised.borrow().clone()
    }
}

/// Sends numbered events of its own actions, so many.
async fn send(
    (sender, actions): (usize, usize),
    mut place: watch::Receiver<Option<SocketAddr>>,
    trusted: CertificateDer<'static>,
    promise: watch::Sender<Promises>,
    refused: Arc<AtomicUsize>,
) {
    let mut client: Option<Client> = None;
    for number in 0.. {
        let action = format!("1000.{sender}.{}", number % actions);
        let event =
            |begin: &str| format!(r#"{{{begin}"action_id":"{action}","payout":"{number}.00"}}"#);
        let (id, sent) = loop {
            let Some(address) = *place.borrow_and_update() else { return };
            let mut connected = if let Some(client) = client.take() {
                client
            } else if let Ok(client) = Client::try_connect(address, &trusted).await {
                client
            } else {
                // It is being started again.
                place.changed().await.unwrap();
                continue;
            };
            let request = post("/postback/actions", "application/json", event(""));
            let sent = clock::instant();
            match connected.try_send(request).await {
                Ok(answer) if answer.status() == 200 => {
                    client = Some(connected);
                    break (id_in(&answer), sent);
                }
                // It cannot keep the event now, and says so.
                Ok(answer) => {
                    assert_eq!(answer.status(), 503, "{:?}", answer.body());
                    assert!(answer.headers().contains_key("retry-after"));
                    refused.fetch_add(1, Ordering::SeqCst);
                }
                Err(_) => {}
            }
        };
        let body = event(r#""event":"action","#);
        let kept = Promise { body, sent, answered: clock::instant() };
        promise.send_modify(|promises| {
            let known = promises.insert(id, kept);
            assert!(known.is_none(), "an id was promised for two events");
        });
    }
}

/// The ids of what was acknowledged and never delivered.
///
/// # Panics
/// When something else was delivered than was promised, or an action was overtaken.
pub(crate) fn lost(promised: &Promises, received: &[Received]) -> Vec<String> {
    let mut latest: BTreeMap<String, u64> = BTreeMap::new();
    let mut seen: HashSet<&str> = HashSet::new();
    for one in received {
        let id = one.header("webhook-id");
        let event: serde_json::Value = serde_json::from_slice(&one.body).unwrap();
        if let Some(expected) = promised.get(id) {
            assert_eq!(one.body, expected.body, "{id} is not what was promised");
        }
        if seen.insert(id) {
            let action = event["action_id"].as_str().unwrap().to_owned();
            let number = event["payout"].as_str().unwrap().trim_end_matches(".00").parse().unwrap();
            let before = latest.insert(action.clone(), number);
            assert!(
                before.is_none_or(|before| before < number),
                "{action}: {before:?} before {number}"
            );
        }
    }
    let lost = promised.keys().filter(|id| !seen.contains(id.as_str()));
    let lost: Vec<String> = lost.cloned().collect();
    eprintln!("{} promised, {} received, {} lost", promised.len(), received.len(), lost.len());
    lost
}
