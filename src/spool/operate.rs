//! The operator's hands: list, read, replay, drop, import, compact, verify. Reading has a connection of its own, so
//! that a long look does not keep delivery waiting; changing is the writer's, one group at a time.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Spool;
use super::digest;
use super::event::{Accepted, EventId};
use super::record::{
    Compaction, Contents, Convert, Filter, Inspection, OperateError, Operated, Page, Place, State,
    Stories, Story,
};
use super::store::{Bodies, Change, Changed, Fault, NewEvent, Order, Seq, StoreError};
use super::writer::Command;

impl Spool {
    /// The first `limit` records after `after` that the filter means.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn page(
        &self,
        filter: Filter,
        after: Place,
        limit: u32,
    ) -> Result<Page, OperateError> {
        self.look(move |bodies| bodies.page(&filter, after, limit)).await
    }

    /// All that is known of one event.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn find(&self, id: EventId) -> Result<Option<Story>, OperateError> {
        let found = move |bodies: &dyn Bodies| match bodies.places(&[id])?.first() {
            Some((_, place, _)) => bodies.story(*place),
            None => Ok(None),
        };
        self.look(found).await
    }

    /// All that is known of the first of these records, in their order: as many as hold about
    /// `most_bytes` together, and at least one. One that is gone by now is left out; one that stands on
    /// a damaged page is named.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn stories(&self, page: Page, most_bytes: u64) -> Result<Stories, OperateError> {
        let gather = move |bodies: &dyn Bodies| {
            let Page { records, next, passed } = page;
            let mut found = Stories { passed, next, ..Stories::default() };
            let mut held = 0_u64;
            let mut records = records.iter().peekable();
            while let Some(record) = records.next() {
                match bodies.story(record.place) {
                    Ok(story) => {
                        held = held.saturating_add(story.as_ref().map_or(0, Story::bytes));
                        found.stories.extend(story);
                    }
                    Err(error) if error.fault() == Fault::Damaged => {
                        found.unreadable.push(record.id);
                    }
                    Err(error) => return Err(error),
                }
                let is_full =
                    held >= most_bytes || found.unreadable.len() >= Stories::MOST_UNREADABLE;
                if is_full && records.peek().is_some() {
                    found.next = Some(record.place);
                    break;
                }
            }
            Ok(found)
        };
        self.look(gather).await
    }

    /// Makes each of these events pending again: the same id, attempts counted anew, behind
    /// everything accepted before, and whatever equals it. What is in quarantine is converted
    /// first. One outcome for each id, in their order.
    ///
    /// # Errors
    /// When nothing was changed.
    pub async fn replay(
        &self,
        ids: Vec<EventId>,
        convert: Convert,
    ) -> Result<Vec<Operated>, OperateError> {
        let plan = move |bodies: &dyn Bodies| {
            let places = located(bodies, &ids)?;
            let plan = ids.iter().map(|id| revival(bodies, *id, places.get(id), &convert));
            plan.collect::<Result<Vec<_>, _>>()
        };
        let plan = self.look(plan).await?;
        self.carry_out(plan).await
    }

    /// Deletes each of these events, unless it is undelivered. One outcome for each id, in their
    /// order.
    ///
    /// # Errors
    /// When nothing was changed.
    pub async fn discard(&self, ids: Vec<EventId>) -> Result<Vec<Operated>, OperateError> {
        let plan = move |bodies: &dyn Bodies| {
            let places = located(bodies, &ids)?;
            let plan = ids.iter().map(|id| match places.get(id) {
                Some((place, _)) => Step::Change(Change::Discard(*place, *id)),
                None => Step::Answer(Operated::Unknown),
            });
            Ok(plan.collect())
        };
        let plan = self.look(plan).await?;
        self.carry_out(plan).await
    }

    /// Keeps these events as they were in another spool, behind everything that is here, in one
    /// transaction; what was received with them as `spool.keep_received` says here. What has an id
    /// that is here already is left out. One outcome for each, in their order.
    ///
    /// # Errors
    /// When nothing was changed.
    pub async fn import(&self, stories: Vec<Story>) -> Result<Vec<Operated>, OperateError> {
        let plan = move |bodies: &dyn Bodies| {
            let ids: Vec<_> = stories.iter().map(|story| story.record.id).collect();
            let mut known: HashSet<_> = located(bodies, &ids)?.into_keys().collect();
            let plan = stories.into_iter().map(|story| {
                if known.insert(story.record.id) {
                    Step::Change(Change::Import(Box::new(story)))
                } else {
                    Step::Answer(Operated::Known)
                }
            });
            Ok(plan.collect())
        };
        let plan = self.look(plan).await?;
        self.carry_out(plan).await
    }

    /// Gives some of the file's free space back to the disk, beside everything else. To be called
    /// again while it says so.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn compact(&self) -> Result<Compaction, OperateError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.shared.commands.send(Command::Compact(answer));
        sent.map_err(|_| OperateError::Closed)?;
        answered.await.unwrap_or(Err(OperateError::Closed))
    }

    /// Reads the whole file and looks for damage. Takes seconds for a large one.
    ///
    /// # Errors
    /// When the file cannot be read at all.
    pub async fn verify(&self) -> Result<Inspection, OperateError> {
        self.look(|bodies| bodies.inspect()).await
    }

    /// Reads beside the runtime's own work.
    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Bodies) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, OperateError> {
        let bodies = Arc::clone(&self.shared.bodies);
        let read = tokio::task::spawn_blocking(move || read(&*bodies)).await;
        let read = read.unwrap_or_else(|panic| Err(StoreError::Read(Box::new(panic))));
        read.map_err(OperateError::Store)
    }

    /// Has the writer do what is to be done, all of it or nothing.
    async fn carry_out(&self, plan: Vec<Step>) -> Result<Vec<Operated>, OperateError> {
        let mut outcomes = Vec::with_capacity(plan.len());
        let mut changes = Vec::new();
        for step in plan {
            match step {
                Step::Answer(outcome) => outcomes.push(Some(outcome)),
                Step::Change(change) => {
                    changes.push(change);
                    outcomes.push(None);
                }
            }
        }
        let mut made = self.change(changes).await?.into_iter().map(|changed| match changed {
            Changed::Queued(..) => Operated::Replayed,
            Changed::Dropped(_) => Operated::Dropped,
            Changed::Undelivered => Operated::Undelivered,
            Changed::Missing => Operated::Unknown,
            Changed::Imported(..) => Operated::Imported,
        });
        let filled = outcomes.into_iter().map(|outcome| outcome.or_else(|| made.next()));
        Ok(filled.map(|outcome| outcome.unwrap_or(Operated::Unknown)).collect())
    }

    async fn change(&self, mut changes: Vec<Change>) -> Result<Vec<Changed>, OperateError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        if !self.shared.keep_received {
            changes.iter_mut().for_each(Change::leave_received);
        }
        let (answer, answered) = oneshot::channel();
        let sent = self.shared.commands.send(Command::Change(changes, answer));
        sent.map_err(|_| OperateError::Closed)?;
        answered.await.unwrap_or(Err(OperateError::Closed))
    }
}

/// What is to be done for one id.
enum Step {
    Change(Change),
    /// Nothing; this is known before.
    Answer(Operated),
}

fn located(
    bodies: &dyn Bodies,
    ids: &[EventId],
) -> Result<HashMap<EventId, (Place, State)>, StoreError> {
    let places = bodies.places(ids)?;
    Ok(places.into_iter().map(|(id, place, state)| (id, (place, state))).collect())
}

fn revival(
    bodies: &dyn Bodies,
    id: EventId,
    found: Option<&(Place, State)>,
    convert: &Convert,
) -> Result<Step, StoreError> {
    let seq = match found {
        None => return Ok(Step::Answer(Operated::Unknown)),
        Some((Place::Event(seq), _)) => return Ok(Step::Change(Change::Revive(Seq(*seq), id))),
        Some((Place::Quarantine(seq), _)) => *seq,
    };
    let story = bodies.story(Place::Quarantine(seq))?;
    let Some(Contents::Malformed(malformed)) = story.map(|story| story.contents) else {
        return Ok(Step::Answer(Operated::Unknown));
    };
    let reread = match convert.read(&malformed) {
        Ok(reread) => reread,
        Err(reason) => return Ok(Step::Answer(Operated::NotUnderstood(reason))),
    };
    let order = if reread.key.is_some() { Order::Keyed } else { Order::Free };
    let accepted = Accepted {
        id: malformed.id,
        route: malformed.route,
        key: reread.key,
        at: malformed.at,
        body: reread.body,
        received: Some(malformed.received),
    };
    let (key, fingerprint) = digest::of_event(&accepted);
    let event = NewEvent {
        id: accepted.id,
        route: accepted.route,
        key,
        order,
        fingerprint,
        at: accepted.at,
        // Never taken for a repeat: somebody asked for it.
        window: Duration::ZERO,
        body: accepted.body,
        received: accepted.received.map(Box::new),
    };
    Ok(Step::Change(Change::Admit(Seq(seq), event)))
}
