//! The local AWS: names, load balancer, instances, data tier, and what of them fails together.
//!
//! ```text
//! buyers ─▶ dns (one address a zone) ─▶ alb node of a zone (child processes) ─▶ any healthy instance ─▶ data tier
//! orders ─▶ Testbed::obey ─▶ fleet · alb · data tier · dns        Testbed::next_input ─▶ control plane
//! ```
//!
//! Everything listens on loopback: 10.0.11.0/24 becomes 127.0.11.0/24. The testbed reads no clock; its callers say
//! what time it is, and it sleeps for wall time, scenario time divided by the speed.

pub mod alb;
pub mod budget;
pub mod child;
pub mod data_tier;
pub mod dns;
mod error;
pub mod fleet;
pub mod instance;
mod orders;
mod settings;
pub mod zone;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tiketi_server::{Census, EmbeddedTier, FinalState};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::cloud::order::Input;
use crate::scenario::Plan;
use crate::units::{InstanceId, ZoneId};
use alb::balancer::{Balancer, Blueprint, Heard};
use alb::message::Load;
use budget::{Budget, Holder};
use child::Launcher;
use data_tier::DataTier;
use dns::NameServer;
pub use error::TestbedError;
use fleet::{Fleet, InstanceGauge, Kind};
use zone::{FIRST_HOST, on_loopback};

/// Name of the load balancer.
pub const ALB_NAME: &str = "tiketi.test";
/// Name of the Redis endpoint.
pub const REDIS_NAME: &str = "redis.tiketi.test";
/// Name of the database's writer endpoint.
pub const DATABASE_NAME: &str = "database.tiketi.test";

/// Where the name server listens; its port is free.
const NAME_SERVER_IP: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
/// How far everything of the testbed stands back in the operating system's scheduler: load workers on the same machine
/// must send on time, or the run measures the machine.
const NICENESS: i32 = 10;
/// Wall time the load balancer has to come up.
const START_TIMEOUT: Duration = Duration::from_secs(20);

/// A running testbed.
#[expect(
    missing_debug_implementations,
    reason = "made of servers that have nothing to show"
)]
pub struct Testbed {
    speed: f64,
    redis_addresses: Vec<Ipv4Addr>,
    database_addresses: Vec<Ipv4Addr>,
    node_addresses: Vec<Ipv4Addr>,
    port: u16,
    token_secret: String,
    show: Uuid,
    name_server: NameServer,
    balancer: Box<Balancer>,
    heard: UnboundedReceiver<Heard>,
    fleet: Box<Fleet>,
    fleet_heard: UnboundedReceiver<fleet::Heard>,
    /// Instances that become targets as soon as they listen.
    unregistered: BTreeSet<InstanceId>,
    data_tier: DataTier,
    lost_zones: BTreeSet<ZoneId>,
    evictions: BTreeMap<ZoneId, AbortHandle>,
    /// Told to the control plane next.
    pending: VecDeque<Input>,
    /// Zone of a load-balancer process that has ended unbidden.
    broken_node: Option<ZoneId>,
    /// An instance that could not be started, and why.
    broken_instance: Option<(InstanceId, String)>,
}

/// What a load worker needs to reach the testbed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the load balancer, which only the testbed's name server knows.
    pub host: String,
    /// Port of the load balancer.
    pub port: u16,
    /// The name server, UDP and TCP.
    pub name_server: SocketAddr,
    /// Secret that signs the tokens of buyers.
    pub token_secret: String,
}

/// What the testbed shows of itself at one moment.
#[derive(Clone, Debug)]
pub struct Gauges {
    /// Counts of the data tier: waiting, active, held, sold, …
    pub census: Census,
    /// Whether Redis answers: during its failover nobody can say how many wait.
    pub queue_is_readable: bool,
    /// Sockets of buyers on all instances.
    pub sockets: u64,
    /// Each instance.
    pub instances: Vec<InstanceGauge>,
    /// The load balancer, all nodes together.
    pub load_balancer: Load,
}

impl Testbed {
    /// Starts names, load balancer and data tier for a plan; instances come by orders. Node processes are started
    /// from `executable`, this project's binary.
    ///
    /// Returns when every node listens, or refuses before anything starts if the machine cannot hold the run.
    pub async fn start(plan: &Plan, executable: &Path) -> Result<Self, TestbedError> {
        Box::pin(Self::start_with(
            plan,
            Launcher::Binary(executable.to_owned()),
        ))
        .await
    }

    async fn start_with(plan: &Plan, launcher: Launcher) -> Result<Self, TestbedError> {
        let limit = Budget::raise_limit().map_err(TestbedError::Limit)?;
        let budget = Budget::new(budget::sockets_forecast(plan), limit, Holder::Threads)?;
        let settings = settings::server(plan);
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
            processes_per_node: budget.processes_per_node,
            logs: Vec::new(),
        });
        let show = settings::show(plan);
        let show_id = show.id;
        let tier = EmbeddedTier::new(&settings, vec![show], topology.redis.lost_window);
        let token_secret = settings.jwt_secret.clone();
        let subnets = topology.zones.iter().map(|zone| zone.private).collect();
        let (fleet, fleet_heard) = Fleet::new(Kind::Threads(tier.clone()), settings, subnets);
        let mut testbed = Self {
            speed,
            redis_addresses: settings::endpoints(plan, |zone| zone.private),
            database_addresses: settings::endpoints(plan, |zone| zone.data),
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
            data_tier: DataTier::new(tier, topology),
            lost_zones: BTreeSet::new(),
            evictions: BTreeMap::new(),
            pending: VecDeque::new(),
            broken_node: None,
            broken_instance: None,
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

    /// What a load worker needs.
    pub fn entry(&self) -> Entry {
        Entry {
            host: ALB_NAME.to_owned(),
            port: self.port,
            name_server: self.name_server.address(),
            token_secret: self.token_secret.clone(),
        }
    }

    /// What the testbed shows of itself now.
    pub fn gauges(&self) -> Gauges {
        let instances = self.fleet.gauges();
        let loads = instances.iter().filter_map(|gauge| gauge.load.as_ref());
        Gauges {
            census: self.data_tier.census(),
            queue_is_readable: self.data_tier.queue_size().is_some(),
            sockets: loads.map(|load| load.sockets).sum(),
            instances,
            load_balancer: self.balancer.load(),
        }
    }

    /// Everything an audit needs; read it when the run has ended.
    pub fn final_state(&self) -> FinalState {
        self.data_tier.final_state()
    }

    /// Ends everything: nothing listens and no process is left when this returns.
    pub async fn stop(self) {
        for eviction in self.evictions.values() {
            eviction.abort();
        }
        Box::pin(self.balancer.stop()).await;
        self.fleet.stop().await;
    }
}

/// Locks what panicking tasks may have left poisoned: records and routes stay valid at every step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
