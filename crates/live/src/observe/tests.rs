//! A metrics server that works, and all others.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;
use http::StatusCode;
use tiketi_scenario::observe::Observe;

fn target(prometheus: &str, allow: &[&str]) -> Target {
    Target {
        allow: allow.iter().map(|&host| host.to_owned()).collect(),
        observe: Observe {
            prometheus: Some(prometheus.to_owned()),
            every: Duration::from_secs(1),
            queue_length: Some("sum(waiting{job=\"a b\"})".to_owned()),
            ..Observe::default()
        },
        ..Target::default()
    }
}

/// A response with these samples, as Prometheus 2 and 3 send it.
fn vector(values: &[&str]) -> String {
    let series = values
        .iter()
        .map(|value| format!(r#"{{"metric":{{"job":"a"}},"value":[1764250000.123,"{value}"]}}"#));
    let series: Vec<_> = series.collect();
    format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
        series.join(",")
    )
}

/// Answers each connection with these bytes and closes it, or never if there are none; returns the address and the last request.
async fn server(response: Option<Vec<u8>>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (requests_tx, requests_rx) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut open = Vec::new();
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let bytes = tcp.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..bytes]).into_owned();
            requests_tx.send(request).unwrap();
            match &response {
                Some(response) => {
                    // The client may have seen enough.
                    drop(tcp.write_all(response).await);
                }
                None => open.push(tcp),
            }
        }
    });
    (address, requests_rx)
}

fn http(status: &str, body: &str) -> Option<Vec<u8>> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Some((head + body).into_bytes())
}

/// Asks a server once; returns the value of its first query.
async fn first_value(source: Source) -> Result<f64, String> {
    let clock = Clock::starting_at(crate::clock::unix_now_ns(), 1.0);
    let asked = async move {
        let server = Server::new(&source, clock).unwrap();
        server.read(&source.queries).await
    };
    let mut read = LocalSet::new().run_until(Box::pin(asked)).await;
    read.remove(0).1
}

async fn ask(address: &str) -> Result<f64, String> {
    let source = Source::admit(&target(address, &[]), &Trust::default())
        .await
        .unwrap()
        .unwrap();
    first_value(source).await
}

#[tokio::test]
async fn a_value_is_read_and_the_query_is_encoded() {
    let (address, mut requests) = server(http("200 OK", &vector(&["42.5"]))).await;
    assert_eq!(ask(&format!("{address}/prom")).await, Ok(42.5));
    let request = requests.recv().await.unwrap();
    let line = request.lines().next().unwrap();
    assert_eq!(
        line,
        "GET /prom/api/v1/query?query=sum%28waiting%7Bjob%3D%22a%20b%22%7D%29 HTTP/1.1"
    );
}

#[tokio::test]
async fn whatever_a_server_does_the_reason_is_a_sentence() {
    let error = r#"{"status":"error","errorType":"bad_data","error":"parse error at char 4"}"#;
    let long = vec![b' '; 2 << 20];
    let long = http("200 OK", &String::from_utf8(long).unwrap());
    let cases = [
        (http("400 Bad Request", error), "parse error at char 4"),
        (http("503 Service Unavailable", "down"), "HTTP status 503"),
        (http("302 Found", ""), "HTTP status 302"),
        (http("200 OK", "<html>"), "not Prometheus'"),
        (http("200 OK", &vector(&[])), "no series"),
        (http("200 OK", &vector(&["1", "2", "3"])), "3 series"),
        (http("200 OK", &vector(&["many"])), "the value is many"),
        (
            Some(b"\x00\xffgarbage\r\n\r\n".to_vec()),
            "the connection broke",
        ),
        (Some(Vec::new()), "the connection broke"),
        (long, "cannot be read"),
        (None, "no response within 4 s"),
    ];
    for (response, expected) in cases {
        let (address, _requests) = server(response).await;
        let reason = ask(&address).await.unwrap_err();
        assert!(reason.contains(expected), "{expected}: {reason}");
    }
    assert_eq!(
        ask("http://127.0.0.1:1").await.unwrap_err(),
        "connection refused"
    );
}

/// Reads `queue_length` of this document with these credentials.
async fn ask_for_json(address: &str, pointer: &str, variable: Option<&str>) -> Result<f64, String> {
    let mut target = target("http://unused", &[]);
    target.observe.prometheus = None;
    target.observe.json = Some(format!("{address}/admin"));
    target.observe.json_authorization = variable.map(str::to_owned);
    target.observe.queue_length = Some(pointer.to_owned());
    let admitted = Source::admit(&target, &Trust::default()).await;
    let source = admitted.map_err(|refusal| refusal.to_string())?.unwrap();
    first_value(source).await
}

#[tokio::test]
async fn levels_are_read_from_json_by_pointers() {
    let document =
        r#"{"queue":{"waiting":42.5},"load":"0.25","instances":["a","b"],"name":"x","none":null}"#;
    for (pointer, expected) in [
        ("/queue/waiting", Ok(42.5)),
        ("/load", Ok(0.25)),
        ("/instances", Ok(2.0)),
        ("/missing", Err("the response has no `/missing`")),
        ("/name", Err("`/name` is x")),
        ("/none", Err("`/none` is null")),
        ("/queue", Err("`/queue` is no number")),
    ] {
        let (address, mut requests) = server(http("200 OK", document)).await;
        let read = ask_for_json(&address, pointer, None).await;
        assert_eq!(read, expected.map_err(str::to_owned));
        let request = requests.recv().await.unwrap();
        assert!(request.starts_with("GET /admin HTTP/1.1\r\n"), "{request}");
        assert!(!request.contains("authorization"), "{request}");
    }
    let (address, _requests) = server(http("403 Forbidden", "admins only")).await;
    let reason = ask_for_json(&address, "/x", None).await.unwrap_err();
    assert_eq!(reason, "HTTP status 403: admins only");
    let (address, _requests) = server(http("200 OK", "<html>")).await;
    let reason = ask_for_json(&address, "/x", None).await.unwrap_err();
    assert!(reason.contains("the response is not JSON"), "{reason}");
}

/// A variable that every process has stands for the administrator's.
#[tokio::test]
async fn credentials_for_json_come_from_the_environment() {
    let (address, mut requests) = server(http("200 OK", r#"{"waiting":1}"#)).await;
    assert_eq!(
        ask_for_json(&address, "/waiting", Some("PATH")).await,
        Ok(1.0)
    );
    let request = requests.recv().await.unwrap();
    let sent = format!("authorization: {}\r\n", std::env::var("PATH").unwrap());
    assert!(request.contains(&sent), "{request}");
    let refused = ask_for_json(&address, "/waiting", Some("NO_SUCH_VARIABLE")).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.contains("`NO_SUCH_VARIABLE`, which is not set"),
        "{refused}"
    );
}

#[test]
fn scalars_are_values_and_matrices_are_not() {
    let scalar = br#"{"status":"success","data":{"resultType":"scalar","result":[1.5,"7"]}}"#;
    assert_eq!(prometheus::read(StatusCode::OK, scalar), Ok(7.0));
    let matrix = br#"{"status":"success","data":{"resultType":"matrix","result":[{"values":[]}]}}"#;
    assert!(prometheus::read(StatusCode::OK, matrix).is_err());
    let histogram =
        br#"{"status":"success","data":{"resultType":"vector","result":[{"histogram":[1,{}]}]}}"#;
    let reason = prometheus::read(StatusCode::OK, histogram).unwrap_err();
    assert!(reason.contains("histogram"), "{reason}");
}

#[tokio::test]
async fn a_server_beyond_loopback_needs_the_scenario_and_no_confirmation() {
    let url = "http://192.0.2.7:9090";
    let refused = Source::admit(&target(url, &[]), &Trust::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, SourceRefusal::NotAllowed { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains("`target.allow`"), "{refused}");
    assert!(
        Source::admit(&target(url, &["192.0.2.7"]), &Trust::default())
            .await
            .unwrap()
            .is_some()
    );
    let metadata = target("http://169.254.169.254", &["169.254.169.254"]);
    let refused = Source::admit(&metadata, &Trust::default())
        .await
        .unwrap_err();
    assert!(
        matches!(refused, SourceRefusal::AddressNotAllowed { .. }),
        "{refused}"
    );
    assert!(
        Source::admit(&Target::default(), &Trust::default())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn readings_arrive_from_the_thread_until_it_is_dropped() {
    let (address, mut requests) = server(http("200 OK", &vector(&["3"]))).await;
    let source = Source::admit(&target(&address, &[]), &Trust::default())
        .await
        .unwrap()
        .unwrap();
    let clock = Clock::starting_at(crate::clock::unix_now_ns(), 1.0);
    let mut observer = Observer::start(source, clock).unwrap();
    requests.recv().await.unwrap();
    requests.recv().await.unwrap();
    let reading = observer.poll_reading().expect("the first one has arrived");
    assert_eq!(
        (reading.level, reading.value),
        (Level::QueueLength, Ok(3.0))
    );
    drop(observer);
    let late = tokio::time::timeout(Duration::from_secs(3), async {
        requests.recv().await.unwrap();
        requests.recv().await.unwrap();
    });
    assert!(late.await.is_err(), "it still asks");
}

/// A metrics server beyond this machine, which these proxies of the environment lead to.
async fn ask_through(url: &str, proxies: &Matcher) -> Result<f64, String> {
    let target = target(url, &["metrics.test"]);
    let admitted = Source::admit_with(&target, &Trust::default(), proxies).await;
    let source = admitted.map_err(|refusal| refusal.to_string())?.unwrap();
    first_value(source).await
}

#[tokio::test]
async fn a_server_is_asked_through_the_proxy_of_the_environment() {
    let (address, mut requests) = server(http("200 OK", &vector(&["7"]))).await;
    let proxy = address.replace("http://", "http://user:secret@");
    let proxies = Matcher::builder().all(proxy).build();
    let read = ask_through("http://metrics.test:9090", &proxies).await;
    assert_eq!(read, Ok(7.0));
    let request = requests.recv().await.unwrap();
    assert!(
        request.starts_with("GET http://metrics.test:9090/api/v1/query?"),
        "{request}"
    );
    assert!(request.contains("host: metrics.test:9090\r\n"), "{request}");
    let user = "proxy-authorization: Basic dXNlcjpzZWNyZXQ=\r\n";
    assert!(request.contains(user), "{request}");
}

#[tokio::test]
async fn a_server_with_tls_is_asked_through_a_tunnel() {
    let (address, mut requests) = server(http("403 Forbidden", "")).await;
    let proxies = Matcher::builder().all(address).build();
    let refused = ask_through("https://metrics.test", &proxies).await;
    assert_eq!(refused.unwrap_err(), "the proxy refused with 403 Forbidden");
    let request = requests.recv().await.unwrap();
    assert!(
        request.starts_with("CONNECT metrics.test:443 HTTP/1.1\r\n"),
        "{request}"
    );

    // The tunnel leads to something that does not speak TLS.
    let (address, _requests) = server(Some(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())).await;
    let proxies = Matcher::builder().all(address).build();
    let broken = ask_through("https://metrics.test", &proxies).await;
    assert!(broken.unwrap_err().contains("TLS handshake"));
}

#[tokio::test]
async fn a_server_on_this_machine_is_asked_directly() {
    let (address, mut requests) = server(http("200 OK", &vector(&["7"]))).await;
    let nobody = Matcher::builder().all("http://127.0.0.1:1").build();
    assert_eq!(ask_through(&address, &nobody).await, Ok(7.0));
    assert!(requests.recv().await.unwrap().starts_with("GET /api/"));
    let beyond = ask_through("http://metrics.test", &nobody).await;
    assert_eq!(
        beyond.unwrap_err(),
        "the proxy cannot be reached: connection refused"
    );
}

#[tokio::test]
async fn a_proxy_needs_an_allowed_host_and_must_be_a_proxy_for_http() {
    let proxies = Matcher::builder().all("http://127.0.0.1:1").build();
    let of_others = ask_through("http://metrics.other", &proxies).await;
    assert!(of_others.unwrap_err().contains("`target.allow`"));
    let metadata = ask_through("http://169.254.169.254", &proxies).await;
    assert!(metadata.is_err(), "an address is checked all the same");

    let socks = Matcher::builder().all("socks5://user:secret@127.0.0.1:1");
    let error = ask_through("http://metrics.test", &socks.build()).await;
    let error = error.unwrap_err();
    assert!(error.contains("`socks5://127.0.0.1:1`"), "{error}");
    assert!(error.contains("`NO_PROXY`"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}
