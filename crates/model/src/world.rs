//! The state of one simulated run: buyers on one side, the system on the other, and the calendar between them.

use std::collections::{BTreeMap, BTreeSet};

use super::access::AccessNetwork;
use super::calls::Calls;
use super::cloud::Cloud;
use super::crowd::Crowd;
use super::edge::{self, Edge};
use super::entry::Entry;
use super::fleet::Fleet;
use super::front::Front;
use super::names::Names;
use super::paths::Paths;
use super::payment::Errands;
use super::service::Service;
use super::tier::{self, Presence};
use super::traffic::Traffic;
use super::watcher::{Progress, Watcher, Wish};
use tiketi_core::rng::{Stream, Streams};
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_data_tier::{Database, Redis, ReservationNumber, SeatMap};
use tiketi_edge::{Places, Room};
use tiketi_measure::{Assembly, Measurements, Recorder};
use tiketi_network::OutboundLog;
use tiketi_outbound::Provider;
use tiketi_scenario::Plan;
use tiketi_scenario::arrival::arrival_times;
use tiketi_station::calendar::Calendar;

/// Scenario seconds between two frames. Each frame takes time to merge its histograms, so they are rare; but what the recorder
/// keeps for each second should fit into the CPU cache.
const FRAME_EVERY_SECS: u64 = 64;

/// The whole state of a run.
#[derive(Debug)]
pub(super) struct World<'p> {
    pub(super) plan: &'p Plan,
    pub(super) ends_at: SimTime,
    pub(super) calendar: Calendar<Entry>,
    pub(super) names: Names,
    pub(super) edge: Edge,
    /// The waiting room at the edge; `None` if it is in the application.
    pub(super) room: Option<Room>,
    pub(super) arrivals: Vec<SimTime>,
    pub(super) arrived: usize,
    pub(super) crowd: Crowd,
    pub(super) calls: Calls,
    pub(super) service: Service,
    pub(super) front: Front,
    pub(super) fleet: Fleet,
    pub(super) redis: Redis<Presence>,
    pub(super) database: Database,
    pub(super) seats: SeatMap,
    pub(super) cloud: Cloud,
    pub(super) traffic: Traffic,
    pub(super) paths: Paths,
    /// The network of the buyers; `None` if nothing is delayed there.
    pub(super) access: Option<AccessNetwork>,
    /// Buyers who watch for a seat to become free, as pairs of the instance that their socket is on and the buyer.
    pub(super) watchers: BTreeSet<(u32, u32)>,
    /// Sockets through which nothing passes any more, by buyer, and when each is given up.
    pub(super) silent_lines: BTreeMap<u32, SimTime>,
    /// Where sockets are between two pings when they fall silent.
    pub(super) heartbeat: Stream,
    /// The payment provider; a reservation is its own idempotency key.
    pub(super) provider: Provider<u32, u32>,
    pub(super) provider_draws: Stream,
    /// What goes out of the VPC.
    pub(super) outbound: OutboundLog,
    pub(super) errands: Errands,
    pub(super) recorder: Recorder,
    pub(super) assembly: Assembly,
    pub(super) database_due: Option<SimTime>,
    pub(super) hold_end_due: Option<SimTime>,
    pub(super) admitted: Vec<BuyerId>,
    /// Messages that were published, each counted once per socket that was to get it.
    pub(super) messages_due: u64,
    /// Payments that were confirmed to buyers.
    pub(super) acknowledged: Vec<ReservationNumber>,
    coming: Vec<Entry>,
    coming_buyers: Vec<BuyerId>,
}

/// Whether responses state the buyer's place in the queue: counting takes time, and few scenarios use it.
const fn places_of(plan: &Plan) -> Places {
    if plan.buyers.poll_by_position.is_empty() {
        Places::Untold
    } else {
        Places::Told
    }
}

impl<'p> World<'p> {
    /// Creates the state at the start of a run.
    pub(super) fn new(plan: &'p Plan) -> Self {
        let streams = Streams::new(plan.seed);
        let last_arrival = SimTime::ZERO + plan.clock.duration;
        let mut arrivals = arrival_times(plan);
        arrivals.retain(|at| *at < last_arrival);
        let buyers = arrivals.len();
        let topology = &plan.topology;
        let service = Service::new(
            &topology.instances.class_profile(),
            plan.show.seats_total(),
            streams,
        );
        let (names, edge) = edge::build(&topology.edge, streams);
        Self {
            plan,
            ends_at: plan.ends_at(),
            names,
            edge,
            room: topology
                .edge
                .has_room()
                .then(|| Room::new(plan, buyers, places_of(plan))),
            calendar: Calendar::new(),
            arrivals,
            arrived: 0,
            crowd: Crowd::new(plan, streams, buyers),
            calls: Calls::default(),
            service,
            front: Front::new(&topology.alb, topology.zones.len()),
            fleet: Fleet::default(),
            redis: tier::redis(plan, buyers),
            database: tier::database(plan),
            seats: tier::seats(plan, buyers),
            cloud: Cloud::new(plan),
            traffic: Traffic::default(),
            paths: Paths::new(streams),
            access: AccessNetwork::new(plan.buyers.network, streams),
            watchers: BTreeSet::new(),
            silent_lines: BTreeMap::new(),
            heartbeat: streams.named("heartbeat"),
            provider: Provider::default(),
            provider_draws: streams.named("provider"),
            outbound: OutboundLog::default(),
            errands: Errands::default(),
            recorder: Recorder::of_simulation(plan),
            assembly: Assembly::new(plan.clone()),
            database_due: None,
            hold_end_due: None,
            admitted: Vec::new(),
            messages_due: 0,
            acknowledged: Vec::new(),
            coming: Vec::new(),
            coming_buyers: Vec::new(),
        }
    }

    /// Simulates the run to its end.
    pub(super) fn run(mut self, watcher: &mut dyn Watcher) -> Measurements {
        self.open();
        let mut interrupted = false;
        let mut now = SimTime::ZERO;
        while let Some((at, entry)) = self.calendar.next() {
            // What is due exactly at the end still happens.
            if at > self.ends_at {
                break;
            }
            now = at;
            self.fetch_coming();
            if entry == Entry::Second {
                let progress = Progress {
                    now,
                    ends_at: self.ends_at,
                    waiting: self.waiting(),
                    entries: self.calendar.entered(),
                };
                interrupted = watcher.show(&progress) == Wish::Stop;
                if interrupted {
                    break;
                }
            }
            self.handle(now, entry);
        }
        let ended_at = if interrupted { now } else { self.ends_at };
        self.close(ended_at, interrupted)
    }

    /// Loads the buyers of the next few milliseconds into the CPU cache, all at once.
    ///
    /// A million buyers do not fit into any cache, so almost every entry would wait for memory. Reads that do not depend on
    /// each other overlap: loading all buyers of a bucket together waits about as long as loading one.
    fn fetch_coming(&mut self) {
        if !self.calendar.take_sorted_in(&mut self.coming) {
            return;
        }
        for entry in self.coming.drain(..) {
            match entry {
                Entry::Wake(buyer) => self.coming_buyers.push(BuyerId(buyer)),
                Entry::Step(call) => self.coming_buyers.extend(self.calls.buyer(call)),
                _ => {}
            }
        }
        for buyer in &self.coming_buyers {
            self.crowd.fetch(*buyer);
            self.redis.fetch(*buyer);
        }
        // A second pass, because the address of a journey is known only once its buyer is loaded.
        for buyer in &self.coming_buyers {
            self.crowd.fetch_journey(*buyer);
        }
        self.coming_buyers.clear();
    }

    /// Makes the first calendar entries; each later one follows from an earlier one.
    fn open(&mut self) {
        self.start_cloud();
        if let Some(first) = self.arrivals.first() {
            self.calendar.enter(*first, Entry::Arrival);
        }
        let room = &self.plan.waiting_room;
        self.calendar
            .enter(SimTime::ZERO + room.admit_every, Entry::Admission);
        self.calendar
            .enter(SimTime::ZERO + room.update_every, Entry::QueueUpdate);
        self.calendar.enter(SimTime::ZERO, Entry::Second);
    }

    fn handle(&mut self, now: SimTime, entry: Entry) {
        match entry {
            Entry::Arrival => self.handle_arrival(now),
            Entry::Wake(buyer) => self.handle_wake(now, BuyerId(buyer)),
            Entry::Step(call) => self.handle_step(now, call),
            Entry::Overdue(call) => self.handle_overdue(now, call),
            Entry::Page(page) => self.handle_page(now, page),
            Entry::Origin {
                location,
                file,
                is_known,
            } => self.handle_origin(now, location, (file, is_known)),
            Entry::SiteName(resolver) => self.names.end_site_lookup(now, resolver),
            Entry::LoadBalancerName => self.front.end_lookup(now),
            Entry::SilenceEnd(buyer) => self.handle_silence(now, BuyerId(buyer)),
            Entry::Invitation(buyer) => self.handle_invitation(now, BuyerId(buyer)),
            Entry::QueueNews(instance) => self.handle_queue_news(now, instance),
            Entry::SeatNews { instance, seat } => {
                self.handle_seat_news(now, u32::from(instance), seat);
            }
            Entry::Check { node, instance } => self.handle_check(now, node, instance),
            Entry::Checked {
                node,
                passed,
                instance,
            } => self.handle_checked(now, node, (instance, passed)),
            Entry::Control => self.handle_control(now),
            Entry::Fault => self.handle_fault(now),
            Entry::Database => self.handle_database(now),
            Entry::Admission => self.handle_admission(now),
            Entry::QueueUpdate => self.handle_queue_update(now),
            Entry::HoldEnd => self.handle_hold_end(now),
            Entry::DrainEnd(instance) => self.handle_drain_end(now, instance),
            Entry::NodeEviction => self.handle_eviction(now),
            Entry::Errand(slot) => self.handle_errand(now, slot),
            Entry::Second => self.handle_second(now),
        }
    }

    fn handle_second(&mut self, now: SimTime) {
        self.settle_all_messages(now);
        self.read_levels(now);
        let second = now.as_secs();
        if second.is_multiple_of(FRAME_EVERY_SECS) {
            self.assembly.absorb(self.recorder.take_frame());
        }
        self.calendar
            .enter(SimTime::from_secs(second + 1), Entry::Second);
    }
}
