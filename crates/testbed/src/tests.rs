//! The whole testbed in this process: real name server, load-balancer nodes as tasks, real servers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::{Resolver, TokioResolver};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::child::Launcher;
use super::fleet::{self, Fleet, Site};
use super::{ALB_NAME, DATABASE_NAME, EDGE_NAME, Ground, REDIS_NAME, SITE_NAME, Testbed};
use tiketi_cloud::driver::{Engine as _, FaultTarget as _, Launch, Shift};
use tiketi_cloud::order::Input;
use tiketi_core::fault::catalog::Connections;
use tiketi_core::impairment::{Impairment, Impairments, Peer, Quality};
use tiketi_core::units::{DataTierPart, InstanceId, SimTime, ZoneId};
use tiketi_measure::ending::{Probe, ProbeOutcome};
use tiketi_scenario::network::{DefaultRoute, Source};
use tiketi_scenario::{Plan, load};

const ZONE_A: ZoneId = ZoneId(0);
const ZONE_B: ZoneId = ZoneId(1);
const IN_A: InstanceId = InstanceId(0);
const IN_B: InstanceId = InstanceId(1);

fn plan() -> Plan {
    let text = r#"
        preset = "tiketi"
        [clock]
        duration = "600s"
        speed = 50
        [[arrivals]]
        shape = "poisson"
        rate = 1
        from = "0s"
        until = "60s"
    "#;
    let loaded = load("test.toml", text, &Default::default());
    let mut plan = loaded.unwrap_or_else(|problems| panic!("{problems:?}"));
    // Two seconds on the wall: a busy machine must not make a target unhealthy.
    plan.topology.alb.health_check.timeout = Duration::from_secs(100);
    plan
}

/// No child process is started in these tests.
fn ground() -> Ground {
    Ground {
        executable: PathBuf::new(),
        logs: None,
        now_unix_ns: 0,
    }
}

struct Bench {
    testbed: Testbed,
    resolver: TokioResolver,
}

impl Bench {
    /// A testbed with one healthy instance in each zone.
    async fn start() -> Self {
        let mut bench = Self::start_empty().await;
        bench.start_instances().await;
        bench
    }

    /// The same with instances that are processes.
    async fn start_with_processes(plan: &Plan) -> Self {
        let mut bench = Self::start_empty_with(plan).await;
        let kind = fleet::tests::processes(Launcher::Tasks, None);
        let zones = plan.topology.zones.iter();
        let subnets = zones.map(|zone| Site::closed(zone.private)).collect();
        let (fleet, heard) = Fleet::new(kind, super::settings::server(plan), subnets);
        bench.testbed.fleet = Box::new(fleet);
        bench.testbed.fleet_heard = heard;
        bench.start_instances().await;
        bench
    }

    async fn start_instances(&mut self) {
        for (instance, zone) in [(IN_A, ZONE_A), (IN_B, ZONE_B)] {
            self.launch(instance, zone, SimTime::ZERO);
            self.testbed.register(SimTime::ZERO, instance);
            self.wait_for(Input::TargetHealth {
                instance,
                healthy: true,
            })
            .await;
            // A node that has never seen the target well would not say when it is gone.
            let voted = async {
                while self.testbed.balancer.votes(instance) < 2 {
                    self.go_on().await;
                }
            };
            let timely = tokio::time::timeout(Duration::from_secs(10), voted).await;
            timely.expect("both nodes check it");
        }
    }

    /// Keeps the testbed moving for a moment.
    async fn go_on(&mut self) {
        let moment = Duration::from_millis(20);
        drop(tokio::time::timeout(moment, self.testbed.next_input()).await);
    }

    async fn start_empty() -> Self {
        let plan = Box::new(plan());
        Box::pin(Self::start_empty_with(&plan)).await
    }

    async fn start_empty_with(plan: &Plan) -> Self {
        let testbed = Box::pin(Testbed::start_with(plan, &ground(), Launcher::Tasks))
            .await
            .unwrap();
        let server = testbed.entry().name_server;
        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let config = ResolverConfig::from_parts(
            None,
            vec![],
            vec![NameServerConfig::new(server.ip(), true, vec![connection])],
        );
        let mut options = ResolverOpts::default();
        options.cache_size = 0;
        let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .unwrap();
        Self { testbed, resolver }
    }

    fn launch(&mut self, instance: InstanceId, zone: ZoneId, answers_at: SimTime) {
        let launch = Launch {
            instance,
            zone,
            answers_at,
        };
        self.testbed.launch(SimTime::ZERO, launch).unwrap();
    }

    async fn wait_for(&mut self, wanted: Input) {
        let heard = async { while self.testbed.next_input().await != wanted {} };
        let timely = tokio::time::timeout(Duration::from_secs(10), heard).await;
        timely.unwrap_or_else(|_| panic!("never heard {wanted:?}"));
    }

    async fn resolve(&self, name: &str) -> Vec<IpAddr> {
        let found = self.resolver.lookup_ip(format!("{name}.")).await;
        let mut addresses: Vec<_> = found
            .map(|found| found.iter().collect())
            .unwrap_or_default();
        addresses.sort_unstable();
        addresses
    }

    async fn get(&self, node: IpAddr, path: &str) -> std::io::Result<StatusCode> {
        let address = SocketAddr::new(node, self.testbed.entry().port);
        let stream = TokioIo::new(TcpStream::connect(address).await?);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream)
            .await
            .map_err(std::io::Error::other)?;
        tokio::spawn(connection);
        let request = Request::get(path).header("host", ALB_NAME);
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        let response = sender.send_request(request).await;
        Ok(response.map_err(std::io::Error::other)?.status())
    }
}

#[tokio::test]
async fn buyers_reach_any_instance_through_the_node_of_either_zone() {
    let bench = Bench::start().await;
    let nodes = bench.resolve(ALB_NAME).await;
    assert_eq!(nodes.len(), 2);
    for &node in &nodes {
        for _ in 0..2 {
            assert_eq!(bench.get(node, "/health").await.unwrap(), StatusCode::OK);
        }
    }
    let gauges = bench.testbed.gauges();
    assert_eq!(gauges.instances.len(), 2);
    for gauge in &gauges.instances {
        assert!(gauge.load.as_ref().unwrap().requests > 0, "{gauge:?}");
    }
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn the_site_is_an_alias_of_the_edge_which_serves_its_page() {
    let bench = Bench::start_empty().await;
    let edge = bench.testbed.entry().edge.expect("the page has files");
    assert_eq!(edge.host, SITE_NAME);
    let locations: Vec<IpAddr> = edge.addresses.iter().copied().map(IpAddr::V4).collect();
    assert_eq!(bench.resolve(SITE_NAME).await, locations);
    assert_eq!(bench.resolve(EDGE_NAME).await, locations);
    let nodes = bench.resolve(ALB_NAME).await;
    assert!(nodes.iter().all(|node| !locations.contains(node)));
    let stream = TokioIo::new(TcpStream::connect((locations[0], edge.port)).await.unwrap());
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/index.html").header("host", SITE_NAME);
    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(bench.testbed.edge_figures().unwrap().hits, 1);
    bench.testbed.end().await.state.unwrap();
    assert!(TcpStream::connect((locations[0], edge.port)).await.is_err());
}

#[tokio::test]
async fn an_instance_refuses_connections_until_its_boot_is_over() {
    let mut bench = Bench::start_empty().await;
    bench.launch(IN_A, ZONE_A, SimTime::from_secs(60));
    bench.testbed.register(SimTime::ZERO, IN_A);
    let address = bench.testbed.fleet.address(IN_A).unwrap();
    assert_eq!(address.ip(), Ipv4Addr::new(127, 0, 11, 4));
    assert!(TcpStream::connect(address).await.is_err());
    let node = bench.resolve(ALB_NAME).await[0];
    assert_eq!(
        bench.get(node, "/health").await.unwrap(),
        StatusCode::BAD_GATEWAY
    );
    bench
        .wait_for(Input::TargetHealth {
            instance: IN_A,
            healthy: true,
        })
        .await;
    assert_eq!(bench.get(node, "/health").await.unwrap(), StatusCode::OK);
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn a_process_becomes_a_target_when_it_listens() {
    let mut plan = plan();
    // There will be no second check: the first must find it listening.
    plan.topology.alb.health_check.interval = Duration::from_hours(10);
    let mut bench = Bench::start_with_processes(&plan).await;
    let third = InstanceId(2);
    bench.launch(third, ZONE_A, SimTime::ZERO);
    bench.testbed.register(SimTime::ZERO, third);
    // Nothing has run since the launch, so it cannot listen yet.
    assert!(bench.testbed.unregistered.contains(&third));
    bench
        .wait_for(Input::TargetHealth {
            instance: third,
            healthy: true,
        })
        .await;
    assert!(bench.testbed.unregistered.is_empty());
    for node in bench.resolve(ALB_NAME).await {
        assert_eq!(bench.get(node, "/health").await.unwrap(), StatusCode::OK);
    }
    bench
        .testbed
        .deregister(SimTime::ZERO, IN_A, SimTime::from_secs(300));
    bench.wait_for(Input::Drained { instance: IN_A }).await;
    bench.testbed.terminate(SimTime::ZERO, IN_A);
    assert_eq!(bench.testbed.gauges().instances.len(), 2);
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn a_killed_instance_is_gone_at_once_and_the_other_one_serves() {
    for mut bench in [
        Bench::start().await,
        Bench::start_with_processes(&plan()).await,
    ] {
        bench.testbed.kill_instances(SimTime::ZERO, &[IN_A]);
        assert!(bench.testbed.instances_in(ZONE_A).is_empty());
        bench.testbed.soundness().unwrap();
        bench.testbed.terminate(SimTime::ZERO, IN_A);
        let node = bench.resolve(ALB_NAME).await[0];
        assert_eq!(bench.get(node, "/health").await.unwrap(), StatusCode::OK);
        bench.testbed.end().await.state.unwrap();
    }
}

#[tokio::test]
async fn an_instance_that_cannot_be_started_is_told_and_makes_the_testbed_unsound() {
    let mut bench = Bench::start_empty().await;
    let broken = Launcher::Binary("/bin/false".into());
    let kind = fleet::tests::processes(broken, None);
    let subnets = vec![Site::closed("10.0.11.0/24".parse().unwrap())];
    let (fleet, heard) = Fleet::new(kind, super::settings::server(&plan()), subnets);
    bench.testbed.fleet = Box::new(fleet);
    bench.testbed.fleet_heard = heard;
    bench.launch(IN_A, ZONE_A, SimTime::ZERO);
    bench.testbed.register(SimTime::ZERO, IN_A);
    bench.wait_for(Input::InstanceLost { instance: IN_A }).await;
    let problem = bench.testbed.soundness().unwrap_err().to_string();
    assert_eq!(
        problem,
        "i-0 cannot be started: its process ended before it listened"
    );
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn a_lost_zone_takes_its_node_its_instances_and_the_primaries_with_it() {
    let mut bench = Bench::start().await;
    let nodes = bench.resolve(ALB_NAME).await;
    let redis = bench.resolve(REDIS_NAME).await;
    bench
        .testbed
        .lose_zone(SimTime::ZERO, ZONE_A, Connections::Reset);
    assert_eq!(bench.testbed.queue_size(SimTime::ZERO), None);
    bench
        .wait_for(Input::TargetHealth {
            instance: IN_A,
            healthy: false,
        })
        .await;
    assert!(bench.get(nodes[0], "/health").await.is_err());
    assert_eq!(
        bench.get(nodes[1], "/health").await.unwrap(),
        StatusCode::OK
    );
    assert_eq!(bench.testbed.gauges().instances.len(), 1);

    bench
        .testbed
        .promote(SimTime::ZERO, DataTierPart::Redis, ZONE_B);
    bench
        .testbed
        .promote(SimTime::ZERO, DataTierPart::Database, ZONE_B);
    assert_eq!(bench.testbed.queue_size(SimTime::ZERO), Some(0));
    assert_ne!(bench.resolve(REDIS_NAME).await, redis);
    assert_eq!(bench.resolve(DATABASE_NAME).await.len(), 1);
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn the_address_of_a_lost_node_leaves_the_record_and_returns_with_the_zone() {
    let mut bench = Bench::start().await;
    let nodes = bench.resolve(ALB_NAME).await;
    bench
        .testbed
        .lose_zone(SimTime::ZERO, ZONE_A, Connections::Reset);
    assert_eq!(bench.resolve(ALB_NAME).await.len(), 2, "not at once");
    bench.testbed.evict_node(ZONE_A);
    assert_eq!(bench.resolve(ALB_NAME).await, nodes[1..]);
    // A node that has just been started would try the dead target until its first check.
    bench.testbed.terminate(SimTime::ZERO, IN_A);

    bench.testbed.restore_zone(SimTime::ZERO, ZONE_A).unwrap();
    bench.testbed.restore_node(SimTime::ZERO, ZONE_A).unwrap();
    let again = InstanceId(2);
    bench.launch(again, ZONE_A, SimTime::ZERO);
    bench.testbed.register(SimTime::ZERO, again);
    bench
        .wait_for(Input::TargetHealth {
            instance: again,
            healthy: true,
        })
        .await;
    while bench.resolve(ALB_NAME).await != nodes {
        bench.go_on().await;
    }
    assert_eq!(
        bench.get(nodes[0], "/health").await.unwrap(),
        StatusCode::OK
    );
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn a_node_that_starts_again_does_not_make_the_fleet_unhealthy() {
    let mut bench = Bench::start().await;
    bench
        .testbed
        .lose_zone(SimTime::ZERO, ZONE_A, Connections::Reset);
    bench
        .wait_for(Input::TargetHealth {
            instance: IN_A,
            healthy: false,
        })
        .await;
    bench.testbed.terminate(SimTime::ZERO, IN_A);
    bench.testbed.restore_zone(SimTime::ZERO, ZONE_A).unwrap();
    bench.testbed.restore_node(SimTime::ZERO, ZONE_A).unwrap();
    let quiet = tokio::time::timeout(Duration::from_secs(1), bench.testbed.next_input()).await;
    assert!(quiet.is_err(), "heard {quiet:?}");
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn a_deregistered_instance_drains_on_every_node() {
    let mut bench = Bench::start().await;
    bench
        .testbed
        .deregister(SimTime::ZERO, IN_A, SimTime::from_secs(300));
    bench.wait_for(Input::Drained { instance: IN_A }).await;
    bench.testbed.terminate(SimTime::ZERO, IN_A);
    assert_eq!(bench.testbed.gauges().instances.len(), 1);
    for node in bench.resolve(ALB_NAME).await {
        assert_eq!(bench.get(node, "/health").await.unwrap(), StatusCode::OK);
    }
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn nothing_listens_after_the_stop() {
    let bench = Bench::start().await;
    let nodes = bench.resolve(ALB_NAME).await;
    let port = bench.testbed.entry().port;
    let instance = bench.testbed.fleet.address(IN_B).unwrap();
    bench.testbed.end().await.state.unwrap();
    for address in nodes
        .into_iter()
        .map(|node| (node, port).into())
        .chain([instance])
    {
        assert!(TcpStream::connect(address).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn processor_time_grows_with_the_work_of_the_instances() {
    let mut bench = Bench::start().await;
    let node = bench.resolve(ALB_NAME).await[0];
    let worked = |bench: &mut Bench| -> Duration {
        let times = bench.testbed.cpu_times(SimTime::ZERO);
        times.iter().map(|time| time.busy).sum()
    };
    let before = worked(&mut bench);
    for _ in 0..50 {
        bench.get(node, "/health").await.unwrap();
    }
    assert!(worked(&mut bench) > before);
    bench.testbed.end().await.state.unwrap();

    let mut empty = Bench::start_empty().await;
    assert!(empty.testbed.cpu_times(SimTime::ZERO).is_empty());
    empty.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn the_load_taken_for_the_bill_is_what_came_since_the_last_time() {
    let mut bench = Bench::start().await;
    let node = bench.resolve(ALB_NAME).await[0];
    for _ in 0..5 {
        bench.get(node, "/health").await.unwrap();
    }
    let taken = async {
        let mut requests = 0;
        while requests < 5 {
            bench.go_on().await;
            requests += bench.testbed.take_load().requests;
        }
        requests
    };
    let timely = tokio::time::timeout(Duration::from_secs(10), taken).await;
    assert_eq!(timely.expect("the nodes report their load"), 5);
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn errors_name_the_zone_as_the_plan_does() {
    let mut bench = Bench::start_empty().await;
    bench.testbed.broken_node = Some(ZONE_B);
    let problem = bench.testbed.soundness().unwrap_err().to_string();
    assert_eq!(
        problem,
        "a load-balancer process of zone b ended unexpectedly"
    );
    bench.testbed.end().await.state.unwrap();
}

/// An address that buyers come from.
const BUYER: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);

#[tokio::test]
async fn instances_answer_their_load_balancer_and_refuse_buyers() {
    let bench = Bench::start().await;
    let probes = bench.testbed.probe(BUYER).await;
    assert_eq!(probes.len(), 2, "one instance in each zone");
    let is_refused = |probe: &Probe| probe.outcome == ProbeOutcome::Refused;
    assert!(probes.iter().all(is_refused), "{probes:?}");
    let gauges = bench.testbed.gauges();
    let refused = gauges.instances.iter().filter_map(|one| one.load);
    assert_eq!(refused.map(|load| load.strangers_refused).sum::<u64>(), 2);
    for node in bench.resolve(ALB_NAME).await {
        assert_eq!(bench.get(node, "/health").await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test]
async fn an_instance_with_a_public_address_and_an_open_group_answers_buyers() {
    let mut plan = plan();
    plan.topology
        .security_groups
        .instances
        .push(Source::Internet);
    for zone in &mut plan.topology.zones {
        zone.routes.private = DefaultRoute::InternetGateway;
    }
    let mut bench = Bench::start_empty_with(&plan).await;
    bench.start_instances().await;
    let probes = bench.testbed.probe(BUYER).await;
    let is_through = |probe: &Probe| probe.outcome == ProbeOutcome::Answered;
    assert!(
        probes.len() == 2 && probes.iter().all(is_through),
        "{probes:?}"
    );
}

#[tokio::test]
async fn a_zonal_shift_takes_the_address_of_the_zone_out_of_dns_until_it_ends() {
    let mut bench = Bench::start().await;
    let both = bench.resolve(ALB_NAME).await;
    assert_eq!(both.len(), 2);
    bench.testbed.shift_zone(SimTime::ZERO, ZONE_A, Shift::Away);
    let left = bench.resolve(ALB_NAME).await;
    assert_eq!(left.len(), 1);
    // The node itself works on, for those who still know its address.
    let shifted = both.iter().find(|address| !left.contains(address)).unwrap();
    assert_eq!(
        bench.get(*shifted, "/health").await.unwrap(),
        StatusCode::OK
    );
    bench.testbed.shift_zone(SimTime::ZERO, ZONE_B, Shift::Away);
    assert_eq!(bench.resolve(ALB_NAME).await, left, "the last one stays");
    bench.testbed.shift_zone(SimTime::ZERO, ZONE_A, Shift::Back);
    assert_eq!(bench.resolve(ALB_NAME).await, both);
}

#[tokio::test]
async fn an_instance_far_from_redis_is_slower_while_the_path_between_zones_is_impaired() {
    let mut bench = Bench::start().await;
    let mut impairments = Impairments::default();
    impairments.add(Impairment {
        zone: ZONE_B,
        peer: Peer::OtherZones,
        quality: Quality {
            delay: Duration::from_secs(20),
            ..Quality::default()
        },
    });
    bench.testbed.impair(SimTime::ZERO, &impairments);
    // Redis is in zone a. Its client gives up after two seconds, much less than the packets take.
    let status = |address: SocketAddr| async move {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket
            .bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, 4), 0)))
            .unwrap();
        let stream = TokioIo::new(socket.connect(address).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get("/health/redis").header("host", ALB_NAME);
        let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
        sender.send_request(request).await.unwrap().status()
    };
    let address = |instance| bench.testbed.fleet.address(instance).unwrap();
    assert_eq!(status(address(IN_A)).await, StatusCode::OK);
    assert_eq!(status(address(IN_B)).await, StatusCode::SERVICE_UNAVAILABLE);
    // After a failover, Redis is in the zone of the other one.
    bench
        .testbed
        .promote(SimTime::ZERO, DataTierPart::Redis, ZONE_B);
    let address = |instance| bench.testbed.fleet.address(instance).unwrap();
    assert_eq!(status(address(IN_B)).await, StatusCode::OK);
}
