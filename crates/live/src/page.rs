//! Loads the web page from the edge: its document, then all other files at once.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use http::header::HOST;
use http::{Request, StatusCode, Uri};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::access::AccessNetwork;
use super::clock::Clock;
use super::edge_way::SiteNames;
use super::http::Http;
use super::reach::Allowed;
use super::setup::SetupError;
use super::worker::Assignment;
use tiketi_buyer::observation::Failure;
use tiketi_core::units::{BuyerId, SimTime};
use tiketi_edge::rounds;
use tiketi_scenario::edge::StaticFile;

/// Requests for files that a worker has in progress at the most. Each needs a connection; a location answers within
/// milliseconds, so that this is enough for thousands of page loads per second.
pub(super) const PAGE_CONNECTIONS_MAX: usize = 64;
/// Read buffer per connection: files are larger than the responses of an API.
const READ_BYTES: usize = 32 << 10;

/// The edge that serves the web page, and perhaps more.
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
    site: Rc<SiteNames>,
    files: Vec<Uri>,
    /// The same files, as the scenario states them.
    stated: Vec<StaticFile>,
    access: Option<Rc<AccessNetwork>>,
    clock: Clock,
    /// In real time.
    call_timeout: Duration,
}

impl PageLoader {
    /// Prepares the connections to `edge`.
    pub(super) fn new(
        assignment: &Assignment,
        (edge, site): (&EdgeEntry, Rc<SiteNames>),
        clock: Clock,
    ) -> Result<Self, SetupError> {
        let plan = &assignment.plan;
        let path = |path: &String| {
            let parsed = path.parse::<Uri>();
            parsed.map_err(|source| SetupError::Path {
                path: path.clone(),
                source,
            })
        };
        let files = plan.topology.edge.files.iter().map(|file| path(&file.path));
        let http = site.client(assignment, edge, clock, PAGE_CONNECTIONS_MAX)?;
        Ok(Self {
            http: http.reading(READ_BYTES),
            site,
            files: files.collect::<Result<_, _>>()?,
            stated: plan.topology.edge.files.clone(),
            access: None,
            clock,
            call_timeout: clock.wall(plan.buyers.call_timeout),
        })
    }

    /// The same loader, for buyers with this network.
    pub(super) fn over(mut self, access: Option<Rc<AccessNetwork>>) -> Self {
        self.access = access;
        self
    }

    /// Loads the page for a buyer. Returns when it was requested, and its size in bytes or why it is not there.
    pub(super) async fn load(&self, buyer: BuyerId) -> (SimTime, Result<u32, Failure>) {
        let sent = self.clock.now();
        let loaded = timeout(self.call_timeout, self.load_files(buyer));
        (sent, loaded.await.unwrap_or(Err(Failure::Timeout)))
    }

    async fn load_files(&self, buyer: BuyerId) -> Result<u32, Failure> {
        if let Some(access) = &self.access {
            access.page(&self.stated).await;
        }
        let resolver = self.site.of(buyer);
        let mut location = resolver.address().await?;
        self.site.check(location);
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
        let host = self.http.host().clone();
        request.headers_mut().insert(HOST, host);
        let (status, bytes) = self.http.fetch(location, request).await?;
        if status == StatusCode::OK {
            Ok(bytes)
        } else {
            Err(Failure::Status(status.as_u16()))
        }
    }
}
