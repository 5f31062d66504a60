//! The operator's hands on the spool. The command line asks here too: over HTTP while a gateway runs,
//! directly when none does, so that both answer the same. `errand.rs` has what may be asked.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::Full;

use super::errand::{Errand, MOST_IDS, MOST_LINES, allow};
use super::orphans::Configured;
use super::query::Query;
use super::record::{Compacted, Found, Line, Outcome, Told};
use super::reply::{self, Answer, Refused};
use super::{body, import};
use crate::spool::{Convert, EventId, Operated, Place, Spool, State, Story};
use crate::telemetry::AdminRefusal;

/// Where a list goes on; missing on its last page.
pub const NEXT: &str = "postgate-next";
/// Not all that is meant can be read: the ids that are left out, as far as they are known.
pub const DAMAGED: &str = "postgate-damaged";

/// Bodies of one answer of an export; one more event may come on top.
const EXPORT_BYTES: u64 = 4 << 20;

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

    /// Answers one request of this process's own.
    pub async fn answer(&self, request: Request<Full<Bytes>>) -> Answer {
        self.serve(request).await.unwrap_or_else(Refused::answer)
    }

    async fn serve(&self, request: Request<Full<Bytes>>) -> Result<Answer, Refused> {
        let (head, body) = request.into_parts();
        let errand = Errand::find(&head.uri);
        let errand = errand.ok_or_else(|| Refused::new(AdminRefusal::UnknownPath))?;
        allow(&head.method, errand.methods())?;
        let body = body::read(body, errand.most_bytes()).await?;
        self.run(errand, &body).await
    }

    /// Does what is asked, with the body that came whole. Whether it may be asked is not looked at
    /// here.
    pub(super) async fn run(&self, errand: Errand<'_>, body: &[u8]) -> Result<Answer, Refused> {
        match errand {
            Errand::List { query } => self.list(query).await,
            Errand::Export { query } => self.export(query).await,
            Errand::Show { id } => self.show(id).await,
            Errand::Verify => Ok(reply::value(&Found::new(&self.spool.verify().await?))),
            Errand::Orphans => Ok(reply::lines(self.configured.orphans(&self.spool))),
            Errand::Replay => {
                let ids = ids(body)?;
                let done = self.spool.replay(ids.clone(), self.convert.clone()).await?;
                Ok(outcomes(&ids, &done))
            }
            Errand::Drop => {
                let ids = ids(body)?;
                let done = self.spool.discard(ids.clone()).await?;
                Ok(outcomes(&ids, &done))
            }
            Errand::Import => self.import(text(body)?).await,
            Errand::Compact => Ok(reply::value(&Compacted::new(self.spool.compact().await?))),
        }
    }

    async fn list(&self, query: &str) -> Result<Answer, Refused> {
        let Query { filter, after, limit } = Query::read(query)?;
        let page = self.spool.page(filter, after, limit).await?;
        Ok(going_on(reply::lines(page.records.iter().map(Line::new)), page.next))
    }

    async fn export(&self, query: &str) -> Result<Answer, Refused> {
        let Query { filter, after, limit } = Query::read(query)?;
        let page = self.spool.page(filter, after, limit).await?;
        let found = self.spool.stories(page, EXPORT_BYTES).await?;
        let answer = going_on(reply::lines(found.stories.iter().map(Told::new)), found.next);
        Ok(if found.passed > 0 || !found.unreadable.is_empty() {
            without(answer, &found.unreadable)
        } else {
            answer
        })
    }

    /// Lines that cannot be read are told, and the others kept.
    async fn import(&self, text: &str) -> Result<Answer, Refused> {
        let read: Vec<_> = text.lines().take(MOST_LINES + 1).map(import::story).collect();
        if read.len() > MOST_LINES {
            return Err(Refused::bad("the body", format!("holds more than {MOST_LINES} lines")));
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
        Ok(reply::lines(told))
    }

    async fn show(&self, id: &str) -> Result<Answer, Refused> {
        let id: EventId = id.parse().map_err(|_| Refused::bad("id", "is not an id of an event"))?;
        match self.spool.find(id).await? {
            Some(story) => Ok(reply::value(&Told::new(&story))),
            None => Err(Refused::saying(
                AdminRefusal::UnknownEvent,
                "there is no such event: a delivered one is deleted after spool.keep_delivered, or when \
                 room is needed",
            )),
        }
    }
}

/// All of an event as a line of an export, without its end.
#[must_use]
pub fn exported(story: &Story) -> Vec<u8> {
    reply::json(&Told::new(story))
}

/// The ids in a body, one a line.
fn ids(body: &[u8]) -> Result<Vec<EventId>, Refused> {
    let ids = text(body)?.lines().map(|line| line.trim().parse::<EventId>());
    let ids = ids.collect::<Result<Vec<_>, _>>();
    let ids = ids.map_err(|_| Refused::bad("a line", "is not an id"))?;
    if ids.len() > MOST_IDS {
        return Err(Refused::bad("the body", format!("holds more than {MOST_IDS} ids")));
    }
    Ok(ids)
}

fn text(body: &[u8]) -> Result<&str, Refused> {
    std::str::from_utf8(body).map_err(|_| Refused::bad("the body", "is not text"))
}

fn outcomes(ids: &[EventId], done: &[Operated]) -> Answer {
    reply::lines(ids.iter().zip(done).map(|(id, done)| Outcome::new(*id, done)))
}

/// Says where a list goes on.
fn going_on(mut answer: Answer, next: Option<Place>) -> Answer {
    if let Some(Ok(next)) = next.map(|next| HeaderValue::try_from(next.to_string())) {
        answer.headers_mut().insert(NEXT, next);
    }
    answer
}

/// Says what an answer lacks.
fn without(mut answer: Answer, ids: &[EventId]) -> Answer {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    if let Ok(ids) = HeaderValue::try_from(ids.join(" ")) {
        answer.headers_mut().insert(DAMAGED, ids);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::super::errand::{IDS_BYTES, IMPORT_BYTES};
    use super::super::fixture::{Rig, text};
    use super::*;

    async fn ask(desk: &Desk, method: &str, path: &str, body: impl Into<Bytes>) -> (u16, String) {
        let body = Full::new(body.into());
        let request = Request::builder().method(method).uri(path).body(body).unwrap();
        let answer = desk.answer(request).await;
        (answer.status().as_u16(), text(answer).await)
    }

    #[tokio::test]
    async fn an_event_is_listed_and_shown() {
        let rig = Rig::new();
        let id = rig.keep(r#"{"event":"action"}"#).await;
        let (status, listed) = ask(&rig.desk, "GET", "/spool/events?state=pending", "").await;
        assert_eq!(status, 200);
        let expected = format!(
            "{{\"id\":\"{id}\",\"state\":\"pending\",\"route\":\"actions\",\
             \"accepted\":\"2023-11-14T22:13:20Z\",\"attempts\":0,\"replays\":0,\"repeats\":0,\
             \"bytes\":18}}\n"
        );
        assert_eq!(listed, expected);
        let (_, none) = ask(&rig.desk, "GET", "/spool/events?state=dead", "").await;
        assert_eq!(none, "");
        let (_, shown) = ask(&rig.desk, "GET", &format!("/spool/events/{id}"), "").await;
        assert!(shown.ends_with(r#""body":{"event":"action"},"history":[]}"#), "{shown}");
    }

    #[tokio::test]
    async fn what_makes_no_sense_is_refused() {
        let Rig { desk, .. } = &Rig::new();
        for (method, path, body, status) in [
            ("GET", "/spool/events?sort=up", "", 400),
            ("GET", "/spool/export?state=lost", "", 400),
            ("GET", "/spool/events/seven", "", 400),
            ("GET", "/spool/events/00000000-0000-7000-8000-000000000000", "", 404),
            ("GET", "/spool/else", "", 404),
            ("PUT", "/spool/replay", "", 405),
            ("POST", "/spool/drop", "x", 400),
        ] {
            assert_eq!(ask(desk, method, path, body).await.0, status, "{path}");
        }
        let (status, told) = ask(desk, "POST", "/spool/import", vec![0xff]).await;
        assert_eq!((status, &*told), (400, r#"{"title":"the body is not text","status":400}"#));
    }

    #[tokio::test]
    async fn ids_and_lines_at_their_limits_and_one_past() {
        let Rig { desk, .. } = &Rig::new();
        let id = "00000000-0000-7000-8000-000000000000";
        let whole = format!("{id}\r\n").repeat(MOST_IDS);
        assert_eq!(whole.len(), IDS_BYTES);
        for (path, most, line) in
            [("/spool/drop", MOST_IDS, id), ("/spool/import", MOST_LINES, "no event")]
        {
            let lines = |count| format!("{line}\n").repeat(count);
            let (status, told) = ask(desk, "POST", path, lines(most)).await;
            assert_eq!((status, told.lines().count()), (200, most), "{path}");
            let (status, told) = ask(desk, "POST", path, lines(most + 1)).await;
            assert_eq!(status, 400, "{path}");
            assert!(told.contains(&format!("the body holds more than {most} ")), "{told}");
        }
    }

    #[tokio::test]
    async fn bodies_at_their_limits_and_one_byte_past() {
        let Rig { desk, .. } = &Rig::new();
        for (path, most, fits) in [
            ("/spool/replay", IDS_BYTES, "a line is not an id"),
            ("/spool/import", IMPORT_BYTES, "unreadable"),
        ] {
            let (_, told) = ask(desk, "POST", path, vec![b'x'; most]).await;
            assert!(told.contains(fits), "{told}");
            let (status, told) = ask(desk, "POST", path, vec![b'x'; most + 1]).await;
            assert_eq!(status, 400, "{path}");
            assert!(told.contains(&format!("the body is larger than {most} bytes")), "{told}");
        }
    }

    #[tokio::test]
    async fn an_export_ends_with_the_event_that_fills_it() {
        let most = usize::try_from(EXPORT_BYTES).unwrap();
        for (first, events) in [(most - 2, 3), (most - 1, 2), (most, 1)] {
            let rig = Rig::new();
            for body in [vec![b'x'; first], b"x".to_vec(), b"x".to_vec()] {
                rig.keep(body).await;
            }
            let request = Request::get("/spool/export").body(Full::default()).unwrap();
            let answer = rig.desk.answer(request).await;
            assert_eq!(answer.headers().contains_key(NEXT), first > most - 2, "{first}");
            assert_eq!(text(answer).await.lines().count(), events, "{first}");
        }
    }
}
