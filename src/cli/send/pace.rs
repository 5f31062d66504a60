//! When each event of a run is due.

use std::time::Duration;

use tokio::time::Instant;

/// The clock of a run. A rate is kept by reckoning from the start: a late event is sent at once,
/// and no delay shifts those after it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    start: Instant,
    /// Events a second; `None`: as fast as answers come.
    rate: Option<f64>,
}

impl Pace {
    pub(super) fn new(start: Instant, rate: Option<f64>) -> Self {
        Self { start, rate }
    }

    /// When the event of this number, from 0, is due. `None`: as soon as somebody can send it.
    pub(super) fn due(&self, event: u32) -> Option<Instant> {
        let rate = self.rate?;
        let offset = Duration::try_from_secs_f64(f64::from(event) / rate).ok()?;
        self.start.checked_add(offset)
    }

    pub(super) fn start(&self) -> Instant {
        self.start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_event_is_due_at_its_place_in_the_second_without_drift() {
        let start = Instant::now();
        let pace = Pace::new(start, Some(300.0));
        assert_eq!(pace.due(0), Some(start));
        assert_eq!(pace.due(300), Some(start + Duration::from_secs(1)));
        assert_eq!(pace.due(300 * 86_400), Some(start + Duration::from_hours(24)));
        let third = pace.due(1).expect("a moment") - start;
        assert_eq!(third.as_micros(), 3333);
        assert_eq!(Pace::new(start, None).due(7), None);
    }
}
