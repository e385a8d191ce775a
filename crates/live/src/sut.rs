//! Which system is put under test.

use uuid::Uuid;

use super::credential::Credentials;
use super::target::{self, Refusal};
use super::worker::Entry;
use tiketi_scenario::Plan;
use tiketi_scenario::data_tier::DataTier;

/// The system under test.
#[derive(Debug)]
pub enum Sut {
    /// The reference cluster on this machine, started for the run.
    Testbed,
    /// A system that is already there, admitted by the guard.
    Remote(Remote),
}

/// A system that is already there.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it is.
    pub entry: Entry,
    /// How buyers prove who they are.
    pub credentials: Credentials,
    /// The show to buy.
    pub show: Uuid,
}

impl Remote {
    /// Asks the guard whether the system at `url` may be put under load, and finds out what it sells and whether it
    /// serves the page itself.
    ///
    /// # Errors
    ///
    /// The guard's refusal, or that nothing is on sale.
    pub async fn admit(
        url: &str,
        plan: &Plan,
        credentials: Credentials,
        is_owned: bool,
    ) -> Result<Self, Refusal> {
        let mut entry = target::admit(url, &plan.target, plan.clock.speed, is_owned).await?;
        let show = target::discover(&entry, &plan.target, &credentials).await?;
        if let Some(page) = &entry.page
            && !target::serves(&entry, &credentials, page).await
        {
            entry.page = None;
        }
        Ok(Self {
            entry,
            credentials,
            show,
        })
    }
}

impl Sut {
    /// What is going on until the load starts, for the user.
    pub(super) fn preparation(&self, plan: &Plan) -> String {
        match self {
            Self::Testbed => {
                let data_tier = match &plan.topology.data_tier {
                    DataTier::Embedded => "data tier".to_owned(),
                    DataTier::Servers => "redis-server, PostgreSQL".to_owned(),
                    DataTier::External(servers) => {
                        format!("tables in {} and {}", servers.redis, servers.database)
                    }
                };
                format!("starting the testbed: names, load balancer, {data_tier}, instances")
            }
            Self::Remote(remote) => {
                let Entry {
                    host, port, page, ..
                } = &remote.entry;
                let page = match page {
                    Some(_) => "",
                    None => "; it serves no page, so buyers begin at its API",
                };
                format!("target: {host}:{port}{page}")
            }
        }
    }
}
