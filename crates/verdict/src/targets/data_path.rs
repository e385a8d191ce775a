//! Rows about the path of requests and messages: cache, database, Redis.

use super::{Evidence, Found, Reading, Row, failover};
use crate::figure::{grouped, in_words, percent, share};
use tiketi_buyer::observation::{Failure, Stage};
use tiketi_measure::ending::SystemFigures;

/// The status of a request over the limit.
const TOO_MANY_REQUESTS: u16 = 429;
/// Requests a minute a user by the documents.
const DOCUMENTED_LIMIT: u32 = 100;

fn system<'a>(evidence: &Evidence<'a>) -> Result<&'a SystemFigures, String> {
    let system = evidence.run.ending.system.as_ref();
    system.ok_or_else(|| "the system under test does not tell".to_owned())
}

/// A8: the three jobs of Redis.
pub(super) fn redis_jobs(evidence: &Evidence<'_>) -> Reading {
    let system = system(evidence)?;
    let messages = evidence.run.tally.messages;
    let queued = evidence.run.tally.reached(Stage::Queued);
    if messages == 0 || queued == 0 || system.cache_hits == 0 {
        return Err("not all three jobs were exercised".to_owned());
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
pub(super) fn cache_first(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let system = system(evidence)?;
    let reads = system.cache_hits + system.cache_misses;
    let hits = share(system.cache_hits, reads).ok_or("nothing was read through the cache")?;
    let calls = evidence.run.tally.operation(None).calls() + evidence.run.tally.calls_in_warmup;
    let queries = share(system.database_queries, calls).unwrap_or(0.0);
    let measured = format!(
        "{} of {} reads from the cache; {queries:.2} database queries a call",
        percent(hits),
        grouped(reads)
    );
    Ok(Found::new(row.admits(hits), measured))
}

/// A11: from publication to the last receivers.
pub(super) fn real_time(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let delay = &evidence.run.tally.fan_out_delay;
    let figures = (delay.percentile(50.0), delay.percentile(99.0), delay.max());
    let (Some(median), Some(p99), Some(worst)) = figures else {
        return Err("no message carried its time of publication".to_owned());
    };
    let measured = format!(
        "{} messages, from publication to receipt: p(50)={}, p(99)={}, worst {}",
        grouped(delay.count()),
        in_words(median),
        in_words(p99),
        in_words(worst)
    );
    let found = Found::new(row.admits(p99.as_secs_f64()), measured);
    Ok(found.without("whether every connected user got each of them (row A21)"))
}

/// A21: messages that arrived, of those that were due.
pub(super) fn delivery(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let due = system(evidence)?.messages_due;
    let due = due.ok_or("nobody counted the messages that were due")?;
    let arrived = evidence.run.tally.messages;
    let delivered = share(arrived, due).ok_or("no message was due")?;
    if arrived > due {
        return Err(format!(
            "{} messages arrived and only {} were counted as due: an instance that is killed takes its last count with it",
            grouped(arrived),
            grouped(due)
        ));
    }
    // Who hangs up misses what is on its way just then: one message a closed socket is put down to that.
    let sockets = evidence.run.tally.sockets;
    let missing = due - arrived;
    let excused = missing.min(sockets.closed + sockets.lost);
    let reached = share(arrived + excused, due).unwrap_or(delivered);
    let measured = format!(
        "{} of {} messages arrived ({}); {} of the missing ones put down to the {} sockets that closed, one each \
         (assumption)",
        grouped(arrived),
        grouped(due),
        percent(delivered),
        grouped(excused),
        grouped(sockets.closed + sockets.lost)
    );
    Ok(Found::new(row.admits(reached), measured))
}

/// B6: the connection pool under load.
pub(super) fn pool(evidence: &Evidence<'_>) -> Reading {
    let system = system(evidence)?;
    let database = &evidence.run.plan.topology.database;
    if system.pool_waits + system.pool_timeouts == 0 {
        return Err(format!(
            "no request had to wait for one of the {} connections",
            database.pool_max
        ));
    }
    let as_documented = database.pool_max == 20
        && database.pool_connect_timeout.as_secs() == 2
        && database.pool_idle.as_secs() == 30;
    let measured = format!(
        "{} connections an instance: {} requests waited for one, {} gave up after {}",
        database.pool_max,
        grouped(system.pool_waits),
        grouped(system.pool_timeouts),
        in_words(database.pool_connect_timeout)
    );
    Ok(Found::new(as_documented, measured).without("that idle connections are closed"))
}

/// B8: requests over the limit.
pub(super) fn rate_limit(evidence: &Evidence<'_>) -> Reading {
    let limit = evidence.run.plan.server.rate_limit;
    let limit = limit.ok_or("the scenario has the rate limit off")?;
    let all = evidence.run.tally.operation(None);
    let refused = all.failed.get(&Failure::Status(TOO_MANY_REQUESTS)).copied();
    let refused =
        refused.ok_or("no buyer came near the rate limit: no call was refused with 429")?;
    let measured = format!(
        "{} of {} calls refused with 429 at {limit} a minute a user",
        grouped(refused),
        grouped(all.calls())
    );
    Ok(Found::new(limit == DOCUMENTED_LIMIT, measured)
        .without("that it is the 101st request that is refused")
        .without("the times to live"))
}
