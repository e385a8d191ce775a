//! State shared by all buyers of one worker.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use uuid::Uuid;

use super::access::AccessNetwork;
use super::api::Api;
use super::clock::Clock;
use super::credential::{CredentialError, Issuer, Users};
use super::dialer::Dialer;
use super::edge_way::{EdgeWay, SiteNames, share_of_connections};
use super::hosts::{Hosts, Manner};
use super::http::{Http, Identity, Outgoing, Received};
use super::page::PageLoader;
use super::reach::Forbidden;
use super::resolver::Names;
use super::seats::SeatMap;
use super::setup::{SetupError, host_header};
use super::signer::{SignError, Signer};
use super::socket_io::{OpeningStage, emission_text};
use super::tls::{Problem, Tls};
use super::worker::Assignment;
use tiketi_api::{Mapping, Push};
use tiketi_buyer::Emission;
use tiketi_buyer::observation::{Failure, Observation};
use tiketi_core::rng::Streams;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_measure::Recorder;
use tiketi_measure::witness::Notebook;
use tiketi_scenario::Plan;
use tiketi_scenario::operation::Operation;
use tiketi_scenario::plan::Temperament;
use tiketi_scenario::topology::{self, RoomPlace, Way};

/// The worker's connections, clock and recorder. One thread owns it.
pub(super) struct World {
    pub(super) clock: Clock,
    pub(super) temperament: Arc<Temperament>,
    pub(super) streams: Streams,
    pub(super) api: Api,
    pub(super) http: Http,
    /// The network of the buyers; `None` if nothing is delayed there.
    pub(super) access: Option<Rc<AccessNetwork>>,
    /// Loads the page from the edge; `None` without one.
    pub(super) page: Option<PageLoader>,
    /// The site's name; `None` without an edge.
    pub(super) site: Option<Rc<SiteNames>>,
    /// Sends API requests to the edge; `None` if none goes there.
    pub(super) edge: Option<EdgeWay>,
    /// The hosts besides the target.
    pub(super) hosts: Hosts,
    /// The program that adds to requests; `None` without one.
    pub(super) signer: Option<Signer>,
    topology: topology::Edge,
    pub(super) issuer: Issuer,
    pub(super) stage_timeout: Duration,
    /// Where sockets are opened.
    pub(super) socket_path: String,
    /// The seat map read last; borrowed only while one response is handled.
    pub(super) seats: RefCell<SeatMap>,
    /// What the file of users says; `None` without one.
    pub(super) users: Option<Rc<Users>>,
    pub(super) tally: Tally,
    /// What the buyers of a target know; `None` on the testbed, which is read itself.
    pub(super) notebook: Option<RefCell<Notebook>>,
    join_event: Utf8Bytes,
    join_queue: Utf8Bytes,
    join_seats: Utf8Bytes,
    recorder: RefCell<Recorder>,
}

/// Counters of one worker.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Buyers in progress.
    pub(super) buyers: Cell<u64>,
    /// Open sockets.
    pub(super) connected: Cell<u64>,
    /// The most open sockets at once.
    pub(super) connected_peak: Cell<u64>,
    /// Sockets that could not be opened, by stage.
    pub(super) socket_failures: RefCell<[u64; 4]>,
    /// Reservations whose payment was acknowledged.
    pub(super) paid: RefCell<Vec<Uuid>>,
    /// The first error of creating a credential.
    pub(super) credential_error: RefCell<Option<String>>,
}

impl World {
    /// Prepares everything for the buyers of `assignment`, with at most `connections_max` concurrent requests.
    pub(super) fn new(assignment: &Assignment, connections_max: usize) -> Result<Self, SetupError> {
        let plan = &assignment.plan;
        let clock = Clock::starting_at(assignment.start_at_unix_ns, plan.clock.speed);
        let entry = &assignment.entry;
        // All hosts together get as many as one would.
        let connections_max = (connections_max / (1 + entry.hosts.len())).max(1);
        let call_timeout = clock.wall(plan.buyers.call_timeout);
        let connect_timeout = clock.wall(plan.buyers.connect_timeout);
        let names = Names::new(entry, clock)?;
        let site = entry.edge.as_ref();
        let site = site.map(|edge| SiteNames::new(assignment, edge, clock).map(Rc::new));
        let site = site.transpose()?;
        let topology = plan.topology.edge.clone();
        let access = AccessNetwork::new(plan, assignment.worker, clock);
        let (mut page, mut way) = (None, None);
        if let (Some(edge), Some(site)) = (&entry.edge, &site) {
            let has_files = !topology.files.is_empty();
            let load = || {
                let loader = PageLoader::new(assignment, (edge, Rc::clone(site)), clock)?;
                Ok::<_, SetupError>(loader.over(access.clone()))
            };
            page = has_files.then(load).transpose()?;
            let most = connections_max.min(share_of_connections(assignment.workers));
            let http = site.client(assignment, edge, clock, most)?;
            way = Some(EdgeWay::new(http, Rc::clone(site)));
        }
        let sources = assignment.source_addresses.clone();
        let dialer = Dialer::new(names, Tls::to(entry)?, sources, connect_timeout);
        let host = format!("{}:{}", entry.host, entry.port);
        let host = host_header(host)?;
        let manner = Manner {
            clock,
            sources: &assignment.source_addresses,
            connect_timeout,
            call_timeout,
            connections_max,
        };
        let hosts = Hosts::new(&entry.hosts, manner)?;
        let mapping = assignment.mapping();
        let signer = Signer::of(&mapping);
        let issued_at = clock.start_at_unix_s();
        let issuer = Issuer::new(&assignment.credentials, &mapping, plan.seed, issued_at)?;
        let users = Users::of(&assignment.credentials, &mapping.columns)?.map(Rc::new);
        let show = &assignment.show;
        let temperament = Arc::new(temperament(plan, &mapping));
        let page_path = entry.page.as_deref();
        let api = Api::new(mapping, Some(show.clone()), page_path, &entry.base)?;
        let notebook = assignment.is_target.then(|| Notebook::new(api.has_seats()));
        Ok(Self {
            socket_path: api.socket_path(),
            clock,
            temperament,
            streams: Streams::new(plan.seed),
            seats: RefCell::new(SeatMap::new(Rc::clone(&api.ids))),
            api,
            access,
            http: Http::new(dialer, host, clock, call_timeout, connections_max),
            page,
            site,
            edge: way,
            hosts,
            signer,
            topology,
            issuer,
            users,
            stage_timeout: call_timeout,
            tally: Tally::default(),
            notebook: notebook.map(RefCell::new),
            join_event: emission_text(Emission::JoinEvent, show).into(),
            join_queue: emission_text(Emission::JoinQueue, show).into(),
            join_seats: emission_text(Emission::JoinSeatSelection, show).into(),
            recorder: RefCell::new(Recorder::new(plan)),
        })
    }

    /// Returns how connections to a host of the mapping are opened, and its `Host` header; `None` stands for the target itself.
    pub(super) fn line_to(&self, host: Option<u8>) -> (&Dialer, &HeaderValue) {
        let http = self.client(host);
        (http.dialer(), http.host())
    }

    /// Returns where buyers wait.
    pub(super) const fn room(&self) -> RoomPlace {
        self.topology.waiting_room
    }

    /// Sends a request of a buyer over the network of the buyers, if there is one.
    pub(super) async fn call(
        &self,
        buyer: BuyerId,
        (operation, request): (Operation, &Outgoing),
        identity: &Identity,
    ) -> (SimTime, Result<Received, Failure>) {
        let sending = self.send(buyer, (operation, request), identity);
        match &self.access {
            None => sending.await,
            Some(access) => Box::pin(access.around(operation, sending)).await,
        }
    }

    /// Sends a request by the way of its operation.
    async fn send(
        &self,
        buyer: BuyerId,
        (operation, request): (Operation, &Outgoing),
        identity: &Identity,
    ) -> (SimTime, Result<Received, Failure>) {
        if let Some(host) = request.host {
            return self.hosts.call(host, (buyer, request), identity).await;
        }
        match (&self.edge, self.topology.way(operation)) {
            (Some(edge), Way::Through | Way::Room) => edge.call(buyer, request, identity).await,
            // A target has no edge of the run.
            (None, _) | (Some(_), Way::Direct) => self.http.call_of(buyer, request, identity).await,
        }
    }

    /// Closes the connections of a buyer, if there are any.
    pub(super) fn forget(&self, buyer: BuyerId) {
        self.http.forget(buyer);
        self.hosts.forget(buyer);
    }

    /// Returns the number of connections that this machine could not even try.
    pub(super) fn files_refused(&self) -> u64 {
        let way = self.edge.as_ref().map(EdgeWay::http);
        self.http.dialer().refused()
            + way.map_or(0, |http| http.dialer().refused())
            + self.hosts.refused()
    }

    /// Returns the first host with an address that may not be connected to, and the address; `None` if all may.
    pub(super) fn forbidden(&self) -> Option<(String, Forbidden)> {
        let Some(forbidden) = self.http.dialer().forbidden() else {
            return self.hosts.forbidden();
        };
        let host = self.http.host().to_str().unwrap_or_default();
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        Some((name.to_owned(), forbidden))
    }

    /// Returns why the last connection to a host that failed or broke did so; `None` if none has. The target itself has no place.
    pub(super) fn problem(&self, host: Option<u8>) -> Option<Problem> {
        self.client(host).dialer().problem()
    }

    /// Returns the client of a host; the target itself has no place.
    pub(super) fn client(&self, host: Option<u8>) -> &Http {
        host.map_or(&self.http, |host| self.hosts.client(host))
    }

    /// Resolves when the program that signs requests has failed; never without one.
    pub(super) async fn unsigned(&self) -> SignError {
        match &self.signer {
            Some(signer) => signer.failure().await,
            None => std::future::pending().await,
        }
    }

    /// Records an observation.
    pub(super) fn observe(&self, observation: &Observation) {
        self.recorder.borrow_mut().observe(observation);
    }

    /// Returns what was recorded since the last frame.
    pub(super) fn take_frame(&self) -> tiketi_measure::Frame {
        self.recorder.borrow_mut().take_frame()
    }

    /// Returns the text frame of a message.
    pub(super) fn emission(&self, emission: Emission) -> Utf8Bytes {
        match emission {
            Emission::JoinEvent => self.join_event.clone(),
            Emission::JoinQueue => self.join_queue.clone(),
            Emission::JoinSeatSelection => self.join_seats.clone(),
        }
    }
}

/// How buyers behave. To give up on a socket is a habit of pages with Socket.IO: any other channel is opened again as long as a buyer
/// waits.
fn temperament(plan: &Plan, mapping: &Mapping) -> Temperament {
    let mut temperament = plan.buyers.clone();
    if mapping.stream.is_some() && mapping.push != Push::SocketIo {
        temperament.reconnect.tries_max = None;
        temperament.connect_tries_max = None;
    }
    temperament
}

impl Tally {
    /// Counts an opened socket.
    pub(super) fn handle_connected(&self) {
        let connected = self.connected.get() + 1;
        self.connected.set(connected);
        self.connected_peak
            .set(self.connected_peak.get().max(connected));
    }

    /// Counts a closed socket.
    pub(super) fn handle_disconnected(&self) {
        self.connected.set(self.connected.get() - 1);
    }

    /// Keeps the first error of creating a credential: later ones are mostly the same.
    pub(super) fn handle_credential_error(&self, error: &CredentialError) {
        let mut first = self.credential_error.borrow_mut();
        first.get_or_insert_with(|| error.to_string());
    }

    /// Counts a socket that could not be opened.
    pub(super) fn handle_socket_failure(&self, stage: OpeningStage) {
        self.socket_failures.borrow_mut()[stage as usize] += 1;
    }
}
