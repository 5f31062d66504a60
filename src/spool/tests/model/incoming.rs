//! What the operator brings in: events of another spool, and what was in quarantine. Both go to the
//! end of the order.

use super::*;

impl Game {
    /// An event as it was in another spool, in any state.
    pub(super) fn import(&mut self) {
        self.save(&[]);
        let key = (self.random.u8(..4) > 0).then(|| self.random.u8(..6));
        let body = self.random.u8(..3);
        let accepted = Timestamp::from_millis(self.now.as_millis() - self.random.u64(..600));
        let (attempts, due) = if self.random.bool() {
            (self.random.u32(1..9), self.now.plus(Duration::from_millis(100)))
        } else {
            (0, NEW.due)
        };
        let state = [State::Pending, State::Delivered, State::Dead][self.random.usize(..3)];
        let fate = match state {
            State::Pending => Fate { attempts, due, ..NEW },
            _ => Fate { state, attempts, due: NEW.due, settled: Some(self.time()) },
        };
        let id = EventId::new(accepted);
        let record = Record {
            place: Place::default(),
            id,
            state,
            route: route(),
            accepted,
            attempts,
            replays: self.random.u32(..3),
            repeats: self.random.u32(..3),
            bytes: 1,
            due: (fate.due != NEW.due).then_some(fate.due),
            settled: fate.settled,
            status: None,
            reason: None,
        };
        let contents = Contents::Event {
            body: Bytes::from(body.to_string()),
            key: key.map(|key| digest::of_key(&route(), &key.to_string())),
            attempts: Vec::new(),
            received: None,
        };
        let (repeats, replays) = (record.repeats, record.replays);
        let import = Change::Import(Box::new(Story { record, contents }));
        let done = self.store().change(&[import]).unwrap().remove(0);
        let Changed::Imported(pending, as_it_was) = done else { panic!("{done:?}") };
        assert_eq!((as_it_was, pending.is_some()), (state, state == State::Pending));
        // The file alone tells where a settled one went.
        let seq = pending.as_ref().map_or_else(|| self.last(), |pending| pending.seq);
        if let Some(pending) = &pending {
            self.board.requeue(pending);
        }
        self.add(Known { id, seq, key, body, accepted, repeats, replays, ..arrived(fate) });
    }

    /// A request that was not understood becomes an event after all.
    pub(super) fn admit(&mut self) {
        let raw = Malformed { at: self.now, ..malformed(&self.random.u128(..).to_string()) };
        let id = raw.id;
        let written = self.save(&[arriving(raw)]);
        assert_eq!(written, [Written::Quarantined]);
        let (_, bodies) = self.engine.as_ref().unwrap();
        let kept = bodies.places(&[id]).unwrap();
        let [(_, Place::Quarantine(place), _)] = kept[..] else { panic!("{kept:?}") };
        let key = (self.random.u8(..4) > 0).then(|| self.random.u8(..6));
        let body = self.random.u8(..3);
        let Arrival::Event(event) = arrival(key, body, self.now) else { panic!("an event") };
        let event = NewEvent { id, window: Duration::ZERO, ..event };
        let done = self.store().change(&[Change::Admit(Seq(place), event)]).unwrap().remove(0);
        let Changed::Queued(pending, from) = done else { panic!("{done:?}") };
        assert_eq!(from, State::Quarantined);
        self.board.requeue(&pending);
        let (seq, accepted) = (pending.seq, self.now);
        self.add(Known { id, seq, key, body, accepted, repeats: 0, replays: 1, ..arrived(NEW) });
    }

    pub(super) fn add(&mut self, known: Known) {
        assert!(self.model.iter().all(|other| other.seq < known.seq), "it goes to the end");
        self.latest.insert(class(known.key, known.body), known.id);
        self.model.push(known);
    }

    /// Where the last event of the file is.
    fn last(&self) -> Seq {
        let (_, bodies) = self.engine.as_ref().unwrap();
        let page = bodies.page(&Filter::default(), Place::default(), u32::MAX - 1).unwrap();
        match page.records.last().map(|record| record.place) {
            Some(Place::Event(seq)) => Seq(seq),
            last => panic!("{last:?}"),
        }
    }
}

/// In memory and in the file alike.
pub(super) fn arrived(fate: Fate) -> Known {
    Known {
        id: EventId::new(NOON),
        seq: Seq(0),
        key: None,
        body: 0,
        accepted: NOON,
        repeats: 0,
        replays: 0,
        now: fate,
        saved: fate,
        unsaved: None,
        taken: None,
    }
}
