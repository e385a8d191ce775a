//! Loads the web page from the edge: its document, then all other files at once.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::header::HOST;
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::clock::Clock;
use super::dialer::Dialer;
use super::http::Http;
use super::reach::Allowed;
use super::resolver::Names;
use super::setup::{SetupError, host_header};
use super::worker::{Assignment, EntryPoint};
use tiketi_buyer::observation::Failure;
use tiketi_cloud::resolver::NameFigures;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_edge::rounds;

/// Requests for files that a worker has in progress at the most. Each needs a connection; a location answers within
/// milliseconds, so that this is enough for thousands of page loads per second.
pub(super) const PAGE_CONNECTIONS_MAX: usize = 64;
/// Read buffer per connection: files are larger than the responses of an API.
const READ_BYTES: usize = 32 << 10;

/// The edge that serves the web page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeEntry {
    /// DNS name of the site.
    pub host: String,
    /// Port of all edge locations.
    pub port: u16,
    /// Their addresses: an answer for the name with another one is counted as astray.
    pub addresses: Vec<Ipv4Addr>,
}

/// Loads pages for the buyers of one worker.
pub(super) struct PageLoader {
    http: Http,
    /// The resolvers of the buyers but the first, which the dialer has.
    other_resolvers: Vec<Names>,
    host: HeaderValue,
    files: Vec<Uri>,
    addresses: Vec<Ipv4Addr>,
    astray: Cell<u64>,
    clock: Clock,
    /// In real time.
    call_timeout: Duration,
}

impl PageLoader {
    /// Prepares the connections to `edge`.
    pub(super) fn new(
        assignment: &Assignment,
        edge: &EdgeEntry,
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let plan = &assignment.plan;
        let site = EntryPoint {
            host: edge.host.clone(),
            port: edge.port,
            ..assignment.entry.clone()
        };
        let names = Names::new(&site, clock)?;
        let others = 1..plan.topology.edge.resolvers;
        let other_resolvers = others.map(|_| names.another()).collect();
        let call_timeout = clock.wall(plan.buyers.call_timeout);
        let connect_timeout = clock.wall(plan.buyers.connect_timeout);
        let sources = assignment.source_addresses.clone();
        let dialer = Dialer::new(names, None, sources, connect_timeout)?;
        let host = host_header(format!("{}:{}", edge.host, edge.port))?;
        let path = |path: &String| {
            let parsed = path.parse::<Uri>();
            parsed.map_err(|source| SetupError::Path {
                path: path.clone(),
                source,
            })
        };
        let files = plan.topology.edge.files.iter().map(|file| path(&file.path));
        Ok(Self {
            http: Http::new(
                dialer,
                host.clone(),
                clock,
                call_timeout,
                PAGE_CONNECTIONS_MAX,
            )
            .reading(READ_BYTES),
            other_resolvers,
            host,
            files: files.collect::<Result<_, _>>()?,
            addresses: edge.addresses.clone(),
            astray: Cell::new(0),
            clock,
            call_timeout,
        })
    }

    /// Loads the page for a buyer. Returns when it was requested, and its size in bytes or why it is not there.
    pub(super) async fn load(&self, buyer: BuyerId) -> (SimTime, Result<u32, Failure>) {
        let sent = self.clock.now();
        let loaded = timeout(self.call_timeout, self.load_files(buyer));
        (sent, loaded.await.unwrap_or(Err(Failure::Timeout)))
    }

    /// Returns how the site's name was looked up.
    pub(super) fn name_figures(&self) -> NameFigures {
        let mut all = self.http.dialer().names().figures();
        for resolver in &self.other_resolvers {
            all.add(&resolver.figures());
        }
        all
    }

    /// Returns how many answers for the site's name had an address that is no edge location.
    pub(super) const fn astray(&self) -> u64 {
        self.astray.get()
    }

    async fn load_files(&self, buyer: BuyerId) -> Result<u32, Failure> {
        let resolver = self.resolver_of(buyer);
        let mut location = resolver.address().await?;
        self.check(location);
        let [document, others] = rounds(self.files.len());
        let mut bytes = 0;
        for file in document {
            bytes += loop {
                match self.file(location, file).await {
                    Err(failure @ (Failure::ConnectRefused | Failure::ConnectTimeout)) => {
                        location = resolver
                            .handle_connect_failure(location)
                            .filter(|other| *other != location)
                            .ok_or(failure)?;
                    }
                    loaded => break loaded?,
                }
            };
        }
        let others = others.map(|file| self.file(location, file));
        let others: u32 = try_join_all(others).await?.into_iter().sum();
        Ok(bytes + others)
    }

    /// Requests one file. Returns its size.
    async fn file(&self, location: Allowed, file: u16) -> Result<u32, Failure> {
        let mut request = Request::new(Full::<Bytes>::default());
        *request.uri_mut() = self.files[usize::from(file)].clone();
        request.headers_mut().insert(HOST, self.host.clone());
        let (status, bytes) = self.http.fetch(location, request).await?;
        if status == StatusCode::OK {
            Ok(bytes)
        } else {
            Err(Failure::Status(status.as_u16()))
        }
    }

    fn resolver_of(&self, buyer: BuyerId) -> &Names {
        let resolvers = self.other_resolvers.len() + 1;
        match buyer.0 as usize % resolvers {
            0 => self.http.dialer().names(),
            number => &self.other_resolvers[number - 1],
        }
    }

    fn check(&self, location: Allowed) {
        let is_location = match location.address().ip() {
            IpAddr::V4(address) => self.addresses.contains(&address),
            IpAddr::V6(_) => false,
        };
        if !is_location {
            self.astray.set(self.astray.get() + 1);
        }
    }
}
