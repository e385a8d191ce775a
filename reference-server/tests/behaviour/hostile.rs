//! Clients that mean harm, or are broken: they take too much, send nothing, read nothing, or hang up.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use hyper::StatusCode;
use serde_json::json;
use tiketi_server::{ClientLimits, Clients, Provider, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::case::{On, cases};
use crate::common::{Api, Deployment, eventually, settings};

cases! {
    Both: [
        control_characters_are_refused,
        a_password_that_would_be_cut_off_is_refused,
        a_payment_goes_on_when_its_client_hangs_up,
        payments_begun_again_and_again_do_not_keep_a_seat,
        a_socket_cannot_join_rooms_of_unknown_shows,
    ],
    Embedded: [
        a_client_has_a_limited_number_of_connections,
        a_request_that_does_not_arrive_in_time_is_given_up,
        a_large_body_is_refused,
        responses_that_nobody_reads_do_not_pile_up,
        a_client_that_does_not_read_loses_its_connection,
        a_socket_that_never_says_who_it_is_is_closed,
        polling_sessions_are_limited,
        logins_and_registrations_are_limited,
    ],
}

/// Time within which everything here happens on a busy machine.
const STEP: Duration = Duration::from_secs(30);

const HEALTH: &[u8] = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n";

fn limited(limits: ClientLimits) -> Settings {
    Settings {
        clients: Clients::Anyone(limits),
        ..settings()
    }
}

fn hasty() -> Settings {
    limited(ClientLimits {
        timeout: Duration::from_secs(1),
        ..ClientLimits::default()
    })
}

/// A connection that sends any bytes.
struct Raw(TcpStream);

impl Raw {
    async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    /// Returns what arrives until the server closes the connection.
    async fn rest(&mut self) -> String {
        let mut received = Vec::new();
        let read = timeout(STEP, self.0.read_to_end(&mut received)).await;
        // A reset is a way to close, too.
        drop(read.expect("the connection stays open"));
        String::from_utf8(received).unwrap()
    }

    /// Returns the first part of a response.
    async fn some(&mut self) -> String {
        let mut buffer = vec![0; 4_096];
        let read = timeout(STEP, self.0.read(&mut buffer)).await;
        let read = read.expect("a response in time").unwrap_or(0);
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    }
}

/// The text of a request with a JSON body.
fn request(api: &Api, path: &str, body: &str) -> String {
    let token = api.token.as_deref().unwrap_or_default();
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

async fn control_characters_are_refused(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let stranger = deployment.stranger(0);
    for bad in ["\0", "\r\nSET key value", "\u{1b}[31m", "\u{202e}"] {
        let email = format!("kim{bad}@example.com");
        let person = json!({ "email": email, "password": "secret1", "name": "Kim" });
        for path in ["/api/auth/register", "/api/auth/login"] {
            let refused = stranger.post(path, person.clone()).await;
            let status = refused.status;
            assert_eq!(
                status,
                StatusCode::BAD_REQUEST,
                "{path} {bad:?} {}",
                refused.text
            );
        }
        let person = json!({ "email": "lee@example.com", "password": "secret1", "name": bad });
        let refused = stranger.post("/api/auth/register", person).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "name {bad:?}");
    }
    let kim = deployment.user("kim", 0);
    for id in ["%00", "%0d%0aFLUSHALL", "%1b", "%ff%fe"] {
        for path in [
            format!("/api/events/{id}"),
            format!("/api/seats/events/{id}"),
            format!("/api/reservations/{id}"),
            format!("/api/seats/reservation/{id}"),
            format!("/api/queue/status/{id}"),
        ] {
            let refused = kim.get(&path).await;
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
        }
        let path = format!("/api/queue/check/{id}");
        let refused = kim.post(&path, json!({})).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let seat = json!({ "eventId": deployment.show.id, "seatIds": ["\0"] });
    let refused = kim.post("/api/seats/reserve", seat).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    let payment = json!({ "reservationId": reservation, "paymentMethod": "naver_pay" });
    let long = "k".repeat(256);
    for key in ["", "a\tb", long.as_str()] {
        let headers = [("idempotency-key", key)];
        let path = "/api/payments/process";
        let refused = kim.call("POST", path, Some(payment.clone()), &headers);
        assert_eq!(refused.await.status, StatusCode::BAD_REQUEST, "{key:?}");
    }
}

async fn a_password_that_would_be_cut_off_is_refused(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let api = deployment.stranger(0);
    let person = |length| {
        let password = "p".repeat(length);
        json!({ "email": "kim@example.com", "password": password, "name": "Kim" })
    };
    let refused = api.post("/api/auth/register", person(73)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json["error"], "Password must be at most 72 bytes");
    let registered = api.post("/api/auth/register", person(72)).await;
    assert_eq!(
        registered.status,
        StatusCode::CREATED,
        "{}",
        registered.text
    );
    let login = api.post("/api/auth/login", person(72)).await;
    assert_eq!(login.status, StatusCode::OK);
    let longer = api.post("/api/auth/login", person(80)).await;
    assert_eq!(longer.status, StatusCode::UNAUTHORIZED);
}

async fn a_payment_goes_on_when_its_client_hangs_up(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let kim = deployment.user("kim", 0);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    let body = json!({ "reservationId": reservation, "paymentMethod": "naver_pay" });
    let mut raw = Raw::open(deployment.instances[0].address()).await;
    let pay = request(&kim, "/api/payments/process", &body.to_string());
    raw.send(&pay).await;
    // Long enough to arrive, and not as long as the provider takes.
    sleep(Duration::from_millis(20)).await;
    drop(raw);
    let path = format!("/api/reservations/{reservation}");
    eventually("the payment", || async {
        kim.get(&path).await.json["reservation"]["status"] == "paid"
    })
    .await;
}

async fn payments_begun_again_and_again_do_not_keep_a_seat(on: On) {
    // No payment ever ends, as if the server were killed in the middle of each.
    let endless = Settings {
        hold: Duration::from_secs(20),
        provider: Provider::BuiltIn {
            shortest: Duration::from_secs(3_600),
            longest: Duration::from_secs(3_600),
        },
        speed: 20.0,
        ..settings()
    };
    let deployment = Deployment::start(&on, 1, endless).await;
    let kim = deployment.user("kim", 0);
    let reservation = kim.hold(&deployment.show, "VIP-1-1").await;
    let path = format!("/api/reservations/{reservation}");
    let expires = |answer: crate::common::Answer| {
        let text = answer.json["reservation"]["expiresAt"].as_str();
        text.unwrap().to_owned()
    };
    let body = json!({ "reservationId": reservation, "paymentMethod": "naver_pay" });
    let pay = request(&kim, "/api/payments/process", &body.to_string());
    let mut raws = Vec::new();
    let mut begin = async || {
        let mut raw = Raw::open(deployment.instances[0].address()).await;
        raw.send(&pay).await;
        raws.push(raw);
    };
    let before = expires(kim.get(&path).await);
    begin().await;
    eventually("a longer hold", || async {
        expires(kim.get(&path).await) != before
    })
    .await;
    let after_the_hold = deployment.now() + Duration::from_secs(20);
    eventually("the end of the hold", || async {
        deployment.now() > after_the_hold
    })
    .await;
    let kept_until = expires(kim.get(&path).await);
    let late = kim.pay(&reservation).await;
    assert_eq!(late.json["error"], "Reservation has expired");
    begin().await;
    assert_eq!(expires(kim.get(&path).await), kept_until);
}

async fn a_socket_cannot_join_rooms_of_unknown_shows(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let kim = deployment.user("kim", 0);
    let mut socket = kim.connect().await.unwrap();
    let known = json!({ "eventId": deployment.show.id });
    for name in ["join-event", "join-queue", "join-seat-selection"] {
        socket
            .emit(name, json!({ "eventId": Uuid::from_u128(7) }))
            .await;
    }
    let seats = vec!["s".repeat(65), "s\n".to_owned(), "s1".to_owned()];
    let selected = [seats, vec!["s2".to_owned(); 40]].concat();
    let selected = json!({ "eventId": deployment.show.id, "seats": selected });
    socket.emit("seat-selection-changed", selected).await;
    socket.emit("join-event", known).await;
    socket.expect("room-info").await;
    drop(socket);
    let mut socket = kim.connect().await.unwrap();
    let session = socket.expect("session-restored").await;
    assert_eq!(session["eventId"], deployment.show.id.to_string());
    assert_eq!(session["queueEventId"], json!(null));
    assert_eq!(session["seatEventId"], json!(null));
    let kept = session["selectedSeats"].as_array().unwrap();
    assert_eq!((kept.len(), &kept[0]), (16, &json!("s1")));
}

async fn a_client_has_a_limited_number_of_connections(on: On) {
    let three = limited(ClientLimits {
        connections_max: Some(3),
        ..ClientLimits::default()
    });
    let deployment = Deployment::start(&on, 1, three).await;
    let address = deployment.instances[0].address();
    let kim = deployment.user("kim", 0);
    let socket = kim.connect().await.unwrap();
    let mut kept = vec![Raw::open(address).await, Raw::open(address).await];
    for raw in &mut kept {
        raw.0.write_all(HEALTH).await.unwrap();
        assert!(raw.some().await.starts_with("HTTP/1.1 200"));
    }
    // A WebSocket is a connection, too.
    let refused = Raw::open(address).await.rest().await;
    assert!(refused.starts_with("HTTP/1.1 429"), "{refused}");
    drop(socket);
    eventually("a place", || async {
        let mut raw = Raw::open(address).await;
        let asked = raw.0.write_all(HEALTH).await;
        asked.is_ok() && raw.some().await.starts_with("HTTP/1.1 200")
    })
    .await;
    drop(kept);
    eventually("the count", || async {
        let metrics = deployment.stranger(0).get("/metrics").await.text;
        let counted = "tiketi_connections_refused_total{instance=\"test-0\"} ";
        let count = metrics.split_once(counted).map(|(_, rest)| rest);
        count.is_some_and(|count| !count.starts_with('0'))
    })
    .await;
}

async fn a_request_that_does_not_arrive_in_time_is_given_up(on: On) {
    let deployment = Deployment::start(&on, 1, hasty()).await;
    let address = deployment.instances[0].address();
    let mut head = Raw::open(address).await;
    head.send("GET /health HTTP/1.1\r\nhost: x\r\nx: ").await;
    let mut body = Raw::open(address).await;
    let start = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
                 content-length: 100\r\n\r\n{";
    body.send(start).await;
    // One byte after the other does not help.
    let trickle = async {
        let mut drip = Raw::open(address).await;
        drip.send(start).await;
        loop {
            sleep(Duration::from_millis(100)).await;
            if drip.0.write_all(b" ").await.is_err() {
                return;
            }
        }
    };
    assert!(!head.rest().await.contains(" 200 "));
    assert!(body.rest().await.starts_with("HTTP/1.1 408"));
    timeout(STEP, trickle).await.expect("it trickles for ever");
    let alive = deployment.stranger(0).get("/health").await;
    assert_eq!(alive.status, StatusCode::OK);
}

async fn a_large_body_is_refused(on: On) {
    let deployment = Deployment::start(&on, 1, settings()).await;
    let address = deployment.instances[0].address();
    let head = "POST /api/auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n";
    let mut announced = Raw::open(address).await;
    announced
        .send(&format!("{head}content-length: 10000000000\r\n\r\n"))
        .await;
    assert!(announced.rest().await.starts_with("HTTP/1.1 413"));
    // The clients that send all of it get a response, too.
    let large = " ".repeat(2 << 20);
    let length = large.len();
    let whole = format!("{head}content-length: {length}\r\n\r\n{large}");
    let chunked =
        format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{large}\r\n0\r\n\r\n");
    for request in [whole, chunked] {
        let mut raw = Raw::open(address).await;
        raw.send(&request).await;
        assert!(raw.some().await.starts_with("HTTP/1.1 413"));
    }
    let mut fits = Raw::open(address).await;
    let small = " ".repeat(100 << 10);
    let length = small.len();
    fits.send(&format!("{head}content-length: {length}\r\n\r\n{small}"))
        .await;
    assert!(fits.some().await.starts_with("HTTP/1.1 400"), "not JSON");
}

async fn responses_that_nobody_reads_do_not_pile_up(on: On) {
    const ASKED: usize = 4_000;
    let deployment = Deployment::start(&on, 1, settings()).await;
    let instance = &deployment.instances[0];
    let raw = small_reader(instance.address()).await;
    let kim = deployment.user("kim", 0);
    let token = kim.token.as_deref().unwrap();
    let show = deployment.show.id;
    let ask = format!(
        "GET /api/seats/events/{show} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n"
    );
    let (_reader, mut writer) = raw.into_split();
    let asking = tokio::spawn(async move {
        // Ends when the server does not take any more.
        drop(writer.write_all(ask.repeat(ASKED).as_bytes()).await);
        writer
    });
    let requests = || instance.load().requests;
    eventually("a first response", || async { requests() > 0 }).await;
    let before = Cell::new(0);
    eventually("a standstill", || async {
        let now = requests();
        let stands = now == before.replace(now);
        sleep(Duration::from_millis(300)).await;
        stands
    })
    .await;
    let served = requests();
    assert!(
        served < ASKED as u64 / 2,
        "{served} responses wait for a reader"
    );
    asking.abort();
}

async fn a_client_that_does_not_read_loses_its_connection(on: On) {
    let one = Settings {
        clients: Clients::Anyone(ClientLimits {
            connections_max: Some(1),
            timeout: Duration::from_secs(1),
        }),
        ..settings()
    };
    let deployment = Deployment::start(&on, 1, one).await;
    let address = deployment.instances[0].address();
    let mut stuck = small_reader(address).await;
    let ask = "GET /api/events HTTP/1.1\r\nhost: x\r\n\r\n".repeat(4_000);
    let asking = tokio::spawn(async move {
        drop(stuck.write_all(ask.as_bytes()).await);
        // The server closes the connection. What is still in the buffers is not read.
        sleep(STEP).await;
        stuck
    });
    let is_refused = || async {
        let mut raw = Raw::open(address).await;
        // A connection that is refused may be closed already.
        drop(raw.0.write_all(HEALTH).await);
        raw.some().await.starts_with("HTTP/1.1 429")
    };
    eventually("the place is taken", is_refused).await;
    eventually("the place is free", || async {
        let mut raw = Raw::open(address).await;
        let asked = raw.0.write_all(HEALTH).await;
        asked.is_ok() && raw.some().await.starts_with("HTTP/1.1 200")
    })
    .await;
    asking.abort();
}

/// A connection with the smallest buffer for what it receives.
async fn small_reader(address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1_024).unwrap();
    socket.connect(address).await.unwrap()
}

async fn a_socket_that_never_says_who_it_is_is_closed(on: On) {
    // Not because it does not answer a ping.
    let patient = Settings {
        ping_interval: Duration::from_secs(3_600),
        ..hasty()
    };
    let deployment = Deployment::start(&on, 1, patient).await;
    let mut raw = Raw::open(deployment.instances[0].address()).await;
    raw.send(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )
    .await;
    let mut received = Vec::new();
    let read = timeout(STEP, raw.0.read_to_end(&mut received)).await;
    drop(read.expect("the socket stays open"));
    assert!(received.starts_with(b"HTTP/1.1 101"));
}

async fn polling_sessions_are_limited(on: On) {
    let five = limited(ClientLimits {
        connections_max: Some(5),
        ..ClientLimits::default()
    });
    let deployment = Deployment::start(&on, 1, five).await;
    let api = deployment.stranger(0);
    let open = "/socket.io/?EIO=4&transport=polling";
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(api.get(open).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
}

async fn logins_and_registrations_are_limited(on: On) {
    let three = Settings {
        rate_limit: Some(3),
        ..settings()
    };
    let deployment = Deployment::start(&on, 1, three).await;
    let api = deployment.stranger(0);
    let nobody = json!({ "email": "nobody@example.com", "password": "secret1" });
    for _ in 0..3 {
        let wrong = api.post("/api/auth/login", nobody.clone()).await;
        assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    }
    let limited = api.post("/api/auth/login", nobody).await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(limited.headers.contains_key("retry-after"));
    let shows = api.get("/api/events").await;
    assert_eq!(shows.status, StatusCode::OK, "other requests go on");
}
