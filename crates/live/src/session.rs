//! One buyer who sends single requests: before and after a run, and for `probe`.

mod channel;

use std::time::Duration;

use super::api::{Api, Step};
use super::clock::{Clock, unix_now_ns};
use super::credential::{Credentials, Issuer, Users};
use super::dialer::Dialer;
use super::hosts::{Hosts, Manner};
use super::http::{Http, Outgoing, Received};
use super::http2::HttpVersion;
use super::reach::Forbidden;
use super::redirect::{self, NotFollowed, Route};
use super::resolver::Names;
use super::seats::SeatMap;
use super::setup::{SetupError, host_header};
use super::signer::{SignError, Signer};
use super::tls::{Problem, Remedy, Tls};
use super::visitor::{Scope, Visitor};
use super::worker::EntryPoint;
pub(super) use channel::{Line, NotOpen};
use std::rc::Rc;
use tiketi_api::{Mapping, RoleName, Values as _};
use tiketi_buyer::Request;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::BuyerId;

/// Timeout of a request before or after the load, in real time.
const TIMEOUT: Duration = Duration::from_secs(8);

/// One buyer with a connection of its own.
pub(super) struct Session {
    http: Http,
    hosts: Hosts,
    signer: Option<Signer>,
    pub(super) api: Api,
    pub(super) visitor: Visitor,
    pub(super) seats: SeatMap,
}

/// The end of a request that was sent on.
pub(super) struct Followed {
    pub(super) received: Received,
    /// The path with its query to which redirects led; `None` if there was none.
    pub(super) led_to: Option<String>,
    /// Why the response, which is a redirect, is not followed; `None` if it is none.
    pub(super) stopped: Option<NotFollowed>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("not sent: {{{0}}} has no value")]
    Unset(String),
    #[error("{}", in_words(*.failure, .problem.as_ref()))]
    Failed {
        failure: Failure,
        /// Why there was no connection, or why it broke; `None` if that is not known.
        problem: Option<Problem>,
    },
    #[error("it resolves to {0}")]
    Forbidden(Forbidden),
    #[error("not sent: {0}")]
    Unsigned(SignError),
}

impl SendError {
    /// Returns what the user can do about it.
    pub(super) fn remedy(&self) -> Remedy {
        match self {
            Self::Failed {
                failure: Failure::Handshake | Failure::ConnectRefused | Failure::Reset,
                problem: Some(problem),
            } => problem.remedy,
            Self::Failed { .. } | Self::Unset(_) | Self::Forbidden(_) | Self::Unsigned(_) => {
                Remedy::Server
            }
        }
    }
}

impl Session {
    /// Prepares a buyer. Nothing is sent yet.
    pub(super) fn open(
        entry: &EntryPoint,
        mapping: Mapping,
        credentials: &Credentials,
        seed: u64,
    ) -> Result<Self, SetupError> {
        // An account that is created here must not be in the way of the first buyer of the run.
        let buyer = match mapping.role(RoleName::Register) {
            Some(_) if !matches!(credentials, Credentials::Users { .. }) => BuyerId(u32::MAX),
            _ => BuyerId(0),
        };
        let now_unix_s = unix_now_ns() / 1_000_000_000;
        let issuer = Issuer::new(credentials, &mapping, seed, now_unix_s)?;
        let users = Users::of(credentials, &mapping.columns)?.map(Rc::new);
        let credential = issuer.credential(buyer)?;
        let api = Api::new(mapping, None, entry.page.as_deref(), &entry.base)?;
        let visitor = Visitor::new(buyer, credential, &api, users.as_ref());
        Self::resume(entry, api, visitor)
    }

    /// Goes on as a buyer who is known already.
    pub(super) fn resume(
        entry: &EntryPoint,
        api: Api,
        visitor: Visitor,
    ) -> Result<Self, SetupError> {
        let clock = Clock::starting_at(unix_now_ns(), 1.0);
        let names = Names::new(entry, clock)?;
        let dialer = Dialer::new(names, Tls::to(entry)?, Vec::new(), TIMEOUT / 2);
        let host = host_header(format!("{}:{}", entry.host, entry.port))?;
        let http = Http::new(dialer, host, clock, TIMEOUT, 1);
        let manner = Manner {
            clock,
            sources: &[],
            connect_timeout: TIMEOUT / 2,
            call_timeout: TIMEOUT,
            connections_max: 1,
        };
        let hosts = Hosts::new(&entry.hosts, manner)?;
        let signer = Signer::of(api.mapping());
        Ok(Self {
            visitor,
            seats: SeatMap::new(Rc::clone(&api.ids)),
            http,
            hosts,
            signer,
            api,
        })
    }

    /// Builds the request of a step.
    pub(super) async fn outgoing(
        &self,
        step: Step,
        request: Request,
    ) -> Result<Outgoing, SendError> {
        let outgoing = self.api.outgoing(step, request, &self.visitor);
        let outgoing = outgoing.map_err(SendError::Unset)?;
        let signed = self.signed(step, request, outgoing).await;
        signed.map_err(SendError::Unsigned)
    }

    /// Returns the request of a step with what the program of the mapping adds.
    async fn signed(
        &self,
        step: Step,
        request: Request,
        outgoing: Outgoing,
    ) -> Result<Outgoing, SignError> {
        let (Some(signer), Some(role)) = (&self.signer, self.api.role(step)) else {
            return Ok(outgoing);
        };
        let values = Scope::new(&self.api, &self.visitor, request);
        signer.sign(role, outgoing, &values).await
    }

    /// Sends a request.
    pub(super) async fn send(&mut self, outgoing: &Outgoing) -> Result<Received, SendError> {
        let (buyer, identity) = (self.visitor.buyer, &self.visitor.identity);
        let (http, (_, result)) = match outgoing.host {
            None => (
                &self.http,
                self.http.call_of(buyer, outgoing, identity).await,
            ),
            Some(host) => (
                self.hosts.client(host),
                self.hosts.call(host, (buyer, outgoing), identity).await,
            ),
        };
        let received = result.map_err(|failure| {
            let elsewhere = self.hosts.forbidden().map(|(_, forbidden)| forbidden);
            let forbidden = self.http.dialer().forbidden().or(elsewhere);
            let problem = http.dialer().problem();
            forbidden.map_or(SendError::Failed { failure, problem }, SendError::Forbidden)
        })?;
        self.visitor.take_cookies(&received);
        Ok(received)
    }

    /// Returns the way of a request through redirects; `None` if they are not followed.
    pub(super) fn route(&self, request: Request, outgoing: &Outgoing) -> Option<Route> {
        redirect::is_followed(request, outgoing).then(|| {
            let host = outgoing.host;
            let http = host.map_or(&self.http, |host| self.hosts.client(host));
            Route::new(http.origin(), outgoing)
        })
    }

    /// Sends a request, and follows its redirects if it reads a page or a show.
    pub(super) async fn send_along(
        &mut self,
        request: Request,
        outgoing: &Outgoing,
    ) -> Result<Followed, SendError> {
        let mut route = self.route(request, outgoing);
        let mut end = Followed {
            received: self.send(outgoing).await?,
            led_to: None,
            stopped: None,
        };
        while let Some(next) = route.as_mut().and_then(|route| route.handle(&end.received)) {
            match next {
                Ok(uri) => {
                    end.led_to = Some(uri.to_string());
                    end.received = self.send(&redirect::to(uri, outgoing)).await?;
                }
                Err(reason) => {
                    end.stopped = Some(reason);
                    break;
                }
            }
        }
        Ok(end)
    }

    /// Returns whether each variable that a step names has a value, also in headers that it can do without.
    pub(super) fn is_ready(&self, step: Step, request: Request) -> bool {
        let scope = Scope::new(&self.api, &self.visitor, request);
        let role = self.api.role(step);
        role.is_none_or(|role| {
            let mut variables = role.variables();
            variables.all(|variable| scope.value(variable).is_some())
        })
    }

    /// Leaves HTTP/2 out for each host of `entry` that was asked and does not speak it.
    pub(super) fn settle_version(&self, entry: &mut EntryPoint) {
        let others = 0_u8..;
        let clients = others.map(|host| self.hosts.client(host));
        for (host, http) in entry.hosts.iter_mut().zip(clients) {
            settle(host, http);
        }
        settle(entry, &self.http);
    }

    /// Returns whether the system serves the web page itself; one behind an edge has only its API.
    pub(super) async fn serves_page(&mut self) -> bool {
        let Ok(outgoing) = self.outgoing(Step::Page, Request::PageLoad).await else {
            return false;
        };
        let end = self.send_along(Request::PageLoad, &outgoing).await;
        end.is_ok_and(|end| end.received.status.is_success())
    }
}

fn settle(entry: &mut EntryPoint, http: &Http) {
    if http.speaks_http2() == Some(false) {
        entry.http = HttpVersion::Http1;
    }
}

/// Returns a failure as a fragment of a sentence.
pub(super) fn in_words(failure: Failure, problem: Option<&Problem>) -> String {
    let or = |words: &str| problem.map_or(words, |problem| &problem.words).to_owned();
    match failure {
        Failure::Dns => "the name cannot be resolved".to_owned(),
        Failure::ConnectRefused => or("connection refused"),
        Failure::ConnectTimeout => format!("no connection within {} s", (TIMEOUT / 2).as_secs()),
        Failure::Reset => or("the connection was reset"),
        Failure::Timeout => format!("no complete response within {} s", TIMEOUT.as_secs()),
        Failure::Handshake => or("the TLS handshake failed"),
        Failure::Status(code) => format!("HTTP status {code}"),
        Failure::BadAnswer => "the response is larger than 16 MiB".to_owned(),
    }
}
