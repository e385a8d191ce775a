//! One edge location: serves static files from its cache, asks S3 for what it does not have, and passes everything else on to
//! the load balancer if the scenario sends it there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH, VIA};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::X_CACHE;
use super::lobby::{Asked, Lobby};
use super::origin::with_status;
use super::server::{self, Answer, Client, entity_tag};
use super::upstream::Upstream;
use crate::clock::{Clock, pause};
use crate::lock;
use tiketi_edge::{
    Cache, Delivery, EdgeFigures, Fetch, FileId, Lookup, OriginAnswer, PassingFigures,
    RESPONSE_TIMEOUT,
};
use tiketi_scenario::topology::{self, CacheStart};

/// One location.
#[derive(Debug)]
pub(super) struct Location {
    clock: Clock,
    /// Real time to a response from the cache.
    latency: Duration,
    /// The longest that S3 may take, in real time; then it has failed.
    origin_timeout: Duration,
    paths: Vec<String>,
    tags: Vec<HeaderValue>,
    state: Mutex<State>,
    /// For each file, notified when S3 has answered, or failed.
    answered: Vec<Notify>,
    origin: SocketAddr,
    client: legacy::Client<HttpConnector, Empty<Bytes>>,
    /// The way to the load balancer; `None` if buyers go there directly.
    upstream: Option<Upstream>,
    /// The waiting room; `None` if it is in the application.
    lobby: Option<Arc<Lobby>>,
}

#[derive(Debug)]
struct State {
    cache: Cache,
    /// The content of each file; empty until it was there for the first time.
    contents: Vec<Bytes>,
    /// What those got who waited last for each file.
    deliveries: Vec<Delivery>,
}

/// Serves a location.
pub(super) fn spawn(listener: TcpListener, location: &Arc<Location>) {
    server::spawn(listener, Arc::clone(location), answer);
}

impl Location {
    /// Creates a location for files with these contents, whose S3 is at `origin`, and whose load balancer is `upstream`;
    /// `lobby` is the waiting room that all locations share.
    pub(super) fn new(
        plan: &topology::Edge,
        contents: &[Bytes],
        (clock, origin): (Clock, SocketAddr),
        (upstream, lobby): (Option<Upstream>, Option<Arc<Lobby>>),
    ) -> Self {
        /// On a busy machine, or at high speed, a response takes longer than it should.
        const ORIGIN_TIMEOUT_MIN: Duration = Duration::from_secs(2);
        let contents = contents.iter().map(|content| match plan.cache {
            CacheStart::Warm => content.clone(),
            CacheStart::Empty => Bytes::new(),
        });
        let tags = plan.files.iter().map(entity_tag);
        let tag = |text| HeaderValue::try_from(text).expect("digits are valid in a header");
        Self {
            clock,
            latency: clock.wall(plan.latency),
            origin_timeout: clock.wall(RESPONSE_TIMEOUT).max(ORIGIN_TIMEOUT_MIN),
            paths: plan.files.iter().map(|file| file.path.clone()).collect(),
            tags: tags.map(tag).collect(),
            state: Mutex::new(State {
                cache: Cache::new(plan),
                contents: contents.collect(),
                deliveries: vec![Delivery::File; plan.files.len()],
            }),
            answered: plan.files.iter().map(|_| Notify::new()).collect(),
            origin,
            client: legacy::Client::builder(TokioExecutor::new()).build(HttpConnector::new()),
            upstream,
            lobby,
        }
    }

    /// Returns what was counted.
    pub(super) fn figures(&self) -> EdgeFigures {
        *lock(&self.state).cache.figures()
    }

    /// Returns what was passed on to the load balancer.
    pub(super) fn passing(&self) -> PassingFigures {
        let upstream = self.upstream.as_ref();
        upstream.map_or_else(PassingFigures::default, Upstream::figures)
    }

    /// Asks S3 for a file, and wakes up those who wait for it.
    async fn fetch(self: Arc<Self>, file: FileId, kind: Fetch) {
        let asked = tokio::time::timeout(self.origin_timeout, self.ask(file, kind));
        let (answer, content) = asked
            .await
            .ok()
            .flatten()
            .unwrap_or((OriginAnswer::Failed, None));
        let mut state = lock(&self.state);
        if let Some(content) = content {
            state.contents[file.index()] = content;
        }
        let now = self.clock.now();
        let delivery = state.cache.handle_origin_answer(now, file, answer);
        state.deliveries[file.index()] = delivery;
        drop(state);
        self.answered[file.index()].notify_waiters();
    }

    /// Returns the response of S3; `None` if it is none of those that are expected.
    async fn ask(&self, file: FileId, kind: Fetch) -> Option<(OriginAnswer, Option<Bytes>)> {
        let path = &self.paths[file.index()];
        let uri: Uri = format!("http://{}{path}", self.origin).parse().ok()?;
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        if kind == Fetch::IfChanged {
            let tag = self.tags[file.index()].clone();
            request.headers_mut().insert(IF_NONE_MATCH, tag);
        }
        let answer = self.client.request(request).await.ok()?;
        match answer.status() {
            StatusCode::OK => {
                let content = answer.into_body().collect().await.ok()?.to_bytes();
                Some((OriginAnswer::File, Some(content)))
            }
            StatusCode::NOT_MODIFIED if kind == Fetch::IfChanged => {
                Some((OriginAnswer::Unchanged, None))
            }
            _ => None,
        }
    }

    /// Returns the response with a file, as soon as the cache has it.
    async fn serve(self: &Arc<Self>, file: FileId) -> Answer {
        let answered = self.answered[file.index()].notified();
        tokio::pin!(answered);
        // From here on it hears of the response, even if that arrives before the first poll.
        answered.as_mut().enable();
        let lookup = lock(&self.state)
            .cache
            .handle_request(self.clock.now(), file);
        let said = match lookup {
            Lookup::Hit => "Hit from cloudfront",
            Lookup::Fetch(kind) => {
                // A task of its own: others may wait for it, too, when this client hangs up.
                tokio::spawn(Arc::clone(self).fetch(file, kind));
                answered.await;
                match kind {
                    Fetch::Whole => "Miss from cloudfront",
                    Fetch::IfChanged => "RefreshHit from cloudfront",
                }
            }
            Lookup::Wait => {
                answered.await;
                "Miss from cloudfront"
            }
            Lookup::Error => return self.error().await,
        };
        let content = self.content(file, lookup);
        let Some(content) = content else {
            return self.error().await;
        };
        pause(self.latency).await;
        let mut answer = Response::new(Full::new(content));
        let headers = answer.headers_mut();
        headers.insert(X_CACHE, HeaderValue::from_static(said));
        headers.insert(VIA, HeaderValue::from_static("1.1 edge"));
        headers.insert(ETAG, self.tags[file.index()].clone());
        answer
    }

    /// Returns the content for a request that was looked up and has waited for S3 if it had to; `None` if S3 has failed.
    fn content(&self, file: FileId, lookup: Lookup) -> Option<Bytes> {
        let state = lock(&self.state);
        let has_failed = match (lookup, state.deliveries[file.index()]) {
            (Lookup::Fetch(_) | Lookup::Wait, Delivery::Error) => true,
            (Lookup::Fetch(_) | Lookup::Wait, Delivery::File)
            | (Lookup::Hit | Lookup::Error, _) => false,
        };
        (!has_failed).then(|| state.contents[file.index()].clone())
    }

    async fn error(&self) -> Answer {
        pause(self.latency).await;
        let mut answer = with_status(StatusCode::BAD_GATEWAY);
        let said = HeaderValue::from_static("Error from cloudfront");
        answer.headers_mut().insert(X_CACHE, said);
        answer
    }
}

async fn answer(location: Arc<Location>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path();
    if let (Some(lobby), Some(asked)) = (&location.lobby, Asked::of(path)) {
        return lobby
            .answer(asked, request.method(), request.headers())
            .await;
    }
    let file = location.paths.iter().position(|known| known == path);
    let file = file.and_then(|index| u16::try_from(index).ok());
    match (file, request.method(), &location.upstream) {
        (Some(index), &Method::GET, _) => location.serve(FileId(index)).await,
        (_, _, Some(upstream)) => {
            let Client(client) = *request.extensions().get().expect("each request has one");
            upstream.pass_on(client, request).await
        }
        (None, &Method::GET, None) => with_status(StatusCode::NOT_FOUND),
        (_, _, None) => with_status(StatusCode::METHOD_NOT_ALLOWED),
    }
}
