//! The testbed as an engine of the control plane: orders in, inputs out.

use super::alb::balancer::News;
use super::clock::unix_now_ns;
use super::fleet::{self, Cause};
use super::{ALB_NAME, Testbed, TestbedError, lock};
use tiketi_cloud::driver::{CpuTime, Engine, Launch, ShowLevels};
use tiketi_cloud::gauges::PartReadings;
use tiketi_cloud::order::Input;
use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_cost::{EdgeSample, LoadSample, TrafficSample};
use tiketi_measure::stall::Book;

impl Engine for Testbed {
    type Error = TestbedError;

    fn queue_size(&mut self, _now: SimTime) -> Option<u64> {
        self.queue().map(|(waiting, _)| waiting)
    }

    fn cpu_times(&mut self, _now: SimTime) -> Vec<CpuTime> {
        self.fleet.cpu_times()
    }

    fn launch(&mut self, now: SimTime, launch: Launch) -> Result<(), TestbedError> {
        let Launch {
            instance,
            zone,
            answers_at,
        } = launch;
        self.fleet
            .launch(instance, zone, answers_at.saturating_since(now))
            .map_err(|source| TestbedError::Instance { instance, source })
    }

    fn register(&mut self, _now: SimTime, instance: InstanceId) {
        self.unregistered.insert(instance);
        // The first health check must find the socket, which a process may be about to open.
        if !self.fleet.is_opening(instance) {
            self.register_target(instance);
        }
    }

    fn deregister(&mut self, now: SimTime, instance: InstanceId, until: SimTime) -> bool {
        self.unregistered.remove(&instance);
        let news = self
            .balancer
            .deregister(instance, until.saturating_since(now));
        self.take(news);
        false
    }

    fn terminate(&mut self, _now: SimTime, instance: InstanceId) {
        self.unregistered.remove(&instance);
        self.balancer.remove(instance);
        self.fleet.terminate(instance);
    }

    fn promote(&mut self, _now: SimTime, part: DataTierPart, zone: ZoneId) {
        self.data_tier.promote(part, zone);
        self.set_paths();
    }

    fn show_levels(&mut self, now: SimTime) -> ShowLevels {
        self.outside.handle_time(now);
        let census = self.data_tier.census();
        let queue = self.queue();
        ShowLevels {
            waiting: queue.map(|(waiting, _)| waiting),
            active: queue.map(|(_, active)| active),
            seats_held: census.held,
            seats_sold: census.sold,
        }
    }

    fn part_readings(&mut self, _now: SimTime) -> PartReadings {
        let gauges = self.fleet.gauges();
        let loads = gauges.iter().filter_map(|gauge| gauge.load);
        let fullest = loads.map(|load| load.pool_in_use).max();
        PartReadings {
            pool_in_use: fullest.map(|in_use| u32::try_from(in_use).unwrap_or(u32::MAX)),
            ..self.data_tier.readings()
        }
    }

    fn take_load(&mut self) -> LoadSample {
        let load = self.balancer.load();
        let before = std::mem::replace(&mut self.load_taken, load);
        load.since(&before)
    }

    fn take_edge(&mut self) -> EdgeSample {
        let Some(all) = self.edge_figures() else {
            return EdgeSample::default();
        };
        let new = all.since(&std::mem::replace(&mut self.edge_taken, all));
        let room = self.room_figures().unwrap_or_default();
        let new_in_room = room.since(&std::mem::replace(&mut self.room_taken, room));
        EdgeSample {
            requests: new.requests,
            bytes_out: new.bytes,
            origin_requests: new.origin_requests,
            room_requests: new_in_room.requests(),
            room_bytes: new_in_room.bytes,
        }
    }

    fn take_traffic(&mut self) -> TrafficSample {
        self.outside.take_traffic()
    }
}

impl Testbed {
    /// Waits for the next input for the control plane, for instance a change of a target's health. The testbed only makes
    /// progress while this is awaited: boots end and nodes come up. Cancel-safe.
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

    /// Returns everything that was noticed of stalls so far, and forgets it.
    pub fn take_stalls(&mut self) -> Book {
        while let Ok(heard) = self.heard.try_recv() {
            let news = self.balancer.handle(&heard);
            self.take(news);
        }
        while let Ok(heard) = self.fleet_heard.try_recv() {
            if let Some(news) = self.fleet.handle(heard) {
                self.take_fleet(news);
            }
        }
        let now = unix_now_ns();
        let mut book = std::mem::take(&mut self.faults);
        if let Some(edge) = &self.edge {
            book.absorb(edge.take_stalls(now));
        }
        book.absorb(self.outside.take_stalls(now));
        book.absorb(self.balancer.take_stalls(now));
        book.absorb(self.fleet.take_stalls(now));
        book.absorb(self.data_tier.take_stalls(now));
        book
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
                .map_err(|source| self.node_error(zone, source))?;
        }
        while !down.is_empty() {
            let Some(heard) = self.heard.recv().await else {
                return Err(TestbedError::StartTimeout);
            };
            let news = self.balancer.handle(&heard);
            for item in &news {
                match *item {
                    News::NodeUp(up) => down.retain(|&zone| zone != up),
                    News::ProcessLost(zone) => {
                        let zone = self.zone_name(zone);
                        return Err(TestbedError::NodeEnded { zone });
                    }
                    News::Input(_) => {}
                }
            }
            self.take(news);
        }
        Ok(())
    }

    /// Checks that the testbed is in the state that the plan describes.
    ///
    /// # Errors
    ///
    /// When a load-balancer process has ended unexpectedly, which drops sockets that no fault of the scenario explains; when
    /// an instance could not be started; or when a server of the data tier has failed.
    pub fn soundness(&self) -> Result<(), TestbedError> {
        if let Some(zone) = self.broken_node {
            let zone = self.zone_name(zone);
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

    /// Handles reports of the load balancer.
    pub(super) fn take(&mut self, news: impl IntoIterator<Item = News>) {
        for item in news {
            match item {
                News::Input(input) => self.pending.push_back(input),
                News::NodeUp(zone) => self.announce_node(zone),
                News::ProcessLost(zone) => {
                    self.broken_node.get_or_insert(zone);
                }
            }
        }
    }

    /// Adds the address of a node that is up to the DNS record, unless traffic is shifted away from its zone.
    pub(super) fn announce_node(&self, zone: ZoneId) {
        if !self.balancer.is_shifted(zone) {
            let address = self.node_addresses[zone.index()];
            lock(&self.name_server.names()).add(ALB_NAME, address);
        }
    }

    /// Handles a report of the fleet.
    fn take_fleet(&mut self, news: fleet::News) {
        let (instance, cause) = match news {
            fleet::News::Answers(instance) => return self.register_target(instance),
            fleet::News::Lost { instance, cause } => (instance, cause),
        };
        match cause {
            Cause::Crashed => tracing::error!(%instance, "an instance ended unexpectedly"),
            Cause::NotStarted(error) => {
                tracing::error!(%instance, %error, "an instance could not be started");
                let reason = error.to_string();
                self.broken_instance.get_or_insert((instance, reason));
            }
        }
        self.unregistered.remove(&instance);
        self.pending.push_back(Input::InstanceLost { instance });
    }

    /// Registers an instance with the load balancer, unless it is gone.
    fn register_target(&mut self, instance: InstanceId) {
        if self.unregistered.remove(&instance)
            && let Some(target) = self.fleet.address(instance).zip(self.fleet.zone(instance))
        {
            self.balancer.register(instance, target);
        }
    }
}
