//! Log lines on their way to stderr. Whoever logs never waits: what reads stderr may be slow, or
//! stand still, and nothing in the gateway may stand still with it. Lines wait in a bounded buffer,
//! a thread writes them, and where there is no room they are lost and counted.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;

/// Some thousands of lines: minutes of an ordinary log.
const MOST_WAITING_BYTES: usize = 1 << 20;

/// Between two looks at a stderr that does not block, and whose reader is behind.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// What waits for one writer.
#[derive(Debug)]
pub(super) struct Lines {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    come: Condvar,
    /// All of it is written.
    done: Condvar,
    lost: Counter,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// The thread writes what it has taken.
    writing: bool,
    /// Lines that found no room since this was last told.
    lost: u64,
}

impl Lines {
    /// `lost` counts the lines that found no room, or could not be written.
    pub(super) fn new(lost: Counter) -> Arc<Self> {
        let (come, done) = (Condvar::new(), Condvar::new());
        Arc::new(Self { waiting: Mutex::default(), come, done, lost })
    }

    /// Writes to `out` whatever comes, for good. What was lost is handed to `tell` as soon as there is
    /// room again.
    pub(super) fn write_to(&self, mut out: impl Write, tell: impl Fn(u64)) {
        let mut batch = Vec::new();
        loop {
            let lost = self.take(&mut batch);
            if lost > 0 {
                tell(lost);
            }
            if let Err(unwritten) = write_whole(&mut out, &batch) {
                // Counted and not told: that would be one more line for a stderr that is gone.
                self.lost.inc_by(unwritten);
            }
            batch.clear();
        }
    }

    /// Waits for lines and puts them into `batch`; how many were lost since the last time.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut waiting = self.lock();
        waiting.writing = false;
        while waiting.bytes.is_empty() {
            self.done.notify_all();
            waiting = self.come.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        mem::swap(&mut waiting.bytes, batch);
        waiting.writing = true;
        mem::take(&mut waiting.lost)
    }

    /// Waits until everything is written, or `most` has passed.
    pub(super) fn flush(&self, most: Duration) {
        let is_busy = |waiting: &mut Waiting| waiting.writing || !waiting.bytes.is_empty();
        // In time or not: there is nothing more to be done.
        drop(self.done.wait_timeout_while(self.lock(), most, is_busy));
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Like `write_all`, for an `out` that may not block as well. The error is how many lines, whole or
/// in part, did not get out.
fn write_whole(out: &mut impl Write, mut lines: &[u8]) -> Result<(), u64> {
    while !lines.is_empty() {
        match out.write(lines) {
            Ok(written) if written > 0 => lines = lines.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(FULL_PAUSE),
            _ => return Err(lines.split_inclusive(|byte| *byte == b'\n').map(|_| 1).sum()),
        }
    }
    // What cannot be flushed was taken all the same.
    drop(out.flush());
    Ok(())
}

/// Takes one whole line at a time.
impl Write for &Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.lock();
        if waiting.bytes.len() + line.len() > MOST_WAITING_BYTES {
            waiting.lost += 1;
            self.lost.inc();
        } else {
            waiting.bytes.extend_from_slice(line);
            self.come.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A reader that takes what is written to it only when it is asked to.
    struct Slow(mpsc::SyncSender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
            self.0.send(bytes.to_vec()).map_err(gone)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Takes `bites` bytes in all, three at a time and every other time none, and then breaks.
    struct Nibbling {
        taken: Vec<u8>,
        bites: usize,
        is_full: bool,
    }

    impl Write for Nibbling {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.is_full = !self.is_full;
            if self.is_full {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let bite = bytes.len().min(3).min(self.bites);
            if bite == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.bites -= bite;
            self.taken.extend_from_slice(&bytes[..bite]);
            Ok(bite)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_pipe_that_does_not_block_gets_every_line_and_a_broken_one_is_counted() {
        let lines = b"first\nsecond\nthird\n";
        for (bites, left) in [(lines.len(), Ok(())), (8, Err(2)), (0, Err(3))] {
            let mut out = Nibbling { taken: Vec::new(), bites, is_full: false };
            assert_eq!(write_whole(&mut out, lines), left, "{bites}");
            assert_eq!(out.taken, lines[..bites]);
        }
    }

    #[test]
    fn what_finds_no_room_is_lost_counted_and_told() {
        let (slow, read) = mpsc::sync_channel(0);
        let (tell, told) = mpsc::channel();
        let lost = Counter::default();
        let lines = Lines::new(lost.clone());
        let writer = Arc::clone(&lines);
        thread::spawn(move || writer.write_to(Slow(slow), |lost| tell.send(lost).unwrap()));

        let say = |bytes: usize| (&*lines).write_all(&vec![b'a'; bytes]).unwrap();
        say(1);
        // The thread has the first and waits for its reader.
        while !lines.lock().writing {}
        say(MOST_WAITING_BYTES);
        assert_eq!(lost.get(), 0, "at the limit");
        say(1);
        say(1);
        assert_eq!(lost.get(), 2, "past it");
        lines.flush(Duration::ZERO);
        assert!(lines.lock().writing, "nobody waits for a reader that stands still");

        assert_eq!(read.recv().unwrap().len(), 1);
        assert_eq!(read.recv().unwrap().len(), MOST_WAITING_BYTES);
        assert_eq!(told.recv().unwrap(), 2);
        lines.flush(Duration::MAX);
        say(2);
        assert_eq!(read.recv().unwrap().len(), 2);
        lines.flush(Duration::MAX);
        assert!(!lines.lock().writing, "everything is out");
    }
}
