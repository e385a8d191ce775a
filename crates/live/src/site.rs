//! What the load is sent to: the testbed with its control plane and faults, or an existing deployment.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use tiketi_server::{Census, FinalState, SetupError};
use uuid::Uuid;

use super::account;
use super::credential::Credentials;
use super::error::LiveError;
use super::fleet_record::FleetRecord;
use super::http2::HttpVersion;
use super::observe::Source;
use super::reach::Reach;
use super::sut::{Remote, Sut};
use super::tls::Trust;
use super::worker::{EdgeEntry, EntryPoint, Scheme};
use tiketi_api::{IdText, Tree};
use tiketi_cloud::driver::{self, Driven, Driver};
use tiketi_cloud::notice::Notice;
use tiketi_cloud::order::Input;
use tiketi_core::units::{InstanceId, SimTime};
use tiketi_cost::{Scope, Statement};
use tiketi_measure::Gauges;
use tiketi_measure::ending::{
    AdmissionFacts, ChargeFacts, DataTierFigures, FrontFigures, Probe, ProviderFigures, Stickiness,
    Use,
};
use tiketi_measure::stall::Book;
use tiketi_measure::tally::Tally;
use tiketi_measure::target::TargetFigures;
use tiketi_measure::witness::Testimony;
use tiketi_scenario::Plan;
use tiketi_testbed::{Ground, Testbed};

/// What the load is sent to.
pub(super) enum Site {
    /// The testbed with its control plane.
    Testbed(Box<LocalCloud>),
    /// An existing deployment, which has its own control plane.
    Remote(Box<Remote>),
}

/// The testbed and its driver.
pub(super) struct LocalCloud {
    testbed: Testbed,
    driver: Driver,
    show: Uuid,
    plan: Plan,
    fleet: FleetRecord,
}

/// What is read at the end of a run. An existing deployment shows nothing of it.
#[derive(Debug)]
pub(super) struct Closed {
    /// The final state, from the writer of the database, or why it could not be read.
    pub(super) state: Result<FinalState, StateError>,
    /// Measurements of the data tier's servers; `None` if it has none.
    pub(super) data_tier: Option<DataTierFigures>,
    /// The provider's ledger compared with the orders; `None` if one of them is not accessible.
    pub(super) charges: Option<ChargeFacts>,
    /// Calls out of the VPC; `None` if they are not counted.
    pub(super) outbound: Option<Vec<Use>>,
    pub(super) provider: Option<ProviderFigures>,
    /// The log of the waiting room at the edge; `None` if it is in the application.
    pub(super) admissions: Option<AdmissionFacts>,
    /// Counters of the data tier; `None` if they are not accessible.
    pub(super) census: Option<Census>,
    /// What the instances did.
    pub(super) fleet: FleetRecord,
    /// Samples of the queue that were taken.
    pub(super) monitor_runs: u64,
    /// How many requests with a cookie stayed on their instance; `None` if the load balancer sets none.
    pub(super) stickiness: Option<Stickiness>,
    /// What the edge served and passed on; `None` for an existing deployment.
    pub(super) edge: Option<FrontFigures>,
    /// What the run cost; `None` without a built-in price book.
    pub(super) statement: Option<Statement>,
    /// What is known of an existing deployment; `None` for the testbed.
    pub(super) target: Option<TargetFigures>,
}

/// Why the final state of the system under test could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StateError {
    /// It is an existing deployment, whose database the run cannot read.
    #[error("no database access to this target")]
    NoAccess,
    /// The testbed's database could not be read.
    #[error(transparent)]
    Database(#[from] SetupError),
}

impl Site {
    /// Starts the testbed; uses an existing deployment as it is.
    pub(super) async fn open(plan: &Plan, sut: Sut, ground: &Ground) -> Result<Self, LiveError> {
        match sut {
            Sut::Testbed => LocalCloud::start(plan, ground)
                .await
                .map(|cloud| Self::Testbed(Box::new(cloud))),
            Sut::Remote(remote) => Ok(Self::Remote(remote)),
        }
    }

    /// Waits until all initial instances are healthy; scenario time does not start before.
    pub(super) async fn fleet_ready(&mut self) -> Result<(), LiveError> {
        match self {
            Self::Testbed(cloud) => cloud.fleet_ready().await,
            Self::Remote(_) => Ok(()),
        }
    }

    /// Tries to open connections from `stranger` that the network may forbid; none to an existing deployment.
    pub(super) async fn probe(&self, stranger: Ipv4Addr) -> Vec<Probe> {
        match self {
            Self::Testbed(cloud) => cloud.testbed.probe(stranger).await,
            Self::Remote(_) => Vec::new(),
        }
    }

    /// Returns where workers send the load.
    pub(super) fn entry(&self) -> EntryPoint {
        match self {
            Self::Testbed(cloud) => {
                let entry = cloud.testbed.entry();
                EntryPoint {
                    scheme: Scheme::Http,
                    host: entry.host,
                    port: entry.port,
                    base: String::new(),
                    dns: Some(entry.name_server),
                    page: None,
                    edge: entry.edge.map(|edge| EdgeEntry {
                        host: edge.host,
                        port: edge.port,
                        addresses: edge.addresses,
                    }),
                    hosts: Vec::new(),
                    trust: Trust::default(),
                    http: HttpVersion::default(),
                    reach: Reach::Loopback,
                }
            }
            Self::Remote(remote) => remote.entry.clone(),
        }
    }

    /// Returns the metrics server that is asked about the system; `None` if none is.
    pub(super) fn source(&self) -> Option<Source> {
        match self {
            Self::Testbed(_) => None,
            Self::Remote(remote) => remote.source.clone(),
        }
    }

    /// Returns how buyers authenticate.
    pub(super) fn credentials(&self) -> Credentials {
        match self {
            Self::Testbed(cloud) => Credentials::Minted {
                secret: cloud.testbed.entry().token_secret,
            },
            Self::Remote(remote) => remote.credentials.clone(),
        }
    }

    /// Returns how the system is asked; `None` for the contract of a TIKETI deployment, which the testbed has.
    pub(super) fn api(&self, plan: &Plan) -> Option<Tree> {
        match self {
            Self::Testbed(_) => None,
            Self::Remote(_) => plan.target.api.clone(),
        }
    }

    /// Returns the show to buy.
    pub(super) fn show(&self) -> IdText<'static> {
        match self {
            Self::Testbed(cloud) => cloud.show.into(),
            Self::Remote(remote) => remote.show.clone(),
        }
    }

    /// Waits for the next input from the testbed; for ever with an existing deployment.
    pub(super) async fn next_input(&mut self) -> Input {
        match self {
            Self::Testbed(cloud) => cloud.testbed.next_input().await,
            Self::Remote(_) => std::future::pending().await,
        }
    }

    /// Tells the control plane what happened, and carries out what it orders.
    pub(super) fn handle(&mut self, now: SimTime, input: Input) -> Result<(), LiveError> {
        match self {
            Self::Testbed(cloud) => Ok(driver::tell(&mut **cloud, now, input)?),
            Self::Remote(_) => Ok(()),
        }
    }

    /// Does everything that is due.
    pub(super) fn handle_timeout(&mut self, now: SimTime) -> Result<(), LiveError> {
        match self {
            Self::Testbed(cloud) => cloud.handle_timeout(now),
            Self::Remote(_) => Ok(()),
        }
    }

    /// When [`Self::handle_timeout`] must be called next; `None` if nothing is planned.
    pub(super) fn poll_timeout(&self) -> Option<SimTime> {
        match self {
            Self::Testbed(cloud) => cloud.driver.poll_timeout(),
            Self::Remote(_) => None,
        }
    }

    /// Returns the next entry of the timeline.
    pub(super) fn poll_notice(&mut self) -> Option<Notice> {
        match self {
            Self::Testbed(cloud) => cloud.driver.poll_notice(),
            Self::Remote(_) => None,
        }
    }

    /// Reads the gauges; `None` for an existing deployment, which does not show them.
    pub(super) fn gauges(&mut self, at: SimTime) -> Option<Gauges> {
        match self {
            Self::Testbed(cloud) => Some(cloud.gauges(at)),
            Self::Remote(_) => None,
        }
    }

    /// Returns what the testbed noticed of stalls, and forgets it; an existing deployment is not watched.
    pub(super) fn take_stalls(&mut self) -> Book {
        match self {
            Self::Testbed(cloud) => cloud.testbed.take_stalls(),
            Self::Remote(_) => Book::default(),
        }
    }

    /// Returns whether the load goes to an existing deployment.
    pub(super) const fn is_target(&self) -> bool {
        matches!(self, Self::Remote(_))
    }

    /// Reads the final state and stops the testbed: nothing of it is left when this returns. Of an existing deployment, what its
    /// buyers saw is compared with its seat map.
    pub(super) async fn close(
        self,
        ended_at: SimTime,
        tally: &Tally,
        testimony: Testimony,
    ) -> Closed {
        match self {
            Self::Testbed(mut cloud) => {
                driver::meter(&mut *cloud, ended_at);
                let census = Some(cloud.testbed.gauges().census);
                let stickiness = cloud.stickiness();
                let billing = cloud.driver.billing();
                let statement = billing.statement(&cloud.plan, ended_at, tally.sales());
                let monitor_runs = cloud.driver.queue_samples();
                let edge = Some(cloud.front_figures());
                let ended = cloud.testbed.end().await;
                Closed {
                    state: ended.state.map_err(StateError::from),
                    data_tier: ended.data_tier,
                    charges: ended.charges,
                    outbound: Some(ended.outbound),
                    provider: Some(ended.provider),
                    admissions: ended.admissions,
                    census,
                    stickiness,
                    fleet: cloud.fleet,
                    monitor_runs,
                    edge,
                    statement,
                    target: None,
                }
            }
            Self::Remote(remote) => Closed {
                target: Some(Box::pin(account::figures(*remote, testimony, ended_at)).await),
                state: Err(StateError::NoAccess),
                data_tier: None,
                charges: None,
                outbound: None,
                provider: None,
                admissions: None,
                census: None,
                fleet: FleetRecord::default(),
                monitor_runs: 0,
                stickiness: None,
                edge: None,
                statement: None,
            },
        }
    }
}

impl LocalCloud {
    async fn start(plan: &Plan, ground: &Ground) -> Result<Self, LiveError> {
        let testbed = Testbed::start(plan, ground).await?;
        Ok(Self {
            show: testbed.show(),
            testbed,
            driver: Driver::new(plan, Scope::Testbed),
            plan: plan.clone(),
            fleet: FleetRecord::default(),
        })
    }

    async fn fleet_ready(&mut self) -> Result<(), LiveError> {
        driver::carry_out(self, SimTime::ZERO)?;
        let wanted: u32 = self.plan.topology.instances.initial.iter().sum();
        let mut healthy = BTreeSet::<InstanceId>::new();
        while healthy.len() < wanted as usize {
            let input = self.testbed.next_input().await;
            if let Input::TargetHealth {
                instance,
                healthy: true,
            } = input
            {
                healthy.insert(instance);
            }
            driver::tell(self, SimTime::ZERO, input)?;
            self.testbed.soundness()?;
        }
        Ok(())
    }

    fn handle_timeout(&mut self, now: SimTime) -> Result<(), LiveError> {
        self.testbed.soundness()?;
        driver::handle_faults(self, now)?;
        driver::handle_evictions(self, now);
        driver::handle_timeout(self, now)?;
        Ok(())
    }

    /// What the edge served and passed on. The load workers know the rest: they look up the names.
    fn front_figures(&self) -> FrontFigures {
        let passed = self.driver.billing().passed();
        FrontFigures {
            files: self.testbed.edge_figures().unwrap_or_default(),
            passed_requests: passed.requests,
            passed_bytes: passed.bytes_out,
            load_balancer: self.testbed.edge_names(),
            passing: self.testbed.passing(),
            room: self.testbed.room_figures(),
            ..FrontFigures::default()
        }
    }

    /// What became of the load balancer's cookies; `None` if it sets none.
    fn stickiness(&self) -> Option<Stickiness> {
        self.plan.topology.alb.stickiness?;
        Some(self.testbed.gauges().load_balancer.sticky)
    }

    fn gauges(&mut self, at: SimTime) -> Gauges {
        self.fleet.read(at, &self.testbed.gauges().instances);
        let mut gauges = driver::read_gauges(self, at);
        // Of all instances that ever were, so that the total does not shrink when one ends.
        gauges.parts.broadcast_busy = Some(self.fleet.broadcast_busy());
        gauges
    }
}

impl Driven for LocalCloud {
    type Engine = Testbed;

    fn driver(&mut self) -> &mut Driver {
        &mut self.driver
    }

    fn engine(&mut self) -> &mut Testbed {
        &mut self.testbed
    }
}
