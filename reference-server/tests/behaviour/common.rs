//! A deployment on free ports, an HTTP client and a minimal Socket.IO client.

use std::net::TcpListener;
use std::pin::Pin;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tiketi_server::{
    Census, DataTier, EmbeddedTier, FinalState, Instance, Section, Settings, Show, StandingArea,
    mint_token,
};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::case::On;
use crate::servers::{Own, ServersDeployment};

/// Timeout of a step of a test.
const STEP: Duration = Duration::from_secs(10);

/// A data tier with instances.
pub(crate) struct Deployment {
    pub(crate) tier: Tier,
    pub(crate) instances: Vec<Instance>,
    pub(crate) show: Show,
    pub(crate) settings: Settings,
}

/// A deployment to be started.
pub(crate) type Starting<'a> = Pin<Box<dyn Future<Output = Deployment> + 'a>>;

/// The data tier of one case.
pub(crate) enum Tier {
    Embedded(EmbeddedTier),
    Servers(Box<ServersDeployment>),
}

/// Documented values, trusted tokens, no rate limit, and scenario time ten times as fast as real time.
pub(crate) fn settings() -> Settings {
    Settings {
        trust_tokens: true,
        rate_limit: None,
        speed: 10.0,
        ..Settings::default()
    }
}

impl Deployment {
    pub(crate) fn start(on: &On, instances: usize, settings: Settings) -> Starting<'_> {
        Self::start_with(on, instances, settings, Own::Nothing)
    }

    /// A deployment on servers that only this case uses, so that it may kill them. The embedded tier is never shared.
    pub(crate) fn start_with(
        on: &On,
        instances: usize,
        settings: Settings,
        own: Own,
    ) -> Starting<'_> {
        Box::pin(Self::begin(on, instances, settings, own))
    }

    async fn begin(on: &On, instances: usize, mut settings: Settings, own: Own) -> Self {
        let section = Section {
            name: "VIP".to_owned(),
            rows: 2,
            seats_per_row: 5,
            price: 150_000,
        };
        let floor = StandingArea {
            name: "Floor".to_owned(),
            quantity: 10,
            price: 80_000,
        };
        let show = Show::new("Night", vec![section]).with_standing(vec![floor]);
        let tier = match on {
            On::Embedded => {
                let window = Duration::from_secs(1);
                Tier::Embedded(EmbeddedTier::new(&settings, vec![show.clone()], window))
            }
            On::Servers(servers) => {
                // A delay of a busy machine is much longer in fast scenario time.
                // Cases about timeouts set their own.
                let usual = Settings::default().pool_connect_timeout;
                if settings.pool_connect_timeout == usual {
                    settings.pool_connect_timeout = usual.mul_f64(settings.speed);
                }
                settings.redis_timeout = settings.redis_timeout.mul_f64(settings.speed);
                let deployed = Box::pin(servers.deploy(&settings, &show, own));
                Tier::Servers(Box::new(deployed.await))
            }
        };
        let mut deployment = Self {
            tier,
            instances: Vec::new(),
            show,
            settings,
        };
        for _ in 0..instances {
            deployment.launch();
        }
        if let Tier::Servers(servers) = &deployment.tier {
            servers.until_heard_by(instances).await;
        }
        deployment
    }

    /// Adds an instance and returns its number.
    pub(crate) fn launch(&mut self) -> usize {
        let number = self.instances.len();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tier = match &self.tier {
            Tier::Embedded(tier) => DataTier::from(tier.clone()),
            Tier::Servers(servers) => DataTier::from(servers.tier.clone()),
        };
        let name = format!("test-{number}");
        let instance = Instance::start(name, listener, tier, self.settings.clone()).unwrap();
        self.instances.push(instance);
        number
    }

    /// Returns a user who talks to instance `number`.
    pub(crate) fn user(&self, name: &str, number: usize) -> Api {
        let email = format!("{name}@example.com");
        let hour = Duration::from_secs(3_600);
        let token = mint_token(&self.settings.jwt_secret, &email, name == "admin", hour);
        Api {
            token: Some(token),
            ..self.stranger(number)
        }
    }

    /// Returns a client without a token.
    pub(crate) fn stranger(&self, number: usize) -> Api {
        let address = self.instances[number].address();
        Api {
            base: format!("http://{address}"),
            socket: format!("ws://{address}/socket.io/?EIO=4&transport=websocket"),
            token: None,
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Returns the scenario time.
    pub(crate) fn now(&self) -> Duration {
        match &self.tier {
            Tier::Embedded(tier) => tier.now(),
            Tier::Servers(servers) => servers.now(),
        }
    }

    pub(crate) async fn census(&self) -> Census {
        match &self.tier {
            Tier::Embedded(tier) => tier.census(),
            Tier::Servers(servers) => servers.census().await,
        }
    }

    /// Returns the number of users in the waiting room; `None` during an outage of Redis.
    pub(crate) async fn queue_size(&self) -> Option<u64> {
        match &self.tier {
            Tier::Embedded(tier) => tier.queue_size(),
            Tier::Servers(servers) => servers.queue_size().await,
        }
    }

    pub(crate) async fn final_state(&self) -> FinalState {
        match &self.tier {
            Tier::Embedded(tier) => tier.final_state(),
            Tier::Servers(servers) => servers.final_state().await,
        }
    }

    pub(crate) async fn lose_redis(&self) {
        match &self.tier {
            Tier::Embedded(tier) => tier.lose_redis(),
            Tier::Servers(servers) => servers.lose_redis().await,
        }
    }

    pub(crate) async fn promote_redis(&self) {
        match &self.tier {
            Tier::Embedded(tier) => {
                tier.promote_redis();
            }
            Tier::Servers(servers) => drop(servers.promote_redis().await),
        }
    }

    pub(crate) async fn restore_redis_empty(&self) {
        match &self.tier {
            Tier::Embedded(tier) => {
                tier.restore_redis_empty();
            }
            Tier::Servers(servers) => drop(servers.restore_redis_empty().await),
        }
    }

    pub(crate) async fn lose_database(&self) {
        match &self.tier {
            Tier::Embedded(tier) => tier.lose_database(),
            Tier::Servers(servers) => servers.lose_database().await,
        }
    }

    /// Makes the database accept connections but never respond, as the embedded one does when it is lost.
    pub(crate) async fn hang_database(&self) {
        match &self.tier {
            Tier::Embedded(tier) => tier.lose_database(),
            Tier::Servers(servers) => servers.pause_database().await,
        }
    }

    pub(crate) async fn promote_database(&self) {
        match &self.tier {
            Tier::Embedded(tier) => tier.promote_database(),
            Tier::Servers(servers) => servers.promote_database().await,
        }
    }

    pub(crate) fn seat(&self, label: &str) -> String {
        self.show.seat_id(label).to_string()
    }

    pub(crate) fn path(&self, before: &str) -> String {
        format!("{before}/{}", self.show.id)
    }
}

/// One user's HTTP client.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    pub(crate) socket: String,
    pub(crate) token: Option<String>,
    client: Client<HttpConnector, Full<bytes::Bytes>>,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Api {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, Some(body), &[]).await
    }

    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(String::new, |body| body.to_string());
        let request = request
            .header("content-type", "application/json")
            .body(Full::from(body))
            .unwrap();
        let response = tokio::time::timeout(STEP, self.client.request(request));
        let response = response.await.expect("a response in time").unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            json: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }

    /// Puts a seat on hold and returns the id of the reservation.
    pub(crate) async fn hold(&self, show: &Show, seat: &str) -> String {
        let body = json!({ "eventId": show.id, "seatIds": [show.seat_id(seat)] });
        let held = self.post("/api/seats/reserve", body).await;
        assert_eq!(held.status, StatusCode::CREATED, "{}", held.text);
        held.json["reservation"]["id"].as_str().unwrap().to_owned()
    }

    /// Pays for a reservation.
    pub(crate) async fn pay(&self, reservation: &str) -> Answer {
        let body = json!({ "reservationId": reservation, "paymentMethod": "kakao_pay" });
        self.post("/api/payments/process", body).await
    }

    /// Connects a socket; `Err` is the reason given by the server.
    pub(crate) async fn connect(&self) -> Result<Socket, String> {
        let (stream, _) = Box::pin(tokio_tungstenite::connect_async(&self.socket))
            .await
            .unwrap();
        let mut socket = Socket { stream };
        assert!(socket.frame().await.unwrap().starts_with('0'), "open");
        let hello = match &self.token {
            Some(token) => json!({ "token": token }),
            None => json!({}),
        };
        socket.send(&format!("40{hello}")).await;
        let answer = socket.frame().await.unwrap();
        match answer.strip_prefix("44") {
            Some(error) => {
                let error: Value = serde_json::from_str(error).unwrap();
                Err(error["message"].as_str().unwrap().to_owned())
            }
            None => {
                assert!(answer.starts_with("40"), "{answer}");
                Ok(socket)
            }
        }
    }
}

/// One Socket.IO connection.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub(crate) async fn emit(&mut self, name: &str, data: Value) {
        self.send(&format!("42{}", json!([name, data]))).await;
    }

    /// Returns the data of the next message with this name.
    pub(crate) async fn expect(&mut self, name: &str) -> Value {
        let wait = tokio::time::timeout(STEP, async {
            loop {
                let (heard, data) = self.message().await.expect("the socket was closed");
                if heard == name {
                    return data;
                }
            }
        });
        let Ok(data) = wait.await else {
            panic!("no {name} within {STEP:?}");
        };
        data
    }

    /// Returns the names of the messages that arrive within `wall` of real time.
    pub(crate) async fn names_within(&mut self, wall: Duration) -> Vec<String> {
        let mut names = Vec::new();
        let listen = async {
            while let Some((name, _)) = self.message().await {
                names.push(name);
            }
        };
        // The timeout is the normal end.
        drop(tokio::time::timeout(wall, listen).await);
        names
    }

    /// Waits until the server has closed the connection.
    pub(crate) async fn closed(&mut self) {
        let wait = tokio::time::timeout(STEP, async { while self.frame().await.is_some() {} });
        wait.await.expect("the socket stays open");
    }

    async fn message(&mut self) -> Option<(String, Value)> {
        loop {
            let frame = self.frame().await?;
            if let Some(message) = frame.strip_prefix("42") {
                let Ok((name, data)) = serde_json::from_str::<(String, Value)>(message) else {
                    panic!("not a message: {message}");
                };
                return Some((name, data));
            }
        }
    }

    /// Returns the next Engine.IO packet, and responds to pings.
    async fn frame(&mut self) -> Option<String> {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) if text.as_str() == "2" => self.send("3").await,
                Some(Ok(Message::Text(text))) => return Some(text.to_string()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    async fn send(&mut self, frame: &str) {
        self.stream.send(Message::text(frame)).await.unwrap();
    }
}

/// Repeats a check until it succeeds.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let wait = tokio::time::timeout(STEP, async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(wait.await.is_ok(), "{what} did not come to pass");
}
