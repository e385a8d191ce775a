//! Levels of a target that another system knows: readings, and when there were none.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use tiketi_core::units::SimTime;
use tiketi_scenario::observe::{Level, Observe};

/// Gaps that are kept for each level. A server that comes and goes more often is described by the first of them.
const GAPS_MAX: usize = 20;

/// Readings that may be late by this many times the time between two of them before a gap begins.
const LATE: u32 = 3;

/// The last values that were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Observed {
    /// Buyers in the queue; `None` if not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_length: Option<f64>,
    /// Instances in service; `None` if not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instances: Option<f64>,
    /// Mean CPU utilization of the instances, 0 to 1; `None` if not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Share of reads that the cache answers, 0 to 1; `None` if not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_hits: Option<f64>,
}

impl Observed {
    /// A reading of one level.
    pub fn of(level: Level, value: f64) -> Self {
        let mut observed = Self::default();
        *observed.place(level) = Some(value);
        observed
    }

    /// Returns the value of a level; `None` if not read.
    pub const fn get(&self, level: Level) -> Option<f64> {
        match level {
            Level::QueueLength => self.queue_length,
            Level::Instances => self.instances,
            Level::Cpu => self.cpu,
            Level::CacheHits => self.cache_hits,
        }
    }

    /// Takes the values that `later` has.
    pub fn merge(&mut self, later: &Self) {
        for level in Level::ALL {
            if let Some(value) = later.get(level) {
                *self.place(level) = Some(value);
            }
        }
    }

    const fn place(&mut self, level: Level) -> &mut Option<f64> {
        match level {
            Level::QueueLength => &mut self.queue_length,
            Level::Instances => &mut self.instances,
            Level::Cpu => &mut self.cpu,
            Level::CacheHits => &mut self.cache_hits,
        }
    }
}

/// What is known at the end about the readings of one level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelRecord {
    /// The level.
    pub level: Level,
    /// The query that was asked.
    pub query: String,
    /// How many values were read.
    pub readings: u64,
    /// When there was no value, in order of time.
    pub gaps: Vec<ObservationGap>,
    /// Further times without a value.
    #[serde(default)]
    pub gaps_dropped: u64,
}

/// A stretch of time without a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservationGap {
    /// The last value before it, or the start of the run.
    pub from: SimTime,
    /// The first value after it, or the end of the run.
    pub until: SimTime,
    /// Why, as a sentence fragment: the first reason, if there were several.
    pub reason: String,
}

/// Notes the readings of all levels that are asked for.
#[derive(Clone, Debug)]
pub struct ObservationLog {
    every: Duration,
    levels: Vec<Track>,
}

#[derive(Clone, Debug)]
struct Track {
    record: LevelRecord,
    /// The last value, or the start of the run.
    last: SimTime,
    /// Why there has been no value since.
    missing: Option<String>,
}

impl ObservationLog {
    /// Starts with nothing read.
    pub fn new(observe: &Observe) -> Self {
        let track = |level: &Level| {
            let query = observe.query(*level)?.to_owned();
            Some(Track {
                record: LevelRecord {
                    level: *level,
                    query,
                    readings: 0,
                    gaps: Vec::new(),
                    gaps_dropped: 0,
                },
                last: SimTime::ZERO,
                missing: None,
            })
        };
        let levels = match observe.server() {
            Some(_) => Level::ALL.iter().filter_map(track).collect(),
            None => Vec::new(),
        };
        Self {
            every: observe.every,
            levels,
        }
    }

    /// Notes a value, or why there is none. Returns the reading; `None` without a value.
    pub fn handle(
        &mut self,
        at: SimTime,
        level: Level,
        value: Result<f64, String>,
    ) -> Option<Observed> {
        let late = self.every * LATE;
        let tracks = &mut self.levels;
        let track = tracks
            .iter_mut()
            .find(|track| track.record.level == level)?;
        match value.and_then(|value| permitted(level, value)) {
            Ok(value) => {
                track.close(at, late);
                track.record.readings += 1;
                Some(Observed::of(level, value))
            }
            Err(reason) => {
                track.missing.get_or_insert(reason);
                None
            }
        }
    }

    /// Ends all stretches without a value with the run.
    pub fn finish(mut self, ended_at: SimTime) -> Vec<LevelRecord> {
        let late = self.every * LATE;
        for track in &mut self.levels {
            track.close(ended_at, late);
        }
        self.levels.into_iter().map(|track| track.record).collect()
    }
}

impl Track {
    /// Ends the time since the last value.
    fn close(&mut self, at: SimTime, late: Duration) {
        let from = std::mem::replace(&mut self.last, at);
        let reason = match self.missing.take() {
            Some(reason) => reason,
            None if at.saturating_since(from) > late => "no response was received".to_owned(),
            None => return,
        };
        let gap = ObservationGap {
            from,
            until: at.max(from),
            reason,
        };
        if self.record.gaps.len() < GAPS_MAX {
            self.record.gaps.push(gap);
        } else {
            self.record.gaps_dropped += 1;
        }
    }
}

/// Returns the value if the level can have it.
fn permitted(level: Level, value: f64) -> Result<f64, String> {
    if !value.is_finite() {
        return Err(format!("the value is {value}"));
    }
    if level.is_share() && !(0.0..=1.0).contains(&value) {
        return Err(format!(
            "the value is {value}, which is no share from 0 to 1 (divide percentages by 100 in the query)"
        ));
    }
    if value < 0.0 {
        return Err(format!("the value is {value}, below 0"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(levels: &[Level]) -> ObservationLog {
        let mut observe = Observe {
            prometheus: Some("http://127.0.0.1:9090".to_owned()),
            ..Observe::default()
        };
        for level in levels {
            let query = Some("x".to_owned());
            match level {
                Level::QueueLength => observe.queue_length = query,
                Level::Instances => observe.instances = query,
                Level::Cpu => observe.cpu = query,
                Level::CacheHits => observe.cache_hits = query,
            }
        }
        ObservationLog::new(&observe)
    }

    fn at(second: u64) -> SimTime {
        SimTime::from_secs(second)
    }

    #[test]
    fn a_server_that_is_away_for_a_while_leaves_one_gap_with_its_first_reason() {
        let mut log = log(&[Level::QueueLength]);
        let level = Level::QueueLength;
        assert!(log.handle(at(5), level, Ok(7.0)).is_some());
        for (second, reason) in [(10, "connection refused"), (15, "no response in time")] {
            assert_eq!(log.handle(at(second), level, Err(reason.to_owned())), None);
        }
        assert_eq!(
            log.handle(at(20), level, Ok(9.0)),
            Some(Observed::of(level, 9.0))
        );
        let records = log.finish(at(22));
        let gap = ObservationGap {
            from: at(5),
            until: at(20),
            reason: "connection refused".to_owned(),
        };
        assert_eq!((records[0].readings, &records[0].gaps[..]), (2, &[gap][..]));
    }

    #[test]
    fn a_server_that_never_answers_leaves_the_whole_run_as_a_gap() {
        let mut silent = log(&[Level::Cpu]);
        silent.handle(at(5), Level::Cpu, Err("connection refused".to_owned()));
        let [record] = &silent.finish(at(60))[..] else {
            panic!("one level");
        };
        assert_eq!(record.readings, 0);
        assert_eq!((record.gaps[0].from, record.gaps[0].until), (at(0), at(60)));
        let [record] = &log(&[Level::Cpu]).finish(at(60))[..] else {
            panic!("one level");
        };
        assert_eq!(record.gaps[0].reason, "no response was received");
    }

    #[test]
    fn values_that_a_level_cannot_have_are_not_readings() {
        let mut log = log(&Level::ALL);
        for (level, value) in [
            (Level::Cpu, 42.0),
            (Level::CacheHits, -0.1),
            (Level::QueueLength, -1.0),
            (Level::Instances, f64::NAN),
        ] {
            assert_eq!(log.handle(at(1), level, Ok(value)), None, "{level:?}");
        }
        let records = log.finish(at(2));
        assert!(records[2].gaps[0].reason.contains("divide percentages"));
        assert!(records.iter().all(|record| record.readings == 0));
    }

    #[test]
    fn gaps_are_limited() {
        let mut log = log(&[Level::Cpu]);
        for second in 0..200 {
            let value = if second % 2 == 0 {
                Ok(0.5)
            } else {
                Err("gone".to_owned())
            };
            log.handle(at(second), Level::Cpu, value);
        }
        let records = log.finish(at(200));
        assert_eq!(records[0].gaps.len(), GAPS_MAX);
        assert_eq!(records[0].gaps_dropped, 80);
    }

    #[test]
    fn a_level_that_is_not_asked_for_has_no_record() {
        assert_eq!(log(&[]).finish(at(9)), []);
        let mut log = log(&[Level::Cpu]);
        assert_eq!(log.handle(at(1), Level::Instances, Ok(1.0)), None);
    }
}
