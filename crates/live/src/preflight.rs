//! The check of a target before any load: is it there, does it know the buyers, and what does it sell?
//!
//! One buyer is prepared (registered and logged in, if the mapping says so) and sends only requests that change nothing: the list of
//! shows, the show, the place in the queue, and the seat map. A target that responds to one of them as no buyer can use is refused
//! with its own words. A failure that may pass (5xx, 429) is only a warning: the run then shows it.

use http::StatusCode;
use tokio::task::LocalSet;

use super::api::{Api, SeatStatuses, Show, Step};
use super::credential::Credentials;
use super::http::{Outgoing, Received};
use super::redirect;
use super::session::{NotOpen, SendError, Session};
use super::target::{Refusal, not_allowed};
use super::tls::Remedy;
use super::visitor::{Visitor, hidden};
use super::worker::EntryPoint;
use tiketi_api::{IdText, Meaning, Method, RoleName, mask};
use tiketi_buyer::Request;
use tiketi_scenario::Plan;

/// What a target of TIKETI's API must have, as a hint says it.
const CALLS: &str = "a target must have the calls that buyers use: GET /api/events, GET /api/events/{id}, POST \
                     /api/queue/check/{id}, GET /api/queue/status/{id}, GET /api/seats/events/{id}, POST /api/seats/reserve, \
                     POST /api/payments/process. For a system with another API, pass a mapping with --api";
/// What to do about a mapped target.
const COMPARE: &str = "compare the response with the rows of the API mapping; `tiketi-sim probe` shows each request of one buyer";

/// What a target sells, and what it showed before the load.
pub(super) struct Found {
    /// How it is asked, with the show to buy.
    pub(super) api: Api,
    /// The buyer who asked.
    pub(super) visitor: Visitor,
    /// The title of the show; `None` if the target gives it none.
    pub(super) title: Option<String>,
    /// The seat map, or why it is unknown, as a sentence fragment.
    pub(super) seats: Result<SeatStatuses, String>,
    /// Where it is, without a page if it serves none, and without HTTP/2 if it does not speak it.
    pub(super) entry: EntryPoint,
    /// What is odd, and may be no obstacle: one sentence each.
    pub(super) warnings: Vec<String>,
}

/// Tries what a buyer needs.
///
/// # Errors
///
/// The first thing that no buyer could use.
pub(super) async fn check(
    entry: &EntryPoint,
    plan: &Plan,
    credentials: &Credentials,
) -> Result<Found, Refusal> {
    let mapping = plan.target.mapping();
    let session = Session::open(entry, mapping, credentials, plan.seed);
    let check = Check {
        entry,
        session: session.map_err(|error| unreachable(entry, &error))?,
        is_mapped: plan.target.api.is_some(),
        warnings: Vec::new(),
    };
    let wanted = plan.target.show.as_deref();
    Box::pin(LocalSet::new().run_until(check.run(wanted))).await
}

/// Reads the seat map after the load, as the buyer who read it before. An error is a sentence fragment.
pub(super) async fn seats_after(
    session: &mut Session,
    entry: &EntryPoint,
) -> Result<SeatStatuses, String> {
    let request = Request::SeatList;
    let Some(step) = readable(session, RoleName::SeatList, request) else {
        return Err("it is only shown to buyers in the queue".to_owned());
    };
    let outgoing = session.outgoing(step, request).await;
    let outgoing = outgoing.map_err(|error| error.to_string())?;
    let asked = request_of(entry, session, &outgoing);
    let received = session.send(&outgoing).await;
    let received = received.map_err(|error| format!("{asked}: {error}"))?;
    let seats = session.api.seat_statuses(&received);
    seats.ok_or_else(|| format!("{asked}: {}", said(session, &received)))
}

/// The step of a role that changes nothing and can be sent now; `None` without one.
fn readable(session: &Session, name: RoleName, request: Request) -> Option<Step> {
    let mapping = session.api.mapping();
    let step = Step::Role(mapping.place(name)?);
    let is_read = mapping.role(name)?.method == Method::Get;
    (is_read && session.is_ready(step, request)).then_some(step)
}

/// One buyer who asks.
struct Check<'e> {
    entry: &'e EntryPoint,
    session: Session,
    /// Whether the target has another API than TIKETI's.
    is_mapped: bool,
    warnings: Vec<String>,
}

impl Check<'_> {
    async fn run(mut self, wanted: Option<&str>) -> Result<Found, Refusal> {
        let chosen = self.show(wanted).await?;
        let set = self.session.api.set_show(chosen.id);
        set.map_err(|error| unreachable(self.entry, &error))?;
        self.read(RoleName::ShowDetail, Request::ShowDetail).await?;
        self.read(RoleName::QueueStatus, Request::QueueStatus)
            .await?;
        self.channel().await?;
        let seats = self.seats().await?;
        let mut entry = self.entry.clone();
        let has_page = self.session.serves_page().await;
        entry.page = entry.page.filter(|_| has_page);
        self.session.settle_version(&mut entry);
        let Session { api, visitor, .. } = self.session;
        Ok(Found {
            api,
            visitor,
            title: chosen.title,
            seats,
            entry,
            warnings: self.warnings,
        })
    }

    /// Prepares the buyer and finds the show to buy: the one that is wanted, or the first on sale.
    async fn show(&mut self, wanted: Option<&str>) -> Result<Show, Refusal> {
        let request = Request::ShowList;
        let mut shows = None;
        let mut asked = self.entry.url();
        for step in self.session.api.steps(request).to_vec() {
            let outgoing = self.session.outgoing(step, request).await;
            let outgoing = outgoing.map_err(|error| self.refusal(&asked, &error))?;
            asked = request_of(self.entry, &self.session, &outgoing);
            let received = self.send(request, &outgoing, &asked).await?;
            if self.session.api.is_show_list(step) {
                shows = Some(self.shows(&asked, &received)?);
                continue;
            }
            let Session { api, visitor, .. } = &mut self.session;
            if api.peek(step, &received, visitor).0 != Some(Meaning::Done) {
                return Err(self.not_ready(&asked, &received, ""));
            }
            self.session.visitor.handle_prepared();
        }
        choose_show(shows, wanted).map_err(|error| Refusal::NoShow {
            request: asked,
            reason: error.to_string(),
        })
    }

    fn shows(&self, asked: &str, received: &Received) -> Result<Vec<Show>, Refusal> {
        self.session.api.shows(received).ok_or_else(|| {
            let problem = if received.status.is_success() {
                self.no_list(RoleName::ShowList, "list of shows")
            } else {
                String::new()
            };
            self.not_ready(asked, received, &problem)
        })
    }

    fn no_list(&self, role: RoleName, what: &str) -> String {
        let role = self.session.api.mapping().role(role);
        let each = role.and_then(|role| role.each.as_deref());
        format!(
            ", which is no {what} (expected JSON with a list at `{}`, each element with an id)",
            each.unwrap_or_default()
        )
    }

    /// Sends a request that changes nothing, if there is one; a failure that may pass is a warning.
    async fn read(&mut self, name: RoleName, request: Request) -> Result<(), Refusal> {
        let Some(step) = readable(&self.session, name, request) else {
            return Ok(());
        };
        let outgoing = self.session.outgoing(step, request).await;
        let outgoing = outgoing.map_err(|error| unreachable(self.entry, &error))?;
        let asked = request_of(self.entry, &self.session, &outgoing);
        let received = self.send(request, &outgoing, &asked).await?;
        let Session { api, visitor, .. } = &mut self.session;
        if api.peek(step, &received, visitor).0.is_some() {
            return Ok(());
        }
        let is_unread = received.status.is_success();
        // A system may have nothing to say about the place of a buyer who has not entered the queue.
        let is_early = self.is_mapped
            && name == RoleName::QueueStatus
            && !matches!(
                received.status,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
            );
        if may_pass(received.status) || is_early {
            let said = said(&self.session, &received);
            self.warnings.push(format!("{asked}: {said}"));
            return Ok(());
        }
        let problem = if is_unread {
            ", and no row of the API mapping describes that"
        } else {
            ""
        };
        Err(self.not_ready(&asked, &received, problem))
    }

    /// Opens the push channel, and closes it again. If buyers can poll instead, a refusal is a warning.
    async fn channel(&mut self) -> Result<(), Refusal> {
        let Some(call) = self.session.channel_call() else {
            return Ok(());
        };
        let not_open = match self.session.try_channel().await {
            // A value that only a waiting buyer has is not there yet.
            Ok(()) | Err(NotOpen::NoChannel | NotOpen::Unset(_)) => return Ok(()),
            Err(NotOpen::Unsigned(error)) => return Err(error.into()),
            Err(not_open) => not_open,
        };
        let words = self.session.not_open(&not_open);
        let request = match call.split_once(' ') {
            Some((method, path)) => format!("{method} {}{path}", self.entry.url()),
            None => call,
        };
        let mapping = self.session.api.mapping();
        let has = |name| mapping.place(name).is_some();
        // A system may have no channel for a buyer who has not entered the queue.
        let is_early = has(RoleName::QueueEnter)
            && (not_open.status()).is_some_and(|status| {
                (400..500).contains(&status) && ![401, 403].contains(&status)
            });
        let can_do_without = has(RoleName::QueueStatus) || !self.session.api.channel().queue;
        if can_do_without || is_early {
            let instead = if can_do_without {
                "; buyers do without the push channel and poll"
            } else {
                ""
            };
            self.warnings.push(format!("{request}: {words}{instead}"));
            return Ok(());
        }
        Err(Refusal::NotReady {
            request,
            said: words,
            hint: "buyers learn of their admission over this channel only: check its path, its host and the token, or say with                    `queue_status` how they poll"
                .to_owned(),
        })
    }

    /// Reads the seat map; the inner error says why it is unknown, if that is no obstacle.
    async fn seats(&mut self) -> Result<Result<SeatStatuses, String>, Refusal> {
        let request = Request::SeatList;
        if !self.session.api.has_seats() {
            return Ok(Err("it shows no single seats".to_owned()));
        }
        let Some(step) = readable(&self.session, RoleName::SeatList, request) else {
            return Ok(Err("it is only shown to buyers in the queue".to_owned()));
        };
        let outgoing = self.session.outgoing(step, request).await;
        let outgoing = outgoing.map_err(|error| unreachable(self.entry, &error))?;
        let asked = request_of(self.entry, &self.session, &outgoing);
        let received = self.send(request, &outgoing, &asked).await?;
        let words = format!("{asked}: {}", said(&self.session, &received));
        if received.status == StatusCode::FORBIDDEN {
            // Some systems show the map only to buyers who were admitted. A token that is not valid fails the request before.
            return Ok(Err(words));
        }
        if may_pass(received.status) {
            self.warnings.push(words.clone());
            return Ok(Err(words));
        }
        match self.session.api.seat_statuses(&received) {
            Some(seats) if seats.is_empty() => {
                Err(self.not_ready(&asked, &received, ", and the show has no seats"))
            }
            Some(seats) => Ok(Ok(seats)),
            None if received.status.is_success() => {
                let problem = self.no_list(RoleName::SeatList, "seat map");
                Err(self.not_ready(&asked, &received, &problem))
            }
            None => Err(self.not_ready(&asked, &received, "")),
        }
    }

    /// Sends a request. Redirects that are followed cost each buyer time, and one that is not says why.
    async fn send(
        &mut self,
        request: Request,
        outgoing: &Outgoing,
        asked: &str,
    ) -> Result<Received, Refusal> {
        let end = self.session.send_along(request, outgoing).await;
        let end = end.map_err(|error| self.refusal(asked, &error))?;
        if let Some(reason) = end.stopped {
            let words = format!(" ({reason})");
            return Err(self.not_ready(asked, &end.received, &words));
        }
        if let Some(path) = end.led_to {
            let path = hidden(&mask::path(&path), &self.session.visitor.secrets());
            self.warnings
                .push(format!("{asked} redirects to {path}, for each buyer"));
        }
        Ok(end.received)
    }

    fn refusal(&self, asked: &str, error: &SendError) -> Refusal {
        refusal(self.entry, asked, error)
    }

    fn not_ready(&self, asked: &str, received: &Received, problem: &str) -> Refusal {
        let hint = match received.status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "the target does not accept the token of the first buyer: check the secret, the tokens or the users, and that \
                 the target knows them"
            }
            status if redirect::is_redirect(status) => {
                "pass the URL that it leads to, or correct the path in the API mapping; some systems redirect to a login page instead of \
                 refusing a token"
            }
            _ if self.is_mapped => COMPARE,
            _ => CALLS,
        };
        Refusal::NotReady {
            request: asked.to_owned(),
            said: said(&self.session, received) + problem,
            hint: hint.to_owned(),
        }
    }
}

/// Whether a failure may be over when the load starts, so that it is no reason to refuse the target.
fn may_pass(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// A request as messages name it: with the port, also if it is the default one, and without secrets.
pub(super) fn request_of(entry: &EntryPoint, session: &Session, outgoing: &Outgoing) -> String {
    let path = mask::path(&outgoing.uri.to_string());
    let path = hidden(&path, &session.visitor.secrets());
    let place = outgoing.host.map(usize::from);
    let asked = place.map_or(entry, |place| &entry.hosts[place]);
    format!("{} {}{path}", outgoing.method, asked.origin())
}

/// A response in words: its status, and the server's own words.
fn said(session: &Session, received: &Received) -> String {
    let secrets = session.visitor.secrets();
    let secrets: Vec<_> = secrets.iter().map(String::as_str).collect();
    let words = mask::body(&received.body, &secrets);
    let status = received.status;
    if let Some(location) = redirect::location(received, &session.visitor) {
        format!("it redirects with {status} to {location}")
    } else if words.is_empty() {
        format!("it responded with {status} and no body")
    } else {
        format!("it responded with {status}: {words}")
    }
}

/// Why there is no show to buy.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(super) enum NoChoice {
    #[error("`{wanted}` is not among its {shows} shows")]
    NotListed { wanted: String, shows: usize },
    #[error("its list of shows is empty")]
    NoShows,
    #[error("the API mapping has no `show_list`: name the show in `target.show`")]
    NoList,
}

/// Chooses a show of the list; without a list, the one that is wanted.
pub(super) fn choose_show(
    shows: Option<Vec<Show>>,
    wanted: Option<&str>,
) -> Result<Show, NoChoice> {
    let Some(mut shows) = shows else {
        let wanted = wanted.ok_or(NoChoice::NoList)?;
        return Ok(Show {
            id: IdText {
                text: wanted.to_owned().into(),
                // Without a list nobody says whether it is one; back ends with numbers accept their digits only as such.
                is_number: wanted.parse::<u64>().is_ok(),
            },
            title: None,
            is_on_sale: true,
        });
    };
    let place = match wanted {
        Some(wanted) => {
            let is_wanted = |show: &Show| show.id.text.eq_ignore_ascii_case(wanted);
            let found = shows.iter().position(is_wanted);
            found.ok_or_else(|| NoChoice::NotListed {
                wanted: wanted.to_owned(),
                shows: shows.len(),
            })?
        }
        None if shows.is_empty() => return Err(NoChoice::NoShows),
        None => shows.iter().position(|show| show.is_on_sale).unwrap_or(0),
    };
    Ok(shows.swap_remove(place))
}

/// Why a request has no response.
pub(super) fn refusal(entry: &EntryPoint, asked: &str, error: &SendError) -> Refusal {
    match error {
        SendError::Forbidden(forbidden) => not_allowed(&entry.host, forbidden.clone()),
        SendError::Unsigned(error) => error.clone().into(),
        SendError::Unset(_) | SendError::Failed { .. } => Refusal::Unreachable {
            request: asked.to_owned(),
            reason: error.to_string(),
            hint: error.remedy().hint(),
        },
    }
}

/// The system cannot be asked.
pub(super) fn unreachable(entry: &EntryPoint, error: &impl ToString) -> Refusal {
    Refusal::Unreachable {
        request: entry.url(),
        reason: error.to_string(),
        hint: Remedy::Server.hint(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_show_on_sale_is_chosen_unless_one_is_named() {
        let show = |text: &'static str, is_on_sale| Show {
            id: IdText {
                text: text.into(),
                is_number: text.len() == 1,
            },
            title: None,
            is_on_sale,
        };
        let shows = || vec![show("first-show", false), show("2", true)];
        let choose = |wanted| choose_show(Some(shows()), wanted);
        assert_eq!(choose(None).unwrap(), show("2", true));
        assert_eq!(
            choose(Some("FIRST-show")).unwrap(),
            show("first-show", false)
        );
        assert!(matches!(choose(Some("x")), Err(NoChoice::NotListed { .. })));
        assert_eq!(choose_show(Some(Vec::new()), None), Err(NoChoice::NoShows));
        assert_eq!(choose_show(None, None), Err(NoChoice::NoList));
        assert!(choose_show(None, Some("12")).unwrap().id.is_number);
    }
}
