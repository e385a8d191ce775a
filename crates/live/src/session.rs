//! One buyer who is asked for before a run, or by `probe`: sends single requests.

use std::time::Duration;

use super::api::{Api, Step};
use super::clock::{Clock, unix_now_ns};
use super::credential::{Credentials, Issuer, Users};
use super::dialer::Dialer;
use super::http::{Http, Outgoing, Received};
use super::reach::Forbidden;
use super::resolver::Names;
use super::seats::SeatMap;
use super::setup::{SetupError, host_header};
use super::visitor::Visitor;
use super::worker::{EntryPoint, Scheme};
use std::rc::Rc;
use tiketi_api::{IdText, Mapping, RoleName};
use tiketi_buyer::Request;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::BuyerId;

/// Timeout of a request before the run, in real time.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One buyer with a connection of its own.
pub(super) struct Session {
    http: Http,
    pub(super) api: Api,
    pub(super) visitor: Visitor,
    pub(super) seats: SeatMap,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("not sent: {{{0}}} has no value")]
    Unset(String),
    #[error("{}", in_words(*.0))]
    Failed(Failure),
    #[error("it resolves to {0}")]
    Forbidden(Forbidden),
}

impl Session {
    /// Prepares a buyer. Nothing is sent yet.
    pub(super) fn open(
        entry: &EntryPoint,
        mapping: Mapping,
        credentials: &Credentials,
        show: Option<IdText<'static>>,
    ) -> Result<Self, SetupError> {
        let clock = Clock::starting_at(unix_now_ns(), 1.0);
        let names = Names::new(entry, clock)?;
        let tls_host = (entry.scheme == Scheme::Https).then_some(entry.host.as_str());
        let dialer = Dialer::new(names, tls_host, Vec::new(), TIMEOUT / 2)?;
        let host = host_header(format!("{}:{}", entry.host, entry.port))?;
        let http = Http::new(dialer, host, clock, TIMEOUT, 1);
        // An account that is created here must not be in the way of the first buyer of the run.
        let buyer = match mapping.role(RoleName::Register) {
            Some(_) if !matches!(credentials, Credentials::Users { .. }) => BuyerId(u32::MAX),
            _ => BuyerId(0),
        };
        let issuer = Issuer::new(credentials, &mapping, 0, clock.start_at_unix_s())?;
        let users = Users::of(credentials, &mapping.columns)?.map(Rc::new);
        let api = Api::new(mapping, show, entry.page.as_deref())?;
        let credential = issuer.credential(buyer)?;
        Ok(Self {
            visitor: Visitor::new(buyer, credential, &api, users.as_ref()),
            seats: SeatMap::new(Rc::clone(&api.ids)),
            http,
            api,
        })
    }

    /// Builds the request of a step.
    pub(super) fn outgoing(&self, step: Step, request: Request) -> Result<Outgoing, SendError> {
        let outgoing = self.api.outgoing(step, request, &self.visitor);
        outgoing.map_err(SendError::Unset)
    }

    /// Sends a request.
    pub(super) async fn send(&mut self, outgoing: &Outgoing) -> Result<Received, SendError> {
        let (_, result) = self.http.call(outgoing, &self.visitor.identity).await;
        let received = result.map_err(|failure| {
            let forbidden = self.http.dialer().forbidden();
            forbidden.map_or(SendError::Failed(failure), SendError::Forbidden)
        })?;
        self.visitor.take_cookies(&received);
        Ok(received)
    }
}

/// Returns a failure as a fragment of a sentence.
pub(super) fn in_words(failure: Failure) -> String {
    match failure {
        Failure::Dns => "the name cannot be resolved".to_owned(),
        Failure::ConnectRefused => "connection refused".to_owned(),
        Failure::ConnectTimeout => "connecting timed out".to_owned(),
        Failure::Reset => "the connection was reset".to_owned(),
        Failure::Timeout => "no response in time".to_owned(),
        Failure::Handshake => "the TLS handshake failed".to_owned(),
        Failure::Status(code) => format!("HTTP status {code}"),
        Failure::BadAnswer => "the response is too large".to_owned(),
    }
}
