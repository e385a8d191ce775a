//! What probes have measured of the data tier: when writes failed, how far replicas were behind, what failovers lost.

use std::time::Duration;

use tokio::time::Instant;

use tiketi_cloud::gauges::PartReadings;
use tiketi_core::units::{DataTierPart, SimTime, ZoneId};
use tiketi_measure::ending::{DataTierFigures, FailoverFigures, LagFigures, Loss};
use tiketi_measure::stall::{Book, Noticed, Silence, StallKind, ToolPart};

/// All measurements so far.
#[derive(Debug)]
pub(super) struct Record {
    /// Scenario seconds per second of real time.
    speed: f64,
    redis: Sightings,
    database: Sightings,
    failovers: Vec<Failover>,
    levels: DataTierFigures,
    readings: PartReadings,
    stalls: Book,
}

/// The measurements of one part.
#[derive(Debug, Default)]
struct Sightings {
    /// When the last probe write succeeded.
    written_at: Option<Instant>,
    silence: Silence,
    /// How far the replica was behind, in scenario time.
    lags: Vec<Duration>,
}

/// The loss of one primary.
#[derive(Debug)]
struct Failover {
    part: DataTierPart,
    lost_at: SimTime,
    lost_at_wall: Instant,
    zone: ZoneId,
    promoted: Option<(ZoneId, Instant)>,
    /// When the last successful write before the loss was answered.
    written_before: Option<Instant>,
    /// When the first successful write after the loss was answered.
    written_after: Option<Instant>,
    loss: Loss,
}

/// One probe write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beat {
    pub(super) sent_at: Instant,
    /// When it was answered; `None` if it failed.
    pub(super) answered_at: Option<Instant>,
}

impl Record {
    pub(super) fn new(speed: f64) -> Self {
        Self {
            speed,
            redis: Sightings::default(),
            database: Sightings::default(),
            failovers: Vec::new(),
            levels: DataTierFigures::default(),
            readings: PartReadings::default(),
            stalls: Book::default(),
        }
    }

    /// Records that the primary of a part, in `zone`, was lost.
    pub(super) fn handle_lost(&mut self, part: DataTierPart, zone: ZoneId, at: (SimTime, Instant)) {
        let written_before = self.of(part).written_at;
        self.failovers.push(Failover {
            part,
            lost_at: at.0,
            lost_at_wall: at.1,
            zone,
            promoted: None,
            written_before,
            written_after: None,
            loss: Loss::default(),
        });
    }

    /// Records that the member in `zone` accepts writes.
    pub(super) fn handle_promoted(&mut self, part: DataTierPart, zone: ZoneId, at: Instant) {
        if let Some(failover) = self.last(part) {
            failover.promoted.get_or_insert((zone, at));
        }
    }

    /// Records what the last failover of a part lost.
    pub(super) fn handle_loss(&mut self, part: DataTierPart, loss: Loss) {
        if let Some(failover) = self.last(part) {
            failover.loss = loss;
        }
    }

    /// Records a probe write.
    pub(super) fn handle_beat(&mut self, part: DataTierPart, beat: Beat) {
        let Some(answered_at) = beat.answered_at else {
            return;
        };
        self.of(part).written_at = Some(answered_at);
        if let Some(failover) = self.last(part)
            && beat.sent_at >= failover.lost_at_wall
        {
            failover.written_after.get_or_insert(answered_at);
        }
    }

    /// Records that something is sent to the server of a part, at this time since 1970.
    pub(super) fn handle_sent(&mut self, part: DataTierPart, at_unix_ns: u64) {
        self.of(part).silence.handle_sent(at_unix_ns);
    }

    /// Records that it was answered.
    pub(super) fn handle_answered(&mut self, part: DataTierPart, at_unix_ns: u64) {
        if let Some(lapse) = self.of(part).silence.handle_answered(at_unix_ns) {
            let (part, kind) = (ToolPart::DataTier(part), StallKind::Silent);
            self.stalls
                .handle_lapse(part, kind, Noticed::InSupervisor, lapse);
        }
    }

    /// Returns when the servers did not answer, the silence of this moment included, and forgets it.
    pub(super) fn take_stalls(&mut self, now_unix_ns: u64) -> Book {
        for part in [DataTierPart::Redis, DataTierPart::Database] {
            if let Some(lapse) = self.of(part).silence.open(now_unix_ns) {
                let (part, kind) = (ToolPart::DataTier(part), StallKind::Silent);
                self.stalls
                    .handle_lapse(part, kind, Noticed::InSupervisor, lapse);
            }
        }
        std::mem::take(&mut self.stalls)
    }

    /// Records that the replica was this far behind, in real time.
    pub(super) fn handle_lag(&mut self, part: DataTierPart, wall: Duration) {
        let lag = wall.mul_f64(self.speed);
        self.of(part).lags.push(lag);
    }

    /// Returns the levels and counters of the servers, to update them.
    pub(super) fn levels(&mut self) -> &mut DataTierFigures {
        &mut self.levels
    }

    /// Returns the last sample of the servers, to update it.
    pub(super) const fn sampled(&mut self) -> &mut PartReadings {
        &mut self.readings
    }

    /// Returns the last sample of the servers.
    pub(super) const fn readings(&self) -> PartReadings {
        self.readings
    }

    /// Returns the figures so far.
    pub(super) fn figures(&self) -> DataTierFigures {
        DataTierFigures {
            redis_lag: LagFigures::of(&self.redis.lags),
            database_lag: LagFigures::of(&self.database.lags),
            failovers: self.failovers.iter().map(|one| self.told(one)).collect(),
            ..self.levels.clone()
        }
    }

    fn told(&self, failover: &Failover) -> FailoverFigures {
        let since = |from: Instant, to: Instant| {
            let wall = to.saturating_duration_since(from);
            wall.mul_f64(self.speed)
        };
        let outage = failover.written_before.zip(failover.written_after);
        FailoverFigures {
            part: failover.part,
            lost_at: failover.lost_at,
            lost_zone: failover.zone,
            promoted_at: failover
                .promoted
                .map(|(_, at)| failover.lost_at + since(failover.lost_at_wall, at)),
            promoted_zone: failover.promoted.map(|(zone, _)| zone),
            writes_failed_for: outage.map(|(before, after)| since(before, after)),
            loss: failover.loss,
        }
    }

    const fn of(&mut self, part: DataTierPart) -> &mut Sightings {
        match part {
            DataTierPart::Redis => &mut self.redis,
            DataTierPart::Database => &mut self.database,
        }
    }

    fn last(&mut self, part: DataTierPart) -> Option<&mut Failover> {
        self.failovers
            .iter_mut()
            .rev()
            .find(|failover| failover.part == part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REDIS: DataTierPart = DataTierPart::Redis;

    fn beat(origin: Instant, sent: u64, answered: Option<u64>) -> Beat {
        let at = |ms| origin + Duration::from_millis(ms);
        Beat {
            sent_at: at(sent),
            answered_at: answered.map(at),
        }
    }

    #[test]
    fn an_outage_lasts_from_the_last_write_to_the_next_in_scenario_time() {
        let origin = crate::clock::wall_now();
        let mut record = Record::new(2.0);
        record.handle_beat(REDIS, beat(origin, 900, Some(901)));
        let lost = (
            SimTime::from_secs(10),
            origin + Duration::from_millis(1_000),
        );
        record.handle_lost(REDIS, ZoneId(0), lost);
        // Sent before the loss and answered after it: says nothing about the new primary.
        record.handle_beat(REDIS, beat(origin, 999, Some(1_001)));
        record.handle_beat(REDIS, beat(origin, 1_100, None));
        let promoted = origin + Duration::from_millis(4_000);
        record.handle_promoted(REDIS, ZoneId(1), promoted);
        record.handle_beat(REDIS, beat(origin, 4_500, Some(4_501)));
        record.handle_beat(REDIS, beat(origin, 5_500, Some(5_501)));
        let failovers = record.figures().failovers;
        assert_eq!(failovers.len(), 1);
        assert_eq!(failovers[0].promoted_at, Some(SimTime::from_secs(16)));
        assert_eq!(
            failovers[0].writes_failed_for,
            Some(Duration::from_millis(7_200))
        );
    }

    #[test]
    fn a_server_that_does_not_answer_is_silent_until_it_does_or_until_the_end() {
        const MS: u64 = 1_000_000;
        let mut record = Record::new(2.0);
        let database = DataTierPart::Database;
        record.handle_sent(REDIS, 1_000 * MS);
        record.handle_answered(REDIS, 1_002 * MS);
        record.handle_sent(REDIS, 1_100 * MS);
        record.handle_answered(REDIS, 2_100 * MS);
        record.handle_sent(database, 3_000 * MS);
        let span = tiketi_measure::stall::Span {
            start_unix_ns: 0,
            ended_at: SimTime::from_secs(20),
            speed: 2.0,
        };
        let stalls = record.take_stalls(5_000 * MS).settle(span);
        let found: Vec<_> = stalls
            .iter()
            .map(|stall| (stall.part, stall.kind, stall.wall))
            .collect();
        let silent = |part, secs| {
            let wall = Duration::from_secs(secs);
            (ToolPart::DataTier(part), StallKind::Silent, wall)
        };
        assert_eq!(found, [silent(REDIS, 1), silent(database, 2)]);
    }
}
