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
use super::fleet::{self, Fleet};
use super::{ALB_NAME, DATABASE_NAME, Ground, REDIS_NAME, Testbed};
use tiketi_cloud::order::{Input, Order};
use tiketi_core::units::{InstanceId, SimTime, ZoneId};
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
        let subnets = zones.map(|zone| zone.private).collect();
        let (fleet, heard) = Fleet::new(kind, super::settings::server(plan), subnets);
        bench.testbed.fleet = Box::new(fleet);
        bench.testbed.fleet_heard = heard;
        bench.start_instances().await;
        bench
    }

    async fn start_instances(&mut self) {
        for (instance, zone) in [(IN_A, ZONE_A), (IN_B, ZONE_B)] {
            self.launch(instance, zone, SimTime::ZERO);
            self.obey(Order::Register { instance });
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
        Self::start_empty_with(&plan()).await
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
        self.obey(Order::Launch {
            instance,
            zone,
            answers_at,
        });
    }

    fn obey(&mut self, order: Order) -> Option<Input> {
        self.testbed.obey(SimTime::ZERO, &order).unwrap()
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
async fn an_instance_refuses_connections_until_its_boot_is_over() {
    let mut bench = Bench::start_empty().await;
    bench.launch(IN_A, ZONE_A, SimTime::from_secs(60));
    bench.obey(Order::Register { instance: IN_A });
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
    bench.obey(Order::Register { instance: third });
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
    bench.obey(Order::Deregister {
        instance: IN_A,
        until: SimTime::from_secs(300),
    });
    bench.wait_for(Input::Drained { instance: IN_A }).await;
    bench.obey(Order::Terminate { instance: IN_A });
    assert_eq!(bench.testbed.gauges().instances.len(), 2);
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn the_control_plane_is_told_of_a_killed_instance() {
    for mut bench in [
        Bench::start().await,
        Bench::start_with_processes(&plan()).await,
    ] {
        bench.testbed.fleet.kill(IN_A);
        bench.wait_for(Input::InstanceLost { instance: IN_A }).await;
        bench.testbed.soundness().unwrap();
        bench.obey(Order::Terminate { instance: IN_A });
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
    let subnets = vec!["10.0.11.0/24".parse().unwrap()];
    let (fleet, heard) = Fleet::new(kind, super::settings::server(&plan()), subnets);
    bench.testbed.fleet = Box::new(fleet);
    bench.testbed.fleet_heard = heard;
    bench.launch(IN_A, ZONE_A, SimTime::ZERO);
    bench.obey(Order::Register { instance: IN_A });
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
    bench.testbed.lose_zone(SimTime::ZERO, ZONE_A);
    let outage = bench.obey(Order::SampleQueue);
    assert_eq!(outage, Some(Input::QueueSampled { size: None }));
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

    bench.obey(Order::PromoteRedis { zone: ZONE_B });
    bench.obey(Order::PromoteDatabase { zone: ZONE_B });
    let healed = bench.obey(Order::SampleQueue);
    assert_eq!(healed, Some(Input::QueueSampled { size: Some(0) }));
    assert_ne!(bench.resolve(REDIS_NAME).await, redis);
    assert_eq!(bench.resolve(DATABASE_NAME).await.len(), 1);
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn the_address_of_a_lost_node_leaves_the_record_and_returns_with_the_zone() {
    let mut bench = Bench::start().await;
    let nodes = bench.resolve(ALB_NAME).await;
    bench.testbed.lose_zone(SimTime::ZERO, ZONE_A);
    while bench.resolve(ALB_NAME).await.len() == 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(bench.resolve(ALB_NAME).await, nodes[1..]);
    // A node that has just been started would try the dead target until its first check.
    bench.obey(Order::Terminate { instance: IN_A });

    bench.testbed.restore_zone(SimTime::ZERO, ZONE_A).unwrap();
    let again = InstanceId(2);
    bench.launch(again, ZONE_A, SimTime::ZERO);
    bench.obey(Order::Register { instance: again });
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
    bench.testbed.lose_zone(SimTime::ZERO, ZONE_A);
    bench
        .wait_for(Input::TargetHealth {
            instance: IN_A,
            healthy: false,
        })
        .await;
    bench.obey(Order::Terminate { instance: IN_A });
    bench.testbed.restore_zone(SimTime::ZERO, ZONE_A).unwrap();
    let quiet = tokio::time::timeout(Duration::from_secs(1), bench.testbed.next_input()).await;
    assert!(quiet.is_err(), "heard {quiet:?}");
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn a_deregistered_instance_drains_on_every_node() {
    let mut bench = Bench::start().await;
    bench.obey(Order::Deregister {
        instance: IN_A,
        until: SimTime::from_secs(300),
    });
    bench.wait_for(Input::Drained { instance: IN_A }).await;
    bench.obey(Order::Terminate { instance: IN_A });
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
async fn nothing_can_be_launched_in_a_zone_that_is_down() {
    let mut bench = Bench::start_empty().await;
    bench.testbed.lose_zone(SimTime::ZERO, ZONE_B);
    let answer = bench.obey(Order::Launch {
        instance: IN_B,
        zone: ZONE_B,
        answers_at: SimTime::ZERO,
    });
    assert_eq!(answer, Some(Input::InstanceLost { instance: IN_B }));
    assert!(bench.testbed.gauges().instances.is_empty());
    bench.testbed.end().await.state.unwrap();
}

#[tokio::test]
async fn the_mean_cpu_of_the_fleet_is_sampled_between_two_instants() {
    let mut bench = Bench::start().await;
    let node = bench.resolve(ALB_NAME).await[0];
    let sample = |bench: &mut Bench, seconds| {
        let now = SimTime::from_secs(seconds);
        bench.testbed.obey(now, &Order::SampleCpu).unwrap()
    };
    sample(&mut bench, 60);
    for _ in 0..50 {
        bench.get(node, "/health").await.unwrap();
    }
    let Some(Input::CpuSampled {
        percent: Some(busy),
    }) = sample(&mut bench, 61)
    else {
        panic!("instances answer");
    };
    assert!(busy > 0.0 && busy <= 100.0, "{busy} %");
    bench.testbed.end().await.state.unwrap();

    let mut empty = Bench::start_empty().await;
    let unknown = empty.obey(Order::SampleCpu);
    assert_eq!(unknown, Some(Input::CpuSampled { percent: None }));
    empty.testbed.end().await.state.unwrap();
}
