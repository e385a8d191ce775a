//! Orders of the control plane in, what it is told out.

use super::alb::balancer::News;
use super::fleet::{self, Cause};
use super::{ALB_NAME, Testbed, TestbedError, lock};
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};

impl Testbed {
    /// Does what the control plane orders. Returns the answer if the order asks for one.
    pub fn obey(&mut self, now: SimTime, order: &Order) -> Result<Option<Input>, TestbedError> {
        match *order {
            Order::SampleQueue => {
                let size = self.data_tier.queue_size();
                return Ok(Some(Input::QueueSampled { size }));
            }
            Order::SampleCpu => {
                let percent = self.fleet.sample_cpu(now);
                return Ok(Some(Input::CpuSampled { percent }));
            }
            Order::Launch {
                instance,
                zone,
                answers_at,
            } => {
                if self.lost_zones.contains(&zone) {
                    // No capacity there, as AWS would say.
                    return Ok(Some(Input::InstanceLost { instance }));
                }
                self.fleet
                    .launch(instance, zone, answers_at.saturating_since(now))
                    .map_err(|source| TestbedError::Instance { instance, source })?;
            }
            Order::Register { instance } => {
                self.unregistered.insert(instance);
                // The first health check must find the socket that a process opens this very moment.
                if !self.fleet.is_opening(instance) {
                    self.register(instance);
                }
            }
            Order::Deregister { instance, until } => {
                let delay = until.saturating_since(now);
                self.unregistered.remove(&instance);
                let news = self.balancer.deregister(instance, delay);
                self.take(news);
            }
            Order::Terminate { instance } => {
                self.unregistered.remove(&instance);
                self.balancer.remove(instance);
                self.fleet.terminate(instance);
            }
            Order::PromoteRedis { zone } => self.data_tier.promote(DataTierPart::Redis, zone),
            Order::PromoteDatabase { zone } => {
                self.data_tier.promote(DataTierPart::Database, zone);
            }
        }
        Ok(None)
    }

    /// Waits for the next thing the control plane is told: the health of a target, or that one is drained. It is also
    /// what keeps the testbed moving: boots end and nodes come up while it is awaited. Nothing is lost when the
    /// future is dropped.
    pub async fn next_input(&mut self) -> Input {
        loop {
            if let Some(input) = self.pending.pop_front() {
                return input;
            }
            tokio::select! {
                Some(heard) = self.heard.recv() => {
                    let news = self.balancer.handle(&heard);
                    self.take(news);
                }
                Some(heard) = self.fleet_heard.recv() => {
                    if let Some(news) = self.fleet.handle(heard) {
                        self.take_fleet(news);
                    }
                }
            }
        }
    }

    /// Starts the nodes of `zones` and waits until all of them listen.
    pub(super) async fn start_nodes(
        &mut self,
        zones: impl Iterator<Item = ZoneId>,
    ) -> Result<(), TestbedError> {
        let mut down: Vec<_> = zones.collect();
        for &zone in &down {
            self.balancer
                .start_node(SimTime::ZERO, zone)
                .map_err(|source| TestbedError::Node { zone, source })?;
        }
        while !down.is_empty() {
            let Some(heard) = self.heard.recv().await else {
                return Err(TestbedError::StartTimeout);
            };
            let news = self.balancer.handle(&heard);
            for item in &news {
                match *item {
                    News::NodeUp(up) => down.retain(|&zone| zone != up),
                    News::ProcessLost(zone) => return Err(TestbedError::NodeEnded { zone }),
                    News::Input(_) => {}
                }
            }
            self.take(news);
        }
        Ok(())
    }

    /// Whether the testbed is what the plan says it is.
    ///
    /// A load-balancer process that ends unbidden takes sockets with it that no fault of the scenario explains, and an
    /// instance that cannot be started is missing for no reason of the scenario.
    pub fn soundness(&self) -> Result<(), TestbedError> {
        if let Some(zone) = self.broken_node {
            return Err(TestbedError::NodeEnded { zone });
        }
        if let Some((instance, reason)) = &self.broken_instance {
            return Err(TestbedError::Instance {
                instance: *instance,
                source: std::io::Error::other(reason.clone()),
            });
        }
        self.data_tier.soundness()
    }

    /// Acts on what the load balancer has to say.
    pub(super) fn take(&mut self, news: impl IntoIterator<Item = News>) {
        for item in news {
            match item {
                News::Input(input) => self.pending.push_back(input),
                News::NodeUp(zone) => {
                    let address = self.node_addresses[zone.index()];
                    lock(&self.name_server.names()).add(ALB_NAME, address);
                }
                News::ProcessLost(zone) => {
                    self.broken_node.get_or_insert(zone);
                }
            }
        }
    }

    /// Acts on what the fleet has to say.
    fn take_fleet(&mut self, news: fleet::News) {
        let (instance, cause) = match news {
            fleet::News::Answers(instance) => return self.register(instance),
            fleet::News::Lost { instance, cause } => (instance, cause),
        };
        match cause {
            Cause::Killed => {}
            Cause::Crashed => tracing::error!(%instance, "an instance ended unbidden"),
            Cause::NotStarted(error) => {
                tracing::error!(%instance, %error, "an instance could not be started");
                let reason = error.to_string();
                self.broken_instance.get_or_insert((instance, reason));
            }
        }
        self.unregistered.remove(&instance);
        self.pending.push_back(Input::InstanceLost { instance });
    }

    /// Registers an instance with the load balancer. One that its zone has just taken with it gets no target.
    fn register(&mut self, instance: InstanceId) {
        if self.unregistered.remove(&instance)
            && let Some(address) = self.fleet.address(instance)
        {
            self.balancer.register(instance, address);
        }
    }
}
