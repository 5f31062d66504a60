//! The places at the operator's door. When all are taken, somebody gives way who is not worked for: whose
//! head or body does not come, who does not read an answer, who queues for the spool. None of that takes
//! a token, or much, and a probe that waits for a crowd fails.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Nobody gives way before: a probe's head is there a round trip after its connection. It is short
/// enough for hundreds of idle ones to be gone within the time of a probe.
pub(super) const GRACE: Duration = Duration::from_millis(50);

/// So many connections, and which of them are idle.
#[derive(Debug)]
pub(super) struct Places {
    free: Arc<Semaphore>,
    work: Semaphore,
    /// In the order in which they became it.
    idle: Mutex<VecDeque<Idle>>,
}

#[derive(Debug)]
struct Idle {
    address: IpAddr,
    since: Instant,
    leave: CancellationToken,
}

/// One connection's place; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    address: IpAddr,
    leave: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

/// A request is worked on until this is dropped; its connection keeps its place.
#[derive(Debug)]
pub(super) struct Work<'a> {
    place: &'a Place,
    _permit: SemaphorePermit<'a>,
}

impl Places {
    /// With `at_work` below `number` there is always one to give way.
    pub(super) fn new(number: usize, at_work: usize) -> Arc<Self> {
        let idle = Mutex::new(VecDeque::with_capacity(number));
        let (free, work) = (Arc::new(Semaphore::new(number)), Semaphore::new(at_work));
        Arc::new(Self { free, work, idle })
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
        let place = Place { places: Arc::clone(self), address, leave, _permit: permit };
        place.rest();
        place
    }

    /// Asks one to leave, as soon as one may be asked, and waits for it.
    async fn make_room(&self) -> std::convert::Infallible {
        while let Some((since, leave)) = self.next_to_leave() {
            tokio::time::sleep_until(since + GRACE).await;
            // It may have been worked for in between.
            if self.forget(|one| one.leave == leave && one.since == since) {
                leave.cancel();
                break;
            }
        }
        std::future::pending().await
    }

    /// The one that is idle for the longest, of the address that has most of them: a crowd from one
    /// address does not drive a probe from another out.
    fn next_to_leave(&self) -> Option<(Instant, CancellationToken)> {
        let idle = self.idle();
        let of = |address: IpAddr| idle.iter().filter(|one| one.address == address).count();
        // Of equals `max_by_key` takes the last.
        let next = idle.iter().rev().max_by_key(|one| of(one.address))?;
        Some((next.since, next.leave.clone()))
    }

    /// Takes one off the list; false: it is not on it.
    fn forget(&self, is_it: impl Fn(&Idle) -> bool) -> bool {
        let mut idle = self.idle();
        let at = idle.iter().position(is_it);
        at.and_then(|at| idle.remove(at)).is_some()
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        // The list is whole between any two statements.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Waits for its turn.
    #[expect(clippy::expect_used, reason = "the semaphore is ours and nobody closes it")]
    pub(super) async fn work(&self) -> Work<'_> {
        let permit = self.places.work.acquire().await.expect("the semaphore is never closed");
        self.places.forget(|one| one.leave == self.leave);
        Work { place: self, _permit: permit }
    }

    /// Resolves when the place is wanted for somebody else.
    pub(super) async fn wanted(&self) {
        self.leave.cancelled().await;
    }

    fn rest(&self) {
        let (address, leave) = (self.address, self.leave.clone());
        self.places.idle().push_back(Idle { address, since: Instant::now(), leave });
    }
}

impl Drop for Work<'_> {
    fn drop(&mut self) {
        self.place.rest();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.forget(|one| one.leave == self.leave);
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
    async fn the_oldest_idle_one_of_the_largest_crowd_gives_way() {
        let places = Places::new(4, 1);
        let probe = places.take(PROBE).await;
        let busy = places.take(CROWD).await;
        let _working = busy.work().await;
        let (older, newer) = (places.take(CROWD).await, places.take(CROWD).await);
        let began = Instant::now();
        let fifth = {
            let mut fifth = std::pin::pin!(places.take(CROWD));
            tokio::select! {
                _ = &mut fifth => panic!("there is no place"),
                () = older.wanted() => {}
            }
            assert_eq!(began.elapsed(), GRACE);
            assert!(!is_wanted(&probe) && !is_wanted(&busy) && !is_wanted(&newer));
            drop(older);
            fifth.await
        };
        assert!(!is_wanted(&fifth) && !is_wanted(&newer), "one was enough");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_worked_for_stays_and_then_has_its_grace_again() {
        let places = Places::new(1, 1);
        let first = places.take(CROWD).await;
        let working = {
            let mut second = std::pin::pin!(places.take(PROBE));
            let mut poll = || second.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(poll().is_pending());
            let working = first.work().await;
            tokio::time::sleep(2 * GRACE).await;
            assert!(poll().is_pending() && !is_wanted(&first));
            working
        };
        drop(working);
        let (began, mut second) = (Instant::now(), std::pin::pin!(places.take(PROBE)));
        tokio::select! {
            _ = &mut second => panic!("there is no place"),
            () = first.wanted() => assert_eq!(began.elapsed(), GRACE),
        }
        drop(first);
        second.await;
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_at_work_and_one_more_waits_and_gives_way() {
        let places = Places::new(3, 2);
        let [first, second, third] =
            [places.take(CROWD).await, places.take(CROWD).await, places.take(CROWD).await];
        let working = [first.work().await, second.work().await];
        let mut turn = std::pin::pin!(third.work());
        let mut poll = || turn.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(poll().is_pending());
        tokio::select! {
            _ = places.take(PROBE) => panic!("there is no place"),
            () = third.wanted() => {}
        }
        drop(working);
        assert!(matches!(poll(), Poll::Ready(_)));
    }
}
