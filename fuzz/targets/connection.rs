//! A whole connection, from its first byte: nobody comes in whom the list forbids, or the route's own, or who does not
//! know its secret; nothing is acknowledged that was not kept, what is kept is what another reader finds in the same bytes, and it always ends.
//!
//! The first byte says who connects and how (see `Setting`), the rest is what comes from there.

#![no_main]

use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use libfuzzer_sys::fuzz_target;
use oracle::{forwarded, http1};
use postgate::event::{Input, Kind, Rules, convert};
use postgate::ingress::{
    AllowlistSettings, Delivery, Front, FrontSettings, OnMalformed, ReplySettings, RequestLimits,
    RouteSecret, RouteSettings, SecretPlace, fuzzing as door,
};
use postgate::net::{Announced, Origin, Protocol};
use postgate::spool::fuzzing::{Disk, Journal, Kept, spool};
use postgate::telemetry::Telemetry;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

const STRANGER: &str = "203.0.113.9";
const SENDER: &str = "192.0.2.7";
const PROXY: &str = "10.0.0.1";
/// The route that takes no more than a few of the senders.
const NARROW: &str = "/own";
/// The route with a secret, the header that carries it, and the secret.
const SECRET: (&str, &str, &str) = ("/secret", "x-token", "s3cret");
/// Everything has an end long before.
const PATIENCE: Duration = Duration::from_secs(3600);
/// How long a commit takes, at least and at the most.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A front door whose spool is a journal, and what the journal has kept.
struct House {
    front: Arc<Front>,
    journal: Mutex<Journal>,
}

/// Senders may come in: without the PROXY protocol, and with it.
static HOUSES: LazyLock<[House; 2]> =
    LazyLock::new(|| [false, true].map(|announced| House::new(&["192.0.2.0/24"], announced)));
/// Nobody may.
static LOCKED: LazyLock<[House; 2]> =
    LazyLock::new(|| [false, true].map(|announced| House::new(&[], announced)));

/// How a connection comes about.
struct Setting {
    peer: IpAddr,
    /// Trusted proxies begin with a PROXY header.
    announces: bool,
    protocol: Protocol,
    disk: Disk,
    /// Bytes that are under way at once.
    pipe: usize,
}

fuzz_target!(|data: &[u8]| {
    let [choice, bytes @ ..] = data else { return };
    let setting = Setting::new(*choice);
    let [open, locked] = [&HOUSES, &LOCKED].map(|houses| &houses[usize::from(setting.announces)]);
    let Some((origin, bytes)) = door::announced(&open.front, setting.peer, bytes) else { return };

    let by_head = origin.announced != Some(Announced::Itself) && is_proxy(origin.address());
    let is_decided = !by_head && is_sender(origin.address());
    // In compressed headers another reader would be as long as ours: there no proxy's client may come in at all.
    let is_plain = setting.protocol == Protocol::Http1;
    let house = if by_head && !is_plain { locked } else { open };
    let (said, kept) = house.hear(&setting, origin, bytes);

    if !by_head && !is_decided {
        assert!(said.is_empty(), "a stranger is answered: {}", said.escape_ascii());
    }
    for kept in &kept {
        let client = kept.received().map(|received| received.client.parse::<IpAddr>());
        let client = client.expect("requests are kept").expect("an address");
        assert!(may_send_to(kept.route(), client), "a forbidden one is kept: {kept:?}");
        assert!(by_head || client == origin.address(), "of somebody else: {kept:?}");
    }
    if is_plain {
        let requests = http1::requests(bytes);
        let may_send = |request: &http1::Request<'_>| {
            is_decided
                || by_head && forwarded::clients(request, is_proxy).into_iter().any(is_sender)
        };
        judge(&requests, may_send, &said, &kept);
    } else {
        assert!(is_decided || kept.is_empty(), "{kept:?}");
        for id in ids(&said) {
            assert!(kept.iter().any(|kept| kept.id() == id), "{id} is promised and not kept");
        }
    }
});

/// Holds each reply against the request that another reader finds in its place.
fn judge(
    requests: &[http1::Request<'_>],
    may_send: impl Fn(&http1::Request<'_>) -> bool,
    said: &[u8],
    kept: &[Kept],
) {
    let replies = http1::replies(said, requests.iter().map(|request| request.method));
    for (at, reply) in replies.iter().enumerate() {
        let request = || requests.get(at).expect("no request is smuggled in");
        if reply.status == 422 {
            let is_its = |kept: &Kept| matches!(kept, Kept::Malformed(_)) && is_of(kept, request());
            assert!(may_send(request()), "a forbidden one is understood: {:?}", request());
            assert!(kept.iter().any(is_its), "{:?} is said to be kept", request());
        }
        if !(200..300).contains(&reply.status) {
            continue;
        }
        let request = request();
        assert!(may_send(request), "a forbidden one comes in: {request:?}");
        if !matches!(request.method, b"GET" | b"POST") {
            continue;
        }
        let id = String::from_utf8_lossy(&reply.body);
        let kept = kept.iter().find(|kept| kept.id() == id).expect("what is promised is kept");
        assert!(is_of(kept, request), "{kept:?} is not what {request:?} carries");
    }
    let allowed = requests.iter().filter(|request| may_send(request)).count();
    assert!(kept.len() <= allowed, "more is kept than was sent");
    for kept in kept {
        assert!(requests.iter().any(|request| is_of(kept, request)), "{kept:?} was never sent");
    }
}

/// Whether the request has what its route asks for.
fn knows(route: &str, request: &http1::Request<'_>) -> bool {
    let (secretive, header, secret) = SECRET;
    route != secretive
        || request.values(header).any(|value| value.trim_ascii() == secret.as_bytes())
}

fn is_of(kept: &Kept, request: &http1::Request<'_>) -> bool {
    knows(kept.route(), request) && carries(kept, request)
}

fn carries(kept: &Kept, request: &http1::Request<'_>) -> bool {
    match kept {
        Kept::Event { body, .. } => {
            let content_type = request.values("content-type").next();
            let input = Input { content_type, query: request.query(), body: &request.body };
            convert(&input, &Rules::of(Kind::Action))
                .is_ok_and(|found| found.to_canonical() == *body)
        }
        Kept::Malformed(malformed) => {
            let received = &malformed.received;
            received.body == request.body && received.query.as_deref() == request.query()
        }
    }
}

impl Setting {
    /// From the low bits up: two for the peer, and one each for the PROXY protocol, HTTP/2, a full disk, and a line
    /// that carries a few bytes at a time.
    fn new(choice: u8) -> Self {
        let has = |bit: u8| choice & bit != 0;
        Self {
            peer: [STRANGER, SENDER, PROXY, PROXY][usize::from(choice & 3)].parse().unwrap(),
            announces: has(4),
            protocol: if has(8) { Protocol::Http2 } else { Protocol::Http1 },
            disk: if has(16) { Disk::Full } else { Disk::Good },
            pipe: if has(32) { 7 } else { 1 << 16 },
        }
    }
}

impl House {
    fn new(ranges: &[&str], proxy_protocol: bool) -> Self {
        let telemetry = Arc::new(Telemetry::new());
        let (spool, journal) = spool(Arc::clone(&telemetry));
        let settings = FrontSettings {
            allowlist: AllowlistSettings {
                ranges: ranges.iter().map(|range| range.parse().unwrap()).collect(),
                trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
                allow_any: false,
                proxy_protocol,
            },
            server_names: Vec::new(),
            limits: LIMITS,
            routes: vec![
                route("/in", OnMalformed::Quarantine),
                route("/all", OnMalformed::Accept),
                RouteSettings {
                    allowlist: Some(vec!["192.0.2.0/29".parse().unwrap()]),
                    ..route(NARROW, OnMalformed::Quarantine)
                },
                RouteSettings {
                    secret: Some(RouteSecret {
                        place: SecretPlace::Header(SECRET.1.parse().unwrap()),
                        value: SECRET.2.into(),
                    }),
                    ..route(SECRET.0, OnMalformed::Quarantine)
                },
            ],
        };
        let (anyone, no_forwards) = Default::default();
        let front = Front::new(&settings, anyone, no_forwards, spool, telemetry);
        let front = Arc::new(front);
        Self { front, journal: Mutex::new(journal) }
    }

    /// What a client hears that says `bytes` and no more, and what was kept of it.
    fn hear(&self, setting: &Setting, origin: Origin, bytes: &[u8]) -> (Vec<u8>, Vec<Kept>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let (ours, theirs) = tokio::io::duplex(setting.pipe);
        let mut kept = Vec::new();
        let said = runtime.unwrap().block_on(async {
            let heard = async {
                let visit = door::visit(&self.front, origin, setting.protocol, theirs);
                tokio::join!(visit, talk(ours, bytes)).1
            };
            tokio::select! {
                biased;
                heard = tokio::time::timeout(PATIENCE, heard) => heard.expect("a connection ends"),
                () = self.commit(setting.disk, &mut kept) => unreachable!("the disk goes on"),
            }
        });
        // Whoever leaves early loses the answer and not the event.
        kept.extend(self.journal.lock().unwrap().commit(setting.disk));
        (said, kept)
    }

    /// A disk that is slower each time that nothing came, so that an idle hour is soon over.
    async fn commit(&self, disk: Disk, kept: &mut Vec<Kept>) {
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            let before = kept.len();
            kept.extend(self.journal.lock().unwrap().commit(disk));
            pause = if kept.len() > before { FIRST_PAUSE } else { LONGEST_PAUSE.min(pause * 2) };
        }
    }
}

async fn talk(stream: DuplexStream, bytes: &[u8]) -> Vec<u8> {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut said = Vec::new();
    let write = async {
        // Whoever is refused early cannot send all.
        drop(writer.write_all(bytes).await);
        drop(writer.shutdown().await);
    };
    // A reset is an end as well.
    let (_, ()) = tokio::join!(reader.read_to_end(&mut said), write);
    said
}

const LIMITS: RequestLimits = RequestLimits {
    header_time: Duration::from_secs(10),
    idle_time: Duration::from_secs(10),
    header_bytes: 8 << 10,
    headers: 20,
    target_bytes: 2 << 10,
    body_bytes: 4 << 10,
    body_time: Duration::from_secs(10),
    body_grace: Duration::from_secs(5),
    body_rate: 1 << 10,
    bodies_bytes: 64 << 10,
    requests_per_connection: 8,
    http2_streams: 8,
};

fn route(path: &str, on_malformed: OnMalformed) -> RouteSettings {
    RouteSettings {
        name: path.into(),
        path: path.to_owned(),
        methods: vec![Method::GET, Method::POST],
        allowlist: None,
        delivery: Delivery::Queued,
        rules: Rules::of(Kind::Action),
        on_malformed,
        secret: None,
        reply: ReplySettings {
            success_status: StatusCode::OK,
            success_body: "{id}".to_owned(),
            error_body: String::new(),
        },
    }
}

fn is_sender(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[..3] == [192, 0, 2])
}

fn may_send_to(route: &str, address: IpAddr) -> bool {
    let is_of_few = matches!(address, IpAddr::V4(v4) if v4.octets()[3] < 8);
    is_sender(address) && (route != NARROW || is_of_few)
}

fn is_proxy(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10)
}

/// The promises in replies of HTTP/2: bodies are sent as they are.
fn ids(said: &[u8]) -> impl Iterator<Item = String> {
    let mut rest = said;
    std::iter::from_fn(move || {
        loop {
            // RFC 9113, 4.1: length, type, flags and stream.
            let (head, after) = rest.split_first_chunk::<9>()?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let (payload, after) = after.split_at_checked(usize::try_from(length).ok()?)?;
            rest = after;
            let text = str::from_utf8(payload).ok().filter(|text| head[3] == 0 && text.len() == 36);
            if let Some(id) = text {
                return Some(id.to_owned());
            }
        }
    })
}
