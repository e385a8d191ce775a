//! The system under test.

use super::credential::Credentials;
use super::observe::Source;
use super::target::{self, Refusal};
use super::worker::EntryPoint;
use tiketi_api::IdText;
use tiketi_scenario::Plan;
use tiketi_scenario::data_tier::DataTier;

/// The system under test.
#[derive(Debug)]
pub enum Sut {
    /// The reference system on this machine, started for the run.
    Testbed,
    /// An existing deployment that passed [`target::admit`].
    Remote(Box<Remote>),
}

/// An existing deployment.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it is.
    pub entry: EntryPoint,
    /// How buyers authenticate.
    pub credentials: Credentials,
    /// The show to buy.
    pub show: IdText<'static>,
    /// The metrics server that is asked about it; `None` if none is.
    pub source: Option<Source>,
}

impl Remote {
    /// Checks that the system at `url` may be put under load, and finds out what it sells and whether it serves the web
    /// page itself.
    ///
    /// # Errors
    ///
    /// When it may not be put under load, cannot be reached, or has nothing on sale.
    pub async fn admit(
        url: &str,
        plan: &Plan,
        credentials: Credentials,
        is_owned: bool,
    ) -> Result<Self, Refusal> {
        let entry = target::admit(url, &plan.target, plan.clock.speed, is_owned).await?;
        let source = Source::admit(&plan.target).await?;
        let show = target::discover(&entry, plan, &credentials).await?;
        let entry = Self::with_page(entry, plan, &credentials).await;
        Ok(Self {
            entry,
            credentials,
            show,
            source,
        })
    }
}

impl Remote {
    /// Checks that the system at `url` may be asked, and whether it serves the web page itself.
    pub(super) async fn entry(
        url: &str,
        plan: &Plan,
        credentials: &Credentials,
        is_owned: bool,
    ) -> Result<EntryPoint, Refusal> {
        let entry = target::admit(url, &plan.target, 1.0, is_owned).await?;
        Ok(Self::with_page(entry, plan, credentials).await)
    }

    /// Leaves out a page that is not there.
    async fn with_page(
        mut entry: EntryPoint,
        plan: &Plan,
        credentials: &Credentials,
    ) -> EntryPoint {
        if !target::serves(&entry, plan, credentials).await {
            entry.page = None;
        }
        entry
    }
}

impl Sut {
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
                    host, port, page, ..
                } = &remote.entry;
                let page = match page {
                    Some(_) => "",
                    None => " (no web page found; buyers start at the API)",
                };
                format!("Target: {host}:{port}{page}")
            }
        }
    }
}
