//! Who is answered, and what: the one way of every request. No sockets here: a request in, a whole
//! answer out.

use std::fmt;

use bytes::Bytes;
use http::{HeaderMap, Request, Uri};
use hyper::body::Body;
use serde_json::json;

use super::access::{Token, is_local};
use super::errand::{Errand, READ, allow};
use super::places::Place;
use super::reply::{self, Answer, Refused, Standing};
use super::{AdminState, Phase, WORK_TIME, body};
use crate::telemetry::AdminRefusal;

/// The paths of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint<'a> {
    Livez,
    Readyz,
    Metrics,
    Spool(Errand<'a>),
}

impl<'a> Endpoint<'a> {
    fn find(uri: &'a Uri) -> Option<Self> {
        match uri.path() {
            "/livez" => Some(Self::Livez),
            "/readyz" => Some(Self::Readyz),
            "/metrics" => Some(Self::Metrics),
            _ => Errand::find(uri).map(Self::Spool),
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Livez | Self::Readyz | Self::Metrics => READ,
            Self::Spool(errand) => errand.methods(),
        }
    }

    /// The probes are open, since a kubelet cannot keep a secret for them; they tell nothing worth
    /// one.
    fn wants_token(self) -> bool {
        match self {
            Self::Livez | Self::Readyz => false,
            Self::Metrics | Self::Spool(_) => true,
        }
    }
}

/// Answers requests out of the state.
pub(super) struct Api {
    token: Token,
    state: AdminState,
}

impl Api {
    pub(super) fn new(token: Option<&str>, state: AdminState) -> Self {
        Self { token: Token::new(token), state }
    }

    /// The answer to one request, which came on the connection of `place`.
    pub(super) async fn answer<B>(&self, request: Request<B>, place: &Place) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        self.serve(request, place).await.unwrap_or_else(|refused| {
            self.state.telemetry.admin.refused(refused.reason);
            refused.answer()
        })
    }

    async fn serve<B>(&self, request: Request<B>, place: &Place) -> Result<Answer, Refused>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let endpoint = Endpoint::find(&head.uri);
        let endpoint = endpoint.ok_or_else(|| Refused::new(AdminRefusal::UnknownPath))?;
        allow(&head.method, endpoint.methods())?;
        if endpoint.wants_token() {
            self.admits(&head.headers)?;
        }
        match endpoint {
            Endpoint::Livez => Ok(reply::value(&json!({ "live": true }))),
            Endpoint::Readyz => Ok(self.ready().answer()),
            Endpoint::Metrics => Ok(reply::metrics(self.metrics())),
            Endpoint::Spool(errand) => {
                let body = body::read(body, errand.most_bytes()).await?;
                self.run(errand, &body, place).await
            }
        }
    }

    /// The request is whole: from here on it is us who are slow.
    async fn run(&self, errand: Errand<'_>, body: &[u8], place: &Place) -> Result<Answer, Refused> {
        let Some(desk) = &self.state.desk else {
            return Err(Refused::new(AdminRefusal::UnknownPath));
        };
        let work = async {
            let _working = place.work().await;
            desk.run(errand, body).await
        };
        tokio::time::timeout(WORK_TIME, work).await.unwrap_or_else(|_| {
            let title = format!("not done within {WORK_TIME:?}: the spool has too much to do");
            Err(Refused::saying(AdminRefusal::SpoolSlow, title))
        })
    }

    /// Whoever knows the token, or, where none is asked for, no web page.
    fn admits(&self, headers: &HeaderMap) -> Result<(), Refused> {
        if !self.token.admits(headers) {
            return Err(Refused::token());
        }
        if self.token.is_open() && !is_local(headers) {
            return Err(Refused::new(AdminRefusal::ForeignPage));
        }
        Ok(())
    }

    /// What the log and the counters of this listener go to.
    pub(super) fn state(&self) -> &AdminState {
        &self.state
    }

    fn ready(&self) -> Standing {
        let reason = self.not_ready();
        // The sender is served all the same: the upstream is no reason to be taken out.
        let away = self.state.telemetry.delivery.away();
        let upstreams_away = (reason.is_none() && away > 0).then_some(away);
        Standing { ready: reason.is_none(), reason, upstreams_away }
    }

    /// The gauges are set when somebody looks: an alarm must not wait for a timer.
    fn metrics(&self) -> String {
        let telemetry = &self.state.telemetry;
        telemetry.spool.numbers((self.state.spool_status)().numbers());
        telemetry.encode()
    }

    /// The first reason not to be sent postbacks.
    fn not_ready(&self) -> Option<&'static str> {
        match self.state.readiness.phase() {
            Phase::Starting => return Some("starting"),
            Phase::Stopping => return Some("stopping"),
            Phase::Ready => {}
        }
        let spool = (self.state.spool_status)();
        if !spool.healthy {
            Some("the spool cannot write")
        } else if spool.full {
            Some("the spool is full")
        } else {
            None
        }
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("token", &self.token).field("state", &self.state).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
    use http_body_util::Full;

    use super::super::fixture::{Rig, place, text};
    use super::super::places::Places;
    use super::*;
    use crate::admin::Readiness;
    use crate::spool::SpoolStatus;
    use crate::telemetry::Telemetry;

    const ADDRESS: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// A backlog and dead letters: work for a person, no reason to send postbacks elsewhere.
    fn good() -> SpoolStatus {
        SpoolStatus { healthy: true, pending: 7, dead: 3, ..SpoolStatus::default() }
    }

    fn api(token: Option<&str>, spool: SpoolStatus) -> (Api, Readiness) {
        let readiness = Readiness::new();
        readiness.ready();
        let state = AdminState::new(readiness.clone(), Arc::new(Telemetry::new()), move || spool);
        (Api::new(token, state), readiness)
    }

    fn request(method: &str, path: &str, authorization: &[&str]) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for value in authorization {
            request = request.header(AUTHORIZATION, *value);
        }
        request.body(Full::default()).unwrap()
    }

    async fn ask(api: &Api, method: &str, path: &str, authorization: &[&str]) -> Answer {
        api.answer(request(method, path, authorization), &place().await).await
    }

    #[tokio::test]
    async fn ready_when_serving_with_a_healthy_spool() {
        let (api, _) = api(None, good());
        let answer = ask(&api, "GET", "/readyz", &[]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(text(answer).await, r#"{"ready":true}"#);
    }

    #[tokio::test]
    async fn not_ready_names_the_first_reason() {
        let broken = SpoolStatus { healthy: false, full: true, ..good() };
        let full = SpoolStatus { full: true, ..good() };
        for (spool, reason) in [(broken, "the spool cannot write"), (full, "the spool is full")] {
            let (api, _) = api(None, spool);
            let answer = ask(&api, "GET", "/readyz", &[]).await;
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
            assert_eq!(text(answer).await, format!(r#"{{"ready":false,"reason":"{reason}"}}"#));
        }
    }

    #[tokio::test]
    async fn starting_and_stopping_are_red_without_asking_the_spool() {
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let readiness = Readiness::new();
        let state = AdminState::new(readiness.clone(), Arc::new(Telemetry::new()), move || {
            *count.lock().unwrap() += 1;
            good()
        });
        let api = Api::new(None, state);
        let red = async || text(ask(&api, "GET", "/readyz", &[]).await).await;
        assert_eq!(red().await, r#"{"ready":false,"reason":"starting"}"#);
        readiness.stopping();
        assert_eq!(red().await, r#"{"ready":false,"reason":"stopping"}"#);
        assert_eq!(*asked.lock().unwrap(), 0);
    }

    #[tokio::test]
    async fn alive_whatever_the_spool_and_the_phase() {
        let (api, readiness) = api(Some("s3cret"), SpoolStatus::default());
        assert_eq!(ask(&api, "GET", "/livez", &[]).await.status(), 200);
        readiness.stopping();
        assert_eq!(ask(&api, "HEAD", "/livez", &[]).await.status(), 200);
    }

    #[tokio::test]
    async fn metrics_want_exactly_the_token() {
        let (api, _) = api(Some("s3cret"), good());
        let status = async |authorization: &[&str]| {
            let answer = ask(&api, "GET", "/metrics", authorization).await;
            answer.status().as_u16()
        };
        assert_eq!(status(&["Bearer s3cret"]).await, 200);
        assert_eq!(status(&["bEARER s3cret"]).await, 200);
        for wrong in [
            "Bearer s3cre",
            "Bearer s3crets",
            "Bearer S3cret",
            "Bearer ",
            "Bearer",
            "Basic s3cret",
            "s3cret",
            "",
        ] {
            assert_eq!(status(&[wrong]).await, 401, "{wrong:?}");
        }
        assert_eq!(status(&[]).await, 401);
        assert_eq!(status(&["Bearer s3cret", "Bearer s3cret"]).await, 401);
    }

    #[tokio::test]
    async fn a_refused_token_is_told_the_scheme_and_nothing_else() {
        let (api, _) = api(Some("s3cret"), good());
        let answer = ask(&api, "GET", "/metrics", &["Bearer guess"]).await;
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(text(answer).await, r#"{"title":"Unauthorized","status":401}"#);
        assert!(!format!("{api:?}").contains("s3cret"));
    }

    #[tokio::test]
    async fn metrics_are_openmetrics_and_count_what_was_refused() {
        let (api, _) = api(None, good());
        assert_eq!(ask(&api, "GET", "/nowhere", &[]).await.status(), 404);
        let answer = ask(&api, "GET", "/metrics?name=any", &[]).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()[CONTENT_TYPE],
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        let text = text(answer).await;
        assert!(text.ends_with("# EOF\n"), "{text}");
        let counted = r#"postgate_admin_refusals_total{reason="unknown_path"} 1"#;
        assert!(text.contains(counted), "{text}");
    }

    #[tokio::test]
    async fn a_web_page_reads_no_metrics_without_a_token() {
        let place = &place().await;
        for (token, status) in [(None, 403), (Some("s3cret"), 200)] {
            let (api, _) = api(token, good());
            for (name, value) in [("host", "evil.example:9900"), ("sec-fetch-site", "cross-site")] {
                let mut request = request("GET", "/metrics", &["Bearer s3cret"]);
                request.headers_mut().insert(name, value.parse().unwrap());
                assert_eq!(api.answer(request.clone(), place).await.status(), status, "{name}");
                // A kubelet asks by the pod's address, and a probe tells nothing.
                *request.uri_mut() = "/livez".parse().unwrap();
                assert_eq!(api.answer(request.clone(), place).await.status(), 200, "{name}");
            }
        }
    }

    #[tokio::test]
    async fn other_methods_and_paths_are_refused() {
        let (api, _) = api(None, good());
        for path in ["/livez", "/readyz", "/metrics"] {
            let answer = ask(&api, "POST", path, &[]).await;
            assert_eq!(answer.status(), 405);
            assert_eq!(answer.headers()[ALLOW], "GET, HEAD");
        }
        for path in ["/", "/livez/", "/Livez", "/metrics/x", "/postback/actions"] {
            assert_eq!(ask(&api, "GET", path, &[]).await.status(), 404, "{path}");
        }
    }

    /// One that asks for no token and has a spool.
    fn with_desk(rig: &Rig) -> Api {
        let state = AdminState::new(Readiness::new(), Arc::new(Telemetry::new()), good);
        Api::new(None, state.with_desk(rig.desk.clone()))
    }

    #[tokio::test]
    async fn every_refusal_about_the_spool_is_counted_under_its_reason() {
        let api = with_desk(&Rig::new());
        for (method, path, status, reason) in [
            ("GET", "/spool/else", 404, "unknown_path"),
            ("PUT", "/spool/events", 405, "unknown_method"),
            ("GET", "/spool/events?sort=up", 400, "bad_request"),
            ("GET", "/spool/events/00000000-0000-7000-8000-000000000000", 404, "unknown_event"),
        ] {
            assert_eq!(ask(&api, method, path, &[]).await.status(), status, "{path}");
            let counted = format!("postgate_admin_refusals_total{{reason=\"{reason}\"}} 1\n");
            let told = text(ask(&api, "GET", "/metrics", &[]).await).await;
            assert!(told.contains(&counted), "{told}");
        }
        assert_eq!(ask(&api, "GET", "/spool/drop", &[]).await.headers()[ALLOW], "POST");
        assert_eq!(ask(&api, "POST", "/spool/export", &[]).await.headers()[ALLOW], "GET, HEAD");
    }

    #[tokio::test]
    async fn the_spool_asks_for_the_token_before_anything_is_read() {
        let rig = Rig::new();
        let state = AdminState::new(Readiness::new(), Arc::new(Telemetry::new()), good);
        let api = Api::new(Some("s3cret"), state.with_desk(rig.desk.clone()));
        for path in ["/spool/drop", "/spool/import"] {
            assert_eq!(ask(&api, "POST", path, &[]).await.status(), 401, "{path}");
            assert_eq!(ask(&api, "POST", path, &["Bearer s3cret"]).await.status(), 200, "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_too_long_for_the_spool_is_told() {
        let api = with_desk(&Rig::new());
        let places = Places::new(2, 1);
        let [busy, place] = [places.take(ADDRESS).await, places.take(ADDRESS).await];
        let _working = busy.work().await;
        let began = tokio::time::Instant::now();
        let answer = api.answer(request("GET", "/spool/verify", &[]), &place).await;
        assert_eq!((answer.status().as_u16(), began.elapsed()), (503, WORK_TIME));
        assert!(text(answer).await.contains("not done within 600s"));
    }
}
