//! The system under test.

use super::api::{Api, SeatStatuses};
use super::credential::Credentials;
use super::observe::Source;
use super::preflight::{self, Found};
use super::reach::Reach;
use super::target::{self, Destination, Refusal};
use super::visitor::Visitor;
use super::worker::EntryPoint;
use tiketi_api::IdText;
use tiketi_scenario::Plan;
use tiketi_scenario::access::Access;
use tiketi_scenario::arrival::arrival_times;
use tiketi_scenario::data_tier::DataTier;

/// What is said of a target whose certificates are not checked.
const UNCHECKED: &str =
    ". Warning: certificates are not checked (--insecure), so this may be another system";

/// The system under test.
#[derive(Debug)]
pub enum Sut {
    /// The reference system on this machine, started for the run.
    Testbed,
    /// An existing deployment that passed [`target::admit`].
    Remote(Box<Remote>),
}

/// An existing deployment.
#[derive(Debug)]
pub struct Remote {
    /// Where it is.
    pub entry: EntryPoint,
    /// How buyers authenticate.
    pub credentials: Credentials,
    /// The show to buy.
    pub show: IdText<'static>,
    /// Its title; `None` if the target gives it none.
    pub title: Option<String>,
    /// What was odd before the load, one sentence each.
    pub warnings: Vec<String>,
    /// Whether several buyers use one token.
    pub tokens_reused: bool,
    /// How it is asked.
    pub(super) api: Api,
    /// The buyer who has asked it before the load.
    pub(super) visitor: Visitor,
    /// The seat map before the load, or why it is unknown, as a sentence fragment.
    pub(super) seats: Result<SeatStatuses, String>,
    /// The metrics server that is asked about it; `None` if none is.
    pub source: Option<Source>,
}

impl Remote {
    /// Checks that the system may be put under load and responds to one buyer, and finds out what it sells and whether it
    /// serves the web page itself.
    ///
    /// # Errors
    ///
    /// When it may not be put under load, cannot be reached, does not know the buyer, or has nothing on sale.
    pub async fn admit(
        destination: &Destination,
        plan: &Plan,
        credentials: Credentials,
    ) -> Result<Self, Refusal> {
        let entry = target::admit(destination, &plan.target, plan.clock.speed).await?;
        let source = Source::admit(&plan.target, &destination.trust).await?;
        let Found {
            api,
            visitor,
            title,
            seats,
            entry,
            warnings,
        } = preflight::check(&entry, plan, &credentials).await?;
        let buyers = arrival_times(plan).len();
        Ok(Self {
            tokens_reused: credentials.check_share(api.mapping(), buyers).is_err(),
            show: api.show().expect("the check has set it").clone(),
            entry,
            credentials,
            title,
            warnings,
            api,
            visitor,
            seats,
            source,
        })
    }
}

impl Sut {
    /// Returns the network that buyers are given: a system elsewhere has one.
    pub(super) fn access(&self, plan: &Plan) -> Access {
        let stated = plan.buyers.network;
        match self {
            Self::Testbed => stated,
            Self::Remote(remote) => stated.to_target(remote.entry.reach == Reach::Loopback),
        }
    }

    /// Describes for the user what happens until the load starts.
    pub(super) fn preparation(&self, plan: &Plan) -> String {
        match self {
            Self::Testbed => {
                let data_tier = match &plan.topology.data_tier {
                    DataTier::Embedded => "data tier".to_owned(),
                    DataTier::Servers => "Redis, PostgreSQL".to_owned(),
                    DataTier::External(servers) => {
                        format!("tables in {} and {}", servers.redis, servers.database)
                    }
                };
                format!("Starting local testbed (DNS, load balancer, {data_tier}, instances)…")
            }
            Self::Remote(remote) => {
                let EntryPoint {
                    host,
                    port,
                    base,
                    page,
                    ..
                } = &remote.entry;
                let page = match page {
                    Some(_) => "",
                    None => " (no web page found; buyers start at the API)",
                };
                let version = if remote.entry.speaks_http2() {
                    " (HTTP/2)"
                } else {
                    ""
                };
                let unchecked = remote.entry.is_unchecked();
                let unchecked = if unchecked { UNCHECKED } else { "" };
                let show = remote.title.as_deref().unwrap_or(&remote.show.text);
                let warnings = remote.warnings.iter();
                let warnings: String = warnings
                    .map(|warning| format!(". Warning: {warning}"))
                    .collect();
                format!(
                    "Target: {host}:{port}{base}{version}, show: {show}{page}{unchecked}{warnings}"
                )
            }
        }
    }
}
