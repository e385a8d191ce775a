//! The authoritative name server (Route 53) of the testbed: hickory on a loopback address, over UDP and TCP.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hickory_server::Server;
use hickory_server::net::runtime::Time;
use hickory_server::proto::op::{Header, HeaderCounts, Metadata, ResponseCode};
use hickory_server::proto::rr::rdata::A;
use hickory_server::proto::rr::{RData, Record, RecordType};
use hickory_server::server::{Request, RequestHandler, ResponseHandler, ResponseInfo};
use hickory_server::zone_handler::MessageResponseBuilder;
use tokio::net::{TcpListener, UdpSocket};

use rand::RngExt as _;
use tiketi_cloud::name_service::{NameService, Visibility};
use tiketi_cloud::resolver::NameServerState;
use tiketi_core::rng::Stream;

/// Ports to try until one is free for both UDP and TCP.
const PORT_TRIES: u32 = 16;
/// Real time after which an idle TCP client is disconnected.
const TCP_TIMEOUT: Duration = Duration::from_secs(5);
/// Responses that may wait to be sent on one TCP connection.
const TCP_BACKLOG: usize = 32;

/// A running name server; it ends when dropped.
#[expect(
    missing_debug_implementations,
    reason = "hickory's server has none, and the address is all there is to show"
)]
pub struct NameServer {
    address: SocketAddr,
    names: SharedNames,
    slow: SharedSlowness,
    _server: Server<Zone>,
}

/// How late public names are answered, shared with the server's tasks; `None` if at once.
type SharedSlowness = Arc<Mutex<Option<Slowness>>>;

/// A fault of the name server.
struct Slowness {
    state: NameServerState,
    /// Which queries get no response.
    lost: Stream,
}

/// The records, shared between the server's tasks and the testbed that changes them.
pub type SharedNames = Arc<Mutex<NameService>>;

impl NameServer {
    /// Serves `names` on a free port of `ip`.
    ///
    /// TTLs are sent in whole seconds of *real* time, `ttl / speed` rounded up and at least one: any resolver then caches
    /// an answer at least as long as the scenario says, and less than one second of real time longer. At speed 1 the TTL
    /// is exact.
    ///
    /// # Errors
    ///
    /// When no port can be bound.
    pub async fn start(ip: Ipv4Addr, names: NameService, speed: f64) -> std::io::Result<Self> {
        let (udp, tcp) = bind(ip).await?;
        let address = udp.local_addr()?;
        let (names, slow) = (Arc::new(Mutex::new(names)), SharedSlowness::default());
        let mut server = Server::new(Zone {
            names: Arc::clone(&names),
            slow: Arc::clone(&slow),
            speed,
            answers: AtomicUsize::new(0),
        });
        server.register_socket(udp);
        server.register_listener(tcp, TCP_TIMEOUT, TCP_BACKLOG);
        Ok(Self {
            address,
            names,
            slow,
            _server: server,
        })
    }

    /// Returns where it listens, UDP and TCP.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how queries for public names are answered from now on; `lost` draws which get no response.
    pub fn set_state(&self, state: NameServerState, lost: Stream) {
        let is_calm = state == NameServerState::default();
        let slow = (!is_calm).then_some(Slowness { state, lost });
        *self.slow.lock().unwrap_or_else(PoisonError::into_inner) = slow;
    }

    /// Returns the records, to change them.
    pub fn names(&self) -> SharedNames {
        Arc::clone(&self.names)
    }
}

/// Binds UDP and TCP to the same free port.
async fn bind(ip: Ipv4Addr) -> std::io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind((ip, 0)).await?;
        match TcpListener::bind(udp.local_addr()?).await {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if tries == PORT_TRIES => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

/// Answers queries from the shared records.
struct Zone {
    names: SharedNames,
    slow: SharedSlowness,
    speed: f64,
    /// Responses so far: each starts with the next address, so that clients which use the first one spread out.
    answers: AtomicUsize,
}

impl Zone {
    fn answer(&self, request: &Request) -> (ResponseCode, Vec<Record>) {
        let Ok(info) = request.request_info() else {
            return (ResponseCode::FormErr, Vec::new());
        };
        let query = info.query.original();
        let name = query.name().to_ascii().to_ascii_lowercase();
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = names.lookup(name.trim_end_matches('.')) else {
            return (ResponseCode::NXDomain, Vec::new());
        };
        if !matches!(query.query_type(), RecordType::A | RecordType::ANY) {
            return (ResponseCode::NoError, Vec::new());
        }
        let ttl = wall_ttl(found.ttl, self.speed);
        let mut records: Vec<_> = found
            .addresses
            .iter()
            .map(|&address| Record::from_rdata(query.name().clone(), ttl, RData::A(A(address))))
            .collect();
        if !records.is_empty() {
            let first = self.answers.fetch_add(1, Ordering::Relaxed) % records.len();
            records.rotate_left(first);
        }
        (ResponseCode::NoError, records)
    }

    /// Returns when a query is answered, in real time; `None` if it gets no response.
    fn delay(&self, request: &Request) -> Option<Duration> {
        let mut slow = self.slow.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Slowness { state, lost }) = slow.as_mut().filter(|_| self.is_public(request))
        else {
            return Some(Duration::ZERO);
        };
        let is_lost = state
            .unanswered
            .is_some_and(|share| lost.random::<f64>() < share.get());
        (!is_lost).then(|| state.delay.div_f64(self.speed))
    }

    fn is_public(&self, request: &Request) -> bool {
        let Ok(info) = request.request_info() else {
            return false;
        };
        let name = info.query.original().name().to_ascii().to_ascii_lowercase();
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let found = names.lookup(name.trim_end_matches('.'));
        found.is_some_and(|record| record.visibility == Visibility::Public)
    }

    async fn respond<R: ResponseHandler>(&self, request: &Request, mut handle: R) -> ResponseInfo {
        let delay = self.delay(request);
        if let Some(delay) = delay.filter(|delay| !delay.is_zero()) {
            tokio::time::sleep(delay).await;
        }
        let (code, records) = self.answer(request);
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.authoritative = true;
        metadata.response_code = code;
        let unsent = || {
            ResponseInfo::from(Header {
                metadata,
                counts: HeaderCounts::default(),
            })
        };
        if delay.is_none() {
            return unsent();
        }
        let response = MessageResponseBuilder::from_message_request(request).build(
            metadata,
            &records,
            [],
            [],
            [],
        );
        // If the client is gone, nobody needs the response; hickory only counts what is returned here.
        let sent = handle.send_response(response).await;
        sent.unwrap_or_else(|_| unsent())
    }
}

impl RequestHandler for Zone {
    // Written out because the trait is declared with `async_trait`.
    fn handle_request<'life0, 'life1, 'async_trait, R, T>(
        &'life0 self,
        request: &'life1 Request,
        response_handle: R,
    ) -> Pin<Box<dyn Future<Output = ResponseInfo> + Send + 'async_trait>>
    where
        R: ResponseHandler + 'async_trait,
        T: Time + 'async_trait,
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(self.respond(request, response_handle))
    }
}

/// The TTL as it is sent, in seconds of real time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast saturates, and a TTL is never negative"
)]
fn wall_ttl(ttl: Duration, speed: f64) -> u32 {
    (ttl.as_secs_f64() / speed).ceil().max(1.0) as u32
}

#[cfg(test)]
mod tests {
    use hickory_resolver::config::{
        ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts,
    };
    use hickory_resolver::net::runtime::TokioRuntimeProvider;
    use hickory_resolver::{Resolver, TokioResolver};

    use super::*;

    fn resolver(server: SocketAddr, tcp: bool) -> TokioResolver {
        let mut connection = if tcp {
            ConnectionConfig::tcp()
        } else {
            ConnectionConfig::udp()
        };
        connection.port = server.port();
        let config = ResolverConfig::from_parts(
            None,
            vec![],
            vec![NameServerConfig::new(server.ip(), true, vec![connection])],
        );
        let mut options = ResolverOpts::default();
        options.cache_size = 0;
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .unwrap()
    }

    async fn addresses(resolver: &TokioResolver, name: &str) -> (Vec<Ipv4Addr>, u32) {
        let lookup = resolver.lookup(name, RecordType::A).await.unwrap();
        let records = lookup.answers();
        let ttl = records[0].ttl;
        let addresses = records
            .iter()
            .filter_map(|record| match record.data {
                RData::A(A(address)) => Some(address),
                _ => None,
            })
            .collect();
        (addresses, ttl)
    }

    fn names() -> NameService {
        let mut names = NameService::default();
        names.define("alb.test", Duration::from_secs(60));
        names.add("alb.test", Ipv4Addr::new(127, 0, 1, 10));
        names.add("alb.test", Ipv4Addr::new(127, 0, 2, 10));
        names
    }

    #[tokio::test]
    async fn responses_have_all_addresses_and_rotate_the_first() {
        for tcp in [false, true] {
            let server = NameServer::start(Ipv4Addr::LOCALHOST, names(), 5.0)
                .await
                .unwrap();
            let resolver = resolver(server.address(), tcp);
            let (first, ttl) = addresses(&resolver, "ALB.test.").await;
            let (second, _) = addresses(&resolver, "alb.test.").await;
            assert_eq!(ttl, 12, "60 s of scenario time at speed 5");
            assert_eq!(first.len(), 2);
            assert_ne!(first[0], second[0]);
        }
    }

    #[tokio::test]
    async fn a_changed_record_is_visible_in_the_next_query() {
        let server = NameServer::start(Ipv4Addr::LOCALHOST, names(), 1.0)
            .await
            .unwrap();
        let resolver = resolver(server.address(), false);
        server
            .names()
            .lock()
            .unwrap()
            .remove("alb.test", Ipv4Addr::new(127, 0, 1, 10));
        let (left, ttl) = addresses(&resolver, "alb.test.").await;
        assert_eq!(left, [Ipv4Addr::new(127, 0, 2, 10)]);
        assert_eq!(ttl, 60);
        assert!(resolver.lookup("gone.test.", RecordType::A).await.is_err());
    }

    #[tokio::test]
    async fn a_slow_name_server_answers_public_names_late_or_not_at_all() {
        let mut names = names();
        names.define_endpoint("redis.test", Duration::from_secs(5));
        names.point("redis.test", Ipv4Addr::LOCALHOST);
        let server = NameServer::start(Ipv4Addr::LOCALHOST, names, 1.0)
            .await
            .unwrap();
        let resolver = resolver(server.address(), false);
        let state = |delay, unanswered: f64| NameServerState {
            delay,
            unanswered: Some(unanswered.try_into().unwrap()),
        };
        let lost = || tiketi_core::rng::Streams::new(1).named("dns");
        let late = Duration::from_millis(200);
        server.set_state(state(late, 0.0), lost());
        let asked = crate::clock::wall_now();
        addresses(&resolver, "alb.test.").await;
        assert!(crate::clock::wall_now() - asked >= late);
        server.set_state(state(Duration::ZERO, 1.0), lost());
        let timely = |name| tokio::time::timeout(late, resolver.lookup(name, RecordType::A));
        assert!(timely("alb.test.").await.is_err(), "there is a response");
        // The names of the data tier are not public.
        assert!(timely("redis.test.").await.is_ok());
        server.set_state(NameServerState::default(), lost());
        addresses(&resolver, "alb.test.").await;
    }

    #[test]
    fn ttls_are_rounded_up_to_whole_seconds_of_real_time() {
        assert_eq!(wall_ttl(Duration::from_secs(60), 7.0), 9);
        assert_eq!(wall_ttl(Duration::from_secs(5), 20.0), 1);
    }
}
