//! What `[push]` may say, what messages mean, and what is said about a mapping that is wrong.

use super::*;
use crate::compile;
use crate::tree::Tree;
use crate::{Mapping, Problem};

const REST: &str = r#"
[queue_enter]
call = "POST /queue"
keep = { ticket = "/ticket" }
means = [{ status = 200, is = "queued" }]
[payment]
call = "POST /pay"
means = [{ status = 200, is = "paid" }]
"#;

fn compiled(push: &str) -> Result<Mapping, Vec<Problem>> {
    let text = format!("{push}\n{REST}");
    let table = toml::de::DeTable::parse(&text).unwrap();
    compile(&Tree::from_table(table.get_ref(), 0..0))
}

fn mapping(push: &str) -> Mapping {
    compiled(push).unwrap_or_else(|problems| panic!("{problems:?}"))
}

#[track_caller]
fn assert_problem(push: &str, message: &str, expected: &str) {
    let problems = compiled(push).expect_err("the mapping is wrong");
    let is_it = |problem: &&Problem| {
        problem.message.contains(message) && problem.expected.contains(expected)
    };
    assert!(
        problems.iter().any(|problem| is_it(&problem)),
        "`{message}`, `{expected}` in {problems:#?}"
    );
}

/// Buyer `kim`, who knows nothing else.
struct Kim;

impl Values for Kim {
    fn value(&self, variable: Variable) -> Option<IdText<'_>> {
        (variable == Variable::User).then(|| IdText {
            text: "kim".into(),
            is_number: false,
        })
    }
}

fn told(mapping: &Mapping, event: Option<&str>, body: &str) -> PushUnderstood<'static> {
    let stream = mapping.stream.as_deref().expect("there is a channel");
    let header = |_: &str| None;
    let cookies = Vec::new;
    let message = PushMessage {
        event,
        response: Response {
            status: 0,
            body: body.as_bytes(),
            header: &header,
            cookies: &cookies,
            now_unix_s: 0,
        },
    };
    let understood = stream.understand(&Kim, &message);
    PushUnderstood {
        meaning: understood.meaning,
        recipient: understood.recipient,
        seat: understood.seat.map(IdText::into_owned),
        kept: understood
            .kept
            .into_iter()
            .map(|(variable, value)| (variable, value.into_owned()))
            .collect(),
        poll_after: understood.poll_after,
    }
}

const EVENTS: &str = r#"
[push]
channel = "sse"
call = "GET /queue/{ticket}/events"
recipient = { "/user" = "{user}" }
keep = { pass = "/pass" }
means = [
    { kind = "entry", is = "admitted" },
    { kind = "place", "/place" = { above = 0 }, is = "queued" },
    { kind = ["bye", "over"], is = "dropped" },
]
"#;

#[test]
fn the_name_of_an_event_and_its_buyer_say_what_it_means() {
    let mapping = mapping(EVENTS);
    assert_eq!(mapping.push, Push::Sse);
    let cases = [
        (
            "entry",
            r#"{"user":"kim","pass":"p"}"#,
            Some(Meaning::Admitted),
            Recipient::Buyer,
            1,
        ),
        (
            "entry",
            r#"{"user":"lee","pass":"p"}"#,
            Some(Meaning::Admitted),
            Recipient::Another,
            0,
        ),
        // An admission that names nobody is not for everybody.
        (
            "entry",
            r#"{"pass":"p"}"#,
            Some(Meaning::Admitted),
            Recipient::Another,
            0,
        ),
        (
            "entry",
            "garbage",
            Some(Meaning::Admitted),
            Recipient::Another,
            0,
        ),
        (
            "place",
            r#"{"place":7}"#,
            Some(Meaning::Queued),
            Recipient::Everybody,
            0,
        ),
        ("place", r#"{"place":0}"#, None, Recipient::Everybody, 0),
        ("place", "[[[", None, Recipient::Everybody, 0),
        ("over", "", Some(Meaning::Dropped), Recipient::Everybody, 0),
        ("other", "{}", None, Recipient::Everybody, 0),
    ];
    for (event, body, meaning, recipient, kept) in cases {
        let told = told(&mapping, Some(event), body);
        assert_eq!(told.meaning, meaning, "{event} {body}");
        assert_eq!(told.recipient, recipient, "{event} {body}");
        assert_eq!(told.kept.len(), kept, "{event} {body}");
    }
}

#[test]
fn the_kind_of_a_message_may_be_in_its_json_and_a_seat_is_that_of_the_message() {
    let mapping = mapping(
        r#"
[push]
channel = "websocket"
call = "GET /ws?ticket={ticket}"
send = [{ op = "join", who = "{user}", n = 1 }, "PING {user}"]
kind = "/type"
timeout = "90s"
keep = { seat = "/seat" }
means = [
    { kind = "hold", is = "taken" },
    { kind = "free", is = "released" },
    { kind = "pong", is = "done" },
]
[queue_status]
call = "GET /queue/{ticket}"
means = [{ status = 200, is = "queued" }]
"#,
    );
    let stream = mapping.stream.as_deref().unwrap();
    assert_eq!(stream.timeout, Duration::from_secs(90));
    let sent = stream.send.iter().map(|template| {
        let mut text = String::new();
        template.render(&Kim, &mut text).map(|()| text).unwrap()
    });
    let sent: Vec<_> = sent.collect();
    assert_eq!(sent, [r#"{"op":"join","who":"kim","n":1}"#, "PING kim"]);
    assert!(stream.serves_seats() && !stream.serves_queue());
    let told = told(&mapping, None, r#"{"type":"hold","seat":"A-7"}"#);
    assert_eq!(told.meaning, Some(Meaning::Taken));
    assert_eq!(told.seat.unwrap().text, "A-7");
    assert_eq!(told.kept, [], "the buyer's own seat stays what it is");
}

const SOCKET: &str = r#"
[push]
channel = "socket.io"
namespace = "/queue"
auth = { token = "{user}", v = 2 }
send = [
    { event = "join", arguments = [{ show = "{user}" }, 7], ack = "joined" },
    { event = "hello" },
]
acks = { "are-you-there" = [{ ok = true, who = "{user}" }] }
recipient = { "/user" = "{user}" }
keep = { reservation = "/id" }
means = [
    { kind = ["entry", "joined"], "/id" = { exists = true }, is = "admitted" },
    { kind = "joined", is = "queued" },
    { kind = "moved", "/1/place" = { above = 0 }, is = "queued" },
]
"#;

#[test]
fn a_channel_with_socket_io_says_what_is_sent_and_has_names_for_answers() {
    let mapping = mapping(SOCKET);
    assert_eq!(mapping.push, Push::SocketIo);
    let stream = mapping.stream.as_deref().expect("it says more");
    let socket = stream.socket.as_deref().expect("it is Socket.IO");
    let rendered = |template: &Template| {
        let mut text = String::new();
        template.render(&Kim, &mut text).map(|()| text).unwrap()
    };
    let path = "/socket.io/?EIO=4&transport=websocket";
    assert_eq!(rendered(&stream.role.path), path);
    assert_eq!(rendered(&socket.namespace), "/queue");
    assert_eq!(rendered(&socket.auth), r#"{"token":"kim","v":2}"#);
    let sent: Vec<_> = stream.send.iter().map(rendered).collect();
    assert_eq!(sent, [r#"["join",{"show":"kim"},7]"#, r#"["hello"]"#]);
    assert_eq!(socket.answers, [Some("joined".to_owned()), None]);
    let (name, arguments) = &socket.acks[0];
    assert_eq!(name, "are-you-there");
    assert_eq!(rendered(arguments), r#"[{"ok":true,"who":"kim"}]"#);
    assert_eq!(stream.timeout, TIMEOUT_MAX, "the server says how often");
    let cases = [
        ("entry", r#"{"user":"kim","id":4}"#, Some(Meaning::Admitted)),
        (
            "joined",
            r#"{"user":"kim","id":4}"#,
            Some(Meaning::Admitted),
        ),
        ("joined", r#"{"user":"kim"}"#, Some(Meaning::Queued)),
        ("moved", r#"["all",{"place":3}]"#, Some(Meaning::Queued)),
        ("moved", r#"{"place":3}"#, None),
        ("hello", "[]", None),
    ];
    for (event, body, meaning) in cases {
        let told = told(&mapping, Some(event), body);
        assert_eq!(told.meaning, meaning, "{event} {body}");
    }
    let elsewhere = SOCKET.replace(
        "namespace = \"/queue\"",
        "call = \"GET /ws/io?v=1\"\nnamespace = \"/\"",
    );
    let mapping = self::mapping(&elsewhere);
    let stream = mapping.stream.as_deref().unwrap();
    let path = "/ws/io?v=1&EIO=4&transport=websocket";
    assert_eq!(rendered(&stream.role.path), path);
    assert!(stream.socket.as_deref().unwrap().namespace.is_empty());
}

#[test]
fn variables_that_only_the_socket_sends_are_used() {
    let sending = |arguments: &str| {
        format!(
            r#"
[push]
channel = "socket.io"
{arguments}
means = [{{ kind = "entry", is = "admitted" }}]
"#
        )
    };
    for arguments in [
        "auth = { id = \"{reservation}\" }",
        "namespace = \"/{reservation}\"",
        "send = [{ event = \"join\", arguments = [\"{reservation}\"] }]",
        "acks = { entry = [\"{reservation}\"] }",
    ] {
        assert_problem(&sending(arguments), "a request names {reservation}", "keep");
    }
}

#[test]
fn a_wrong_channel_with_socket_io_is_reported_with_what_is_expected() {
    let with = |from: &str, to: &str| {
        assert_eq!(SOCKET.matches(from).count(), 1, "{from}");
        SOCKET.replace(from, to)
    };
    let queue = "namespace = \"/queue\"";
    let cases = [
        (
            with(queue, "namespace = \"queue\""),
            "`push.namespace` is \"queue\"",
            "\"/queue\"",
        ),
        (
            with(queue, "namespace = \"/a,b\""),
            "`push.namespace`",
            "\"/queue\"",
        ),
        (
            with(queue, "namespace = 7"),
            "`push.namespace` is 7",
            "\"/queue\"",
        ),
        (
            with(queue, "call = \"POST /io\""),
            "opens a WebSocket",
            "GET",
        ),
        (with(queue, "call = 7"), "`push.call` is 7", "a path"),
        (
            with(queue, "query = { transport = \"polling\" }"),
            "has `EIO` or `transport`",
            "they are added",
        ),
        (
            with(queue, "rooms = 1"),
            "unknown key `rooms`",
            "namespace, auth, acks",
        ),
        (
            with("auth = { token = \"{user}\", v = 2 }", "auth = \"{token}\""),
            "`push.auth`",
            "{ token = \"{token}\" }",
        ),
        (
            with("{user}\", v", "{usr}\", v"),
            "unknown variable `usr`",
            "user",
        ),
        (
            with("{ event = \"hello\" }", "[\"hello\"]"),
            "`push.send[1]`",
            "a table",
        ),
        (
            with("{ event = \"hello\" }", "{ name = \"hello\" }"),
            "`event` is missing",
            "join",
        ),
        (
            with("{ event = \"hello\" }", "{ event = 7 }"),
            "`push.send[1].event` is 7",
            "join",
        ),
        (
            with(
                "{ event = \"hello\" }",
                "{ event = \"hello\", arguments = \"x\" }",
            ),
            "`push.send[1].arguments`",
            "a list of arguments",
        ),
        (
            with("[{ ok = true, who = \"{user}\" }]", "true"),
            "`push.acks.are-you-there` is true",
            "a list of arguments",
        ),
        (
            with("{ kind = \"moved\"", "{ status = 200, kind = \"moved\""),
            "looks at a status",
            "kind",
        ),
        (
            "[push]\nchannel = \"socket.io\"\nnamespace = \"/a\"\n".to_owned(),
            "`means` is missing",
            "admitted",
        ),
        (
            EVENTS.replace("channel = \"sse\"", "channel = \"sse\"\nnamespace = \"/a\""),
            "unknown key `namespace`",
            "timeout",
        ),
    ];
    for (push, message, expected) in cases {
        assert_problem(&push, message, expected);
    }
    let early = SOCKET.replace("namespace", "opens = \"before-queue\"\nnamespace");
    assert!(mapping(&early).stream.unwrap().is_early);
    assert_problem(
        &early.replace("before-queue", "early"),
        "`push.opens` is \"early\"",
        "one of in-queue, before-queue",
    );
    let silent = SOCKET.replace("is = \"admitted\"", "is = \"done\"");
    assert_problem(&silent, "nothing tells a buyer of an admission", "push");
    let many = format!("send = [{}]", "{ event = \"x\" },".repeat(9));
    let many = format!("[push]\nchannel = \"socket.io\"\n{many}\nmeans = []");
    assert_problem(&many, "`push.send` has 9 messages", "at most 8");
}

#[test]
fn messages_that_keep_what_a_request_needs_are_enough() {
    let push = r#"
[push]
channel = "sse"
call = "GET /events"
keep = { reservation = "/id" }
means = [{ kind = "entry", is = "admitted" }]
[confirm]
call = "POST /confirm/{reservation}"
means = [{ status = 200, is = "paid" }]
"#;
    let mapping = mapping(push);
    assert!(mapping.keeps(Variable::Reservation));
    let seat = push.replace("reservation", "seat");
    assert_problem(&seat, "a request names {seat}", "keep");
}

#[test]
fn the_names_of_channels_without_more_words_stay_what_they_are() {
    assert_eq!(mapping("push = \"socket.io\"").push, Push::SocketIo);
    assert!(
        mapping("[push]\nchannel = \"socket.io\"\n")
            .stream
            .is_none()
    );
    // Without polls and without a channel nobody would learn of an admission.
    for push in ["", "push = \"none\"", "[push]\nchannel = \"none\"\n"] {
        assert_problem(push, "nothing tells a buyer of an admission", "push");
    }
    let silent = EVENTS.replace("is = \"admitted\"", "is = \"done\"");
    assert_problem(&silent, "nothing tells a buyer of an admission", "push");
}

#[test]
fn a_wrong_channel_is_reported_with_what_is_expected() {
    let with = |from: &str, to: &str| {
        assert_eq!(EVENTS.matches(from).count(), 1, "{from}");
        EVENTS.replace(from, to)
    };
    let cases = [
        (
            "push = \"sse\"".to_owned(),
            "how the channel is opened",
            "[push]",
        ),
        (
            "push = \"wss\"".to_owned(),
            "`push` is \"wss\"",
            "none, socket.io, sse, websocket, long-poll",
        ),
        ("push = 7".to_owned(), "`push` is 7", "channel"),
        (
            "[push]\ncall = \"GET /\"".to_owned(),
            "`channel` is missing",
            "long-poll",
        ),
        (
            with("\"sse\"", "\"see\""),
            "`push.channel` is \"see\"",
            "sse",
        ),
        (
            with("call = \"GET /queue/{ticket}/events\"", ""),
            "`call` is missing",
            "a path",
        ),
        (with("{ticket}", "{tickets}"), "tickets", "ticket"),
        (
            with(
                "recipient = { \"/user\" = \"{user}\" }",
                "recipient = \"/user\"",
            ),
            "`push.recipient`",
            "a table",
        ),
        (
            with("\"{user}\" }", "\"user\" }"),
            "recipient",
            "a variable",
        ),
        (
            with("{ kind = \"entry\"", "{ status = 200, kind = \"entry\""),
            "looks at a status",
            "kind",
        ),
        (
            with("is = \"dropped\"", "is = \"held\""),
            "`push.means[2].is`",
            "admitted, queued, updated, dropped",
        ),
        (
            with("channel = \"sse\"", "channel = \"sse\"\nsend = [\"x\"]"),
            "`push.send` cannot be sent",
            "WebSocket",
        ),
        (
            with("channel = \"sse\"", "channel = \"sse\"\ntimeout = \"11m\""),
            "`push.timeout`",
            "up to 600 s",
        ),
        (
            with("channel = \"sse\"", "channel = \"sse\"\nkind = \"type\""),
            "`push.kind`",
            "a JSON pointer",
        ),
        (
            with("channel = \"sse\"", "channel = \"sse\"\nspeed = 1"),
            "unknown key `speed`",
            "recipient",
        ),
        (
            with("\"sse\"", "\"websocket\""),
            "needs to know where a message has its kind",
            "kind",
        ),
        (
            with("\"sse\"", "\"websocket\"").replace("GET", "POST"),
            "opens a WebSocket",
            "GET",
        ),
        (
            with("{ kind = [\"bye\", \"over\"]", "{ named = \"bye\""),
            "unknown condition `named`",
            "kind",
        ),
    ];
    for (push, message, expected) in cases {
        assert_problem(&push, message, expected);
    }
    // There is no queue to be entered after that.
    let text = EVENTS.replace("{ticket}", "all").replace(
        "channel = \"sse\"",
        "channel = \"sse\"\nopens = \"before-queue\"",
    );
    let text = format!(
        "{text}\n[payment]\ncall = \"POST /pay\"\nmeans = [{{ status = 200, is = \"paid\" }}]"
    );
    let table = toml::de::DeTable::parse(&text).unwrap();
    let problems = compile(&Tree::from_table(table.get_ref(), 0..0)).expect_err("no queue");
    assert!(problems[0].expected.contains("queue_enter"), "{problems:?}");
    // A response has no kind.
    let role =
        "[setup]\ncall = \"POST /x\"\nmeans = [{ kind = \"a\", is = \"done\" }]\npush = \"none\"\n";
    let problems = compiled(role).expect_err("the mapping is wrong");
    assert!(!problems[0].expected.contains("kind"), "{problems:?}");
}
