//! The places at the operator's door. When all are taken, whoever has said nothing yet gives way: no
//! token is needed to be silent, and a probe that waits for a silent crowd fails.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Nobody gives way before: a probe's head is there a round trip after its connection. It is short
/// enough for hundreds of silent ones to be gone within the time of a probe.
const GRACE: Duration = Duration::from_millis(50);

/// So many connections, and which of them are silent.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    /// In the order in which they came.
    silent: Mutex<VecDeque<Silent>>,
}

#[derive(Debug)]
struct Silent {
    address: IpAddr,
    came: Instant,
    leave: CancellationToken,
}

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    leave: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(super) fn new(number: usize) -> Arc<Self> {
        let silent = Mutex::new(VecDeque::with_capacity(number));
        Arc::new(Self { free: Arc::new(Semaphore::new(number)), silent })
    }

    /// A place for a connection from `address`, as soon as there is one.
    #[expect(clippy::expect_used, reason = "the semaphore is ours and nobody closes it")]
    pub(super) async fn take(self: &Arc<Self>, address: IpAddr) -> Place {
        let permit = Arc::clone(&self.free).acquire_owned();
        let permit = tokio::select! {
            biased;
            permit = permit => permit.expect("the semaphore is never closed"),
            never = self.make_room() => match never {},
        };
        let leave = CancellationToken::new();
        let silent = Silent { address, came: Instant::now(), leave: leave.clone() };
        self.silent().push_back(silent);
        Place { places: Arc::clone(self), leave, _permit: permit }
    }

    /// Asks one to leave, as soon as one may be asked, and waits for it.
    async fn make_room(&self) -> std::convert::Infallible {
        while let Some((came, leave)) = self.next_to_leave() {
            tokio::time::sleep_until(came + GRACE).await;
            // It may have spoken by now.
            if self.forget(&leave) {
                leave.cancel();
                break;
            }
        }
        std::future::pending().await
    }

    /// The oldest silent one of the address that has most of them: a crowd from one address does not
    /// drive a probe from another out.
    fn next_to_leave(&self) -> Option<(Instant, CancellationToken)> {
        let silent = self.silent();
        let of = |address: IpAddr| silent.iter().filter(|one| one.address == address).count();
        // Of equals `max_by_key` takes the last.
        let next = silent.iter().rev().max_by_key(|one| of(one.address))?;
        Some((next.came, next.leave.clone()))
    }

    /// Takes one off the list; false: it is not on it.
    fn forget(&self, leave: &CancellationToken) -> bool {
        let mut silent = self.silent();
        let at = silent.iter().position(|one| one.leave == *leave);
        at.and_then(|at| silent.remove(at)).is_some()
    }

    fn silent(&self) -> MutexGuard<'_, VecDeque<Silent>> {
        // The list is whole between any two statements.
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request has come: whoever speaks may finish.
    pub(super) fn spoke(&self) {
        self.places.forget(&self.leave);
    }

    /// Resolves when the place is wanted for somebody else.
    pub(super) async fn wanted(&self) {
        self.leave.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.forget(&self.leave);
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    const CROWD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const PROBE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn is_wanted(place: &Place) -> bool {
        place.leave.is_cancelled()
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_silent_one_of_the_largest_crowd_gives_way() {
        let places = Places::new(4);
        let probe = places.take(PROBE).await;
        let speaking = places.take(CROWD).await;
        speaking.spoke();
        let (older, newer) = (places.take(CROWD).await, places.take(CROWD).await);
        let began = Instant::now();
        let fifth = {
            let mut fifth = std::pin::pin!(places.take(CROWD));
            tokio::select! {
                _ = &mut fifth => panic!("there is no place"),
                () = older.wanted() => {}
            }
            assert_eq!(began.elapsed(), GRACE);
            assert!(!is_wanted(&probe) && !is_wanted(&speaking) && !is_wanted(&newer));
            drop(older);
            fifth.await
        };
        assert!(!is_wanted(&fifth) && !is_wanted(&newer), "one was enough");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_speaks_in_time_stays() {
        let places = Places::new(1);
        let first = places.take(CROWD).await;
        let mut second = std::pin::pin!(places.take(PROBE));
        let mut poll = || second.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(poll(), Poll::Pending));
        first.spoke();
        tokio::time::sleep(2 * GRACE).await;
        assert!(matches!(poll(), Poll::Pending) && !is_wanted(&first));
        drop(first);
        assert!(matches!(poll(), Poll::Ready(_)));
    }
}
