//! Claims about the path of requests and messages: cache, database, Redis.

use std::time::Duration;

use super::{Checked, Claim, Evidence, Found, NotExercised, failover};
use crate::figure::{counted, grouped, in_words, percent, share, significant};
use tiketi_buyer::observation::{Failure, Stage};
use tiketi_measure::ending::SystemFigures;

/// HTTP status of a request over the rate limit.
const TOO_MANY_REQUESTS: u16 = 429;
/// Requests per minute and user (documented, B8).
const DOCUMENTED_LIMIT: u32 = 100;
/// How long a session is kept (documented, B8).
const SESSION_TTL: Duration = Duration::from_hours(1);
/// How long a product, which is a show here, is cached (documented, B8).
const PRODUCT_TTL: Duration = Duration::from_mins(10);

fn system<'a>(evidence: &Evidence<'a>) -> Result<&'a SystemFigures, NotExercised> {
    let system = evidence.run.ending.system.as_ref();
    system.ok_or_else(|| "the system under test reports no counters".into())
}

/// A8: the three jobs of Redis: pub/sub, queue, cache and sessions.
pub(super) fn redis_jobs(evidence: &Evidence<'_>) -> Checked {
    let system = system(evidence)?;
    let messages = evidence.run.tally.messages;
    let queued = evidence.run.tally.reached(Stage::Queued);
    if messages == 0 || queued == 0 || system.cache_hits == 0 {
        return Err("not all three jobs were exercised".into());
    }
    let (promoted, outage) = failover::of_redis(evidence);
    let lag = evidence.data_tier().and_then(|figures| figures.redis_lag);
    let lag = failover::lag_in_words(lag);
    let behind = lag
        .as_ref()
        .map_or_else(String::new, |lag| format!("; {lag}"));
    let measured = format!(
        "{} messages delivered, {} buyers queued, {} cache hits{outage}{behind}",
        grouped(messages),
        grouped(queued),
        grouped(system.cache_hits)
    );
    Ok(Found::new(promoted.unwrap_or(true), measured)
        .without_unless(promoted.is_some(), "failover")
        .without_unless(lag.is_some(), "replication lag"))
}

/// A10: the cache answers first.
pub(super) fn cache_first(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let system = system(evidence)?;
    let reads = system.cache_hits + system.cache_misses;
    let hits = share(system.cache_hits, reads).ok_or("nothing was read through the cache")?;
    // The system counts queries from its start, so requests in the warm-up are counted as well.
    let calls = evidence.run.tally.operation(None).calls() + evidence.run.tally.calls_in_warmup;
    let queries = share(system.database_queries, calls).unwrap_or(0.0);
    let measured = format!(
        "{} of {} reads came from the cache; {} database queries per request",
        percent(hits),
        grouped(reads),
        significant(queries)
    );
    Ok(Found::new(claim.admits(hits), measured))
}

/// A11: broadcast latency, from publication to receipt.
pub(super) fn real_time(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let delay = &evidence.run.tally.fan_out_delay;
    // The 99th percentile is judged and not the maximum: one late receiver of a million is not the system.
    let figures = (delay.percentile(50.0), delay.percentile(99.0), delay.max());
    let (Some(median), Some(p99), Some(worst)) = figures else {
        return Err("no message carried its publication time".into());
    };
    let measured = format!(
        "{} messages, from publication to receipt: p(50) {}, p(99) {}, max {}",
        grouped(delay.count()),
        in_words(median),
        in_words(p99),
        in_words(worst)
    );
    let found = Found::new(claim.admits(p99.as_secs_f64()), measured);
    Ok(found.without("whether every connected user got every message (row A21 counts them)"))
}

/// A21: how many of the messages that were due arrived.
pub(super) fn delivery(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let due = system(evidence)?.messages_due;
    let due = due.ok_or("messages due were not counted")?;
    let arrived = evidence.run.tally.messages;
    let delivered = share(arrived, due).ok_or("no message was due")?;
    if arrived > due {
        return Err(format!(
            "{} messages arrived but only {} were counted as due: an instance that was killed lost its last count",
            grouped(arrived),
            grouped(due)
        )
        .into());
    }
    // A buyer who disconnects misses the message in flight at that moment. One message per closed connection is
    // attributed to that; more is a loss.
    let sockets = evidence.run.tally.sockets;
    let missing = due - arrived;
    let excused = missing.min(sockets.closed + sockets.lost);
    let reached = share(arrived + excused, due).unwrap_or(delivered);
    let measured = format!(
        "{} of {} messages arrived ({}); {} of the missing ones attributed to the {} closed connections, one each \
         (assumption)",
        grouped(arrived),
        grouped(due),
        percent(delivered),
        grouped(excused),
        grouped(sockets.closed + sockets.lost)
    );
    Ok(Found::new(claim.admits(reached), measured))
}

/// B6: the connection pool under load.
pub(super) fn pool(evidence: &Evidence<'_>) -> Checked {
    let system = system(evidence)?;
    let database = &evidence.run.plan.topology.database;
    if system.pool_waits + system.pool_timeouts == 0 {
        return Err(format!(
            "no request had to wait for one of the {} pooled connections",
            database.pool_max
        )
        .into());
    }
    // The documented limits of the pool (B6).
    let as_documented = database.pool_max == 20
        && database.pool_connect_timeout.as_secs() == 2
        && database.pool_idle.as_secs() == 30;
    let measured = format!(
        "{} connections per instance: {} requests waited for one of them; {} got none within {}, busy ones and failed connects together",
        database.pool_max,
        grouped(system.pool_waits),
        grouped(system.pool_timeouts),
        in_words(database.pool_connect_timeout)
    );
    Ok(Found::new(as_documented, measured).without(
        "whether idle connections are closed (only pools of real servers close them and nobody counts it)",
    ))
}

/// B8: requests over the rate limit.
pub(super) fn rate_limit(evidence: &Evidence<'_>) -> Checked {
    let limit = evidence.run.plan.server.rate_limit;
    let limit = limit.ok_or("the scenario turns the rate limit off")?;
    let all = evidence.run.tally.operation(None);
    let refused = all.failed.get(&Failure::Status(TOO_MANY_REQUESTS)).copied();
    let refused =
        refused.ok_or("no buyer reached the rate limit: no request was rejected with 429")?;
    let mut measured = format!(
        "{} of {} requests rejected with 429 at {limit} per minute and user",
        grouped(refused),
        grouped(all.calls())
    );
    let cache = evidence.data_tier().and_then(|figures| figures.cache);
    let from = cache.and_then(|cache| cache.refused_from);
    if let Some(from) = from {
        measured = format!("{measured}, from request {from} of a minute on");
    }
    let is_first = from.is_none_or(|from| from == DOCUMENTED_LIMIT + 1);
    let server = &evidence.run.plan.server;
    let has_ttls = server.session_ttl == SESSION_TTL && server.show_detail_ttl == PRODUCT_TTL;
    // Nothing is known of a TTL that no body has outlived.
    let expired = cache.filter(|cache| has_ttls && cache.expired > 0);
    if let Some(cache) = expired {
        measured = format!(
            "{measured}; {} found that a cached body had outlived its TTL of {}, and went to the database",
            counted(cache.expired, "read"),
            in_words(PRODUCT_TTL)
        );
    }
    let is_ended = expired.is_none_or(|cache| cache.stale_for_max <= PRODUCT_TTL);
    let agrees = limit == DOCUMENTED_LIMIT && is_first && is_ended;
    Ok(Found::new(agrees, measured)
        .without_unless(
            from.is_some(),
            "whether the 101st request is the first to be rejected (real servers do not count it)",
        )
        .without_unless(
            expired.is_some(),
            "the product cache TTL (the scenario has another one or no body outlived it)",
        )
        .without("the session TTL (no run lasts an hour longer than a socket)"))
}

/// B13: how long the cache answered with what was outdated.
pub(super) fn stale_reads(claim: &Claim, evidence: &Evidence<'_>) -> Checked {
    let system = system(evidence)?;
    let cache = evidence.data_tier().and_then(|figures| figures.cache);
    let cache = cache.ok_or_else(|| claim.unmeasured.clone().unwrap_or_default())?;
    if cache.reads == 0 || cache.changes == 0 {
        return Err("no cached details were read while tickets were sold".into());
    }
    let stale = share(cache.stale, cache.reads).unwrap_or(0.0);
    let measured = format!(
        "the cache was filled {} times; of {} reads of a show's details that it answered, {} were outdated ({}), for {} at most and \
         {} of them for more than a second, with {} changes of the tickets left",
        grouped(system.cache_misses),
        grouped(cache.reads),
        grouped(cache.stale),
        percent(stale),
        in_words(cache.stale_for_max),
        grouped(cache.late),
        grouped(cache.changes)
    );
    Ok(
        Found::new(claim.admits(cache.stale_for_max.as_secs_f64()), measured).without_unless(
            cache.expired > 0,
            "expiry (no body outlived its TTL before it was invalidated)",
        ),
    )
}
