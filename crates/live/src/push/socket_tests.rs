//! One socket against a server that is written out frame by frame.

use std::future::poll_fn;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::Role;

use super::*;
use crate::socket_io::OpeningStage;

/// The server's end.
struct Server(WebSocketStream<TcpStream>);

impl Server {
    async fn says(&mut self, frames: &[&str]) {
        for frame in frames {
            let sent = self.0.send(Frame::text(*frame)).await;
            sent.expect("the buyer is there");
        }
    }

    async fn hears(&mut self, expected: &str) {
        match self.0.next().await {
            Some(Ok(Frame::Text(text))) => assert_eq!(text.as_str(), expected),
            other => panic!("{other:?} instead of {expected}"),
        }
    }
}

const OPEN: &str = r#"0{"sid":"a","upgrades":[],"pingInterval":20000,"pingTimeout":5000}"#;
const LIMIT: Duration = Duration::from_secs(5);

async fn pair() -> (WebSocketStream<Connected>, Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let near = Connected::Plain(near.unwrap());
    let near = WebSocketStream::from_raw_socket(near, Role::Client, None).await;
    let (far, _) = far.unwrap();
    let far = WebSocketStream::from_raw_socket(far, Role::Server, None).await;
    (near, Server(far))
}

fn in_queue() -> Introduction {
    Introduction {
        namespace: "/q".into(),
        auth: r#"{"token":"t"}"#.to_owned(),
        answers: [None, Some("joined".into())].into(),
    }
}

/// A channel in the namespace, whose server has heard what is sent first.
async fn open(silence: Duration) -> (Channel, Server) {
    let (near, mut server) = pair().await;
    let send = vec![r#"["hello"]"#.into(), r#"["join",7]"#.into()];
    let opening = Socket::open(near, in_queue(), send, LIMIT);
    let greeting = async {
        server.says(&[OPEN]).await;
        server.hears(r#"40/q,{"token":"t"}"#).await;
        // What is not for this namespace is nothing to a buyer, and a ping may come at any time.
        server.says(&[r#"40{"sid":"x"}"#, "2"]).await;
        server.hears("3").await;
        server.says(&[r#"40/q,{"sid":"b"}"#]).await;
        server.hears(r#"42/q,["hello"]"#).await;
        server.hears(r#"42/q,1["join",7]"#).await;
    };
    let (socket, ()) = tokio::join!(opening, greeting);
    let socket = socket.expect("it opens");
    assert_eq!(socket.ping_within(), Duration::from_secs(25));
    let source = Source::Socket(Box::new(socket));
    (Channel::new(source, silence), server)
}

async fn heard(channel: &mut Channel) -> Heard {
    poll_fn(|cx| channel.poll_heard(cx)).await
}

async fn message_of(channel: &mut Channel) -> (Option<String>, String, Option<u64>) {
    match heard(channel).await {
        Heard::Message(message) => {
            let body = String::from_utf8(message.body.to_vec()).unwrap();
            (message.event, body, message.ack)
        }
        Heard::Ended(ended) => panic!("{ended:?}"),
    }
}

async fn end_of(channel: &mut Channel) -> Ended {
    match heard(channel).await {
        Heard::Ended(ended) => ended,
        Heard::Message(message) => panic!("{message:?}"),
    }
}

#[tokio::test]
async fn messages_have_names_and_are_acknowledged_both_ways() {
    let (mut channel, mut server) = open(LIMIT).await;
    let frames = [
        r#"42["joined","of another namespace"]"#,
        r#"43/q,0["not asked for"]"#,
        r#"43/q,1[{"place":3}]"#,
        // Only the first answer counts.
        r#"43/q,1[{"place":0}]"#,
        r#"42/q,9["offer","A-1",{"price":5}]"#,
        "42/q,{}",
    ];
    server.says(&frames).await;
    let named = |name: &str| Some(name.to_owned());
    let joined = (named("joined"), r#"{"place":3}"#.to_owned(), None);
    assert_eq!(message_of(&mut channel).await, joined);
    let offer = r#"["A-1",{"price":5}]"#.to_owned();
    let offer = (named("offer"), offer, Some(9));
    assert_eq!(message_of(&mut channel).await, offer);
    channel.acknowledge(9, r#"[{"take":true}]"#);
    // What is no message is one that no row describes.
    let odd = (None, "{}".to_owned(), None);
    assert_eq!(message_of(&mut channel).await, odd);
    server.hears(r#"43/q,9[{"take":true}]"#).await;
}

#[tokio::test]
async fn a_refusal_has_the_servers_words_without_the_head_of_the_packet() {
    let (near, mut server) = pair().await;
    let opening = Socket::open(near, in_queue(), Vec::new(), LIMIT);
    let refusing = async {
        server.says(&[OPEN]).await;
        server.hears(r#"40/q,{"token":"t"}"#).await;
        server
            .says(&[r#"44/q,{"message":"Invalid namespace"}"#])
            .await;
    };
    let (socket, ()) = tokio::join!(opening, refusing);
    let Err(unopened) = socket else {
        panic!("it was refused");
    };
    assert_eq!(unopened.stage, OpeningStage::Connect);
    assert_eq!(unopened.failure, Failure::Handshake);
    assert_eq!(unopened.words, r#"{"message":"Invalid namespace"}"#);
}

#[tokio::test]
async fn a_disconnect_is_told_from_a_connection_that_ends() {
    let (mut channel, mut server) = open(LIMIT).await;
    server.says(&["41/other,", "41/q,"]).await;
    let ended = end_of(&mut channel).await;
    assert!(ended.is_disconnect && ended.failure.is_some(), "{ended:?}");
    let (mut channel, mut server) = open(LIMIT).await;
    server.says(&["1"]).await;
    let ended = end_of(&mut channel).await;
    assert!(!ended.is_disconnect && ended.failure.is_none(), "{ended:?}");
    let (mut channel, server) = open(LIMIT).await;
    drop(server);
    let ended = end_of(&mut channel).await;
    assert!(!ended.is_disconnect, "{ended:?}");
}

#[tokio::test]
async fn only_pings_keep_a_socket_alive() {
    let silence = Duration::from_millis(400);
    let (mut channel, mut server) = open(silence).await;
    let begun = channel.silent_until();
    server.says(&[r#"42/q,["a"]"#]).await;
    message_of(&mut channel).await;
    assert_eq!(channel.silent_until(), begun, "a message says nothing");
    tokio::time::sleep(silence / 4).await;
    server.says(&["2", r#"42/q,["a"]"#]).await;
    message_of(&mut channel).await;
    server.hears("3").await;
    assert!(channel.silent_until() > begun);
    tokio::time::sleep_until(channel.silent_until()).await;
    let ended = end_of(&mut channel).await;
    assert_eq!(ended.failure, Some(Failure::Timeout));
    assert_eq!(ended.words, "it sent no ping for 0.4 s");
}

#[tokio::test]
async fn endless_pings_and_messages_for_others_are_cut_off() {
    for frame in ["2", r#"42/other,["a"]"#, "6", r#"43/q,0[]"#] {
        let (mut channel, mut server) = open(LIMIT).await;
        let flood = async {
            // It ends when the buyer hangs up, or reads no more.
            while server.0.send(Frame::text(frame)).await.is_ok() {}
        };
        let listening = async {
            let ended = tokio::time::timeout(LIMIT, end_of(&mut channel)).await;
            drop(channel);
            ended.expect("it is cut off")
        };
        let flooding = tokio::time::timeout(LIMIT, flood);
        let (ended, _) = tokio::join!(listening, flooding);
        assert_eq!(ended.failure, Some(Failure::BadAnswer), "{frame}");
        assert!(ended.words.contains("1000 messages"), "{}", ended.words);
    }
}
