//! The instances: real servers on loopback addresses of their zones, started, ended, and killed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::Ipv4Net;
use socket2::{Domain, Socket, Type};
use tiketi_server::{EmbeddedTier, Instance, InstanceLoad, Settings};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::AbortHandle;

use super::zone::{FIRST_HOST, on_loopback};
use crate::units::{InstanceId, SimTime, ZoneId};

/// Connections that may wait to be accepted by an instance.
const BACKLOG: i32 = 4_096;
/// Virtual CPUs of an instance: two in every burstable class up to `large`. Node.js runs on one of them, so an
/// instance whose application is saturated shows 50 %.
const VIRTUAL_CPUS: f64 = 2.0;

/// All instances that exist.
#[expect(
    missing_debug_implementations,
    reason = "a running server has nothing to show"
)]
pub struct Fleet {
    tier: EmbeddedTier,
    settings: Settings,
    subnets: Vec<Ipv4Net>,
    /// Addresses given so far in each zone.
    given: Vec<u32>,
    members: BTreeMap<InstanceId, Member>,
    booted: UnboundedSender<InstanceId>,
    /// When and how busy the instances were at the last CPU sample.
    sampled: (SimTime, BTreeMap<InstanceId, Duration>),
}

struct Member {
    zone: ZoneId,
    address: SocketAddr,
    state: State,
}

enum State {
    /// The address is bound, and nobody listens: connections are refused.
    Boots {
        socket: Socket,
        timer: AbortHandle,
    },
    Answers(Instance),
    /// Could not be started; its address is free again.
    Failed,
}

/// One instance and its load.
#[derive(Clone, Debug)]
pub struct InstanceGauge {
    /// The instance.
    pub instance: InstanceId,
    /// Its zone.
    pub zone: ZoneId,
    /// Its load; `None` until it answers.
    pub load: Option<InstanceLoad>,
}

impl Fleet {
    /// A fleet without instances. Instances whose boot time is over come out of the receiver and go to
    /// [`Self::answer`].
    pub fn new(
        tier: EmbeddedTier,
        settings: Settings,
        subnets: Vec<Ipv4Net>,
    ) -> (Self, UnboundedReceiver<InstanceId>) {
        let (booted, booted_rx) = mpsc::unbounded_channel();
        let fleet = Self {
            tier,
            settings,
            given: vec![0; subnets.len()],
            subnets,
            members: BTreeMap::new(),
            booted,
            sampled: (SimTime::ZERO, BTreeMap::new()),
        };
        (fleet, booted_rx)
    }

    /// Starts an instance that answers after `boot` of scenario time; until then connections to it are refused.
    pub fn launch(
        &mut self,
        instance: InstanceId,
        zone: ZoneId,
        boot: Duration,
    ) -> std::io::Result<()> {
        let host = FIRST_HOST + self.given[zone.index()];
        self.given[zone.index()] += 1;
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let ip = on_loopback(self.subnets[zone.index()], host);
        socket.bind(&SocketAddr::from((ip, 0)).into())?;
        let address = socket
            .local_addr()?
            .as_socket()
            .expect("an IPv4 socket has an IPv4 address");
        let wall = boot.div_f64(self.settings.speed);
        let booted = self.booted.clone();
        let timer = tokio::spawn(async move {
            tokio::time::sleep(wall).await;
            let _ = booted.send(instance);
        })
        .abort_handle();
        let member = Member {
            zone,
            address,
            state: State::Boots { socket, timer },
        };
        self.members.insert(instance, member);
        if boot.is_zero() {
            self.answer(instance)?;
        }
        Ok(())
    }

    /// Ends the boot of an instance: it listens from now on. Does nothing if it is gone or listens already.
    pub fn answer(&mut self, instance: InstanceId) -> std::io::Result<()> {
        let Some(member) = self.members.get_mut(&instance) else {
            return Ok(());
        };
        match std::mem::replace(&mut member.state, State::Failed) {
            State::Boots { socket, timer } => {
                timer.abort();
                socket.listen(BACKLOG)?;
                let name = instance.to_string();
                let (tier, settings) = (self.tier.clone(), self.settings.clone());
                member.state =
                    State::Answers(Instance::start(name, socket.into(), tier, settings)?);
            }
            other => member.state = other,
        }
        Ok(())
    }

    /// Where an instance answers; `None` if it does not exist.
    pub fn address(&self, instance: InstanceId) -> Option<SocketAddr> {
        self.members.get(&instance).map(|member| member.address)
    }

    /// Ends an instance, and with it whatever is still connected.
    pub fn terminate(&mut self, instance: InstanceId) {
        if let Some(member) = self.members.remove(&instance) {
            member.end();
        }
    }

    /// Kills every instance of a zone at once.
    pub fn lose_zone(&mut self, zone: ZoneId) {
        for (_, member) in self.members.extract_if(.., |_, member| member.zone == zone) {
            member.end();
        }
    }

    /// Ends all instances and waits until their threads are gone.
    pub async fn stop(self) {
        let servers: Vec<_> = self.members.into_values().filter_map(Member::end).collect();
        let joined = tokio::task::spawn_blocking(|| servers.into_iter().for_each(Instance::join));
        // A thread that panicked has said so itself.
        drop(joined.await);
    }

    /// The mean CPU utilization since the last sample over the instances that answer, in percent; `None` without one.
    pub fn sample_cpu(&mut self, now: SimTime) -> Option<f64> {
        let (then, before) = std::mem::replace(&mut self.sampled, (now, BTreeMap::new()));
        let length = now.saturating_since(then).as_secs_f64();
        let mut shares = Vec::new();
        for (&instance, member) in &self.members {
            if let State::Answers(server) = &member.state {
                let busy = server.load().cpu_busy;
                let earlier = before.get(&instance).copied().unwrap_or_default();
                shares.push(busy.saturating_sub(earlier).as_secs_f64() / length / VIRTUAL_CPUS);
                self.sampled.1.insert(instance, busy);
            }
        }
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        mean.is_finite().then(|| (mean * 100.0).min(100.0))
    }

    /// The load of every instance.
    pub fn gauges(&self) -> Vec<InstanceGauge> {
        let gauge = |(&instance, member): (&InstanceId, &Member)| InstanceGauge {
            instance,
            zone: member.zone,
            load: match &member.state {
                State::Answers(server) => Some(server.load()),
                State::Boots { .. } | State::Failed => None,
            },
        };
        self.members.iter().map(gauge).collect()
    }
}

impl Member {
    /// Ends the instance without waiting; returns the server if it ran.
    fn end(self) -> Option<Instance> {
        match self.state {
            State::Boots { timer, .. } => {
                timer.abort();
                None
            }
            State::Answers(server) => {
                server.kill();
                Some(server)
            }
            State::Failed => None,
        }
    }
}
