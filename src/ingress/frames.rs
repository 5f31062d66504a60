//! Frames of HTTP/2 that ask for nothing, counted. Each is cheap to send and not free to read: PING and
//! SETTINGS want an answer, and the library bounds how many it owes, not how many it reads. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// So many frames that ask for nothing may come at once.
const MOST_FRAMES: usize = 1_000;
/// So many more for each request: updates of windows, priorities, a reset.
const FRAMES_PER_REQUEST: usize = 10;
/// One more with each of these: no client looks more often whether the other end is there.
const FRAME_TIME: Duration = Duration::from_millis(100);

/// What every connection begins with (RFC 9113, 3.4).
const PREFACE: usize = 24;
/// Length, type, flags, stream (RFC 9113, 4.1).
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;

/// Follows what a client sends.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes that are of no interest: of the preface, or of a frame behind its header.
    skip: usize,
    header: [u8; HEADER],
    /// How much of it has come.
    has: usize,
    /// Frames that may come now.
    left: usize,
    /// Until when time has bought some.
    paid: Instant,
}

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self { skip: PREFACE, header: [0; HEADER], has: 0, left: MOST_FRAMES, paid: now }
    }

    /// Whether they are still as many as a client has reason to send.
    pub(super) fn follow(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            let (_, rest) = bytes.split_at(skipped);
            let missing = self.header.len() - self.has;
            let (more, behind) = rest.split_at(missing.min(rest.len()));
            if more.is_empty() {
                return true;
            }
            for byte in more {
                if let Some(place) = self.header.get_mut(self.has) {
                    *place = *byte;
                }
                self.has += 1;
            }
            bytes = behind;
            if self.has < HEADER {
                return true;
            }
            if !self.is_paid(now) {
                return false;
            }
        }
    }

    /// Takes a frame whose header is whole.
    fn is_paid(&mut self, now: Instant) -> bool {
        let [high, middle, low, kind, ..] = self.header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        (self.skip, self.has) = (usize::try_from(length).unwrap_or(usize::MAX), 0);
        match kind {
            HEADERS => self.left = self.left.saturating_add(FRAMES_PER_REQUEST).min(MOST_FRAMES),
            // The library bounds those that hold nothing, and the front door the rest.
            DATA | CONTINUATION => {}
            _ => {
                self.earn(now);
                match self.left.checked_sub(1) {
                    Some(left) => self.left = left,
                    None => return false,
                }
            }
        }
        true
    }

    fn earn(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.paid).as_millis();
        let earned = u32::try_from(elapsed / FRAME_TIME.as_millis()).unwrap_or(u32::MAX);
        self.paid += FRAME_TIME.saturating_mul(earned);
        let earned = usize::try_from(earned).unwrap_or(usize::MAX);
        self.left = self.left.saturating_add(earned).min(MOST_FRAMES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        let mut bytes = [&length[1..], &[kind, flags, 0, 0, 0, 0]].concat();
        bytes.resize(HEADER + payload, PING);
        bytes
    }

    fn begun(now: Instant) -> Frames {
        let mut frames = Frames::new(now);
        assert!(frames.follow(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", now));
        frames
    }

    #[test]
    fn one_more_than_may_come_at_once_is_a_flood() {
        let now = Instant::now();
        // PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, and one that nobody knows.
        for (kind, payload) in [(2, 5), (3, 4), (4, 0), (4, 6), (6, 8), (7, 8), (8, 4), (99, 20)] {
            let mut frames = begun(now);
            let flood = frame(kind, 0, payload);
            assert!(frames.follow(&flood.repeat(MOST_FRAMES), now), "{MOST_FRAMES} of {kind}");
            assert!(!frames.follow(&flood, now), "one more of {kind}");
        }
    }

    /// The figures that `config.toml` tells.
    #[test]
    fn a_thousand_may_come_at_once_and_ten_more_for_a_request_and_for_a_second() {
        let now = Instant::now();
        let (ping, request) = (frame(PING, 0, 8), frame(HEADERS, 4, 30));
        // Within ten seconds a figure that is a little off comes to a whole frame.
        for (bought, since, more) in
            [(&[][..], 0, 0), (&request[..], 0, 10), (&[][..], 10, 100), (&request[..], 10, 110)]
        {
            let (mut frames, then) = (begun(now), now + Duration::from_secs(since));
            assert!(frames.follow(&ping.repeat(1_000), now) && frames.follow(bought, now));
            assert!(frames.follow(&ping.repeat(more), then), "{more}");
            assert!(!frames.follow(&ping, then), "one more than {more}");
        }
    }

    #[test]
    fn requests_and_their_bodies_are_no_flood() {
        let now = Instant::now();
        let mut frames = begun(now);
        for (kind, flags, payload) in
            [(HEADERS, 4, 30), (CONTINUATION, 4, 30), (DATA, 0, 1), (DATA, 1, 0)]
        {
            assert!(
                frames.follow(&frame(kind, flags, payload).repeat(MOST_FRAMES * 2), now),
                "{kind}"
            );
        }
    }

    #[test]
    fn a_request_and_a_while_let_more_come_and_never_more_than_at_first() {
        let now = Instant::now();
        let ping = frame(PING, 0, 8);
        let mut frames = begun(now);
        assert!(frames.follow(&ping.repeat(MOST_FRAMES), now));
        assert!(frames.follow(&frame(HEADERS, 4, 30), now));
        assert!(frames.follow(&ping.repeat(FRAMES_PER_REQUEST), now) && !frames.follow(&ping, now));

        let mut frames = begun(now);
        assert!(frames.follow(&ping.repeat(MOST_FRAMES), now));
        let later = now + FRAME_TIME * 3 / 2;
        assert!(frames.follow(&ping, later) && !frames.follow(&ping, later));
        // Half of the time of the next one was over then.
        let mut frames = begun(now);
        assert!(frames.follow(&ping.repeat(MOST_FRAMES), now) && frames.follow(&ping, later));
        assert!(frames.follow(&ping, now + FRAME_TIME * 2));

        let mut frames = begun(now);
        assert!(frames.follow(&frame(HEADERS, 4, 30).repeat(MOST_FRAMES), now));
        let later = now + FRAME_TIME * u32::try_from(MOST_FRAMES).unwrap();
        assert!(frames.follow(&ping.repeat(MOST_FRAMES), later) && !frames.follow(&ping, later));
    }

    #[test]
    fn pieces_of_every_size_are_followed() {
        let now = Instant::now();
        let most = [frame(HEADERS, 4, 30), frame(PING, 0, 8).repeat(MOST_FRAMES)].concat();
        for step in 1..=60 {
            let mut frames = begun(now);
            assert!(most.chunks(step).all(|piece| frames.follow(piece, now)), "{step} at a time");
            assert!(!frames.follow(&frame(PING, 0, 8), now), "{step} at a time");
        }
    }
}
