//! What was not understood: kept or counted, made an event after all, or dropped.

use super::*;

/// A request in quarantine.
#[derive(Debug)]
pub(super) struct Raw {
    id: EventId,
    place: i64,
    body: u8,
    at: Timestamp,
    repeats: u32,
}

impl Game {
    /// One comes whose sender is refused, or has done.
    pub(super) fn misunderstand(&mut self) {
        let (body, at) = (self.random.u8(..3), self.time());
        let told = if self.random.bool() { Told::Refused } else { Told::Kept };
        let new = Malformed { id: EventId::new(at), at, ..malformed(&body.to_string()) };
        let (id, fingerprint) = (new.id, digest::of_malformed(&new));
        let window = Duration::from_millis(WINDOW_MILLIS);
        let new = NewMalformed { malformed: new, fingerprint, told, window };
        let written = self.save(&[Arrival::Malformed(Box::new(new))]).remove(0);
        let first = match told {
            Told::Refused => self.raw.iter_mut().rfind(|raw| raw.body == body),
            Told::Kept => self.raw.last_mut().filter(|raw| {
                let apart = at.as_millis().abs_diff(raw.at.as_millis());
                raw.body == body && apart < WINDOW_MILLIS
            }),
        };
        if let Some(first) = first {
            assert_eq!(written, Written::Known(first.id));
            first.repeats += 1;
            return;
        }
        assert_eq!(written, Written::Quarantined);
        let (_, bodies) = self.engine.as_ref().unwrap();
        let kept = bodies.places(&[id]).unwrap();
        let [(_, Place::Quarantine(place), _)] = kept[..] else { panic!("{kept:?}") };
        self.raw.push(Raw { id, place, body, at, repeats: 0 });
    }

    /// One becomes an event after all, at the end of the order.
    pub(super) fn admit(&mut self) {
        let Some(Raw { id, place, at: accepted, repeats, .. }) = self.take_raw() else { return };
        self.save(&[]);
        let key = (self.random.u8(..4) > 0).then(|| self.random.u8(..6));
        let body = self.random.u8(..3);
        let Arrival::Event(event) = arrival(key, body, accepted) else { panic!("an event") };
        let event = NewEvent { id, window: Duration::ZERO, ..event };
        let done = self.store().change(&[Change::Admit(Seq(place), event)]).unwrap().remove(0);
        let Changed::Queued(pending, from) = done else { panic!("{done:?}") };
        assert_eq!(from, State::Quarantined);
        self.board.requeue(&pending);
        let seq = pending.seq;
        self.add(Known { id, seq, key, body, accepted, repeats, replays: 1, ..arrived(NEW) });
    }

    /// The operator drops one.
    pub(super) fn throw_away(&mut self) {
        let Some(raw) = self.take_raw() else { return };
        let discard = Change::Discard(Place::Quarantine(raw.place), raw.id);
        let done = self.store().change(&[discard]).unwrap().remove(0);
        assert!(matches!(done, Changed::Dropped(State::Quarantined)), "{done:?}");
    }

    fn take_raw(&mut self) -> Option<Raw> {
        let some = self.random.choice(0..self.raw.len())?;
        Some(self.raw.remove(some))
    }

    pub(super) fn compare_quarantine(&self, page: &Page) {
        let found = page.records.iter().filter(|record| record.state == State::Quarantined);
        let found = found.map(|raw| (raw.place, raw.id, raw.accepted, raw.repeats));
        let expected =
            self.raw.iter().map(|raw| (Place::Quarantine(raw.place), raw.id, raw.at, raw.repeats));
        assert!(found.eq(expected), "{:?}\nis not\n{:?}", page.records, self.raw);
    }
}
