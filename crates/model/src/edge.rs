//! Page loads: the site's name, then the static files from an edge location.
//!
//! ```text
//! load_page ─▶ name ─▶ document ─▶ other files, all at once ─▶ deliver_page
//!                         each: from the cache, or from S3 once for all who wait
//! ```

use std::ops::Range;

use super::entry::Entry;
use super::names::Names;
use super::world::World;
use tiketi_buyer::Answer;
use tiketi_buyer::observation::{Call as Observed, Failure, Observation, Outcome};
use tiketi_core::rng::Streams;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_cost::EdgeSample;
use tiketi_edge::{
    Cache, Delivery, EdgeFigures, Fetch, FileId, Lookup, OriginAnswer, PassingFigures, RoomFigures,
    rounds,
};
use tiketi_scenario::operation::Operation;
use tiketi_scenario::topology;

/// All edge locations, and the page loads in progress.
#[derive(Debug)]
pub(super) struct Edge {
    locations: Vec<Location>,
    pages: Vec<Option<Page>>,
    free: Vec<u32>,
    /// API requests that were passed on.
    pub(super) passing: PassingFigures,
    /// What was counted when the bill was last told.
    billed: EdgeFigures,
    room_billed: RoomFigures,
}

#[derive(Debug)]
struct Location {
    cache: Cache,
    /// For each file, when the last request to S3 ends or has ended, and what those got who waited for it.
    fetches: Vec<(SimTime, Delivery)>,
}

/// A page load in progress.
#[derive(Clone, Copy, Debug)]
struct Page {
    buyer: BuyerId,
    location: u8,
    step: Step,
    intended: SimTime,
    sent: SimTime,
    /// Why it fails at the end of this step; `None` if it does not.
    failure: Option<Failure>,
}

/// What a page load waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The packets, which are late on the network of the buyers.
    Access,
    Name,
    Document,
    Others,
}

impl Edge {
    /// Creates the caches at the start of a run.
    pub(super) fn new(edge: &topology::Edge) -> Self {
        let location = || Location {
            cache: Cache::new(edge),
            fetches: vec![(SimTime::ZERO, Delivery::File); edge.files.len()],
        };
        Self {
            locations: std::iter::repeat_with(location)
                .take(edge.locations as usize)
                .collect(),
            pages: Vec::new(),
            free: Vec::new(),
            passing: PassingFigures::default(),
            billed: EdgeFigures::default(),
            room_billed: RoomFigures::default(),
        }
    }

    /// Returns what all locations have counted.
    pub(super) fn figures(&self) -> EdgeFigures {
        let mut all = EdgeFigures::default();
        for location in &self.locations {
            all.add(location.cache.figures());
        }
        all
    }

    /// Returns what was served since the last call; `room` is what the waiting room at the edge has counted.
    pub(super) fn take_sample(&mut self, room: RoomFigures) -> EdgeSample {
        let all = self.figures();
        let new = all.since(&self.billed);
        self.billed = all;
        let new_in_room = room.since(&self.room_billed);
        self.room_billed = room;
        EdgeSample {
            requests: new.requests,
            bytes_out: new.bytes,
            origin_requests: new.origin_requests,
            room_requests: new_in_room.requests(),
            room_bytes: new_in_room.bytes,
        }
    }

    fn insert(&mut self, page: Page) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.pages[slot as usize] = Some(page);
            return slot;
        }
        self.pages.push(Some(page));
        u32::try_from(self.pages.len() - 1).expect("fewer page loads than buyers")
    }

    fn take(&mut self, slot: u32) -> Option<Page> {
        let page = self.pages[slot as usize].take()?;
        self.free.push(slot);
        Some(page)
    }

    /// Whether a location serves these files from its cache at `at`, whatever happens until then.
    fn is_fresh(&self, location: u8, at: SimTime, mut files: Range<u16>) -> bool {
        let cache = &self.locations[usize::from(location)].cache;
        files.all(|file| cache.is_fresh(at, FileId(file)))
    }
}

/// The names and the edge at the start of a run.
pub(super) fn build(edge: &topology::Edge, streams: Streams) -> (Names, Edge) {
    (Names::new(edge, streams), Edge::new(edge))
}

impl World<'_> {
    /// Starts to load the page for a buyer. Returns the answer if it is there already; otherwise [`Self::deliver_page`] hands
    /// it over later.
    pub(super) fn load_page(
        &mut self,
        now: SimTime,
        buyer: BuyerId,
        intended: SimTime,
    ) -> Option<Answer<'static>> {
        if self.plan.topology.edge.files.is_empty() {
            return Some(Answer::Done);
        }
        let page = Page {
            buyer,
            location: 0,
            step: Step::Access,
            intended,
            sent: now,
            failure: None,
        };
        if let Some(network) = &mut self.access {
            let late = network.page(&self.plan.topology.edge.files);
            self.wait_for_page(page, now + late);
            return None;
        }
        let page = self.begin_page(now, page)?;
        self.observe_page(now, &page);
        Some(answer_of(&page))
    }

    /// Looks up the site's name for a page load. Returns the page load if it has ended.
    fn begin_page(&mut self, now: SimTime, mut page: Page) -> Option<Page> {
        page.step = Step::Name;
        if let Some(until) = self.look_up_site(now, page.buyer) {
            self.wait_for_page(page, until);
            return None;
        }
        self.after_site_name(now, page)
    }

    /// Ends the current step of a page load.
    pub(super) fn handle_page(&mut self, now: SimTime, slot: u32) {
        let Some(page) = self.edge.take(slot) else {
            return;
        };
        if page.failure.is_some() {
            return self.deliver_page(now, &page);
        }
        let done = match page.step {
            Step::Access => self.begin_page(now, page),
            Step::Name => self.after_site_name(now, page),
            Step::Document => self.request_files(
                now,
                Page {
                    step: Step::Others,
                    ..page
                },
            ),
            Step::Others => Some(page),
        };
        if let Some(page) = done {
            self.deliver_page(now, &page);
        }
    }

    /// S3 has responded to a request of an edge location.
    pub(super) fn handle_origin(
        &mut self,
        now: SimTime,
        location: u8,
        (file, is_known): (u16, bool),
    ) {
        let answer = if is_known {
            OriginAnswer::Unchanged
        } else {
            OriginAnswer::File
        };
        let location = &mut self.edge.locations[usize::from(location)];
        let delivery = location
            .cache
            .handle_origin_answer(now, FileId(file), answer);
        location.fetches[usize::from(file)] = (now, delivery);
    }

    /// Continues a page load whose resolver has an answer, or none. Returns it if it has ended.
    fn after_site_name(&mut self, now: SimTime, mut page: Page) -> Option<Page> {
        let resolver = self.names.resolver_of(page.buyer.0);
        let client = &mut self.names.site[usize::from(resolver)];
        let location = if client.has_no_answer(now) {
            None
        } else {
            client.resolver.pick(now)
        };
        let Some(location) = location else {
            page.failure = Some(Failure::Dns);
            return Some(page);
        };
        page.location = location;
        page.step = Step::Document;
        self.request_files(now, page)
    }

    /// Requests the files of the current step. Returns the page load if it has ended.
    fn request_files(&mut self, now: SimTime, mut page: Page) -> Option<Page> {
        let edge = &self.plan.topology.edge;
        let [document, others] = rounds(edge.files.len());
        let latency = edge.latency;
        let mut done_at = now;
        if page.step == Step::Document {
            done_at = self.request_round(done_at, &mut page, document);
            let is_known = self.edge.is_fresh(page.location, done_at, others.clone());
            if done_at != now + latency || !is_known || page.failure.is_some() {
                self.wait_for_page(page, done_at);
                return None;
            }
            // Nothing can change what the other files get, so that they need no entry of their own in the calendar.
            page.step = Step::Others;
        }
        if !others.is_empty() {
            done_at = self.request_round(done_at, &mut page, others);
        }
        done_at += self.service.latency(Operation::PageLoad);
        if done_at == now {
            return Some(page);
        }
        self.wait_for_page(page, done_at);
        None
    }

    /// Requests some files at the same time. Returns when the last response is there.
    fn request_round(&mut self, at: SimTime, page: &mut Page, files: Range<u16>) -> SimTime {
        let edge = &self.plan.topology.edge;
        let location = &mut self.edge.locations[usize::from(page.location)];
        let mut ready_at = at;
        for file in files {
            let fetch = &mut location.fetches[usize::from(file)];
            match location.cache.handle_request(at, FileId(file)) {
                Lookup::Hit => {}
                Lookup::Fetch(kind) => {
                    fetch.0 = at + edge.origin_latency;
                    ready_at = ready_at.max(fetch.0);
                    let entry = Entry::Origin {
                        location: page.location,
                        file,
                        is_known: kind == Fetch::IfChanged,
                    };
                    self.calendar.enter(fetch.0, entry);
                }
                Lookup::Wait => ready_at = ready_at.max(fetch.0),
                Lookup::Error => page.failure = Some(Failure::Status(502)),
            }
        }
        ready_at + edge.latency
    }

    /// Lets a page load wait until its step ends, or until the buyer gives up on it.
    fn wait_for_page(&mut self, mut page: Page, until: SimTime) {
        let gives_up_at = page.sent + self.plan.buyers.call_timeout;
        if until > gives_up_at {
            page.failure = Some(Failure::Timeout);
        }
        let slot = self.edge.insert(page);
        self.calendar
            .enter(until.min(gives_up_at), Entry::Page(slot));
    }

    /// Hands a page load that has ended to its buyer.
    fn deliver_page(&mut self, now: SimTime, page: &Page) {
        self.observe_page(now, page);
        let Some(mut journey) = self.crowd.take(page.buyer) else {
            return;
        };
        self.crowd.browser(page.buyer).is_calling = false;
        journey.handle_answer(now, Operation::PageLoad, answer_of(page));
        self.drive(now, page.buyer, journey);
    }

    fn observe_page(&mut self, now: SimTime, page: &Page) {
        let bytes = self.plan.topology.edge.page_bytes();
        let (outcome, bytes) = match page.failure {
            None => (Outcome::Ok, u32::try_from(bytes).unwrap_or(u32::MAX)),
            Some(failure) => (Outcome::Failed(failure), 0),
        };
        self.recorder.observe(&Observation::PageLoad(Observed {
            operation: Operation::PageLoad,
            intended: page.intended,
            sent: page.sent,
            answered: now,
            outcome,
            bytes,
        }));
    }
}

const fn answer_of(page: &Page) -> Answer<'static> {
    match page.failure {
        None => Answer::Done,
        Some(failure) => Answer::Failed {
            failure,
            retry_after: None,
        },
    }
}
