//! What the operator may ask and what is answered. No sockets here: a request's head in, a whole
//! answer out.

use std::fmt;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

use super::access::{Token, is_local};
use super::{AdminState, Desk, Phase};
use crate::telemetry::AdminRefusal;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
/// `OpenMetrics` 1.0, section "Overall Structure": Prometheus chooses its parser by this.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// The paths of the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Livez,
    Readyz,
    Metrics,
}

impl Endpoint {
    fn find(path: &str) -> Option<Self> {
        match path {
            "/livez" => Some(Self::Livez),
            "/readyz" => Some(Self::Readyz),
            "/metrics" => Some(Self::Metrics),
            _ => None,
        }
    }

    /// The probes are open, since a kubelet cannot keep a secret for them; they tell nothing worth
    /// one.
    fn wants_token(self) -> bool {
        match self {
            Self::Livez | Self::Readyz => false,
            Self::Metrics => true,
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

    /// The answer to one request. The body of the request, if any, is never read.
    pub(super) fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let Some(endpoint) = Endpoint::find(request.uri().path()) else {
            return self.refuse(AdminRefusal::UnknownPath, StatusCode::NOT_FOUND);
        };
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut answer =
                self.refuse(AdminRefusal::UnknownMethod, StatusCode::METHOD_NOT_ALLOWED);
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        if endpoint.wants_token()
            && let Err(refused) = self.admits(request)
        {
            return *refused;
        }
        match endpoint {
            Endpoint::Livez => reply(StatusCode::OK, JSON, r#"{"live":true}"#),
            Endpoint::Readyz => self.ready(),
            Endpoint::Metrics => reply(StatusCode::OK, OPENMETRICS, self.metrics()),
        }
    }

    /// Who answers this request about the spool, or why nobody does; `None`: it is about something
    /// else.
    pub(super) fn desk<B>(
        &self,
        request: &Request<B>,
    ) -> Option<Result<&Desk, Box<Response<Full<Bytes>>>>> {
        let desk = self.state.desk.as_ref()?;
        if !request.uri().path().starts_with("/spool/") {
            return None;
        }
        Some(self.admits(request).map(|()| desk))
    }

    /// Whoever knows the token, or, where none is asked for, no web page.
    fn admits<B>(&self, request: &Request<B>) -> Result<(), Box<Response<Full<Bytes>>>> {
        if !self.token.admits(request.headers()) {
            return Err(Box::new(self.ask_for_token()));
        }
        if self.token.is_open() && !is_local(request.headers()) {
            return Err(Box::new(self.refuse(AdminRefusal::ForeignPage, StatusCode::FORBIDDEN)));
        }
        Ok(())
    }

    /// What the log and the counters of this listener go to.
    pub(super) fn state(&self) -> &AdminState {
        &self.state
    }

    fn ready(&self) -> Response<Full<Bytes>> {
        match self.not_ready() {
            // The sender is served all the same: the upstream is no reason to be taken out.
            None => match self.state.telemetry.delivery.away() {
                0 => reply(StatusCode::OK, JSON, r#"{"ready":true}"#),
                away => {
                    let body = format!(r#"{{"ready":true,"upstreams_away":{away}}}"#);
                    reply(StatusCode::OK, JSON, body)
                }
            },
            Some(reason) => reply(
                StatusCode::SERVICE_UNAVAILABLE,
                JSON,
                format!(r#"{{"ready":false,"reason":"{reason}"}}"#),
            ),
        }
    }

    /// The gauges are set when somebody looks: an alarm must not wait for a timer.
    fn metrics(&self) -> String {
        let telemetry = &self.state.telemetry;
        telemetry.spool.numbers((self.state.spool_status)().numbers());
        telemetry.encode()
    }

    /// The first reason not to be sent postbacks. The words need no escaping in JSON.
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

    fn ask_for_token(&self) -> Response<Full<Bytes>> {
        let mut answer = self.refuse(AdminRefusal::WrongToken, StatusCode::UNAUTHORIZED);
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        answer
    }

    fn refuse(&self, refusal: AdminRefusal, status: StatusCode) -> Response<Full<Bytes>> {
        self.state.telemetry.admin.refused(refusal);
        let title = status.canonical_reason().unwrap_or("Error");
        let code = status.as_u16();
        reply(status, PROBLEM, format!(r#"{{"title":"{title}","status":{code}}}"#))
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("token", &self.token).field("state", &self.state).finish()
    }
}

fn reply(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    // A remembered "ready" is a wrong one.
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::header::AUTHORIZATION;

    use super::*;
    use crate::admin::Readiness;
    use crate::spool::SpoolStatus;
    use crate::telemetry::Telemetry;

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

    fn ask(method: &str, path: &str, authorization: &[&str]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
        for value in authorization {
            request = request.header(AUTHORIZATION, *value);
        }
        request.body(()).unwrap()
    }

    fn body(answer: Response<Full<Bytes>>) -> String {
        use http_body_util::BodyExt as _;
        use std::task::{Context, Poll, Waker};
        let mut body = answer.into_body();
        let mut context = Context::from_waker(Waker::noop());
        match std::pin::pin!(body.frame()).poll(&mut context) {
            Poll::Ready(Some(Ok(frame))) => {
                String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
            }
            other => panic!("no whole body: {other:?}"),
        }
    }

    #[test]
    fn ready_when_serving_with_a_healthy_spool() {
        let (api, _) = api(None, good());
        let answer = api.answer(&ask("GET", "/readyz", &[]));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
        assert_eq!(body(answer), r#"{"ready":true}"#);
    }

    #[test]
    fn not_ready_names_the_first_reason() {
        let broken = SpoolStatus { healthy: false, full: true, ..good() };
        let full = SpoolStatus { full: true, ..good() };
        for (spool, reason) in [(broken, "the spool cannot write"), (full, "the spool is full")] {
            let (api, _) = api(None, spool);
            let answer = api.answer(&ask("GET", "/readyz", &[]));
            assert_eq!(answer.status(), 503);
            assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
            assert_eq!(body(answer), format!(r#"{{"ready":false,"reason":"{reason}"}}"#));
        }
    }

    #[test]
    fn starting_and_stopping_are_red_without_asking_the_spool() {
        let asked = Arc::new(Mutex::new(0));
        let count = Arc::clone(&asked);
        let readiness = Readiness::new();
        let state = AdminState::new(readiness.clone(), Arc::new(Telemetry::new()), move || {
            *count.lock().unwrap() += 1;
            good()
        });
        let api = Api::new(None, state);
        let red = |api: &Api| body(api.answer(&ask("GET", "/readyz", &[])));
        assert_eq!(red(&api), r#"{"ready":false,"reason":"starting"}"#);
        readiness.stopping();
        assert_eq!(red(&api), r#"{"ready":false,"reason":"stopping"}"#);
        assert_eq!(*asked.lock().unwrap(), 0);
    }

    #[test]
    fn alive_whatever_the_spool_and_the_phase() {
        let (api, readiness) = api(Some("s3cret"), SpoolStatus::default());
        assert_eq!(api.answer(&ask("GET", "/livez", &[])).status(), 200);
        readiness.stopping();
        assert_eq!(api.answer(&ask("HEAD", "/livez", &[])).status(), 200);
    }

    #[test]
    fn metrics_want_exactly_the_token() {
        let (api, _) = api(Some("s3cret"), good());
        let status = |authorization: &[&str]| {
            let answer = api.answer(&ask("GET", "/metrics", authorization));
            answer.status().as_u16()
        };
        assert_eq!(status(&["Bearer s3cret"]), 200);
        assert_eq!(status(&["bEARER s3cret"]), 200);
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
            assert_eq!(status(&[wrong]), 401, "{wrong:?}");
        }
        assert_eq!(status(&[]), 401);
        assert_eq!(status(&["Bearer s3cret", "Bearer s3cret"]), 401);
    }

    #[test]
    fn a_refused_token_is_told_the_scheme_and_nothing_else() {
        let (api, _) = api(Some("s3cret"), good());
        let answer = api.answer(&ask("GET", "/metrics", &["Bearer guess"]));
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], "Bearer");
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(body(answer), r#"{"title":"Unauthorized","status":401}"#);
        assert!(!format!("{api:?}").contains("s3cret"));
    }

    #[test]
    fn metrics_are_openmetrics_and_count_what_was_refused() {
        let (api, _) = api(None, good());
        assert_eq!(api.answer(&ask("GET", "/nowhere", &[])).status(), 404);
        let answer = api.answer(&ask("GET", "/metrics?name=any", &[]));
        assert_eq!(answer.status(), 200);
        assert_eq!(
            answer.headers()[CONTENT_TYPE],
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        );
        let text = body(answer);
        assert!(text.ends_with("# EOF\n"), "{text}");
        let counted = r#"postgate_admin_refusals_total{reason="unknown_path"} 1"#;
        assert!(text.contains(counted), "{text}");
    }

    #[test]
    fn a_web_page_reads_no_metrics_without_a_token() {
        for (token, status) in [(None, 403), (Some("s3cret"), 200)] {
            let (api, _) = api(token, good());
            for (name, value) in [("host", "evil.example:9900"), ("sec-fetch-site", "cross-site")] {
                let mut request = ask("GET", "/metrics", &["Bearer s3cret"]);
                request.headers_mut().insert(name, value.parse().unwrap());
                assert_eq!(api.answer(&request).status(), status, "{name}");
                // A kubelet asks by the pod's address, and a probe tells nothing.
                *request.uri_mut() = "/livez".parse().unwrap();
                assert_eq!(api.answer(&request).status(), 200, "{name}");
            }
        }
    }

    #[test]
    fn other_methods_and_paths_are_refused() {
        let (api, _) = api(None, good());
        for path in ["/livez", "/readyz", "/metrics"] {
            let answer = api.answer(&ask("POST", path, &[]));
            assert_eq!(answer.status(), 405);
            assert_eq!(answer.headers()[ALLOW], "GET, HEAD");
        }
        for path in ["/", "/livez/", "/Livez", "/metrics/x", "/postback/actions"] {
            assert_eq!(api.answer(&ask("GET", path, &[])).status(), 404, "{path}");
        }
    }
}
