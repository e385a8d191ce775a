//! A local AWS: DNS, edge, load balancer, instances, data tier, and zones in which they fail together.
//!
//! ```text
//! buyers ─▶ dns (one address per edge location) ─▶ edge ─▶ S3
//! buyers ─▶ dns (one address per zone) ─▶ alb node of a zone (child processes) ─▶ any healthy instance ─▶ data tier
//! driver ─orders, faults─▶ Testbed ─▶ fleet · alb · data tier · dns        Testbed::next_input ─▶ control plane
//! ```
//!
//! Everything listens on loopback: 10.0.11.0/24 becomes 127.0.11.0/24. Callers pass the scenario time; the testbed itself
//! sleeps for real time, which is scenario time divided by the speed.

pub mod alb;
pub mod budget;
pub mod child;
pub mod clock;
pub mod data_tier;
mod deaf;
pub mod dns;
pub mod dns_client;
pub mod edge;
mod error;
mod faults;
pub mod fleet;
pub mod instance;
pub mod keeper;
mod orders;
mod outside;
mod probe;
pub mod pulse;
mod settings;
mod sources;
pub mod zone;

use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiketi_server::{
    Census, EmbeddedTier, FinalState, RoomAt, ServersConfig, Settings, SetupError, Show,
};
use tokio::sync::mpsc::UnboundedReceiver;
use uuid::Uuid;

use alb::balancer::{Balancer, Blueprint, Heard};
use alb::message::Load;
use budget::{Budget, Demand, Holder};
use child::Launcher;
use data_tier::{DataTier, Embedded, Endpoints, External, Premises, Servers};
use dns::NameServer;
pub use error::TestbedError;
use fleet::{Fleet, InstanceGauge, Kind, Site};
use outside::Outside;
use tiketi_cloud::order::Input;
use tiketi_cloud::resolver::NameFigures;
use tiketi_core::impairment::Impairments;
use tiketi_core::rng::Streams;
use tiketi_core::units::{DataTierPart, InstanceId, ZoneId};
use tiketi_edge::{EdgeFigures, PassingFigures, RoomFigures};
use tiketi_measure::ending::{AdmissionFacts, ChargeFacts, DataTierFigures, ProviderFigures, Use};
use tiketi_measure::stall::Book;
use tiketi_network::Party;
use tiketi_scenario::{Plan, topology};
use zone::{FIRST_HOST, on_loopback};

/// DNS name of the site: an alias record for the edge.
pub const SITE_NAME: &str = "tiketi.test";
/// DNS name of the edge, as CloudFront would give it.
pub const EDGE_NAME: &str = "d111111abcdef8.cloudfront.test";
/// DNS name of the load balancer.
pub const ALB_NAME: &str = "alb.tiketi.test";
/// DNS name of the Redis endpoint.
pub const REDIS_NAME: &str = "redis.tiketi.test";
/// DNS name of the database's writer endpoint.
pub const DATABASE_NAME: &str = "database.tiketi.test";

/// Secret that signs the passes of a waiting room at the edge. Only servers on loopback of this machine know it, as that of the
/// tokens.
const PASS_SECRET: &str = "tiketi-testbed-passes";

/// Where the name server listens, on a free port.
const NAME_SERVER_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// Where the supervisor's own connections to the database come from: those of its probes and audits, and those that a fault
/// holds. The rules of the database know it.
const SUPERVISOR_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);
/// Priority (`nice`) of everything in the testbed: load workers on the same machine must send on time, or the run measures
/// the machine.
const NICENESS: i32 = 10;
/// Real time the load balancer has to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running testbed.
#[expect(
    missing_debug_implementations,
    reason = "its servers do not implement it"
)]
pub struct Testbed {
    zone_names: Vec<String>,
    node_addresses: Vec<Ipv4Addr>,
    port: u16,
    token_secret: String,
    show: Uuid,
    name_server: NameServer,
    balancer: Box<Balancer>,
    heard: UnboundedReceiver<Heard>,
    fleet: Box<Fleet>,
    fleet_heard: UnboundedReceiver<fleet::Heard>,
    /// Instances that will become targets as soon as they listen.
    unregistered: BTreeSet<InstanceId>,
    data_tier: DataTier,
    /// The payment provider, S3, and the way to them.
    outside: Outside,
    /// The load balancer's totals when they were last taken for the bill.
    load_taken: Load,
    /// Inputs that the control plane gets next.
    pending: VecDeque<Input>,
    /// The edge; `None` if buyers have nothing to do there.
    edge: Option<edge::Edge>,
    /// What the edge had counted when it was last taken for the bill.
    edge_taken: EdgeFigures,
    room_taken: RoomFigures,
    /// Draws which queries a slow name server does not answer.
    streams: Streams,
    /// Zone of a load-balancer process that has ended unexpectedly.
    broken_node: Option<ZoneId>,
    /// An instance that could not be started, and why.
    broken_instance: Option<(InstanceId, String)>,
    /// Faults that keep the data tier from answering.
    faults: Book,
    /// The zone of each server of the data tier.
    data_tier_zones: Vec<(DataTierPart, ZoneId)>,
    /// Paths whose packets are late or lost.
    impairments: Impairments,
}

/// The environment that a testbed is built in.
#[derive(Clone, Debug)]
pub struct Ground {
    /// This project's binary, from which child processes are started.
    pub executable: PathBuf,
    /// Existing folder for the logs of child processes; `None` if they share this process's standard error.
    pub logs: Option<PathBuf>,
    /// The current time in nanoseconds since 1970: scenario time of all servers starts here.
    pub now_unix_ns: u64,
}

/// How a load worker reaches the testbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// DNS name of the load balancer, which only the testbed's name server knows.
    pub host: String,
    /// Port of the load balancer.
    pub port: u16,
    /// The name server, UDP and TCP.
    pub name_server: SocketAddr,
    /// Secret that signs the tokens of buyers.
    pub token_secret: String,
    /// The edge; `None` if buyers have nothing to do there.
    pub edge: Option<EdgeAccess>,
}

/// How a load worker reaches the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeAccess {
    /// DNS name of the site.
    pub host: String,
    /// Port of all edge locations.
    pub port: u16,
    /// Their addresses, to tell whether the name leads there.
    pub addresses: Vec<Ipv4Addr>,
}

/// What is read when a testbed ends.
#[derive(Debug)]
pub struct Ended {
    /// Everything an audit needs, or why it could not be read.
    pub state: Result<FinalState, SetupError>,
    /// What was measured of the data tier's servers; `None` if it has none.
    pub data_tier: Option<DataTierFigures>,
    /// The ledger of the payment provider compared with the orders; `None` if the state could not be read.
    pub charges: Option<ChargeFacts>,
    /// Calls out of the VPC.
    pub outbound: Vec<Use>,
    /// How the payment provider answered.
    pub provider: ProviderFigures,
    /// The log of the waiting room at the edge; `None` if it is in the application.
    pub admissions: Option<AdmissionFacts>,
}

/// The state of the testbed at one moment.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// Counts of the data tier: waiting, active, held, sold, …
    pub census: Census,
    /// Whether Redis answers; during its failover the queue's size is unknown.
    pub queue_is_readable: bool,
    /// Sockets of buyers on all instances.
    pub sockets: u64,
    /// Each instance.
    pub instances: Vec<InstanceGauge>,
    /// The load balancer, all nodes together.
    pub load_balancer: Load,
}

impl Testbed {
    /// Starts DNS, load balancer and data tier for a plan; instances are started by orders. Returns when every node
    /// listens.
    ///
    /// # Errors
    ///
    /// When the machine has too few file descriptors for the run (nothing is started then), or a part cannot be started.
    pub async fn start(plan: &Plan, ground: &Ground) -> Result<Self, TestbedError> {
        let launcher = Launcher::Binary(ground.executable.clone());
        Box::pin(Self::start_with(plan, ground, launcher)).await
    }

    async fn start_with(
        plan: &Plan,
        ground: &Ground,
        launcher: Launcher,
    ) -> Result<Self, TestbedError> {
        let limit = Budget::raise_limit().map_err(TestbedError::Limit)?;
        let holder = match plan.topology.data_tier {
            topology::DataTier::Embedded => Holder::threads(plan),
            topology::DataTier::Servers | topology::DataTier::External(_) => Holder::process(plan),
        };
        let budget = Budget::new(Demand::forecast(plan), limit, holder)?;
        let mut settings = settings::server(plan);
        let topology = &plan.topology;
        let speed = plan.clock.speed;
        let node_addresses: Vec<_> = topology
            .zones
            .iter()
            .map(|zone| on_loopback(zone.public, FIRST_HOST))
            .collect();
        let port = settings::free_port(&node_addresses)?;
        let name_server = NameServer::start(NAME_SERVER_IP, settings::names(plan), speed)
            .await
            .map_err(TestbedError::NameServer)?;
        let (balancer, heard) = Balancer::new(Blueprint {
            launcher,
            alb: topology.alb.clone(),
            speed,
            addresses: node_addresses.clone(),
            port,
            seed: plan.seed,
            processes_per_node: budget.processes_per_node,
            logs: node_logs(plan, ground.logs.as_deref()),
        });
        let edge = start_edge(plan, (&name_server, port), &settings).await?;
        if let Some(store) = edge.as_ref().and_then(edge::Edge::store) {
            settings.room = RoomAt::Edge {
                secret: PASS_SECRET.to_owned(),
                store,
                pass_life: tiketi_edge::pass_life(plan),
            };
        }
        let show = settings::show(plan);
        let show_id = show.id;
        let endpoints = Endpoints::new(
            name_server.names(),
            settings::endpoints(plan, |zone| zone.private),
            settings::endpoints(plan, |zone| zone.data),
        );
        let premises = Premises {
            ground,
            endpoints,
            name_server: name_server.address(),
        };
        let (data_tier, kind) = Box::pin(build_data_tier(plan, &settings, premises, show)).await?;
        let token_secret = settings.jwt_secret.clone();
        let outside = Outside::start(plan).map_err(TestbedError::Outside)?;
        let site = |zone: ZoneId| {
            let (provider, receipts) = outside.settings(zone);
            Site {
                subnet: topology.zones[zone.index()].private,
                provider,
                receipts,
            }
        };
        let sites = topology.zone_ids().map(site).collect();
        let (fleet, fleet_heard) = Fleet::new(kind, settings, sites);
        let sources = |zone| {
            let admitted = sources::admitted_to(topology, Party::Instance(zone));
            (zone, admitted)
        };
        let fleet = fleet.admitting(topology.zone_ids().map(sources).collect());
        let mut testbed = Self {
            edge,
            edge_taken: EdgeFigures::default(),
            room_taken: RoomFigures::default(),
            streams: Streams::new(plan.seed),
            node_addresses,
            port,
            token_secret,
            show: show_id,
            name_server,
            balancer: Box::new(balancer),
            heard,
            fleet: Box::new(fleet),
            fleet_heard,
            unregistered: BTreeSet::new(),
            data_tier,
            outside,
            load_taken: Load::default(),
            zone_names: topology
                .zones
                .iter()
                .map(|zone| zone.name.clone())
                .collect(),
            pending: VecDeque::new(),
            broken_node: None,
            broken_instance: None,
            faults: Book::default(),
            data_tier_zones: data_tier_zones(topology),
            impairments: Impairments::default(),
        };
        let all = testbed.start_nodes(topology.zone_ids());
        tokio::time::timeout(START_TIMEOUT, all)
            .await
            .map_err(|_| TestbedError::StartTimeout)??;
        Ok(testbed)
    }

    /// The show on sale, by its id.
    pub const fn show(&self) -> Uuid {
        self.show
    }

    /// Returns the name of a zone.
    fn zone_name(&self, zone: ZoneId) -> String {
        self.zone_names[zone.index()].clone()
    }

    fn node_error(&self, zone: ZoneId, source: std::io::Error) -> TestbedError {
        let zone = self.zone_name(zone);
        TestbedError::Node { zone, source }
    }

    /// Returns how a load worker reaches the testbed.
    pub fn entry(&self) -> Access {
        Access {
            host: ALB_NAME.to_owned(),
            port: self.port,
            name_server: self.name_server.address(),
            token_secret: self.token_secret.clone(),
            edge: self.edge.as_ref().map(|edge| EdgeAccess {
                host: SITE_NAME.to_owned(),
                port: edge.port(),
                addresses: edge.addresses().to_vec(),
            }),
        }
    }

    /// Returns what the edge has counted; `None` without one.
    pub fn edge_figures(&self) -> Option<EdgeFigures> {
        self.edge.as_ref().map(edge::Edge::figures)
    }

    /// Returns the API requests that the edge passed on; `None` if buyers send them to the load balancer directly.
    pub fn passing(&self) -> Option<PassingFigures> {
        self.edge.as_ref().and_then(edge::Edge::passing)
    }

    /// Returns the requests to the waiting room at the edge; `None` if it is in the application.
    pub fn room_figures(&self) -> Option<RoomFigures> {
        self.edge.as_ref().and_then(edge::Edge::room_figures)
    }

    /// Returns how many buyers wait, and how many have a shopping slot; `None` if Redis has the queue and does not answer.
    fn queue(&self) -> Option<(u64, u64)> {
        let at_edge = self.edge.as_ref().and_then(edge::Edge::queue);
        at_edge.or_else(|| {
            let waiting = self.data_tier.queue_size()?;
            Some((waiting, self.data_tier.census().active))
        })
    }

    /// Returns how the edge looked up the load balancer's name.
    pub fn edge_names(&self) -> NameFigures {
        let edge = self.edge.as_ref();
        edge.map_or_else(NameFigures::default, edge::Edge::name_figures)
    }

    /// Returns the current state of the testbed.
    pub fn gauges(&self) -> Gauges {
        let instances = self.fleet.gauges();
        let loads = instances.iter().filter_map(|gauge| gauge.load.as_ref());
        Gauges {
            census: self.data_tier.census(),
            queue_is_readable: self.queue().is_some(),
            sockets: loads.map(|load| load.sockets).sum(),
            instances,
            load_balancer: self.balancer.load(),
        }
    }

    /// Stops everything, and reads the final state: no socket and no process is left when this returns.
    pub async fn end(self) -> Ended {
        Box::pin(self.end_in_order()).await
    }

    async fn end_in_order(self) -> Ended {
        Box::pin(self.balancer.stop()).await;
        self.fleet.stop().await;
        // Only now nothing changes any longer.
        let state = self.data_tier.final_state().await;
        let ended = Ended {
            charges: state.as_ref().ok().map(|state| self.outside.settle(state)),
            outbound: self.outside.uses(),
            provider: self.outside.provider_figures(),
            admissions: self.edge.as_ref().and_then(edge::Edge::admissions),
            state,
            data_tier: self.data_tier.figures(),
        };
        Box::pin(self.data_tier.stop()).await;
        ended
    }
}

/// Starts the edge, and gives its name the addresses; `None` if buyers have nothing to do there.
async fn start_edge(
    plan: &Plan,
    (name_server, port): (&NameServer, u16),
    settings: &Settings,
) -> Result<Option<edge::Edge>, TestbedError> {
    if !plan.topology.edge.is_used() {
        return Ok(None);
    }
    let load_balancer = edge::LoadBalancer {
        name_server: name_server.address(),
        port,
    };
    let lobby = |_| edge::LobbyBlueprint {
        plan: plan.clone(),
        show: settings::show(plan).id,
        token_secret: settings.jwt_secret.clone(),
        pass_secret: PASS_SECRET.to_owned(),
    };
    let has_room = plan.topology.edge.has_room();
    let blueprint = edge::Blueprint {
        edge: plan.topology.edge.clone(),
        speed: plan.clock.speed,
        load_balancer,
        lobby: has_room.then_some(()).map(lobby),
    };
    let edge = edge::Edge::start(blueprint).await;
    let edge = edge.map_err(TestbedError::Edge)?;
    for &address in edge.addresses() {
        lock(&name_server.names()).add(EDGE_NAME, address);
    }
    Ok(Some(edge))
}

/// Returns the zone of each server of the data tier.
fn data_tier_zones(topology: &topology::Topology) -> Vec<(DataTierPart, ZoneId)> {
    let (redis, database) = (&topology.redis, &topology.database);
    let redis_zones = std::iter::once(redis.primary).chain(redis.replica);
    let database_zones = std::iter::once(database.primary).chain(database.standby);
    redis_zones
        .map(|zone| (DataTierPart::Redis, zone))
        .chain(database_zones.map(|zone| (DataTierPart::Database, zone)))
        .collect()
}

/// The data tier that the plan asks for, and the kind of instances that stand on it.
async fn build_data_tier(
    plan: &Plan,
    settings: &Settings,
    premises: Premises<'_>,
    show: Show,
) -> Result<(DataTier, Kind), TestbedError> {
    let ground = premises.ground;
    let processes = |config: &ServersConfig, from_own_address: bool, show: Show| {
        Kind::Processes(Box::new(fleet::Blueprint {
            launcher: Launcher::Binary(ground.executable.clone()),
            config: config.clone(),
            from_own_address,
            shows: vec![show],
            logs: ground.logs.clone(),
        }))
    };
    Ok(match &plan.topology.data_tier {
        topology::DataTier::Embedded => {
            let limits = data_tier::embedded_limits(&plan.topology);
            let tier = EmbeddedTier::with_limits(settings, vec![show], limits);
            let embedded = Embedded::new(tier.clone(), plan, premises.endpoints);
            let launcher = Launcher::Binary(ground.executable.clone());
            (
                DataTier::Embedded(embedded),
                Kind::Threads { tier, launcher },
            )
        }
        topology::DataTier::Servers => {
            let servers =
                Box::pin(Servers::start(plan, premises, std::slice::from_ref(&show))).await?;
            let kind = processes(servers.config(), true, show);
            (DataTier::Servers(Box::new(servers)), kind)
        }
        topology::DataTier::External(existing) => {
            let clock = (plan.clock.speed, ground.now_unix_ns);
            let external = External::open(existing, std::slice::from_ref(&show), clock).await?;
            let kind = processes(external.config(), false, show);
            (DataTier::External(Box::new(external)), kind)
        }
    })
}

/// Returns a log file for the load-balancer node of each zone; none without a folder.
fn node_logs(plan: &Plan, logs: Option<&Path>) -> Vec<PathBuf> {
    let zones = plan.topology.zones.iter();
    logs.map_or_else(Vec::new, |logs| {
        zones
            .map(|zone| logs.join(format!("alb-{}.log", zone.name)))
            .collect()
    })
}

/// Locks a mutex even if a panicking task has poisoned it: records and routes are valid at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
