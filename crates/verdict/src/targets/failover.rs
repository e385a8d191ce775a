//! Claims about failovers of the data tier: how long writes failed, how far replicas lagged, what was lost.

use std::time::Duration;

use super::resilience::{outcome_in_words, unknown};
use super::{Checked, Claim, ClaimedDatabase, Evidence, Found};
use crate::audit;
use crate::figure::{counted, grouped, in_words, percent};
use crate::recovery::Outcome;
use tiketi_cloud::notice::DataTierPart;
use tiketi_measure::ending::{DataTierFigures, FailoverFigures, LagFigures, Loss};
use tiketi_scenario::topology::{DatabaseKind, Eviction};

/// Share of the requests that must succeed for users to "hardly notice" (assumption, A12).
const UNNOTICED: f64 = 0.99;

/// Replication lag of Aurora, at most (documented, A12).
const LAG_MAX: Duration = Duration::from_secs(1);

/// Idle time after which Redis closes a connection (documented, B7).
const REDIS_IDLE: Duration = Duration::from_secs(300);

impl<'a> Evidence<'a> {
    /// Returns what was measured of the data tier; `None` if nothing was.
    pub(super) fn data_tier(&self) -> Option<&'a DataTierFigures> {
        self.run.data_tier()
    }

    /// Returns the losses of a primary of this part that were measured.
    fn losses(&self, part: DataTierPart) -> Vec<&'a FailoverFigures> {
        let figures = self
            .data_tier()
            .map_or(&[][..], |figures| &figures.failovers);
        figures.iter().filter(|loss| loss.part == part).collect()
    }

    /// Returns how long each failover of this part took until the promotion, from the timeline; `None` where there was none.
    fn promotions(&self, part: DataTierPart) -> Vec<Option<Duration>> {
        let all = self.recoveries.iter().flat_map(|one| &one.failovers);
        let of_part = all.filter(|failover| failover.tier == part);
        of_part.map(|failover| failover.took).collect()
    }
}

/// Describes a replica's lag; `None` if it was not measured.
pub(super) fn lag_in_words(lag: Option<LagFigures>) -> Option<String> {
    let lag = lag.filter(|lag| lag.samples > 0)?;
    Some(format!(
        "replication lag p(50) {}, p(99) {}, max {} ({} samples)",
        in_words(lag.p50),
        in_words(lag.p99),
        in_words(lag.max),
        grouped(lag.samples)
    ))
}

/// Describes how long writes failed in each failover where that was measured; `None` if it was in none.
pub(super) fn writes_in_words(losses: &[&FailoverFigures]) -> Option<String> {
    let known = losses.iter().filter_map(|loss| loss.writes_failed_for);
    let shown: Vec<_> = known.map(in_words).collect();
    (!shown.is_empty()).then(|| format!("writes failed for {}", shown.join(", ")))
}

/// Describes the failovers of Redis for A8, and returns whether all ended with a promotion; `None` if there were none.
pub(super) fn of_redis(evidence: &Evidence<'_>) -> (Option<bool>, String) {
    let promotions = evidence.promotions(DataTierPart::Redis);
    let losses = evidence.losses(DataTierPart::Redis);
    let shown: Vec<_> = promotions
        .iter()
        .map(|took| took.map_or_else(|| "not within the run".to_owned(), in_words))
        .collect();
    if shown.is_empty() {
        return (None, String::new());
    }
    let mut words = format!("; promoted after {}", shown.join(", "));
    if let Some(writes) = writes_in_words(&losses) {
        words = format!("{words}, {writes}");
    }
    (Some(promotions.iter().all(Option::is_some)), words)
}

/// A12 and B5: promotion of the database's standby.
pub(super) fn database(claim: &Claim, evidence: &Evidence<'_>, which: ClaimedDatabase) -> Checked {
    let matches = match evidence.run.plan.topology.database.kind {
        DatabaseKind::Aurora => which == ClaimedDatabase::Aurora,
        DatabaseKind::RdsMultiAz => which == ClaimedDatabase::Rds,
    };
    if !matches {
        return Err("the scenario uses the other kind of database".into());
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
    let mut words = format!("promotion took {}", shown.join(", "));
    if let Some(writes) = writes_in_words(&losses) {
        words = format!("{words}; {writes}");
    }
    let is_soon = |took: Duration| claim.admits(took.as_secs_f64());
    let writes = losses.iter().map(|loss| loss.writes_failed_for);
    let in_time =
        took.iter().all(|took| took.is_some_and(is_soon)) && writes.clone().flatten().all(is_soon);
    // Without a write that succeeded, a promotion is only an order that was given: whether the new primary accepts writes
    // is not known.
    let is_tried = took.len() == losses.len() && writes.clone().all(|length| length.is_some());
    let found = match which {
        ClaimedDatabase::Aurora => noticed(evidence, in_time, &words),
        ClaimedDatabase::Rds => nothing_lost(evidence, in_time, &words)?,
    };
    Ok(found.without_unless(is_tried, "the time of the first successful write"))
}

/// Checks a database that never lost its primary: only its replication lag can be.
fn without_failover(evidence: &Evidence<'_>, which: ClaimedDatabase) -> Checked {
    let lag = match which {
        ClaimedDatabase::Aurora => evidence
            .data_tier()
            .and_then(|figures| figures.database_lag),
        ClaimedDatabase::Rds => None,
    };
    let (Some(words), Some(lag)) = (lag_in_words(lag), lag) else {
        return Err("the database never lost its primary".into());
    };
    Ok(Found::new(lag.p99 <= LAG_MAX, words).without("failover"))
}

/// RDS: whether any confirmed order is missing.
fn nothing_lost(evidence: &Evidence<'_>, in_time: bool, words: &str) -> Checked {
    let losses = evidence.losses(DataTierPart::Database);
    let lost_in_failovers: u64 = losses.iter().map(|loss| loss.loss.orders).sum();
    // Neither count is complete: the audit sees what is missing at the end of the run, the failover what it lost itself.
    let lost = audit::lost_orders(evidence.run)?.max(lost_in_failovers);
    let measured = format!("{words}; {} lost", counted(lost, "confirmed order"));
    let found = Found::new(in_time && lost == 0, measured);
    Ok(found.without_unless(
        evidence.run.has_real_servers(),
        "PostgreSQL itself (simulated by an in-memory store)",
    ))
}

/// Aurora: whether users hardly noticed.
fn noticed(evidence: &Evidence<'_>, in_time: bool, words: &str) -> Found {
    let recoveries = evidence.recoveries.iter();
    let with_failover = recoveries.filter(|recovery| {
        let mut failovers = recovery.failovers.iter();
        failovers.any(|failover| failover.tier == DataTierPart::Database)
    });
    let shares = with_failover.filter_map(|recovery| recovery.during.success_share());
    // Without a failover there was nothing to notice.
    let succeeded = shares.fold(1.0, f64::min);
    let mut measured = format!(
        "{words}; {} of the requests succeeded from the fault until recovery or the end of the run",
        percent(succeeded)
    );
    let lag = evidence
        .data_tier()
        .and_then(|figures| figures.database_lag);
    let lag_words = lag_in_words(lag);
    if let Some(lag) = &lag_words {
        measured = format!("{measured}; {lag}");
    }
    let is_near = lag.is_none_or(|lag| lag.p99 <= LAG_MAX);
    Found::new(in_time && succeeded >= UNNOTICED && is_near, measured)
        .without_unless(lag_words.is_some(), "replication lag")
}

/// B7: what Redis loses with its primary, and what it evicts when memory is full.
pub(super) fn redis_losses(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let Some(figures) = evidence.data_tier() else {
        return Err(claim.unmeasured.clone().unwrap_or_default().into());
    };
    let losses = evidence.losses(DataTierPart::Redis);
    let evicted = figures.redis_keys_evicted + figures.redis_queues_evicted;
    let was_full = evicted + figures.redis_writes_refused > 0;
    if losses.is_empty() && !was_full {
        return Err("Redis never ran out of memory, and no failover of it was measured".into());
    }
    let mut shown: Vec<_> = losses
        .iter()
        .map(|loss| loss_in_words(&loss.loss))
        .collect();
    if was_full {
        shown.push(format!(
            "memory peaked at {} of {} MiB; {} evicted; the queue evicted {}, with {} waiting; {} rejected",
            figures.redis_memory_peak >> 20,
            figures.redis_memory_max >> 20,
            counted(figures.redis_keys_evicted, "key"),
            counted(figures.redis_queues_evicted, "time"),
            counted(figures.redis_waiting_evicted, "buyer"),
            counted(figures.redis_writes_refused, "write"),
        ));
    }
    let redis = &evidence.run.plan.topology.redis;
    let as_documented = redis.eviction == Eviction::AllKeysLru
        && redis.replica.is_some()
        && redis.idle_timeout == REDIS_IDLE;
    let has_tls = redis.tls && evidence.run.has_real_servers();
    Ok(Found::new(as_documented, shown.join("; "))
        .without_unless(!losses.is_empty(), "what a failover loses")
        .without_unless(was_full, "what is evicted when memory is full")
        .without_unless(has_tls, "TLS (off unless `topology.redis.tls` asks for it)")
        .without("whether idle connections are closed (no connection of a run is idle for 300 s)"))
}

/// Describes what one failover lost.
pub(super) fn loss_in_words(loss: &Loss) -> String {
    let parts = [
        (loss.places, "place", " in the queue"),
        (loss.active_places, "shopping slot", ""),
        (loss.sessions, "session", ""),
        (loss.orders, "paid order", ""),
        (loss.places_put_back, "place", " put back"),
    ];
    let lost = parts.into_iter().filter(|(count, ..)| *count > 0);
    let lost: Vec<_> = lost
        .map(|(count, what, rest)| format!("{}{rest}", counted(count, what)))
        .collect();
    if lost.is_empty() {
        return "nothing lost".to_owned();
    }
    let back = loss.reaches_back.map(in_words);
    let back = back.map_or_else(String::new, |back| {
        format!(", written up to {back} earlier")
    });
    format!("lost: {}{back}", lost.join(", "))
}

/// B14: recovery time (RTO) and data loss (RPO) of every failover.
pub(super) fn terms(evidence: &Evidence<'_>) -> Checked {
    if evidence.recoveries.is_empty() {
        return Err("there was nothing to recover from".into());
    }
    let recoveries: Vec<_> = evidence.recoveries.iter().collect();
    if let Some(reason) = unknown(&recoveries) {
        return Err(reason.into());
    }
    let mut outcomes = recoveries.iter().map(|one| &one.outcome);
    if outcomes.any(|outcome| matches!(outcome, Outcome::NotRecovered | Outcome::Metastable { .. }))
    {
        return Err(
            "the run ended before the system recovered, so its recovery time is unknown".into(),
        );
    }
    // Neither count is complete: the audit sees what is missing at the end of the run, the failover what it lost itself.
    let lost = audit::lost_orders(evidence.run)?;
    let shown: Vec<_> = recoveries.iter().map(|one| outcome_in_words(one)).collect();
    let mut measured = format!(
        "recovery time: {}; data loss: {}",
        shown.join("; "),
        counted(lost, "confirmed order")
    );
    let (mut is_whole, mut is_reported) = (true, true);
    for (part, name) in [
        (DataTierPart::Redis, "Redis"),
        (DataTierPart::Database, "database"),
    ] {
        let losses = evidence.losses(part);
        for loss in &losses {
            // A failover that finished without a write that succeeded has no recovery time to report.
            is_reported &= loss.writes_failed_for.is_some() || loss.promoted_at.is_none();
            let rto = loss.writes_failed_for.map(in_words);
            let rto = rto.unwrap_or_else(|| "an unknown time".to_owned());
            measured = format!(
                "{measured}; {name}: writes failed for {rto}, {}",
                loss_in_words(&loss.loss)
            );
        }
        // What the database lost shows in the orders as well; what Redis lost is known only if it was measured.
        is_whole &=
            part == DataTierPart::Database || losses.len() == evidence.promotions(part).len();
    }
    Ok(Found::new(is_reported, measured)
        .without_unless(is_whole, "what Redis lost with its primary"))
}
