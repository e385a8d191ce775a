//! What kind of defect looks like a response, or like its absence: rules of thumb (assumption), each with its reason in the text.

use tiketi_buyer::observation::{Failure, Outcome};
use tiketi_core::units::SimTime;
use tiketi_measure::witness::Sample;
use tiketi_scenario::operation::Operation;

/// What exceptions of common languages and databases say, and no refusal does.
const EXCEPTIONS: [&str; 16] = [
    "cannot read propert",
    "is not a function",
    "is not defined",
    "undefined",
    "nullpointer",
    "null pointer",
    "nonetype",
    "traceback",
    "exception",
    "stack trace",
    "syntax error",
    "does not exist",
    "duplicate key",
    "deadlock",
    "econnrefused",
    "segmentation fault",
];

/// Whether the words are those of a programming error.
pub(super) fn is_exception(words: &str) -> bool {
    let words = words.to_lowercase();
    EXCEPTIONS.iter().any(|sign| words.contains(sign))
}

/// What kind of defect looks like this response.
pub(super) fn looks_like(sample: &Sample) -> String {
    if is_exception(&sample.words) {
        return "Looks like a programming error in the handler: the message is that of an exception, not of a refusal.".to_owned();
    }
    let guess = match (sample.outcome, sample.status) {
        (Outcome::Failed(Failure::BadAnswer), Some(_)) => {
            "a response in another form than the API mapping describes: compare it with the rows of the request"
        }
        (Outcome::Failed(Failure::BadAnswer), None) if !sample.words.is_empty() => {
            "an earlier response without the value that this request needs"
        }
        (Outcome::Failed(Failure::BadAnswer), None) => {
            "a list without pages, or a body that is sent without an end"
        }
        (_, Some(301 | 302 | 303 | 307 | 308)) => {
            "a login page instead of a refused token, a path that has moved, or a redirect to another host, to HTTPS or in a loop, which \
             is not followed"
        }
        (_, Some(401)) => {
            "a token that the target does not accept, or a user whom it does not know"
        }
        (_, Some(403)) => {
            "a buyer whom the target does not take for admitted, or a token that has expired"
        }
        (_, Some(404 | 405)) => "a path or method that the target does not have",
        (_, Some(429)) => {
            "a rate limit: it counts buyers by address if all of them share the one of the load generator"
        }
        (_, Some(500)) => {
            "an error that the handler does not expect: the server's log at that time names it"
        }
        (_, Some(502..=504)) => {
            "a proxy without a healthy back end behind it, or one that gave up waiting for it"
        }
        (Outcome::Refused, _) => {
            "a business rule that refuses everybody: compare it with the state of the show and its seats"
        }
        (Outcome::Failed(Failure::Timeout), None) => {
            "a handler that never responds: an error thrown past the response, a lock, or an exhausted connection pool"
        }
        (Outcome::Failed(Failure::ConnectRefused), None) => {
            "a process that has ended: nothing listens on the port"
        }
        (Outcome::Failed(Failure::ConnectTimeout), None) => {
            "a server that accepts no connections any more: a full backlog, or a firewall that drops them"
        }
        (Outcome::Failed(Failure::Reset), None) => {
            "a process that crashed or was restarted, or a proxy that closes connections in use"
        }
        (Outcome::Failed(Failure::Handshake), None)
            if sample.operation != Operation::SocketConnect =>
        {
            "a certificate or a TLS setting that changed, or that only some of the servers behind the name have"
        }
        (Outcome::Failed(Failure::Handshake), None) => {
            "a Socket.IO server that does not accept the token or the protocol version"
        }
        (Outcome::Failed(Failure::Dns), None) => {
            "a name server that is down, or a record that was removed"
        }
        (_, _) => "a failure that its own words explain best",
    };
    format!("Looks like {guess}.")
}

/// What kind of defect looks like the end of all responses: by what failed first after it.
pub(super) fn after_the_end(samples: &[Sample], last: SimTime) -> String {
    let after = samples
        .iter()
        .filter(|sample| sample.status.is_none() && sample.last_at >= last);
    match after.max_by_key(|sample| sample.count) {
        Some(sample) => looks_like(sample),
        None => "Looks like a server that hangs.".to_owned(),
    }
}
