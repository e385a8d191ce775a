//! What is wrong with the push channel of a mapped system.

use super::{Defect, Severity, curl, never_worked};
use crate::figure::{counted, grouped, in_words};
use tiketi_buyer::observation::{Failure, Learned, Outcome};
use tiketi_measure::Measurements;
use tiketi_measure::target::TargetFigures;
use tiketi_measure::witness::Sample;
use tiketi_scenario::operation::Operation;

/// How the step of a channel begins, which goes on with its kind.
const STEP: &str = "push (";

/// The kind of a channel with Socket.IO, whose own refusal has no status.
const SOCKET_IO: &str = "socket.io";

/// Returns the finding about a sample of a channel; `None` if it is of something else.
pub(super) fn of_sample(
    sample: &Sample,
    run: &Measurements,
    target: &TargetFigures,
) -> Option<Defect> {
    let kind = sample.step.strip_prefix(STEP)?.strip_suffix(')')?;
    let times = match sample.count {
        1 => "once".to_owned(),
        count => counted(count, "time"),
    };
    let never = sample.is_understood && never_worked(run, target, sample);
    let never = if never { ", and was never open" } else { "" };
    Some(Defect {
        severity: if sample.is_understood {
            Severity::Failed
        } else {
            Severity::Note
        },
        title: format!(
            "The push channel ({kind}) {} {times}{never}.",
            what(kind, sample)
        ),
        facts: facts(sample, run),
        looks_like: format!("Looks like {}.", guess(kind, sample)),
        repeat: Some(match kind {
            "websocket" | SOCKET_IO => curl(target, &sample.sent, Operation::SocketConnect),
            "sse" => curl(target, &sample.sent, Operation::QueueStatus)
                .replace("curl -i", "curl -i -N -H 'Accept: text/event-stream'"),
            _ => curl(target, &sample.sent, Operation::QueueStatus),
        }),
        count: sample.count,
        first_at: sample.first_at,
        last_at: sample.last_at,
    })
}

/// What it did, as the verb of a sentence.
fn what(kind: &str, sample: &Sample) -> String {
    let Outcome::Failed(failure) = sample.outcome else {
        return "failed".to_owned();
    };
    match failure {
        Failure::BadAnswer if !sample.is_understood => {
            "brought a message that no row of the API mapping describes".to_owned()
        }
        Failure::Status(status) => format!("was refused with {status}"),
        Failure::Handshake if kind == SOCKET_IO => {
            "was refused, or ended by the server,".to_owned()
        }
        Failure::Handshake => "was not accepted as a channel".to_owned(),
        Failure::Timeout => "was silent for too long".to_owned(),
        Failure::BadAnswer => "could not be used".to_owned(),
        Failure::ConnectRefused => "found no server: connection refused".to_owned(),
        Failure::ConnectTimeout => "could not connect in time".to_owned(),
        Failure::Reset => "lost the connection before it was open".to_owned(),
        Failure::Dns => "could not resolve the name".to_owned(),
    }
}

/// The request, how many there were, when, the server's words, and what buyers did instead.
fn facts(sample: &Sample, run: &Measurements) -> String {
    let of = if sample.is_understood {
        run.tally.operation(Some(Operation::SocketConnect)).calls()
    } else {
        run.tally.messages
    };
    let noun = if sample.is_understood {
        "attempts"
    } else {
        "messages"
    };
    let (first, last) = (sample.first_at.since_start(), sample.last_at.since_start());
    let when = if first == last {
        format!("after {}", in_words(first))
    } else {
        format!("from {} to {}", in_words(first), in_words(last))
    };
    // A backtick would end the quotation in the formats that know code.
    let words = sample.words.replace('`', "'");
    let is_own = sample.is_understood && sample.status.is_none();
    let words = match (words.is_empty(), is_own) {
        (true, _) => String::new(),
        (false, true) => format!(" The reason: {words}."),
        (false, false) => format!(" The server says: “{words}”"),
    };
    let ways = &run.tally.admissions;
    let polls = ways.of(Learned::Poll).count + ways.of(Learned::PollBeforeMessage).count;
    let instead = if sample.is_understood && polls > 0 {
        format!(
            " Buyers fell back to polling: {} of {} admissions after a wait were learned of by a poll.",
            grouped(polls),
            grouped(ways.after_waiting())
        )
    } else {
        String::new()
    };
    format!(
        "`{} {}`: {} of {} {noun} {when}.{words}{instead}",
        sample.sent.method,
        sample.sent.path,
        grouped(sample.count),
        grouped(of.max(sample.count))
    )
}

/// What kind of defect looks like this.
fn guess(kind: &str, sample: &Sample) -> &'static str {
    let Outcome::Failed(failure) = sample.outcome else {
        return "a failure that its own words explain best";
    };
    match failure {
        Failure::BadAnswer if !sample.is_understood => {
            "a kind of message that the API mapping does not name: add a row for it, `is = \"done\"` if buyers do not react to it"
        }
        Failure::Status(401 | 403) => "a channel that does not accept the token as the API does",
        Failure::Status(404 | 405) => {
            "a path that the target does not have, or a proxy that does not pass it on"
        }
        Failure::Status(_) => {
            "a server with too many open connections, or a proxy without one behind it"
        }
        Failure::Handshake if kind == SOCKET_IO => {
            "a namespace or a token that the server does not accept: compare `namespace` and `auth` with what a page sends"
        }
        Failure::Handshake => "a proxy or a page that answers in place of the channel",
        Failure::Timeout => {
            "a server that sends no heartbeats, or a proxy that collects the response before it passes it on"
        }
        Failure::BadAnswer => "a server that never ends a message, or sends them in a loop",
        Failure::ConnectRefused | Failure::ConnectTimeout | Failure::Dns => {
            "a host that is not there: the channel is on another one than the API"
        }
        Failure::Reset => {
            "a process that crashed or was restarted, or a proxy that closes connections in use"
        }
    }
}
