//! What the operator brings in: events of another spool. They go to the end of the order.

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
        if state == State::Delivered {
            // What came after it elsewhere is not known here: it is nobody's latest.
            self.latest.insert(class(key, body), EventId::new(accepted));
        }
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
        let seqs = page.records.iter().filter_map(|record| match record.place {
            Place::Event(seq) => Some(seq),
            Place::Quarantine(_) => None,
        });
        Seq(seqs.max().expect("an event"))
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
