//! Whom to ask: the running gateway, over its admin listener, or the file itself.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::net::TcpStream;

use super::field;
use crate::admin::{Configured, DAMAGED, Desk, NEXT};
use crate::app;
use crate::cli::healthcheck::reachable;
use crate::config::{self, InForce, Problems, SpoolAccess};
use crate::spool::{Convert, OpenError, Spool, SpoolSettings};
use crate::telemetry::Telemetry;

/// A listener on the same machine that needs longer to accept is not there.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// What a gateway needs to say that it is there.
const HELLO_TIME: Duration = Duration::from_secs(5);
/// As long as it works on one request.
const ANSWER_TIME: Duration = Duration::from_mins(10);
/// A thousand lines of a list, or one event of the largest size, escaped.
const ANSWER_BYTES: usize = 64 << 20;

/// Who answers.
pub(super) enum Asked {
    Gateway {
        address: SocketAddr,
        token: Option<HeaderValue>,
    },
    File {
        desk: Desk,
        spool: Spool,
        /// Why nothing in quarantine can be converted.
        rules: Result<(), Problems>,
    },
}

/// What becomes of a spool that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// Looking must not make one.
    Refused,
    Made,
}

/// A good answer.
pub(super) struct Answer {
    pub(super) body: Bytes,
    /// Where a list goes on.
    pub(super) next: Option<String>,
    /// Not all can be read: the ids that are left out, as far as they are known.
    pub(super) damaged: Option<String>,
}

impl Answer {
    /// The lines of the answer, as they are.
    pub(super) fn lines(&self) -> anyhow::Result<impl Iterator<Item = &str>> {
        Ok(std::str::from_utf8(&self.body).context("the answer is not text")?.lines())
    }
}

impl Asked {
    /// The file's lock decides: whoever runs has it.
    pub(super) async fn find(
        config: &Path,
        access: SpoolAccess,
        missing: Missing,
    ) -> anyhow::Result<Self> {
        let path = &access.spool.path;
        if missing == Missing::Refused && !path.exists() {
            bail!(
                "there is no spool at {}, which the first start of the gateway makes: is \
                 spool.path in {} the right one?",
                path.display(),
                config.display()
            );
        }
        // Looking must not be what deletes events whose time is over.
        let kept = SpoolSettings { keep_delivered: Duration::MAX, ..access.spool.clone() };
        match Spool::open(&kept, Arc::new(Telemetry::new())) {
            Ok(spool) => {
                let (convert, configured, rules) = rules(config);
                let desk = Desk::new(spool.clone(), convert, configured);
                Ok(Self::File { desk, spool, rules })
            }
            Err(OpenError::Locked { .. }) => {
                let asked = "a gateway has the spool, and [admin] does not say how to ask it";
                let admin = access.admin.context(asked)?;
                let token = admin.token.as_ref().map(ExposeSecret::expose_secret);
                let token = token.filter(|token| !token.is_empty());
                let token = token.map(|token| HeaderValue::try_from(format!("Bearer {token}")));
                let token = token.transpose().context("admin.token fits no header")?;
                let gateway = Self::Gateway { address: reachable(admin.address), token };
                // Who is stopped, or somebody else, is found out here: an answer may take minutes.
                gateway.ask(Request::get("/livez"), Bytes::new(), HELLO_TIME).await?;
                Ok(gateway)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.ask(Request::get(path), Bytes::new(), ANSWER_TIME).await
    }

    pub(super) async fn post(&self, path: &str, body: String) -> anyhow::Result<Answer> {
        self.ask(Request::post(path), body.into(), ANSWER_TIME).await
    }

    /// Why this process cannot convert what is in quarantine; a gateway can.
    pub(super) fn unconverted(&self) -> Option<&Problems> {
        match self {
            Self::File { rules, .. } => rules.as_ref().err(),
            Self::Gateway { .. } => None,
        }
    }

    /// Leaves the file as it should be.
    pub(super) async fn close(self) {
        if let Self::File { spool, desk, .. } = self {
            drop(desk);
            spool.close().await;
        }
    }

    /// A gateway's answer has to come within `time`.
    async fn ask(
        &self,
        request: http::request::Builder,
        body: Bytes,
        time: Duration,
    ) -> anyhow::Result<Answer> {
        let request = request.body(Full::new(body))?;
        let answer = match self {
            Self::File { desk, .. } => whole(desk.answer(request).await).await?,
            Self::Gateway { address, token } => {
                let asked = over_http(*address, token.as_ref(), request);
                let answer = tokio::time::timeout(time, asked).await;
                let answer = answer.with_context(|| {
                    format!(
                        "http://{address} takes the question and does not answer within {time:?}: \
                         its gateway is stopped or overloaded, or somebody else has admin.address"
                    )
                })?;
                answer.with_context(|| {
                    format!(
                        "another postgate has the spool, but http://{address} does not answer \
                         for it: a command at work, or a gateway that was started with another \
                         admin.address"
                    )
                })?
            }
        };
        let (head, body) = answer.into_parts();
        let kind = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let is_ours = kind.is_some_and(|kind| {
            [&b"application/x-ndjson"[..], b"application/json"].contains(&kind)
        });
        if !head.status.is_success() || !is_ours {
            return Err(self.refused(head.status, &body));
        }
        let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let [next, damaged] = [NEXT, DAMAGED].map(|name| header(name).map(str::to_owned));
        Ok(Answer { body, next, damaged })
    }

    /// What an answer means that is none. Where the desk refuses, both ways tell the same.
    fn refused(&self, status: StatusCode, body: &[u8]) -> anyhow::Error {
        let told = serde_json::from_slice::<Value>(body).unwrap_or_default();
        match (self, field(&told, "title").as_str()) {
            (Self::Gateway { address, .. }, _) if status == StatusCode::UNAUTHORIZED => anyhow!(
                "http://{address} answered 401: admin.token is not the one that the gateway was \
                 started with"
            ),
            (_, Some(title)) => anyhow!("{title}"),
            (Self::Gateway { address, .. }, None) => anyhow!(
                "http://{address} answered {status}, and not as a gateway: is admin.address the \
                 one it was started with?"
            ),
            (Self::File { .. }, None) => anyhow!("{status}"),
        }
    }
}

/// How what is in quarantine is read again, with the rules of the routes, and which routes there are:
/// nothing else needs all of the configuration.
fn rules(config: &Path) -> (Convert, Configured, Result<(), Problems>) {
    match config::reload(config, InForce::default()) {
        Ok(settings) => (app::conversion(&settings), app::configured(&settings), Ok(())),
        Err(problems) => {
            // Not asked: see `unconverted`.
            let convert = Convert::new(|_| Err("the configuration has problems".to_owned()));
            // Of no route it is known that it is missing.
            (convert, Configured::new(|_| true), Err(problems))
        }
    }
}

async fn over_http(
    address: SocketAddr,
    token: Option<&HeaderValue>,
    mut request: Request<Full<Bytes>>,
) -> anyhow::Result<Response<Bytes>> {
    let host = HeaderValue::try_from(address.to_string())?;
    request.headers_mut().insert(HOST, host);
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, token.clone());
    }
    let stream = tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address)).await;
    let stream = stream.context("no answer")?.context("cannot connect")?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async { whole::<Incoming>(sender.send_request(request).await?).await };
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    // The connection may end together with the answer that is already here.
    tokio::select! {
        answer = &mut exchange => answer,
        ended = &mut connection => {
            ended?;
            exchange.await
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the answer is limited")]
async fn whole<B>(answer: Response<B>) -> anyhow::Result<Response<Bytes>>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = answer.into_parts();
    let body = Limited::new(body, ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!(error)).context("the answer broke off")?;
    Ok(Response::from_parts(head, body.to_bytes()))
}
