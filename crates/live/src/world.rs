//! What all buyers of one worker share.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use uuid::Uuid;

use super::api::Api;
use super::clock::Clock;
use super::credential::Issuer;
use super::dialer::Dialer;
use super::http::Http;
use super::resolver::Names;
use super::socket_io::{Stage, emission_text};
use super::worker::{Assignment, Scheme};
use tiketi_buyer::observation::Observation;
use tiketi_buyer::{Emission, SeatOffer};
use tiketi_core::rng::Streams;
use tiketi_measure::Recorder;
use tiketi_scenario::plan::Temperament;

/// The worker's connections, its clock, and what it has seen. One thread owns it.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) temperament: Arc<Temperament>,
    pub(super) streams: Streams,
    pub(super) api: Api,
    pub(super) http: Http,
    pub(super) issuer: Issuer,
    pub(super) stage_timeout: Duration,
    /// The map read last; only ever borrowed while one answer is being handled.
    pub(super) seats: RefCell<Vec<SeatOffer>>,
    pub(super) tally: Tally,
    join_queue: Utf8Bytes,
    join_seats: Utf8Bytes,
    recorder: RefCell<Recorder>,
}

/// Plain counts of one worker.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Buyers on their way.
    pub(super) buyers: Cell<u64>,
    /// Open sockets.
    pub(super) connected: Cell<u64>,
    /// The most there were.
    pub(super) connected_peak: Cell<u64>,
    /// Sockets that could not be opened, by stage.
    pub(super) socket_failures: RefCell<[u64; 4]>,
    /// Reservations whose payment was acknowledged.
    pub(super) paid: RefCell<Vec<Uuid>>,
}

impl World {
    /// Prepares everything for the buyers of `assignment`; `connections_max` bounds the calls on their way.
    pub(super) fn new(assignment: &Assignment, connections_max: usize) -> Result<Self, String> {
        let plan = &assignment.plan;
        let clock = Clock::starting_at(assignment.start_at_unix_ns, plan.clock.speed);
        let entry = &assignment.entry;
        let call_timeout = clock.wall(plan.buyers.call_timeout);
        // Half of a call's time for a connection: the other address can then still be tried within it.
        let connect_timeout = call_timeout / 2;
        let names = Names::new(&entry.host, entry.port, entry.dns)?;
        let is_tls = entry.scheme == Scheme::Https;
        let tls_host = is_tls.then_some(entry.host.as_str());
        let sources = assignment.source_addresses.clone();
        let dialer = Dialer::new(names, tls_host, sources, connect_timeout)?;
        let host = format!("{}:{}", entry.host, entry.port);
        let host = HeaderValue::try_from(host).map_err(|error| error.to_string())?;
        Ok(Self {
            clock,
            temperament: Arc::new(plan.buyers.clone()),
            streams: Streams::new(plan.seed),
            api: Api::new(assignment.show, entry.page.as_deref())?,
            http: Http::new(dialer, host, clock, call_timeout, connections_max),
            issuer: Issuer::new(&assignment.credentials, plan.seed, clock.start_at_unix_s())?,
            stage_timeout: call_timeout,
            seats: RefCell::default(),
            tally: Tally::default(),
            join_queue: emission_text(Emission::JoinQueue, assignment.show).into(),
            join_seats: emission_text(Emission::JoinSeatSelection, assignment.show).into(),
            recorder: RefCell::new(Recorder::new(plan)),
        })
    }

    /// Records what was seen.
    pub(super) fn observe(&self, observation: &Observation) {
        self.recorder.borrow_mut().observe(observation);
    }

    /// What was recorded since the last frame.
    pub(super) fn take_frame(&self) -> tiketi_measure::Frame {
        self.recorder.borrow_mut().take_frame()
    }

    /// The ready text of a message.
    pub(super) fn emission(&self, emission: Emission) -> Utf8Bytes {
        match emission {
            Emission::JoinQueue => self.join_queue.clone(),
            Emission::JoinSeatSelection => self.join_seats.clone(),
        }
    }
}

impl Tally {
    /// One more open socket.
    pub(super) fn handle_connected(&self) {
        let connected = self.connected.get() + 1;
        self.connected.set(connected);
        self.connected_peak
            .set(self.connected_peak.get().max(connected));
    }

    /// One open socket less.
    pub(super) fn handle_disconnected(&self) {
        self.connected.set(self.connected.get() - 1);
    }

    /// A socket could not be opened.
    pub(super) fn handle_socket_failure(&self, stage: Stage) {
        self.socket_failures.borrow_mut()[stage as usize] += 1;
    }
}
