//! Findings on a target: one paragraph for each defect that its buyers saw, the worst first.
//!
//! A finding names the operation, the count, the first and the last time, the server's own words, what kind of defect looks like
//! this, and a `curl` line to repeat it. Findings explain; the audits and gates decide.

mod channel;
mod guess;

use serde::Serialize;

use super::audit::{Audit, AuditVerdict, Finding};
use super::figure::{at_seconds, counted, grouped, in_words};
use tiketi_buyer::observation::{Failure, Outcome, Stage};
use tiketi_core::units::SimTime;
use tiketi_measure::Measurements;
use tiketi_measure::target::TargetFigures;
use tiketi_measure::witness::{Sample, SentRequest};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::plan::Expired;

/// Most findings; the report says how many others there are.
const DEFECTS_MAX: usize = 12;
/// Shortest time without a response before the end of the run that is a finding, in seconds (assumption: longer than any pause
/// between the requests of many buyers).
const STOPPED_MIN_S: u64 = 5;
/// Messages for others per message for the receiver from which on they are a finding (assumption).
const OTHERS_PER_OWN_MIN: u64 = 10;
/// Fewest messages for others that are a finding (assumption).
const OTHERS_MIN: u64 = 100;

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Defect {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a sentence.
    pub title: String,
    /// Operation, path, count and times, and the server's own words: sentences. Empty if the title says it all.
    pub facts: String,
    /// What kind of defect looks like this, as a sentence; a guess.
    pub looks_like: String,
    /// A `curl` line to repeat it by hand; `None` if no single request shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<String>,
    /// How many times it was seen.
    pub count: u64,
    /// The first time, in seconds since the start of the run.
    #[serde(serialize_with = "at_seconds")]
    pub first_at: SimTime,
    /// The last time, in seconds since the start of the run.
    #[serde(serialize_with = "at_seconds")]
    pub last_at: SimTime,
}

/// How bad a finding is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Tickets or money are wrong.
    Sold,
    /// Nobody can buy, or the system is gone.
    Stopped,
    /// Buyers lost their place, or are not admitted.
    Queue,
    /// Requests failed.
    Failed,
    /// Worth knowing; no defect by itself.
    Note,
}

/// Finds all defects of a target; none on the testbed.
pub(super) fn judge(run: &Measurements, audits: &[AuditVerdict]) -> Vec<Defect> {
    let Some(target) = &run.ending.target else {
        return Vec::new();
    };
    let samples = &target.witness.samples;
    let mut defects: Vec<_> = audits
        .iter()
        .filter_map(|audit| of_audit(audit, run, target))
        .collect();
    defects.extend(stopped(run, target));
    let no_hold = is_violated(audits, Audit::HoldsSucceed);
    let untold = samples.iter().filter(|sample| match sample.outcome {
        // The audit of the holds shows the most frequent one.
        Outcome::Refused => {
            guess::is_exception(&sample.words)
                && !(no_hold && sample.operation == Operation::SeatReserve)
        }
        Outcome::Failed(_) => true,
        Outcome::Ok => false,
    });
    defects.extend(untold.map(|sample| of_sample(sample, run, target)));
    defects.extend(fan_out(run, target));
    defects.extend(logged_out(run, target));
    defects.sort_by(|a, b| (a.severity, b.count).cmp(&(b.severity, a.count)));
    let others: u64 = defects.iter().skip(DEFECTS_MAX).map(|one| one.count).sum();
    let others = others + target.witness.samples_left_out;
    defects.truncate(DEFECTS_MAX);
    if others > 0 {
        defects.push(left_out(others, run));
    }
    defects
}

fn is_violated(audits: &[AuditVerdict], audit: Audit) -> bool {
    let of = |verdict: &&AuditVerdict| verdict.audit == audit;
    let found = audits.iter().find(of);
    found.is_some_and(|verdict| matches!(verdict.finding, Finding::Violated { .. }))
}

fn left_out(count: u64, run: &Measurements) -> Defect {
    Defect {
        severity: Severity::Note,
        title: format!("There were {} of other kinds.", counted(count, "failure")),
        facts: String::new(),
        looks_like: "Remove the defects above first: the others may follow from them.".to_owned(),
        repeat: None,
        count,
        first_at: SimTime::ZERO,
        last_at: run.ending.ended_at,
    }
}

/// The finding of an audit that failed; `None` if it did not.
fn of_audit(audit: &AuditVerdict, run: &Measurements, target: &TargetFigures) -> Option<Defect> {
    let Finding::Violated { evidence } = &audit.finding else {
        return None;
    };
    let (severity, operation, looks_like) = kind_of(audit.audit);
    // The request whose response shows the defect best: the most frequent one that was not a success.
    let samples = target.witness.samples.iter();
    let of_operation = samples.filter(|sample| Some(sample.operation) == operation);
    let sample = of_operation.max_by_key(|sample| sample.count);
    let looks_like = match (audit.audit, sample) {
        (Audit::HoldsSucceed | Audit::RefusedHoldsLockNothing, Some(sample)) => {
            format!("{looks_like} {}", guess::looks_like(sample))
        }
        _ => looks_like.to_owned(),
    };
    let facts = match sample {
        Some(sample) => format!("{evidence}. {}", facts(sample, run, target)),
        None => format!("{evidence}."),
    };
    Some(Defect {
        severity,
        title: audit.summary.clone(),
        facts,
        looks_like,
        repeat: sample.map(|sample| curl(target, &sample.sent, sample.operation)),
        count: sample.map_or(1, |sample| sample.count),
        first_at: sample.map_or(SimTime::ZERO, |sample| sample.first_at),
        last_at: sample.map_or(run.ending.ended_at, |sample| sample.last_at),
    })
}

/// Severity of a failed audit, the operation that shows it, and what kind of defect looks like this.
const fn kind_of(audit: Audit) -> (Severity, Option<Operation>, &'static str) {
    match audit {
        Audit::NoOversell | Audit::NoDoubleSale => (
            Severity::Sold,
            None,
            "Looks like a check and a write without a lock or a unique index between them: two buyers pass the check before \
             either writes.",
        ),
        Audit::NothingLost | Audit::Ledger | Audit::SoldSeatsStaySold => (
            Severity::Sold,
            None,
            "Looks like a cache that is not invalidated after a sale, or a sale that was confirmed before it was committed.",
        ),
        Audit::PaymentsReportedCorrectly => (
            Severity::Sold,
            Some(Operation::PaymentProcess),
            "Looks like an error after the commit, such as one in a notification or in the error handler itself: the sale is \
             booked, and the response fails or is never sent.",
        ),
        Audit::HoldsSucceed => (
            Severity::Stopped,
            Some(Operation::SeatReserve),
            "Nobody can buy.",
        ),
        Audit::RefusedHoldsLockNothing => (
            Severity::Stopped,
            Some(Operation::SeatReserve),
            "Looks like a hold that is committed before the handler fails, without a rollback: the seat stays locked until the hold \
             expires.",
        ),
        Audit::AdmissionsConserved => (
            Severity::Queue,
            None,
            "Looks like a queue processor that reads the head of the queue and removes it in two steps, on more than one instance: \
             who is removed by one and admitted by none is lost.",
        ),
        Audit::QueueMoves => (
            Severity::Queue,
            None,
            "Looks like a queue processor that does not run, or a count of taken places that is not what the processor sees.",
        ),
        Audit::AdmittedOnce => (
            Severity::Queue,
            None,
            "Looks like a queue processor on several instances without a lock, or messages that are sent by each of them.",
        ),
        Audit::PositionsImprove => (
            Severity::Queue,
            None,
            "Looks like a queue ordered by something else than the arrival, or buyers who are put back at its end.",
        ),
        Audit::SessionsRestored => (
            Severity::Queue,
            None,
            "Looks like a session that is updated only if it exists, and never created; or one in the memory of another instance.",
        ),
        Audit::ConnectionsLast => (
            Severity::Queue,
            None,
            "Looks like a server that sends no pings, or a proxy whose idle timeout is shorter than the ping interval.",
        ),
    }
}

/// A response that was not a success.
fn of_sample(sample: &Sample, run: &Measurements, target: &TargetFigures) -> Defect {
    if let Some(defect) = channel::of_sample(sample, run, target) {
        return defect;
    }
    let times = match sample.count {
        1 => "once".to_owned(),
        count => counted(count, "time"),
    };
    let never = never_worked(run, target, sample);
    Defect {
        severity: if never {
            Severity::Stopped
        } else {
            Severity::Failed
        },
        title: format!(
            "`{}` {} {times}{}.",
            sample.step,
            ended(sample),
            if never { ", and never succeeded" } else { "" }
        ),
        facts: facts(sample, run, target),
        looks_like: guess::looks_like(sample),
        repeat: Some(curl(target, &sample.sent, sample.operation)),
        count: sample.count,
        first_at: sample.first_at,
        last_at: sample.last_at,
    }
}

/// How a request ended, as the verb of a sentence.
fn ended(sample: &Sample) -> String {
    match (sample.outcome, sample.status) {
        (Outcome::Failed(_), Some(status @ ..=499)) if !sample.is_understood => {
            format!("got a response with {status} that no row of the API mapping describes")
        }
        (Outcome::Refused, Some(status)) => format!("was refused with {status}"),
        (_, Some(status)) => format!("failed with {status}"),
        (Outcome::Failed(Failure::BadAnswer), None) if !sample.words.is_empty() => {
            "could not be sent".to_owned()
        }
        (Outcome::Failed(Failure::BadAnswer), None) => {
            "got a response that is too large".to_owned()
        }
        (Outcome::Failed(Failure::Timeout), None) => "got no response in time".to_owned(),
        (Outcome::Failed(Failure::ConnectRefused), None) => {
            "found no server: connection refused".to_owned()
        }
        (Outcome::Failed(Failure::ConnectTimeout), None) => "could not connect in time".to_owned(),
        (Outcome::Failed(Failure::Reset), None) => {
            "lost the connection before the response".to_owned()
        }
        (Outcome::Failed(Failure::Handshake), None)
            if sample.operation != Operation::SocketConnect =>
        {
            "failed in the TLS handshake".to_owned()
        }
        (Outcome::Failed(Failure::Handshake), None) => "was refused in the handshake".to_owned(),
        (Outcome::Failed(Failure::Dns), None) => "could not resolve the name".to_owned(),
        (_, None) => "failed".to_owned(),
    }
}

/// Whether not a single request of the kind succeeded or was refused for a business reason.
fn never_worked(run: &Measurements, target: &TargetFigures, sample: &Sample) -> bool {
    if let Some(step) = target.witness.steps.get(&sample.step) {
        return step.failed == step.calls && step.calls > 1;
    }
    let calls = run.tally.operation(Some(sample.operation));
    calls.ok + calls.refused == 0 && calls.failures() > 1
}

/// The request, how many of all there were, when, and the server's words.
fn facts(sample: &Sample, run: &Measurements, target: &TargetFigures) -> String {
    let step = target.witness.steps.get(&sample.step);
    let of_operation = || run.tally.operation(Some(sample.operation)).calls();
    let all = step.map_or_else(of_operation, |step| step.calls);
    let SentRequest { method, path, .. } = &sample.sent;
    let request = if path.is_empty() {
        String::new()
    } else {
        format!("`{method} {path}`: ")
    };
    let when = if sample.first_at == sample.last_at {
        format!("after {}", in_words(sample.first_at.since_start()))
    } else {
        let (first, last) = (sample.first_at.since_start(), sample.last_at.since_start());
        format!("from {} to {}", in_words(first), in_words(last))
    };
    let counts_as = match step {
        Some(_) => format!(" It counts as `{}`.", sample.operation),
        None => String::new(),
    };
    let is_unsent = sample.status.is_none() && sample.operation != Operation::SocketConnect;
    // A backtick would end the quotation in the formats that know code.
    let words = sample.words.replace('`', "'");
    let words = match (words.is_empty(), sample.status) {
        (true, Some(_)) => " The response has no body.".to_owned(),
        (true, None) => String::new(),
        (false, _) if is_unsent => format!(" The reason: {words}."),
        (false, _) => format!(" The server says: “{words}”"),
    };
    format!(
        "{request}{} of {} {when}.{counts_as}{words}",
        grouped(sample.count),
        grouped(all.max(sample.count))
    )
}

/// A command that repeats a request. The token is a variable: no report contains one.
fn curl(target: &TargetFigures, sent: &SentRequest, operation: Operation) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''").replace('`', ""));
    let origin = match sent.origin.as_str() {
        "" => target.origin(),
        other => other,
    };
    let address = format!("{origin}{}", sent.path);
    // `curl` takes brackets and braces for patterns, also those of an IPv6 address in older versions.
    let mut flags = String::new();
    if address.contains(['[', ']', '{', '}']) {
        flags.push_str(" -g");
    }
    if target.certificates_unchecked {
        flags.push_str(" -k");
    }
    let address = quoted(&address);
    let token = "-H \"Authorization: Bearer $TOKEN\"";
    if operation == Operation::SocketConnect {
        let upgrade = "-H 'Connection: Upgrade' -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: \
                       dGhlIHNhbXBsZSBub25jZQ=='";
        return format!("curl -i -N{flags} --http1.1 {address} {upgrade} {token}");
    }
    let method = match sent.method.as_str() {
        "GET" | "" => String::new(),
        method => format!(" -X {method}"),
    };
    let body = if sent.body.is_empty() {
        String::new()
    } else {
        format!(
            " -H 'Content-Type: application/json' -d {}",
            quoted(&sent.body)
        )
    };
    format!("curl -i{flags}{method} {address} {token}{body}")
}

/// The target did not answer any more until the end; `None` if it did.
fn stopped(run: &Measurements, target: &TargetFigures) -> Option<Defect> {
    let last = target.witness.last_response?;
    let after = target
        .witness
        .seconds
        .iter()
        .filter(|(at, _)| *at > last.as_secs());
    let unanswered: u64 = after.map(|(_, second)| u64::from(second.unanswered)).sum();
    let silent_s = run.ending.ended_at.as_secs().saturating_sub(last.as_secs());
    // Requests of one kind that never get a response are a finding of their own, and say nothing about the others.
    let samples = target.witness.samples.iter();
    let is_silent = |sample: &&Sample| sample.status.is_none() && sample.last_at >= last;
    let mut silent = samples.filter(is_silent).peekable();
    let is_any = silent.peek().is_some();
    if is_any && silent.all(|sample| is_only(sample, target) && never_worked(run, target, sample)) {
        return None;
    }
    (silent_s >= STOPPED_MIN_S && unanswered > 0).then(|| Defect {
        severity: Severity::Stopped,
        title: format!(
            "No response after {}: the target stopped answering.",
            in_words(last.since_start())
        ),
        facts: format!(
            "{} without a response from then to the end of the run ({}).",
            counted(unanswered, "request"),
            in_words(run.ending.ended_at.since_start())
        ),
        looks_like: guess::after_the_end(&target.witness.samples, last),
        repeat: Some(format!("curl -i '{}/health'", target.url)),
        count: unanswered,
        first_at: last,
        last_at: run.ending.ended_at,
    })
}

/// Whether no request of another kind has failed without a response.
fn is_only(sample: &Sample, target: &TargetFigures) -> bool {
    let mut samples = target.witness.samples.iter();
    samples.all(|other| other.status.is_some() || other.step == sample.step)
}

/// Messages about admissions that go to everybody; `None` if they are few.
fn fan_out(run: &Measurements, target: &TargetFigures) -> Option<Defect> {
    let entries = target.witness.entries;
    let is_much =
        entries.others >= OTHERS_MIN && entries.others >= OTHERS_PER_OWN_MIN * entries.own;
    let waited = run.tally.reached(Stage::Queued);
    is_much.then(|| Defect {
        severity: Severity::Note,
        title: format!(
            "Messages about admissions grow with admitted × waiting: {} of {} were for somebody else than their receiver.",
            grouped(entries.others),
            grouped(entries.others + entries.own)
        ),
        facts: format!(
            "{} waited; each received {} of these messages on average.",
            counted(waited, "buyer"),
            grouped((entries.others + entries.own) / waited.max(1))
        ),
        looks_like: "Looks like `queue-entry-allowed` sent to the room of the queue instead of to the admitted buyer. With ten times \
                     the buyers, it is a hundred times the messages."
            .to_owned(),
        repeat: None,
        count: entries.others,
        first_at: SimTime::ZERO,
        last_at: run.ending.ended_at,
    })
}

/// Sessions that ended while their buyers waited; `None` if none did.
fn logged_out(run: &Measurements, target: &TargetFigures) -> Option<Defect> {
    let ended = target.witness.logged_out;
    let [(first_at, shortest), (last_at, longest)] = ended.between?;
    let samples = target.witness.samples.iter();
    let unknown = samples.filter(|sample| sample.status == Some(401));
    let sample = unknown.max_by_key(|sample| sample.count);
    let waits = if shortest == longest {
        format!("after {} in the queue", in_words(shortest))
    } else {
        let (shortest, longest) = (in_words(shortest), in_words(longest));
        format!("after {shortest} to {longest} in the queue")
    };
    let then = match run.plan.buyers.login.expired {
        Expired::Retries => "Their pages polled on",
        Expired::LogsIn => "They logged in again",
        Expired::Leaves => "They left",
    };
    let said = sample.map(|sample| facts(sample, run, target));
    Some(Defect {
        severity: Severity::Queue,
        title: format!(
            "The sessions of {} ended while they waited, {waits}.",
            counted(ended.count, "buyer")
        ),
        facts: format!(
            "The target answered 401 to buyers whom it had let into the queue. {then} (`buyers.login.expired`). {}",
            said.unwrap_or_default()
        ),
        looks_like: "Looks like a session or a token that lives shorter than the wait in the queue, and that polling does not renew."
            .to_owned(),
        repeat: sample.map(|sample| curl(target, &sample.sent, sample.operation)),
        count: ended.count,
        first_at,
        last_at,
    })
}
