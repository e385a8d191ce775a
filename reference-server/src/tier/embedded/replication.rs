//! A primary and its asynchronous replica: a failover loses the youngest writes.

use std::collections::VecDeque;
use std::time::Duration;

use super::redis::{RedisData, Write};

/// Redis as one endpoint: a primary, and a replica that is `lost_window` behind.
#[derive(Debug)]
pub(crate) struct Replicated {
    primary: Option<RedisData>,
    replica: RedisData,
    /// Writes that the replica has not seen, oldest first.
    behind: VecDeque<(Duration, Write)>,
    lost_window: Duration,
}

impl Replicated {
    pub(crate) fn new(lost_window: Duration) -> Self {
        Self {
            primary: Some(RedisData::default()),
            replica: RedisData::default(),
            behind: VecDeque::new(),
            lost_window,
        }
    }

    /// The primary's data; `None` during an outage.
    pub(crate) fn read(&self) -> Option<&RedisData> {
        self.primary.as_ref()
    }

    /// Applies a write on the primary and sends it to the replica. The caller has seen that the primary is there.
    pub(crate) fn write(&mut self, now: Duration, write: Write) {
        let primary = self
            .primary
            .as_mut()
            .expect("a script writes only after it has read the primary");
        primary.apply(write.clone());
        self.behind.push_back((now, write));
        self.catch_up(now);
    }

    /// Loses the primary together with the writes that are still on their way.
    pub(crate) fn lose(&mut self, now: Duration) {
        if self.primary.take().is_some() {
            self.catch_up(now);
            self.behind.clear();
        }
    }

    /// Makes the replica the primary; a new replica starts as its copy.
    pub(crate) fn promote(&mut self) {
        if self.primary.is_none() {
            self.primary = Some(self.replica.clone());
        }
    }

    /// Starts over with nothing, as a single node without a replica does.
    pub(crate) fn restore_empty(&mut self) {
        if self.primary.is_none() {
            self.replica = RedisData::default();
            self.primary = Some(RedisData::default());
        }
    }

    fn catch_up(&mut self, now: Duration) {
        let horizon = now.saturating_sub(self.lost_window);
        while self.behind.front().is_some_and(|(at, _)| *at <= horizon) {
            if let Some((_, write)) = self.behind.pop_front() {
                self.replica.apply(write);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SHOW: Uuid = Uuid::from_u128(1);

    fn enqueue(user: u128) -> Write {
        Write::Enqueue {
            show: SHOW,
            user: Uuid::from_u128(user),
        }
    }

    fn waiting(redis: &Replicated) -> Option<usize> {
        let data = redis.read()?;
        Some(data.room(&SHOW).map_or(0, |room| room.queue.len()))
    }

    #[test]
    fn a_failover_loses_only_the_writes_of_the_last_window() {
        let mut redis = Replicated::new(Duration::from_secs(1));
        redis.write(Duration::from_secs(10), enqueue(1));
        redis.write(Duration::from_millis(11_500), enqueue(2));
        redis.lose(Duration::from_secs(12));
        assert_eq!(waiting(&redis), None);
        redis.promote();
        assert_eq!(waiting(&redis), Some(1));
    }

    #[test]
    fn a_second_failover_keeps_what_the_first_kept() {
        let mut redis = Replicated::new(Duration::from_secs(1));
        redis.write(Duration::from_secs(1), enqueue(1));
        redis.lose(Duration::from_secs(5));
        redis.promote();
        redis.write(Duration::from_secs(6), enqueue(2));
        redis.lose(Duration::from_secs(9));
        redis.promote();
        assert_eq!(waiting(&redis), Some(2));
    }

    #[test]
    fn without_a_replica_everything_is_gone() {
        let mut redis = Replicated::new(Duration::ZERO);
        redis.write(Duration::from_secs(1), enqueue(1));
        redis.lose(Duration::from_secs(5));
        redis.restore_empty();
        assert_eq!(waiting(&redis), Some(0));
    }
}
