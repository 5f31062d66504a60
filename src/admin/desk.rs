//! The operator's hands on the spool, as requests and answers. The command line asks here too: over
//! HTTP while a gateway runs, directly when none does, so that both answer the same.
//!
//! | request | answer |
//! |---|---|
//! | `GET /spool/events?state=…&route=…&key=…&since=MILLIS&after=PLACE&limit=N` | a record a line; header `postgate-next` has the place to go on after |
//! | `GET /spool/export?…` | the same, with all of each event; header `postgate-damaged` when not all can be read, with the ids that are left out |
//! | `GET /spool/events/ID` | all of one event |
//! | `POST /spool/replay`, `POST /spool/drop` | an outcome a line, for each id, one a line, of the body |
//! | `POST /spool/import` | an outcome a line, for each line of the body, which is of an export |
//! | `GET /spool/orphans` | each route that is not configured and has undelivered events, a line; how many |
//! | `POST /spool/compact` | what a step of giving free space back has come to |
//! | `GET /spool/verify` | what was found in the file |

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Body;
use serde::Serialize;

use super::import;
use super::orphans::Configured;
use super::record::{Compacted, Found, Line, Outcome, Told};
use crate::clock::Timestamp;
use crate::spool::{Convert, EventId, Filter, OperateError, Operated, Place, Spool, State, Story};

/// Where a list goes on; missing on its last page.
pub const NEXT: &str = "postgate-next";
/// Not all that is meant can be read: the ids that are left out, as far as they are known.
pub const DAMAGED: &str = "postgate-damaged";
/// Records of one answer, at most: about 400 KiB.
pub const MOST_RECORDS: u32 = 1000;
/// Ids of one request, at most: they are changed in one transaction, which delays acceptance by
/// some milliseconds.
pub const MOST_IDS: usize = 500;
/// [`MOST_IDS`] ids of 36 characters, each with the longest line end.
const BODY_BYTES: usize = MOST_IDS * 38;

/// Lines of one import, at most: they are kept in one transaction.
pub const MOST_LINES: usize = 2000;
/// An import's body, at most: as much as an answer may have.
const IMPORT_BYTES: usize = 64 << 20;

/// Bodies of one answer of an export; one more event may come on top.
const EXPORT_BYTES: u64 = 4 << 20;

const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Answers the operator's requests about a spool.
#[derive(Clone, Debug)]
pub struct Desk {
    spool: Spool,
    convert: Convert,
    configured: Configured,
    importing: Arc<tokio::sync::Mutex<()>>,
}

impl Desk {
    /// `convert` is for what is replayed out of quarantine, `configured` for telling what nobody will
    /// deliver.
    #[must_use]
    pub fn new(spool: Spool, convert: Convert, configured: Configured) -> Self {
        Self { spool, convert, configured, importing: Arc::default() }
    }

    /// Answers one request. Whether it may ask is not looked at here.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let answered = self.serve(request).await;
        answered.unwrap_or_else(|refused| {
            let problem = Problem { status: refused.status.as_u16(), title: refused.title };
            reply(refused.status, PROBLEM, json(&problem))
        })
    }

    async fn serve<B>(&self, request: Request<B>) -> Result<Response<Full<Bytes>>, Refused>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let path = head.uri.path().strip_prefix("/spool/").unwrap_or_default();
        match (head.method, path) {
            (Method::GET, "events") => self.list(head.uri.query().unwrap_or_default()).await,
            (Method::GET, "export") => self.export(head.uri.query().unwrap_or_default()).await,
            (Method::GET, "verify") => {
                let found = self.spool.verify().await?;
                Ok(reply(StatusCode::OK, JSON, json(&Found::new(&found))))
            }
            (Method::GET, "orphans") => Ok(lines(self.configured.orphans(&self.spool))),
            (Method::POST, "replay") => {
                let ids = ids(body).await?;
                let outcomes = self.spool.replay(ids.clone(), self.convert.clone()).await?;
                Ok(lines(ids.iter().zip(&outcomes).map(|(id, done)| Outcome::new(*id, done))))
            }
            (Method::POST, "drop") => {
                let ids = ids(body).await?;
                let outcomes = self.spool.discard(ids.clone()).await?;
                Ok(lines(ids.iter().zip(&outcomes).map(|(id, done)| Outcome::new(*id, done))))
            }
            (Method::POST, "import") => self.import(body).await,
            (Method::POST, "compact") => {
                let compacted = Compacted::new(self.spool.compact().await?);
                Ok(reply(StatusCode::OK, JSON, json(&compacted)))
            }
            (Method::GET, path) => match path.strip_prefix("events/") {
                Some(id) => self.show(id).await,
                None => Err(Refused::new(StatusCode::NOT_FOUND, "there is no such path")),
            },
            _ => Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "not with this method")),
        }
    }

    async fn list(&self, query: &str) -> Result<Response<Full<Bytes>>, Refused> {
        let Query { filter, after, limit } = Query::read(query)?;
        let page = self.spool.page(filter, after, limit).await?;
        Ok(going_on(lines(page.records.iter().map(Line::new)), page.next))
    }

    async fn export(&self, query: &str) -> Result<Response<Full<Bytes>>, Refused> {
        let Query { filter, after, limit } = Query::read(query)?;
        let page = self.spool.page(filter, after, limit).await?;
        let found = self.spool.stories(page, EXPORT_BYTES).await?;
        let answer = going_on(lines(found.stories.iter().map(Told::new)), found.next);
        Ok(if found.passed > 0 || !found.unreadable.is_empty() {
            without(answer, &found.unreadable)
        } else {
            answer
        })
    }

    /// Lines that cannot be read are told, and the others kept.
    async fn import<B>(&self, body: B) -> Result<Response<Full<Bytes>>, Refused>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let text = text(body, IMPORT_BYTES).await?;
        let read: Vec<_> = text.lines().take(MOST_LINES + 1).map(import::story).collect();
        if read.len() > MOST_LINES {
            return Err(bad("the body", format!("holds more than {MOST_LINES} lines")));
        }
        let ids = |story: &Story| story.record.id;
        let lines: Vec<_> = read.iter().map(|read| read.as_ref().map(ids)).collect();
        let stories: Vec<Story> = read.iter().flatten().cloned().collect();
        let nobody_delivers = |story: &Story| {
            story.record.state == State::Pending && !self.configured.has(&story.record.route)
        };
        let some_stay = stories.iter().any(nobody_delivers);
        // One at a time: what another import is about to keep would not be known.
        let alone = self.importing.lock().await;
        let mut outcomes = self.spool.import(stories).await?.into_iter();
        drop(alone);
        if some_stay {
            self.configured.warn_of_orphans(&self.spool);
        }
        let outcomes: Vec<_> =
            lines.iter().map(|line| line.is_ok().then(|| outcomes.next())).collect();
        let told = lines.iter().zip(&outcomes).map(|(line, done)| match (line, done) {
            (Ok(id), Some(Some(done))) => Outcome::new(*id, done),
            (Ok(id), _) => Outcome::new(*id, &Operated::Unknown),
            (Err(wrong), _) => Outcome::unreadable(wrong),
        });
        Ok(self::lines(told))
    }

    async fn show(&self, id: &str) -> Result<Response<Full<Bytes>>, Refused> {
        let id: EventId = id.parse().map_err(|_| bad("id", "is not an id of an event"))?;
        match self.spool.find(id).await? {
            Some(story) => Ok(reply(StatusCode::OK, JSON, json(&Told::new(&story)))),
            None => Err(Refused::new(
                StatusCode::NOT_FOUND,
                "there is no such event: a delivered one is deleted after spool.keep_delivered, or when \
                 room is needed",
            )),
        }
    }
}

/// All of an event as a line of an export, without its end.
#[must_use]
pub fn exported(story: &Story) -> Vec<u8> {
    json(&Told::new(story))
}

/// Why a request was not carried out.
struct Refused {
    status: StatusCode,
    title: String,
}

impl Refused {
    fn new(status: StatusCode, title: impl Into<String>) -> Self {
        Self { status, title: title.into() }
    }
}

impl From<OperateError> for Refused {
    fn from(error: OperateError) -> Self {
        let cause = std::error::Error::source(&error).and_then(std::error::Error::source);
        let title = cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
        Self::new(StatusCode::SERVICE_UNAVAILABLE, title)
    }
}

#[derive(Serialize)]
struct Problem {
    title: String,
    status: u16,
}

fn bad(what: impl Display, wrong: impl Display) -> Refused {
    Refused::new(StatusCode::BAD_REQUEST, format!("{what} {wrong}"))
}

/// The query of a list.
struct Query {
    filter: Filter,
    after: Place,
    limit: u32,
}

impl Query {
    fn read(text: &str) -> Result<Self, Refused> {
        let mut query =
            Self { filter: Filter::default(), after: Place::default(), limit: MOST_RECORDS };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "state" => {
                    let state = State::of_word(&value);
                    query.filter.states.push(state.ok_or_else(|| bad("state", "is not one"))?);
                }
                "route" => query.filter.route = Some((*value).into()),
                "key" => query.filter.key = Some(value.into_owned()),
                "since" => {
                    let millis = value.parse().map_err(|_| bad("since", "is not a number"))?;
                    query.filter.since = Timestamp::from_millis(millis);
                }
                "after" => query.after = value.parse().map_err(|error| bad("after", error))?,
                "limit" => {
                    let limit =
                        value.parse().ok().filter(|limit| (1..=MOST_RECORDS).contains(limit));
                    let range = || bad("limit", format!("is not between 1 and {MOST_RECORDS}"));
                    query.limit = limit.ok_or_else(range)?;
                }
                _ => return Err(Refused::new(StatusCode::BAD_REQUEST, "an unknown parameter")),
            }
        }
        Ok(query)
    }
}

/// The ids in a body, one a line.
async fn ids<B>(body: B) -> Result<Vec<EventId>, Refused>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let text = text(body, BODY_BYTES).await?;
    let ids = text.lines().map(|line| line.trim().parse::<EventId>());
    let ids: Vec<_> = ids.collect::<Result<_, _>>().map_err(|_| bad("a line", "is not an id"))?;
    if ids.len() > MOST_IDS {
        return Err(bad("the body", format!("holds more than {MOST_IDS} ids")));
    }
    Ok(ids)
}

/// A body that is text, whole, and no larger than this.
#[expect(clippy::disallowed_methods, reason = "the body is limited")]
async fn text<B>(body: B, most_bytes: usize) -> Result<String, Refused>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let whole = Limited::new(body, most_bytes).collect().await;
    let whole = whole.map_err(|_| bad("the body", "is not whole, or too large"))?.to_bytes();
    String::from_utf8(whole.into()).map_err(|_| bad("the body", "is not text"))
}

fn lines<T: Serialize>(values: impl Iterator<Item = T>) -> Response<Full<Bytes>> {
    let mut body = Vec::new();
    for value in values {
        body.extend(json(&value));
        body.push(b'\n');
    }
    reply(StatusCode::OK, NDJSON, body)
}

/// Says where a list goes on.
fn going_on(mut answer: Response<Full<Bytes>>, next: Option<Place>) -> Response<Full<Bytes>> {
    if let Some(Ok(next)) = next.map(|next| HeaderValue::try_from(next.to_string())) {
        answer.headers_mut().insert(NEXT, next);
    }
    answer
}

/// Says what an answer lacks.
fn without(mut answer: Response<Full<Bytes>>, ids: &[EventId]) -> Response<Full<Bytes>> {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    if let Ok(ids) = HeaderValue::try_from(ids.join(" ")) {
        answer.headers_mut().insert(DAMAGED, ids);
    }
    answer
}

/// Our own types have no map with a key that is not text, which is all that can fail.
fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

fn reply(
    status: StatusCode,
    content_type: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, content_type);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::spool::{Accepted, SpoolSettings};

    async fn desk(folder: &tempfile::TempDir) -> (Desk, EventId) {
        let settings = SpoolSettings {
            path: folder.path().join("spool.db"),
            max_bytes: 1 << 30,
            quarantine_percent: 25,
            keep_received: true,
            keep_delivered: Duration::from_hours(1),
            dedup_window: Duration::ZERO,
        };
        let spool = Spool::open(&settings, std::sync::Arc::default()).unwrap();
        let at = Timestamp::from_millis(1_700_000_000_000);
        let event = Accepted {
            id: EventId::new(at),
            route: "actions".into(),
            key: None,
            at,
            body: Bytes::from_static(br#"{"event":"action"}"#),
            received: None,
        };
        let id = spool.append(event).await.unwrap().id();
        let convert = Convert::new(|_| Err("no".to_owned()));
        (Desk::new(spool, convert, Configured::new(|route| &**route == "actions")), id)
    }

    #[expect(clippy::disallowed_methods, reason = "the answer is ours")]
    async fn ask(desk: &Desk, method: &str, path: &str, body: String) -> (u16, String) {
        let request = Request::builder().method(method).uri(path).body(Full::from(body)).unwrap();
        let (head, body) = desk.answer(request).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn an_event_is_listed_and_shown() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, id) = desk(&folder).await;
        let (status, listed) =
            ask(&desk, "GET", "/spool/events?state=pending", String::new()).await;
        assert_eq!(status, 200);
        let expected = format!(
            "{{\"id\":\"{id}\",\"state\":\"pending\",\"route\":\"actions\",\
             \"accepted\":\"2023-11-14T22:13:20Z\",\"attempts\":0,\"replays\":0,\"repeats\":0,\
             \"bytes\":18}}\n"
        );
        assert_eq!(listed, expected);
        let (_, none) = ask(&desk, "GET", "/spool/events?state=dead", String::new()).await;
        assert_eq!(none, "");
        let (_, shown) = ask(&desk, "GET", &format!("/spool/events/{id}"), String::new()).await;
        assert!(shown.ends_with(r#""body":{"event":"action"},"history":[]}"#), "{shown}");
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (desk, id) = desk(&folder).await;
        let most = MOST_RECORDS;
        for (method, path, status) in [
            ("GET", format!("/spool/events?limit={most}"), 200),
            ("GET", format!("/spool/events?limit={}", most + 1), 400),
            ("GET", "/spool/events?limit=0".to_owned(), 400),
            ("GET", "/spool/events?state=lost".to_owned(), 400),
            ("GET", "/spool/events?after=7".to_owned(), 400),
            ("GET", "/spool/events?sort=up".to_owned(), 400),
            ("GET", "/spool/events/seven".to_owned(), 400),
            ("GET", "/spool/events/00000000-0000-7000-8000-000000000000".to_owned(), 404),
            ("GET", "/spool/else".to_owned(), 404),
            ("PUT", "/spool/replay".to_owned(), 405),
        ] {
            assert_eq!(ask(&desk, method, &path, String::new()).await.0, status, "{path}");
        }
        let ids = |count| format!("{id}\n").repeat(count);
        assert_eq!(ask(&desk, "POST", "/spool/drop", ids(MOST_IDS)).await.0, 200);
        assert_eq!(ask(&desk, "POST", "/spool/drop", ids(MOST_IDS + 1)).await.0, 400);
        assert_eq!(ask(&desk, "POST", "/spool/drop", "x".to_owned()).await.0, 400);
    }
}
