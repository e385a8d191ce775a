//! What a recorder has observed since its last frame, by scenario second.

use std::collections::VecDeque;

use super::series::Tick;

/// One tick for each second from the first to the last that something was recorded for. There are no gaps, so that each
/// observation finds its second without a search, and ticks stay where they are.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    /// The second of the first tick.
    first: u64,
    ticks: VecDeque<Tick>,
}

impl Ticks {
    /// Returns the tick of a scenario second.
    pub(super) fn of(&mut self, second: u64) -> &mut Tick {
        if self.ticks.is_empty() {
            self.first = second;
        }
        // A request is counted in the second when it was due too, which is often over.
        while second < self.first {
            self.ticks.push_front(Tick::default());
            self.first -= 1;
        }
        let index = usize::try_from(second - self.first).expect("a run has fewer seconds");
        if index >= self.ticks.len() {
            self.ticks.resize_with(index + 1, Tick::default);
        }
        &mut self.ticks[index]
    }

    /// Returns the seconds in which something happened, and forgets them.
    pub(super) fn take(&mut self) -> Vec<(u64, Tick)> {
        let nothing = Tick::default();
        let numbered = (self.first..).zip(std::mem::take(&mut self.ticks));
        numbered.filter(|(_, tick)| *tick != nothing).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_come_in_any_order_and_those_without_events_are_left_out() {
        let mut ticks = Ticks::default();
        for second in [70, 72, 68, 70] {
            ticks.of(second).calls_due += 1;
        }
        let due = |ticks: Vec<(u64, Tick)>| {
            let due = ticks
                .into_iter()
                .map(|(second, tick)| (second, tick.calls_due));
            due.collect::<Vec<_>>()
        };
        assert_eq!(due(ticks.take()), [(68, 1), (70, 2), (72, 1)]);
        ticks.of(3).calls_due += 1;
        assert_eq!(due(ticks.take()), [(3, 1)]);
        assert!(ticks.take().is_empty());
    }
}
