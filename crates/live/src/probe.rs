//! One buyer whose requests and responses are all reported: what a mapping understands of a system, before any load.

mod channel;

use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

use super::api::{Show, Step, Understood};
use super::clock::wall_now;
use super::credential::Credentials;
use super::http::{Outgoing, Received};
use super::preflight::{choose_show, refusal, request_of, unreachable};
use super::redirect::{self, NotFollowed};
use super::script::{Next, next};
use super::session::{SendError, Session};
use super::target::{self, Destination, Refusal};
use super::visitor::hidden;
use super::worker::EntryPoint;
use tiketi_api::mask;
use tiketi_buyer::{Answer, Request};
use tiketi_scenario::Plan;
use uuid::Uuid;

/// Wait between two polls of the queue, if the response does not say.
const POLL_EVERY: Duration = Duration::from_secs(2);

/// Seats that are tried one after the other.
const SEATS_MAX: usize = 3;

/// Longest wait that a response can ask for here. `probe` has a time limit of its own.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// One request with what came back, ready to be shown: secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The role, or the extra step.
    pub role: String,
    /// Method and path.
    pub call: String,
    /// The headers that depend on the buyer or the mapping.
    pub headers: Vec<String>,
    /// The body; empty without one.
    pub body: String,
    /// Status, headers and body of the response; or why there is none.
    pub response: Result<Answered, String>,
    /// What the response means, in words; an error if it is not understood.
    pub understood: Result<String, String>,
}

/// A response, ready to be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// The status; `None` for messages of a push channel.
    pub status: Option<u16>,
    /// Its headers, without those that say nothing about the sale.
    pub headers: Vec<String>,
    /// The body, on one line.
    pub body: String,
}

/// How far the buyer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reached {
    /// The buyer has bought a ticket.
    Ticket,
    /// The buyer is still in the queue.
    StillQueued,
    /// There was nothing left to buy.
    SoldOut,
    /// A request failed, was refused, or was not understood: its role.
    Stopped(String),
}

/// What a response means to the buyer, without the seat map.
enum Reply {
    Done,
    Queued(Option<Duration>),
    Inside,
    Seats(Vec<Uuid>),
    Held(Uuid),
    Paid,
    SoldOut,
    Refused,
    Failed,
}

struct Walk<'w> {
    session: Session,
    report: &'w mut dyn FnMut(&Exchange),
    until: Instant,
    last_role: String,
    /// The shows of the list; `None` before it was understood.
    shows: Option<Vec<Show>>,
    /// Whether the target has answered.
    has_answered: bool,
    /// The first request and why it did not answer it.
    silence: Option<(String, SendError)>,
    entry: &'w EntryPoint,
}

/// Sends one buyer to the target: through the queue to a ticket, within `limit` of real time. Each exchange goes to `report`.
///
/// # Errors
///
/// When the target may not be used, cannot be reached, or has no show.
pub async fn probe(
    destination: &Destination,
    plan: &Plan,
    credentials: &Credentials,
    limit: Duration,
    report: &mut dyn FnMut(&Exchange),
) -> Result<Reached, Refusal> {
    let entry = target::admit(destination, &plan.target, 1.0).await?;
    let session = Session::open(&entry, plan.target.mapping(), credentials, plan.seed)
        .map_err(|error| unreachable(&entry, &error))?;
    let walk = Walk {
        session,
        report,
        until: wall_now() + limit,
        last_role: String::new(),
        shows: None,
        has_answered: false,
        silence: None,
        entry: &entry,
    };
    Box::pin(LocalSet::new().run_until(walk.run(plan))).await
}

impl Walk<'_> {
    async fn run(mut self, plan: &Plan) -> Result<Reached, Refusal> {
        let entry = self.entry;
        if !self.session.serves_page().await {
            self.session.api.leave_out_page();
        }
        for request in [Request::PageLoad, Request::ShowList] {
            if let Reply::Failed | Reply::Refused = self.request(request).await {
                return match self.silence.take() {
                    Some((asked, error)) => Err(refusal(entry, &asked, &error)),
                    None => Ok(self.stopped()),
                };
            }
        }
        let show = choose_show(self.shows.take(), plan.target.show.as_deref());
        let show = show.map_err(|error| Refusal::NoShow {
            request: entry.url(),
            reason: error.to_string(),
        })?;
        let set = self.session.api.set_show(show.id);
        set.map_err(|error| unreachable(entry, &error))?;
        let reached = self.buy().await;
        if reached != Reached::Ticket {
            // The place in the queue, or the seat, is for somebody else.
            let _left = self.request(Request::QueueLeave).await;
        }
        Ok(reached)
    }

    fn stopped(&self) -> Reached {
        Reached::Stopped(self.last_role.clone())
    }

    async fn buy(&mut self) -> Reached {
        if let Reply::Failed | Reply::Refused = self.request(Request::ShowDetail).await {
            return self.stopped();
        }
        let channel = self.session.api.channel();
        let mut listening = None;
        if channel.early {
            listening = self.open_channel().await;
        }
        let mut reply = self.request(Request::QueueCheck).await;
        if matches!(reply, Reply::Queued(_)) && channel.queue && !channel.early {
            listening = self.open_channel().await;
        }
        while let Reply::Queued(pause) = reply {
            let next = wall_now() + pause.unwrap_or(POLL_EVERY).min(WAIT_MAX);
            if next >= self.until {
                return Reached::StillQueued;
            }
            reply = match Box::pin(self.listen(&mut listening, next)).await {
                Some(reply) => reply,
                None => self.request(Request::QueueStatus).await,
            };
        }
        match reply {
            Reply::Inside => self.choose().await,
            Reply::SoldOut => Reached::SoldOut,
            _ => self.stopped(),
        }
    }

    async fn choose(&mut self) -> Reached {
        let channel = self.session.api.channel();
        if channel.seats && !channel.queue {
            let _listening = self.open_channel().await;
        }
        let seats = match self.request(Request::SeatList).await {
            Reply::Seats(seats) if seats.is_empty() => return Reached::SoldOut,
            Reply::Seats(seats) => seats,
            Reply::SoldOut => return Reached::SoldOut,
            _ => return self.stopped(),
        };
        for seat in seats {
            let seat_is = tiketi_api::Variable::Seat;
            self.session.visitor.keep_key(seat_is, seat);
            match self.request(Request::SeatReserve { seat }).await {
                Reply::Held(reservation) => {
                    let pay = Request::PaymentProcess { reservation };
                    return match self.request(pay).await {
                        Reply::Paid => Reached::Ticket,
                        _ => self.stopped(),
                    };
                }
                Reply::SoldOut => return Reached::SoldOut,
                Reply::Refused => {}
                _ => return self.stopped(),
            }
        }
        self.stopped()
    }

    /// Takes the steps of a request.
    async fn request(&mut self, request: Request) -> Reply {
        let api = &self.session.api;
        let keeps_seat = !self.session.visitor.is_holding();
        let is_superfluous = |step: &Step| {
            request == Request::QueueLeave && keeps_seat && api.cancel() == Some(*step)
        };
        let mut steps = api.steps(request).to_vec();
        steps.retain(|step| !is_superfluous(step));
        for (place, step) in steps.iter().enumerate() {
            let is_last = place + 1 == steps.len();
            if let Some(reply) = self.step(*step, request, is_last).await {
                return reply;
            }
            if self.session.api.is_setup(*step) {
                self.session.visitor.handle_prepared();
            }
        }
        // There was nothing to ask.
        let Session {
            api,
            seats,
            visitor,
            ..
        } = &mut self.session;
        reply(&api.done(request, seats, visitor))
    }

    /// Takes one step, and asks for its result if it was accepted. Returns what it ended with; `None` if the next step follows.
    async fn step(&mut self, mut step: Step, request: Request, is_last: bool) -> Option<Reply> {
        loop {
            let mut outgoing = match self.session.outgoing(step, request).await {
                Ok(outgoing) => outgoing,
                Err(error) => {
                    self.no_response(step, None, &error);
                    return Some(Reply::Failed);
                }
            };
            let Some((received, stopped)) = self.send(step, request, &mut outgoing).await else {
                return Some(Reply::Failed);
            };
            if self.session.api.is_show_list(step) {
                self.shows = self.session.api.shows(&received);
            }
            let secrets = self.session.visitor.secrets();
            let Session {
                api,
                seats,
                visitor,
                ..
            } = &mut self.session;
            let understood = api.understand(step, request, &received, seats, visitor);
            let meaning = understood.meaning;
            let words = match stopped {
                Some(reason) => Err(format!("not followed: {reason}")),
                None => in_words(&understood, &received),
            };
            let what = reply(&understood.answer);
            let wait = understood.poll_after.or(received.retry_after);
            let exchange = Exchange {
                response: Ok(answered(&received, &secrets)),
                understood: words,
                ..self.asked(step, Some(&outgoing), &secrets)
            };
            self.say(&exchange);
            match next(meaning, wait, is_last) {
                Next::Step => return None,
                Next::End => return Some(what),
                Next::Poll(wait) => {
                    let at = wall_now() + wait.min(WAIT_MAX);
                    if at >= self.until {
                        return Some(Reply::Failed);
                    }
                    sleep_until(at).await;
                    if let Step::Role(role) = step {
                        step = Step::Poll(role);
                    }
                }
            }
        }
    }

    /// Sends a request, and follows the redirects of pages and shows. Returns the response, and why it is not followed if it is a
    /// redirect; `None` if there is none.
    async fn send(
        &mut self,
        step: Step,
        request: Request,
        outgoing: &mut Outgoing,
    ) -> Option<(Received, Option<NotFollowed>)> {
        let mut route = self.session.route(request, outgoing);
        loop {
            let received = match self.session.send(outgoing).await {
                Ok(received) => received,
                Err(error) => {
                    let asked = request_of(self.entry, &self.session, outgoing);
                    self.no_response(step, Some(outgoing), &error);
                    if !self.has_answered {
                        self.silence = Some((asked, error));
                    }
                    return None;
                }
            };
            self.has_answered = true;
            let uri = match route.as_mut().and_then(|route| route.handle(&received)) {
                Some(Ok(uri)) => uri,
                Some(Err(reason)) => return Some((received, Some(reason))),
                None => return Some((received, None)),
            };
            let secrets = self.session.visitor.secrets();
            let exchange = Exchange {
                response: Ok(answered(&received, &secrets)),
                understood: Ok("a redirect, which is followed".to_owned()),
                ..self.asked(step, Some(outgoing), &secrets)
            };
            self.say(&exchange);
            *outgoing = redirect::to(uri, outgoing);
        }
    }

    fn no_response(&mut self, step: Step, outgoing: Option<&Outgoing>, error: &SendError) {
        let secrets = self.session.visitor.secrets();
        let exchange = Exchange {
            response: Err(error.to_string()),
            ..self.asked(step, outgoing, &secrets)
        };
        self.say(&exchange);
    }

    fn say(&mut self, exchange: &Exchange) {
        (self.report)(exchange);
        self.last_role.clone_from(&exchange.role);
    }

    /// The request, as it may be shown.
    fn asked(&self, step: Step, outgoing: Option<&Outgoing>, secrets: &[String]) -> Exchange {
        let role = self.session.api.role(step);
        let role = role.map_or_else(|| "page_load".to_owned(), |role| role.name.clone());
        let mut exchange = Exchange {
            call: format!("({role})"),
            role,
            headers: Vec::new(),
            body: String::new(),
            response: Err("not sent".to_owned()),
            understood: Err("no response".to_owned()),
        };
        let Some(outgoing) = outgoing else {
            return exchange;
        };
        let path = mask::path(&outgoing.uri.to_string());
        exchange.call = format!("{} {}", outgoing.method, hidden(&path, secrets));
        if let Some(host) = outgoing.host {
            let hosts = &self.session.api.mapping().hosts;
            let name = &hosts[usize::from(host)].name;
            exchange.call = format!("{} (host {name})", exchange.call);
        }
        let identity = &self.session.visitor.identity;
        if outgoing.has_bearer && identity.authorization.is_some() {
            exchange.headers.push("authorization: ***".to_owned());
        }
        if identity.cookie.is_some() {
            exchange.headers.push("cookie: ***".to_owned());
        }
        for (name, value) in &outgoing.headers {
            if value.is_sensitive() {
                exchange.headers.push(format!("{name}: ***"));
                continue;
            }
            let value = mask::header(name.as_str(), value.to_str().unwrap_or("(not text)"));
            let value = hidden(&value, secrets);
            exchange.headers.push(format!("{name}: {value}"));
        }
        if !outgoing.body.is_empty() {
            exchange.body = body(&outgoing.body, secrets);
        }
        exchange
    }
}

fn body(bytes: &[u8], secrets: &[String]) -> String {
    let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
    mask::body(bytes, &secrets)
}

/// The response, as it may be shown.
fn answered(received: &Received, secrets: &[String]) -> Answered {
    /// Headers that say something about the sale.
    const TELLING: [&str; 5] = [
        "content-type",
        "location",
        "retry-after",
        "set-cookie",
        "x-",
    ];
    let telling = received
        .headers
        .iter()
        .filter(|(name, _)| TELLING.iter().any(|word| name.as_str().starts_with(word)));
    let headers = telling.map(|(name, value)| {
        // A `Location` can have a token in its query.
        let value = mask::path(value.to_str().unwrap_or("(not text)"));
        let value = mask::header(name.as_str(), &value);
        format!("{name}: {}", hidden(&value, secrets))
    });
    Answered {
        status: Some(received.status.as_u16()),
        headers: headers.collect(),
        body: body(&received.body, secrets),
    }
}

/// What a response means, in words; an error if no row of the mapping describes it.
fn in_words(understood: &Understood<'_>, received: &Received) -> Result<String, String> {
    let Some(meaning) = understood.meaning else {
        let is_page = received.status.is_success();
        let known = if is_page { "not understood" } else { "failed" };
        return Err(format!(
            "{known}: no row of the mapping matches status {}",
            received.status.as_u16()
        ));
    };
    Ok(match &understood.answer {
        Answer::Seats { available, locked } => format!(
            "{}: {} free seats, {locked} held by others",
            meaning.name(),
            available.count()
        ),
        Answer::QueuedPollAfter { pause } => {
            format!("{}, ask again after {pause:?}", meaning.name())
        }
        _ => meaning.name().to_owned(),
    })
}

fn reply(answer: &Answer<'_>) -> Reply {
    match answer {
        Answer::Done => Reply::Done,
        Answer::Queued => Reply::Queued(None),
        Answer::QueuedPollAfter { pause } => Reply::Queued(Some(*pause)),
        Answer::Admitted | Answer::NotQueued { .. } => Reply::Inside,
        Answer::Seats { available, .. } => {
            let seats = 0..SEATS_MAX.min(available.count());
            Reply::Seats(seats.filter_map(|place| available.seat(place)).collect())
        }
        Answer::Held { reservation } => Reply::Held(*reservation),
        Answer::Paid => Reply::Paid,
        Answer::SoldOut => Reply::SoldOut,
        Answer::Refused => Reply::Refused,
        Answer::Failed { .. } => Reply::Failed,
    }
}
