//! The check of a target before any load: is it there, does it know the buyers, and what does it sell?
//!
//! One buyer's token is used, and only requests that change nothing are sent: the list of shows, the show, the buyer's place in the
//! queue, and the seat map. A target that answers one of them as no buyer can use is refused with its own words. A failure that may
//! pass (5xx, 429) is only a warning: the run then shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use http::{Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::Value;
use tokio::task::LocalSet;
use uuid::Uuid;

use super::clock::{Clock, unix_now_ns};
use super::credential::{Credentials, Issuer};
use super::dialer::Dialer;
use super::http::{Http, Identity, Outgoing, Received};
use super::reach::Forbidden;
use super::resolver::Names;
use super::setup::{SetupError, host_header};
use super::sut::Remote;
use super::target::{Refusal, not_allowed};
use super::worker::{EntryPoint, Scheme};
use tiketi_buyer::observation::Failure;
use tiketi_core::excerpt;
use tiketi_core::units::BuyerId;
use tiketi_scenario::plan::Target;

/// Timeout of a request before or after the load, in real time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(8);

/// The calls that a target must have, as a hint says them.
const CALLS: &str = "a target must have the calls that buyers use: GET /api/events, GET /api/events/{id}, POST \
                     /api/queue/check/{id}, GET /api/queue/status/{id}, GET /api/seats/events/{id}, POST /api/seats/reserve, \
                     POST /api/payments/process";

/// The status of each seat of the show, as the target spells it.
pub type SeatMap = BTreeMap<Uuid, SeatStatus>;

/// The status of a seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeatStatus {
    /// Nobody has it.
    Available,
    /// Somebody has paid for it.
    Sold,
    /// Anything else: mostly, somebody holds it.
    Held,
}

/// What a target sells, and what it showed before the load.
#[derive(Clone, Debug)]
pub struct Found {
    /// The show to buy.
    pub show: Uuid,
    /// Its title; `None` if the target gives it none.
    pub title: Option<String>,
    /// The seat map, or why it could not be read, as a sentence fragment.
    pub seats: Result<SeatMap, String>,
    /// What is odd, and may be no obstacle: one sentence each.
    pub warnings: Vec<String>,
}

/// Tries what a buyer needs, with the token of the first one.
///
/// # Errors
///
/// The first thing that no buyer could use.
pub async fn check(
    entry: &EntryPoint,
    target: &Target,
    credentials: &Credentials,
    seed: u64,
) -> Result<Found, Refusal> {
    let probe = Probe {
        entry,
        credentials,
        seed,
    };
    let (show, title) = probe.show(target).await?;
    let mut warnings = Vec::new();
    let detail = format!("/api/events/{show}");
    probe.expect(&detail, &mut warnings).await?;
    probe.place(show, &mut warnings).await?;
    let seats = probe.seats(show, &mut warnings).await?;
    Ok(Found {
        show,
        title,
        seats,
        warnings,
    })
}

/// Reads the seat map after the load, with the token of the first buyer. An error is a sentence fragment.
pub(super) async fn seats_after(remote: &Remote) -> Result<SeatMap, String> {
    let Remote { show, seed, .. } = *remote;
    let probe = Probe {
        entry: &remote.entry,
        credentials: &remote.credentials,
        seed,
    };
    let (path, answer) = probe.seat_list(show).await;
    let received = answer.map_err(|error| format!("{}: {error}", probe.request(&path)))?;
    if !received.status.is_success() {
        return Err(format!("{}: {}", probe.request(&path), said(&received)));
    }
    read_seats(&received.body).map_err(|problem| format!("{}: {problem}", probe.request(&path)))
}

/// Whether the system serves the web page at `path` itself; a system behind an edge has only its API.
pub async fn serves(entry: &EntryPoint, credentials: &Credentials, path: &str) -> bool {
    let probe = Probe {
        entry,
        credentials,
        seed: 0,
    };
    let answer = probe.ask(path).await;
    answer.is_ok_and(|received| received.status.is_success())
}

/// One buyer who asks.
#[derive(Clone, Copy)]
struct Probe<'a> {
    entry: &'a EntryPoint,
    credentials: &'a Credentials,
    /// The seed of the run, so that a generated token is that of its first buyer.
    seed: u64,
}

impl Probe<'_> {
    /// Finds the show to buy: the one that `target` names, or the first on sale.
    async fn show(self, target: &Target) -> Result<(Uuid, Option<String>), Refusal> {
        let path = "/api/events";
        let answer = self.ask(path).await;
        let received = answer.map_err(|error| self.refusal(path, &error))?;
        if !received.status.is_success() {
            return Err(self.not_ready(path, &received));
        }
        let no_show = |reason: String| Refusal::NoShow {
            request: self.request(path),
            reason,
        };
        let shows = read_shows(&received.body).map_err(|problem| Refusal::NotReady {
            request: self.request(path),
            said: format!("{}, but {problem}", said(&received)),
            hint: CALLS.to_owned(),
        })?;
        let chosen = choose(&shows, target.show.as_deref());
        let chosen = chosen.map_err(|error| no_show(error.to_string()))?;
        let title = chosen.title.clone().filter(|title| !title.is_empty());
        Ok((chosen.id, title))
    }

    /// Sends an authorized request about the buyer's place in the queue.
    async fn place(self, show: Uuid, warnings: &mut Vec<String>) -> Result<(), Refusal> {
        let path = format!("/api/queue/status/{show}");
        let Some(received) = self.expect(&path, warnings).await? else {
            return Ok(());
        };
        let has_place = serde_json::from_slice::<Value>(&received.body)
            .is_ok_and(|body| body["queued"].is_boolean());
        if has_place {
            return Ok(());
        }
        Err(Refusal::NotReady {
            request: self.request(&path),
            said: format!("{}, without `queued: true` or `false`", said(&received)),
            hint: CALLS.to_owned(),
        })
    }

    /// Reads the seat map; the inner error says why it is unknown, if that is no obstacle.
    async fn seats(
        self,
        show: Uuid,
        warnings: &mut Vec<String>,
    ) -> Result<Result<SeatMap, String>, Refusal> {
        let (path, answer) = self.seat_list(show).await;
        let received = answer.map_err(|error| self.refusal(&path, &error))?;
        let told = format!("{}: {}", self.request(&path), said(&received));
        if received.status == StatusCode::FORBIDDEN {
            // Some systems show the map only to buyers who were admitted. A token that is not valid fails the request before.
            return Ok(Err(told));
        }
        if may_pass(received.status) {
            warnings.push(told.clone());
            return Ok(Err(told));
        }
        if !received.status.is_success() {
            return Err(self.not_ready(&path, &received));
        }
        let not_ready = |problem: String| Refusal::NotReady {
            request: self.request(&path),
            said: format!("{}, but {problem}", said(&received)),
            hint: CALLS.to_owned(),
        };
        let seats = read_seats(&received.body).map_err(not_ready)?;
        if seats.is_empty() {
            return Err(not_ready("the show has no seats".to_owned()));
        }
        Ok(Ok(seats))
    }

    async fn seat_list(self, show: Uuid) -> (String, Result<Received, ProbeError>) {
        let path = format!("/api/seats/events/{show}");
        let answer = self.ask(&path).await;
        (path, answer)
    }

    /// Sends a request that must succeed; returns `None` with a warning for a failure that may pass.
    async fn expect(
        self,
        path: &str,
        warnings: &mut Vec<String>,
    ) -> Result<Option<Received>, Refusal> {
        let answer = self.ask(path).await;
        let received = answer.map_err(|error| self.refusal(path, &error))?;
        if received.status.is_success() {
            return Ok(Some(received));
        }
        if may_pass(received.status) {
            warnings.push(format!("{}: {}", self.request(path), said(&received)));
            return Ok(None);
        }
        Err(self.not_ready(path, &received))
    }

    fn not_ready(self, path: &str, received: &Received) -> Refusal {
        let hint = match received.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "the target does not accept the token of the first buyer: check the secret or the tokens, and that the \
                 target knows these users"
                    .to_owned()
            }
            status if status.is_redirection() => {
                "it redirects: give the URL that it leads to".to_owned()
            }
            _ => CALLS.to_owned(),
        };
        Refusal::NotReady {
            request: self.request(path),
            said: said(received),
            hint,
        }
    }

    fn refusal(self, path: &str, error: &ProbeError) -> Refusal {
        match error {
            ProbeError::Forbidden(forbidden) => not_allowed(&self.entry.host, forbidden.clone()),
            ProbeError::Setup(_) | ProbeError::Failed { .. } => Refusal::Unreachable {
                request: self.request(path),
                reason: error.to_string(),
            },
        }
    }

    /// A request as messages name it: with the port, also if it is the default one.
    fn request(self, path: &str) -> String {
        format!("GET {}{path}", self.entry.url())
    }

    async fn ask(self, path: &str) -> Result<Received, ProbeError> {
        LocalSet::new().run_until(self.ask_locally(path)).await
    }

    async fn ask_locally(self, path: &str) -> Result<Received, ProbeError> {
        let Self {
            entry,
            credentials,
            seed,
        } = self;
        let uri: Uri = path.parse().map_err(|source| SetupError::Path {
            path: path.to_owned(),
            source,
        })?;
        let clock = Clock::starting_at(unix_now_ns(), 1.0);
        let names = Names::new(entry, clock)?;
        let tls_host = (entry.scheme == Scheme::Https).then_some(entry.host.as_str());
        let dialer = Dialer::new(names, tls_host, Vec::new(), PROBE_TIMEOUT / 2)?;
        let host = host_header(format!("{}:{}", entry.host, entry.port))?;
        let http = Http::new(dialer, host, clock, PROBE_TIMEOUT, 1);
        let issuer = Issuer::new(credentials, seed, clock.start_at_unix_s());
        let credential = issuer
            .and_then(|issuer| issuer.credential(BuyerId(0)))
            .map_err(SetupError::from)?;
        let request = Outgoing {
            method: Method::GET,
            uri,
            body: bytes::Bytes::new(),
            is_idempotent: true,
        };
        let identity = Identity {
            authorization: credential.authorization,
            cookie: None,
            pass: None,
        };
        let (_, answer) = http.call(&request, &identity).await;
        answer.map_err(|failure| {
            let forbidden = http.dialer().forbidden();
            let broken = http.broken();
            forbidden.map_or(
                ProbeError::Failed { failure, broken },
                ProbeError::Forbidden,
            )
        })
    }
}

/// Why a request before or after the load has no response.
#[derive(Debug, thiserror::Error)]
enum ProbeError {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("{}", in_words(*.failure, *.broken))]
    Failed {
        failure: Failure,
        broken: Option<&'static str>,
    },
    #[error("it resolves to {0}")]
    Forbidden(Forbidden),
}

fn in_words(failure: Failure, broken: Option<&'static str>) -> String {
    match failure {
        Failure::Dns => "the name cannot be resolved".to_owned(),
        Failure::ConnectRefused => "connection refused".to_owned(),
        Failure::ConnectTimeout => {
            format!("no connection within {} s", (PROBE_TIMEOUT / 2).as_secs())
        }
        Failure::Reset => broken.unwrap_or("the connection was reset").to_owned(),
        Failure::Timeout => format!("no complete response within {} s", PROBE_TIMEOUT.as_secs()),
        Failure::Handshake => "the TLS handshake failed".to_owned(),
        Failure::Status(code) => format!("HTTP status {code}"),
        Failure::BadAnswer => "the response is larger than 16 MiB".to_owned(),
    }
}

/// Whether a failure may be over when the load starts, so that it is no reason to refuse the target.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// A response in words: its status, and the server's own words.
fn said(received: &Received) -> String {
    let words = excerpt::of_body(&received.body);
    let status = received.status;
    if words.is_empty() {
        format!("it answered {status} without a body")
    } else {
        format!("it answered {status}: {words}")
    }
}

/// A show on the list.
#[derive(Debug)]
struct ShowEntry {
    id: Uuid,
    title: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
struct ShowList {
    events: Vec<Value>,
}

/// Reads the list of shows. An error says what is wrong with it.
fn read_shows(body: &[u8]) -> Result<Vec<ShowEntry>, String> {
    let list: ShowList = serde_json::from_slice(body)
        // Not the error itself, which quotes the response.
        .map_err(|_| "that is no list of shows (expected JSON with `events`)".to_owned())?;
    let shows = list.events.into_iter().enumerate().map(|(place, show)| {
        let text = |name: &str| show[name].as_str().map(str::to_owned);
        let id = text("id").and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| {
            let id = excerpt::of_body(show["id"].to_string().as_bytes());
            format!("`events[{place}].id` is {id} (expected a UUID in quotes)")
        })?;
        Ok(ShowEntry {
            id,
            title: text("title"),
            status: text("status"),
        })
    });
    shows.collect()
}

#[derive(Deserialize)]
struct SeatList {
    seats: Vec<SeatEntry>,
}

#[derive(Deserialize)]
struct SeatEntry {
    id: Uuid,
    status: String,
}

/// Reads a seat map. An error says what is wrong with it.
fn read_seats(body: &[u8]) -> Result<SeatMap, String> {
    let list: SeatList = serde_json::from_slice(body).map_err(|_| {
        "that is no seat map (expected JSON with `seats`, each with a UUID as `id` and a `status`)"
            .to_owned()
    })?;
    let status = |text: &str| match text {
        "available" => SeatStatus::Available,
        "reserved" | "sold" => SeatStatus::Sold,
        _ => SeatStatus::Held,
    };
    let seats = list
        .seats
        .iter()
        .map(|seat| (seat.id, status(&seat.status)));
    Ok(seats.collect())
}

/// Reads a body as each of the lists that are read before the load.
#[cfg(feature = "fuzzing")]
pub(super) fn read_lists(body: &[u8]) {
    let _shows = read_shows(body).map(|shows| choose(&shows, None).map(|show| show.id));
    let _seats = read_seats(body);
}

/// Why there is no show to buy.
#[derive(Debug, PartialEq, thiserror::Error)]
enum NoChoice {
    #[error("`{wanted}` is not among its {shows} shows")]
    NotListed { wanted: String, shows: usize },
    #[error("its list of shows is empty")]
    NoShows,
}

fn choose<'a>(shows: &'a [ShowEntry], wanted: Option<&str>) -> Result<&'a ShowEntry, NoChoice> {
    if let Some(wanted) = wanted {
        let is_wanted = |show: &&ShowEntry| show.id.to_string().eq_ignore_ascii_case(wanted);
        let found = shows.iter().find(is_wanted);
        return found.ok_or_else(|| NoChoice::NotListed {
            wanted: wanted.to_owned(),
            shows: shows.len(),
        });
    }
    let on_sale = shows
        .iter()
        .find(|show| matches!(show.status.as_deref(), Some("on_sale" | "active" | "open")));
    on_sale.or(shows.first()).ok_or(NoChoice::NoShows)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_SHOWS: &str = r#"{"events":[
        {"id":"00000000-0000-0000-0000-000000000001","status":"ended"},
        {"id":"00000000-0000-0000-0000-000000000002","status":"on_sale","title":"Two"}]}"#;

    #[test]
    fn the_first_show_on_sale_is_chosen_unless_one_is_named() {
        let shows = read_shows(TWO_SHOWS.as_bytes()).unwrap();
        let (first, second) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let chosen = |wanted: Option<&str>| choose(&shows, wanted).map(|show| show.id);
        assert_eq!(chosen(None), Ok(second));
        assert_eq!(chosen(Some(&first.to_string())), Ok(first));
        assert!(chosen(Some("x")).is_err());
        assert!(matches!(choose(&[], None), Err(NoChoice::NoShows)));
        assert_eq!(shows[1].title.as_deref(), Some("Two"));
    }

    #[test]
    fn a_list_that_cannot_be_read_is_explained() {
        let problem = |body: &str| read_shows(body.as_bytes()).unwrap_err();
        let number = problem(r#"{"events":[{"id":1,"title":"One"}]}"#);
        assert_eq!(number, "`events[0].id` is 1 (expected a UUID in quotes)");
        assert!(problem("<html>").starts_with("that is no list of shows"));
        assert!(problem("{}").starts_with("that is no list of shows"));
    }

    #[test]
    fn a_seat_map_has_three_kinds_of_seats() {
        let body = r#"{"seats":[{"id":"00000000-0000-0000-0000-000000000001","status":"available"},
            {"id":"00000000-0000-0000-0000-000000000002","status":"locked"},
            {"id":"00000000-0000-0000-0000-000000000003","status":"reserved"}]}"#;
        let map = read_seats(body.as_bytes()).unwrap();
        let kinds: Vec<_> = map.into_values().collect();
        let expected = [SeatStatus::Available, SeatStatus::Held, SeatStatus::Sold];
        assert_eq!(kinds, expected);
        assert!(read_seats(b"{\"seats\":[{\"id\":1}]}").is_err());
    }
}
