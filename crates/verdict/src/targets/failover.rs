//! Rows about failovers of the data tier: how long writes failed, how far replicas were behind, what was lost.

use std::time::Duration;

use super::resilience::{outcome_in_words, unknown};
use super::{Database, Evidence, Found, Reading, Row};
use crate::audit;
use crate::figure::{grouped, in_words, percent};
use crate::recovery::Outcome;
use tiketi_cloud::notice::DataTierPart;
use tiketi_measure::ending::{DataTierFigures, FailoverFigures, LagFigures, Loss};
use tiketi_scenario::topology::{DatabaseKind, Eviction};

/// Part of the calls that must succeed for users to "hardly notice" (assumption).
const UNNOTICED: f64 = 0.99;

/// How far a replica of Aurora may be behind (documented, A12).
const LAG_MAX: Duration = Duration::from_secs(1);

/// Idle time after which the documented Redis closes a connection (B7).
const REDIS_IDLE: Duration = Duration::from_secs(300);

impl<'a> Evidence<'a> {
    /// What was measured of the data tier; `None` if nobody measured it.
    pub(super) fn data_tier(&self) -> Option<&'a DataTierFigures> {
        self.run.data_tier()
    }

    /// What each loss of a primary of this part did, as far as it was measured.
    fn losses(&self, part: DataTierPart) -> Vec<&'a FailoverFigures> {
        let figures = self
            .data_tier()
            .map_or(&[][..], |figures| &figures.failovers);
        figures.iter().filter(|loss| loss.part == part).collect()
    }

    /// How long each failover of this part took until it was promoted, by the timeline; `None` where that was never.
    fn promotions(&self, part: DataTierPart) -> Vec<Option<Duration>> {
        let all = self.recoveries.iter().flat_map(|one| &one.failovers);
        let of_part = all.filter(|failover| failover.tier == part);
        of_part.map(|failover| failover.took).collect()
    }
}

/// How far a replica was behind, in words; `None` if nobody looked.
pub(super) fn lag_in_words(lag: Option<LagFigures>) -> Option<String> {
    let lag = lag.filter(|lag| lag.samples > 0)?;
    Some(format!(
        "its replica behind by p(50)={}, p(99)={}, at most {} ({} samples)",
        in_words(lag.p50),
        in_words(lag.p99),
        in_words(lag.max),
        grouped(lag.samples)
    ))
}

/// How long writes failed, for each loss of which it is known.
pub(super) fn writes_in_words(losses: &[&FailoverFigures]) -> Option<String> {
    let known = losses.iter().filter_map(|loss| loss.writes_failed_for);
    let shown: Vec<_> = known.map(in_words).collect();
    (!shown.is_empty()).then(|| format!("writes failed for {}", shown.join(", ")))
}

/// What Redis did when it lost its primary, for row A8: whether all was promoted, and the words for it.
pub(super) fn of_redis(evidence: &Evidence<'_>) -> (Option<bool>, String) {
    let promotions = evidence.promotions(DataTierPart::Redis);
    let losses = evidence.losses(DataTierPart::Redis);
    let shown: Vec<_> = promotions
        .iter()
        .map(|took| took.map_or_else(|| "never within the run".to_owned(), in_words))
        .collect();
    if shown.is_empty() {
        return (None, String::new());
    }
    let mut told = format!("; promoted after {}", shown.join(", "));
    if let Some(writes) = writes_in_words(&losses) {
        told = format!("{told}, {writes}");
    }
    (Some(promotions.iter().all(Option::is_some)), told)
}

/// A12 and B5: promotion of the database's standby.
pub(super) fn database(row: &Row, evidence: &Evidence<'_>, which: Database) -> Reading {
    let matches = match evidence.run.plan.topology.database.kind {
        DatabaseKind::Aurora => which == Database::Aurora,
        DatabaseKind::RdsMultiAz => which == Database::Rds,
    };
    if !matches {
        return Err("the scenario runs the other kind of database".to_owned());
    }
    let took = evidence.promotions(DataTierPart::Database);
    if took.is_empty() {
        return without_failover(evidence, which);
    }
    let losses = evidence.losses(DataTierPart::Database);
    let shown: Vec<_> = took
        .iter()
        .map(|took| took.map_or_else(|| "not promoted within the run".to_owned(), in_words))
        .collect();
    let mut told = format!("promotion took {}", shown.join(", "));
    if let Some(writes) = writes_in_words(&losses) {
        told = format!("{told}; {writes}");
    }
    let is_soon = |took: Duration| row.admits(took.as_secs_f64());
    let writes = losses.iter().map(|loss| loss.writes_failed_for);
    let in_time =
        took.iter().all(|took| took.is_some_and(is_soon)) && writes.clone().flatten().all(is_soon);
    // A promotion that no write followed is known only as what was ordered.
    let is_tried = took.len() == losses.len() && writes.clone().all(|length| length.is_some());
    let found = match which {
        Database::Aurora => noticed(evidence, in_time, &told),
        Database::Rds => nothing_lost(evidence, in_time, &told)?,
    };
    Ok(found.without_unless(is_tried, "the first write that succeeded"))
}

/// What there is to say of a database that never lost its primary.
fn without_failover(evidence: &Evidence<'_>, which: Database) -> Reading {
    let lag = match which {
        Database::Aurora => evidence
            .data_tier()
            .and_then(|figures| figures.database_lag),
        Database::Rds => None,
    };
    let (Some(told), Some(lag)) = (lag_in_words(lag), lag) else {
        return Err("the database never lost its primary".to_owned());
    };
    Ok(Found::new(lag.p99 <= LAG_MAX, told).without("failover"))
}

/// RDS: whether anything acknowledged is missing.
fn nothing_lost(evidence: &Evidence<'_>, in_time: bool, told: &str) -> Reading {
    let losses = evidence.losses(DataTierPart::Database);
    let counted: u64 = losses.iter().map(|loss| loss.loss.orders).sum();
    let lost = audit::lost_orders(evidence.run)?.max(counted);
    let measured = format!("{told}; {} acknowledged orders lost", grouped(lost));
    let found = Found::new(in_time && lost == 0, measured);
    Ok(found.without_unless(
        evidence.run.has_real_servers(),
        "PostgreSQL itself: a store in memory stands in for it",
    ))
}

/// Aurora: whether users hardly noticed.
fn noticed(evidence: &Evidence<'_>, in_time: bool, told: &str) -> Found {
    let recoveries = evidence.recoveries.iter();
    let with_failover = recoveries.filter(|recovery| {
        let mut failovers = recovery.failovers.iter();
        failovers.any(|failover| failover.tier == DataTierPart::Database)
    });
    let shares = with_failover.filter_map(|recovery| recovery.during.success_share());
    // With nothing to recover from, nobody noticed anything.
    let succeeded = shares.fold(1.0, f64::min);
    let mut measured = format!(
        "{told}; {} of the calls succeeded from the fault until the work was back, or the run ended",
        percent(succeeded)
    );
    let lag = evidence
        .data_tier()
        .and_then(|figures| figures.database_lag);
    let lag_told = lag_in_words(lag);
    if let Some(lag) = &lag_told {
        measured = format!("{measured}; {lag}");
    }
    let is_near = lag.is_none_or(|lag| lag.p99 <= LAG_MAX);
    Found::new(in_time && succeeded >= UNNOTICED && is_near, measured)
        .without_unless(lag_told.is_some(), "replication lag")
}

/// B7: what Redis loses with its primary, and what it evicts.
pub(super) fn redis_losses(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let Some(figures) = evidence.data_tier() else {
        return Err(row.unmeasured.clone().unwrap_or_default());
    };
    let losses = evidence.losses(DataTierPart::Redis);
    let evicted = figures.redis_keys_evicted + figures.redis_queues_evicted;
    let was_full = evicted + figures.redis_writes_refused > 0;
    if losses.is_empty() && !was_full {
        return Err(
            "Redis was never out of memory, and no loss of its primary was measured".to_owned(),
        );
    }
    let mut shown: Vec<_> = losses
        .iter()
        .map(|loss| loss_in_words(&loss.loss))
        .collect();
    if was_full {
        shown.push(format!(
            "memory at most {} of {} MiB: {} keys evicted, the queue itself {} times with {} who stood in it, {} writes \
             refused",
            figures.redis_memory_peak >> 20,
            figures.redis_memory_max >> 20,
            grouped(figures.redis_keys_evicted),
            grouped(figures.redis_queues_evicted),
            grouped(figures.redis_waiting_evicted),
            grouped(figures.redis_writes_refused),
        ));
    }
    let redis = &evidence.run.plan.topology.redis;
    let as_documented = redis.eviction == Eviction::AllKeysLru
        && redis.replica.is_some()
        && redis.idle_timeout == REDIS_IDLE;
    let has_tls = redis.tls && evidence.run.has_real_servers();
    Ok(Found::new(as_documented, shown.join("; "))
        .without_unless(!losses.is_empty(), "what a failover loses")
        .without_unless(was_full, "what eviction takes")
        .without_unless(has_tls, "TLS")
        .without("that idle connections are closed"))
}

/// What one failover lost, in words.
pub(super) fn loss_in_words(loss: &Loss) -> String {
    let parts = [
        (loss.places, "places in the queue"),
        (loss.active_places, "active places"),
        (loss.sessions, "sessions"),
        (loss.orders, "paid orders"),
        (loss.places_put_back, "places put back"),
    ];
    let lost = parts.into_iter().filter(|(count, _)| *count > 0);
    let lost: Vec<_> = lost
        .map(|(count, what)| format!("{} {what}", grouped(count)))
        .collect();
    if lost.is_empty() {
        return "nothing lost".to_owned();
    }
    let back = loss.reaches_back.map(in_words);
    let back = back.map_or_else(String::new, |back| format!(", up to {back} old"));
    format!("lost: {}{back}", lost.join(", "))
}

/// B14: both terms for every failover.
pub(super) fn terms(evidence: &Evidence<'_>) -> Reading {
    if evidence.recoveries.is_empty() {
        return Err("nothing had to recover".to_owned());
    }
    let recoveries: Vec<_> = evidence.recoveries.iter().collect();
    if let Some(reason) = unknown(&recoveries) {
        return Err(reason);
    }
    let mut outcomes = recoveries.iter().map(|one| &one.outcome);
    if outcomes.any(|outcome| *outcome == Outcome::NotRecovered) {
        return Err("the run ended before the recovery did: its time is not known".to_owned());
    }
    let lost = audit::lost_orders(evidence.run)?;
    let shown: Vec<_> = recoveries.iter().map(|one| outcome_in_words(one)).collect();
    let mut measured = format!(
        "recovery time: {}; data loss: {} acknowledged orders",
        shown.join("; "),
        grouped(lost)
    );
    let mut is_whole = true;
    for (part, name) in [
        (DataTierPart::Redis, "Redis"),
        (DataTierPart::Database, "database"),
    ] {
        let losses = evidence.losses(part);
        for loss in &losses {
            let rto = loss.writes_failed_for.map(in_words);
            let rto = rto.unwrap_or_else(|| "for a time nobody measured".to_owned());
            measured = format!(
                "{measured}; {name}: writes failed for {rto}, {}",
                loss_in_words(&loss.loss)
            );
        }
        // The orders tell what the database lost; what Redis lost nothing else tells.
        is_whole &=
            part == DataTierPart::Database || losses.len() == evidence.promotions(part).len();
    }
    Ok(Found::new(true, measured).without_unless(is_whole, "what Redis lost with its primary"))
}
