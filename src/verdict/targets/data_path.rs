//! Rows about the path of requests and messages: edge, cache, database, Redis.

use super::{Evidence, Reading, Row};
use crate::cloud::notice::DataTierPart;
use crate::measure::ending::SystemFigures;
use crate::measure::observation::Stage;
use crate::verdict::figure::{grouped, in_words, percent, share};

fn system<'a>(evidence: &Evidence<'a>) -> Result<&'a SystemFigures, String> {
    let system = evidence.run.ending.system.as_ref();
    system.ok_or_else(|| "the system under test does not tell".to_owned())
}

/// A2: static files from the edge.
pub(super) fn edge(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let system = system(evidence)?;
    let requests = system.edge_hits + system.edge_misses;
    if system.edge_misses == 0 {
        // Every cache misses what it has not seen yet: without a miss something only stood in for it.
        return Err("no request went through a real edge cache: there was not one miss".to_owned());
    }
    let hits = share(system.edge_hits, requests).ok_or("no static file was asked for")?;
    Ok((
        row.admits(hits),
        format!(
            "{} of {} static requests answered at the edge",
            percent(hits),
            grouped(requests)
        ),
    ))
}

/// A8: the three jobs of Redis.
pub(super) fn redis_jobs(evidence: &Evidence<'_>) -> Reading {
    let system = system(evidence)?;
    let messages = evidence.run.tally.messages;
    let queued = evidence.run.tally.reached(Stage::Queued);
    if messages == 0 || queued == 0 || system.cache_hits == 0 {
        return Err("not all three jobs were exercised".to_owned());
    }
    let failovers = evidence
        .recoveries
        .iter()
        .flat_map(|recovery| &recovery.failovers);
    let mut failovers = failovers.filter(|failover| failover.tier == DataTierPart::Redis);
    let failover = failovers.next().map(|failover| failover.took);
    let (held, outage) = match failover {
        None => (true, "no failover".to_owned()),
        Some(Some(took)) => (true, format!("failover in {}", in_words(took))),
        Some(None) => (false, "lost, and not promoted within the run".to_owned()),
    };
    Ok((
        held,
        format!(
            "{} messages delivered, {} buyers queued, {} cache hits; {outage}",
            grouped(messages),
            grouped(queued),
            grouped(system.cache_hits)
        ),
    ))
}

/// A10: the cache answers first.
pub(super) fn cache_first(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let system = system(evidence)?;
    let reads = system.cache_hits + system.cache_misses;
    let hits = share(system.cache_hits, reads).ok_or("nothing was read through the cache")?;
    let calls = evidence.run.tally.operation(None).calls() + evidence.run.tally.calls_in_warmup;
    let queries = share(system.database_queries, calls).unwrap_or(0.0);
    Ok((
        row.admits(hits),
        format!(
            "{} of {} reads from the cache; {queries:.2} database queries a call",
            percent(hits),
            grouped(reads)
        ),
    ))
}

/// A11: from publication to the last receivers.
pub(super) fn real_time(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let delay = &evidence.run.tally.fan_out_delay;
    let figures = (delay.percentile(50.0), delay.percentile(99.0), delay.max());
    let (Some(median), Some(p99), Some(worst)) = figures else {
        return Err("no message carried its time of publication".to_owned());
    };
    Ok((
        row.admits(p99.as_secs_f64()),
        format!(
            "{} messages: p(50)={}, p(99)={}, worst {}",
            grouped(delay.count()),
            in_words(median),
            in_words(p99),
            in_words(worst)
        ),
    ))
}

/// A21: messages that arrived, of those that were due.
pub(super) fn delivery(row: &Row, evidence: &Evidence<'_>) -> Reading {
    let due = system(evidence)?.messages_due;
    let due = due.ok_or("nobody counted the messages that were due")?;
    let arrived = evidence.run.tally.messages;
    let delivered = share(arrived, due).ok_or("no message was due")?;
    if arrived > due {
        return Err(format!(
            "{} messages arrived and only {} were counted as due: the counts do not match",
            grouped(arrived),
            grouped(due)
        ));
    }
    Ok((
        row.admits(delivered),
        format!(
            "{} of {} messages arrived ({})",
            grouped(arrived),
            grouped(due),
            percent(delivered)
        ),
    ))
}

/// B6: the connection pool under load.
pub(super) fn pool(evidence: &Evidence<'_>) -> Reading {
    let system = system(evidence)?;
    let database = &evidence.run.plan.topology.database;
    if system.pool_waits == 0 {
        return Err(format!(
            "no request had to wait for one of the {} connections",
            database.pool_max
        ));
    }
    let as_documented = database.pool_max == 20 && database.pool_connect_timeout.as_secs() == 2;
    Ok((
        as_documented && system.pool_timeouts == 0,
        format!(
            "{} connections an instance: {} waits, {} of them gave up after {}",
            database.pool_max,
            grouped(system.pool_waits),
            grouped(system.pool_timeouts),
            in_words(database.pool_connect_timeout)
        ),
    ))
}
