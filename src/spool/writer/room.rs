//! `spool.max_bytes` and the share of it for quarantine: making room for a batch, and refusing what
//! does not fit.

use super::super::error::AppendError;
use super::super::status::Room;
use super::super::store::{Arrival, Batch, Expiry, History, Share};
use super::{Writer, answer};
use crate::clock::Timestamp;

/// Slices of delivered events deleted to make room before a batch is refused, and their size.
const ROOM_SLICES: usize = 4;
const ROOM_AT_ONCE: u32 = 256;
/// A full spool has room again when this part of its size is free, so that the log does not tell
/// of every single event that came and went.
const ROOM_PART: u64 = 16;

impl Writer {
    /// Refuses the arrivals that do not fit, after deleting delivered events for them.
    pub(super) fn make_room(&mut self) {
        if self.arrivals.is_empty() {
            return;
        }
        let wanted: u64 = self.arrivals.iter().map(Arrival::bytes).sum();
        for slice in 0..=ROOM_SLICES {
            self.measure();
            let used = self.board.status.bytes();
            if used.saturating_add(wanted) <= self.limits.max_bytes {
                self.note_room(Room::Enough);
                return;
            }
            if slice == ROOM_SLICES || !self.expire_for_room() {
                break;
            }
        }
        self.refuse_overflow();
    }

    /// Deletes the oldest delivered events, whatever their age: they are only history.
    fn expire_for_room(&mut self) -> bool {
        let applied = self.store.apply(&Batch {
            // What has just been delivered may be what makes the room.
            settlements: &self.settlements,
            arrivals: &[],
            expiry: Some(Expiry {
                delivered_by: Timestamp::from_millis(u64::MAX),
                ahead_of: Timestamp::from_millis(u64::MAX),
                at_most: ROOM_AT_ONCE,
            }),
            history: History::Ends,
            quarantine: self.quarantine(),
        });
        self.note_health(applied.as_ref().err());
        let Ok(applied) = applied else {
            return false;
        };
        self.settlements.drain(..applied.settled);
        self.note_passed(&applied.passed);
        self.metrics().expired(applied.expired);
        // What cannot go is passed over from now on: the next may.
        applied.expired > 0 || applied.expires_more
    }

    /// Keeps the arrivals that fit, in their order, and refuses the rest.
    fn refuse_overflow(&mut self) {
        let mut room = self.limits.max_bytes.saturating_sub(self.board.status.bytes());
        let fits = self.arrivals.iter().take_while(|arrival| {
            let fits = arrival.bytes() <= room;
            room = room.saturating_sub(arrival.bytes());
            fits
        });
        let fits = fits.count();
        self.note_room(Room::Full);
        self.arrivals.truncate(fits);
        for ticket in self.tickets.drain(fits..) {
            answer(ticket, Err(AppendError::Full));
        }
    }

    /// Ends the alarm when delivery has freed a good part of the spool.
    pub(super) fn look_for_room(&self) {
        let free = self.limits.max_bytes.saturating_sub(self.board.status.bytes());
        if free >= self.limits.max_bytes / ROOM_PART {
            self.note_room(Room::Enough);
        }
    }

    pub(super) fn quarantine(&self) -> Share {
        let used = self.board.status.quarantine_bytes();
        Share { used, most: self.limits.quarantine_bytes }
    }

    /// After the operator took something out of quarantine, or brought something in.
    pub(super) fn measure_quarantine(&mut self) {
        match self.store.quarantine_bytes() {
            Ok(bytes) => self.board.status.set_quarantine_bytes(bytes),
            Err(error) => self.note_outcome("measure", Some(&error)),
        }
        let Share { used, most } = self.quarantine();
        if most.saturating_sub(used) >= most / ROOM_PART {
            self.note_quarantine(Room::Enough);
        }
    }

    pub(super) fn note_quarantine(&self, room: Room) {
        if self.board.status.set_quarantine_room(room) {
            let bytes = self.board.status.quarantine_bytes();
            match room {
                Room::Full => self.metrics().quarantine_full(bytes, self.limits.quarantine_bytes),
                Room::Enough => self.metrics().quarantine_has_room(bytes),
            }
        }
    }

    fn note_room(&self, room: Room) {
        if self.board.status.set_room(room) {
            let bytes = self.board.status.bytes();
            match room {
                Room::Full => self.metrics().became_full(bytes, self.limits.max_bytes),
                Room::Enough => self.metrics().has_room(bytes),
            }
        }
    }
}
