//! Push channels of mapped systems: server-sent events, WebSockets, long polls and Socket.IO, with buyers against a small server that
//! has one planted fault.
#![expect(
    clippy::unwrap_used,
    reason = "a panic fails the test at the right line"
)]

use std::time::Duration;

use serde_json::Value;

use crate::command::{Ended, Workplace};
use crate::push_server::{Books, Fault, PushServer};

const BUYERS: usize = 24;

/// A sale that lasts long enough for every buyer to be admitted.
const SALE: &str = r#"
name = "pushed"
[clock]
duration = "10s"
warmup = "0s"
[[arrivals]]
shape = "onsale"
buyers = 24
opens_at = "500ms"
decay = "500ms"
until = "2s"
[buyers]
browse = "100ms"
seat_pick = "200ms"
seat_repick = "200ms"
payment = "300ms"
pays = 1.0
patience = "10m"
poll = { connected = "2s", disconnected = "1s", on_update = false }
[gates]
"errors" = ["rate < 90%"]
[self_check]
send_lag_p99_max = "2s"
stall_max        = "5s"
"#;

/// The kinds of channels, with what of the mapping is special to them.
const CHANNELS: [(&str, &str); 4] = [
    (
        "sse",
        r#"
call = "GET /queue/events"
means = [
    { kind = "entry", is = "admitted" },
    { kind = ["waiting", "noise"], is = "queued" },
]
"#,
    ),
    (
        "websocket",
        r#"
call = "GET /queue/ws"
send = [{ action = "subscribe", user = "{user}" }]
kind = "/type"
means = [
    { kind = "entry", is = "admitted" },
    { kind = "noise", is = "queued" },
]
"#,
    ),
    (
        "long-poll",
        r#"
call = "GET /queue/next"
kind = "/type"
means = [
    { status = 200, kind = "entry", is = "admitted" },
    { status = 200, kind = "noise", is = "queued" },
    { status = 204, is = "queued" },
]
"#,
    ),
    (
        "socket.io",
        r#"
call = "GET /queue/io/"
namespace = "/queue"
auth = { user = "{user}" }
send = [{ event = "subscribe", arguments = [{ user = "{user}" }], ack = "subscribed" }]
acks = { entry = [{ got = "{pass}" }] }
means = [
    { kind = "entry", is = "admitted" },
    { kind = "subscribed", "/state" = "WAITING", is = "queued" },
    { kind = "noise", is = "queued" },
]
"#,
    ),
];

/// Answers with a header.
const SIGNS: &str = r#"while IFS= read -r line; do
    id=$(printf '%s' "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
    printf '{"id":%s,"headers":{"x-signature":"v1"}}\n' "$id"
done
"#;

/// The mapping of the server with one kind of channel. Without polls, the requests for it are signed.
fn mapping((channel, special): (&str, &str), can_poll: bool) -> String {
    let polling = r#"
[queue_status]
call = "GET /queue/me"
keep = { pass = "/pass" }
means = [
    { status = 200, "/state" = "ENTRY", is = "admitted" },
    { status = 200, "/state" = "WAITING", is = "queued" },
    { status = 200, "/state" = "NONE", is = "dropped" },
]
"#;
    let signing = "[sign]\nrun = [\"sh\", \"sign.sh\"]\nfor = [\"push\"]\n";
    format!(
        r#"
name = "pushed 1"
headers = {{ x-user = "{{user}}" }}
[show_list]
call = "GET /shows"
each = "/*"
keep = {{ show = "/id" }}
[queue_enter]
call = "POST /queue"
means = [{{ status = 200, is = "queued" }}]
[queue_leave]
call = "DELETE /queue"
[push]
channel = "{channel}"
timeout = "3s"
recipient = {{ "/userId" = "{{user}}" }}
keep = {{ pass = "/pass" }}
{special}
{}
[seat_list]
call = "GET /seats"
each = "/*"
keep = {{ seat = "/id" }}
free = {{ "/free" = true }}
[seat_reserve]
call = "POST /seats/{{seat}}"
headers = {{ x-pass = "{{pass}}" }}
means = [
    {{ status = 201, is = "held" }},
    {{ status = 409, is = "taken" }},
    {{ status = 403, is = "dropped" }},
]
[payment]
call = "POST /seats/{{seat}}/pay"
means = [{{ status = 200, is = "paid" }}]
"#,
        if can_poll { polling } else { signing }
    )
}

/// The end of a run against a server.
struct Tested {
    channel: &'static str,
    ended: Ended,
    summary: Value,
    books: Books,
    csv: String,
}

/// Runs the sale against a server with this fault for each kind of channel, at the same time.
fn tested(fault: Fault) -> Vec<Tested> {
    let [tested] = all([fault], true);
    tested
}

/// Tests several faults at the same time.
fn all<const N: usize>(faults: [Fault; N], can_poll: bool) -> [Vec<Tested>; N] {
    let running = faults.map(|fault| {
        CHANNELS.map(|channel| std::thread::spawn(move || test(fault, channel, can_poll)))
    });
    running.map(|of_fault| of_fault.map(|one| one.join().unwrap()).into())
}

fn test(fault: Fault, channel: (&'static str, &str), can_poll: bool) -> Tested {
    let server = PushServer::start(fault, 40, Duration::from_millis(120));
    let workplace = Workplace::new();
    workplace.write("sale.toml", SALE);
    let mut api = mapping(channel, can_poll);
    if fault == Fault::Silence {
        // So that buyers notice it before a poll admits them.
        api = api.replace("timeout = \"3s\"", "timeout = \"1s\"");
    }
    workplace.write("api.toml", api);
    let url = server.url();
    let words = ["run", "sale.toml", "--target", &url, "--api", "api.toml"];
    workplace.write("sign.sh", SIGNS);
    let more: &[_] = if can_poll { &[] } else { &["--allow-exec"] };
    let ended = workplace.run(&[&words, more].concat());
    let folder = std::fs::read_dir(workplace.path("reports")).ok();
    let run = folder.and_then(|mut runs| Some(runs.next()?.unwrap().path()));
    let read = |name: &str| {
        let file = run.as_ref().map(|run| run.join(name));
        file.map_or_else(String::new, |file| std::fs::read_to_string(file).unwrap())
    };
    Tested {
        channel: channel.0,
        summary: serde_json::from_str(&read("summary.json")).unwrap_or_default(),
        csv: read("timeseries.csv"),
        books: std::mem::take(&mut *server.books()),
        ended,
    }
}

impl Tested {
    /// Admissions that were learned of in this way.
    fn learned(&self, way: &str) -> u64 {
        let ways = self.summary["admissions"]["ways"].as_array();
        let ways = ways.unwrap_or_else(|| panic!("{}: {:?}", self.channel, self.ended));
        let mut rows = ways.iter();
        let row = rows.find(|row| row["learned"] == way).unwrap();
        row["admissions"].as_u64().unwrap()
    }

    fn polled(&self) -> u64 {
        self.learned("poll") + self.learned("poll_before_message")
    }

    #[track_caller]
    fn says(&self, words: &[&str]) {
        let report = &self.ended.stdout;
        for word in words {
            assert!(
                report.contains(word),
                "{}: `{word}` in\n{report}",
                self.channel
            );
        }
        for secret in ["hush", "\u{1b}"] {
            assert!(!report.contains(secret), "{}: {report}", self.channel);
        }
    }

    /// Everybody has bought, whatever the channel did.
    #[track_caller]
    fn assert_sold(&self) {
        let context = format!("{}: {:?}\n{:?}", self.channel, self.books, self.ended);
        assert_eq!(self.books.paid.len(), BUYERS, "{context}");
        assert_eq!(self.books.complaints, Vec::<String>::new(), "{context}");
    }
}

/// How many admissions buyers have acknowledged with the pass of their own, and how many in another way.
fn acknowledged(books: &Books) -> (usize, usize) {
    let is_own = |ack: &&String| {
        let user = ack.split(": ").next().unwrap();
        ack.ends_with(&format!(r#"[{{"got":"pass-of-{user}"}}]"#))
    };
    let own = books.acknowledged.iter().filter(is_own).count();
    (own, books.acknowledged.len() - own)
}

#[test]
fn buyers_learn_of_their_admission_by_a_message_and_keep_what_it_says() {
    for tested in tested(Fault::None) {
        tested.assert_sold();
        let by_message = tested.learned("message");
        assert!(
            by_message >= 20,
            "{}: {by_message}\n{:?}",
            tested.channel,
            tested.ended
        );
        assert_eq!(by_message + tested.polled(), BUYERS as u64);
        tested.says(&["By a message of the push channel"]);
        assert!(
            matches!(tested.ended.code, Some(0 | 91)),
            "{:?}",
            tested.ended
        );
        if tested.channel == "socket.io" {
            let (own, others) = acknowledged(&tested.books);
            assert!(own >= 20 && others == 0, "{:?}", tested.books);
            assert!(
                tested.books.subscribed.len() >= BUYERS,
                "{:?}",
                tested.books
            );
            assert!(tested.books.pongs > 0, "{:?}", tested.books);
        }
        // The cells add up to the same.
        let mut lines = tested.csv.lines();
        let column = |line: &str| {
            line.split(',')
                .position(|name| name == "admitted_by_message")
        };
        let column = column(lines.next().unwrap()).unwrap();
        let cells = lines.map(|line| line.split(',').nth(column).unwrap().parse::<u64>().unwrap());
        assert_eq!(cells.sum::<u64>(), by_message);
    }
}

#[test]
fn buyers_need_no_polls_if_the_channel_works_and_its_requests_can_be_signed() {
    let [of_channels] = all([Fault::None], false);
    for tested in of_channels {
        tested.assert_sold();
        assert_eq!(
            tested.learned("message"),
            BUYERS as u64,
            "{:?}",
            tested.ended
        );
        assert_eq!(tested.books.polls, 0);
        let asked: u32 = tested.books.channels.values().sum();
        assert_eq!(tested.books.signed, asked, "{}", tested.channel);
    }
}

#[test]
fn the_admission_of_somebody_else_admits_nobody() {
    let [to_everybody, to_others] = all([Fault::ToEverybody, Fault::ToOthers], true);
    for tested in to_everybody {
        tested.assert_sold();
        assert!(tested.learned("message") >= 20, "{:?}", tested.ended);
    }
    for tested in to_others {
        tested.assert_sold();
        assert_eq!(
            tested.learned("message"),
            0,
            "{}: {:?}",
            tested.channel,
            tested.ended
        );
        assert_eq!(tested.polled(), BUYERS as u64);
        tested.says(&["No admission was learned of by a message"]);
    }
}

#[test]
fn buyers_poll_if_the_channel_is_refused_and_the_report_says_so() {
    let [refused, page] = all([Fault::Refused, Fault::Page], true);
    for tested in refused {
        tested.assert_sold();
        assert_eq!(tested.learned("poll"), BUYERS as u64, "{:?}", tested.ended);
        tested.says(&[
            "was refused with 503",
            "and was never open",
            "no room for more channels",
            "Buyers fell back to polling: 24 of 24 admissions",
        ]);
        let warning = "buyers do without the push channel and poll";
        assert!(tested.ended.stderr.contains(warning), "{:?}", tested.ended);
        // Each buyer tries again, and waits longer each time.
        let most = tested.books.channels.values().max().unwrap();
        assert!((2..=12).contains(most), "{:?}", tested.books.channels);
    }
    for tested in page {
        tested.assert_sold();
        match tested.channel {
            "sse" => tested.says(&[
                "was not accepted as a channel",
                "not a stream of events, but 'text/html",
            ]),
            "websocket" | "socket.io" => tested.says(&["was refused with 200", "Welcome"]),
            // A response with 200 is an answer, in a form that no row describes.
            _ => tested.says(&[
                "a message that no row of the API mapping describes",
                "Welcome",
            ]),
        }
    }
}

#[test]
fn a_target_without_polling_is_refused_if_its_channel_is() {
    let [of_channels] = all([Fault::Refused], false);
    for tested in of_channels {
        assert_eq!(tested.ended.code, Some(92), "{:?}", tested.ended);
        for words in [
            "/queue/",
            "503",
            "no room for more channels",
            "over this channel only",
        ] {
            assert!(
                tested.ended.stderr.contains(words),
                "`{words}`: {:?}",
                tested.ended
            );
        }
        assert!(!tested.ended.stderr.contains("hush"), "{:?}", tested.ended);
    }
}

#[test]
fn what_never_ends_is_cut_off_and_named() {
    for tested in tested(Fault::NoEnd) {
        tested.assert_sold();
        let what = match tested.channel {
            "sse" => "a line is longer than 64 KiB",
            "websocket" | "socket.io" => "a message is longer than 64 KiB",
            _ => "a response is longer than 64 KiB",
        };
        tested.says(&[what, "Buyers fell back to polling"]);
        let worker = &tested.summary["generator"][0];
        let most = worker["resident_peak_bytes"].as_u64().unwrap();
        assert!(most < 120 << 20, "a load worker took {most} bytes");
    }
}

#[test]
fn endless_messages_and_silence_are_cut_off_and_named() {
    let [flood, silence] = all([Fault::Flood, Fault::Silence], true);
    for tested in flood {
        tested.assert_sold();
        match tested.channel {
            // The next one is asked for after a pause.
            "long-poll" => {
                let most = tested.books.channels.values().max().unwrap();
                assert!(*most <= 130, "{:?}", tested.books.channels);
            }
            _ => tested.says(&["more than 1000 messages in a second to one buyer"]),
        }
    }
    for tested in silence {
        tested.assert_sold();
        assert_eq!(tested.learned("message"), 0, "{:?}", tested.ended);
        if tested.channel == "socket.io" {
            tested.says(&["was silent for too long", "it sent no ping for 1 s"]);
        }
    }
}

#[test]
fn messages_that_are_no_messages_are_counted_and_shown() {
    for tested in tested(Fault::Garbage) {
        tested.assert_sold();
        if tested.channel != "long-poll" {
            tested.says(&[
                "brought a message that no row of the API mapping describes",
                "no JSON at all",
            ]);
            assert!(tested.learned("message") >= 20, "{:?}", tested.ended);
        }
    }
}

#[test]
fn a_channel_that_ends_is_opened_again_with_the_last_id() {
    for tested in tested(Fault::Closes) {
        tested.assert_sold();
        if tested.channel == "long-poll" {
            continue;
        }
        let most = tested.books.channels.values().max().unwrap();
        assert!((2..=20).contains(most), "{:?}", tested.books.channels);
        if tested.channel == "socket.io" {
            let ended = "was refused, or ended by the server,";
            tested.says(&[ended, "it disconnected the buyer"]);
        }
        if tested.channel == "sse" {
            let expected = ["first".to_owned()].into();
            assert_eq!(tested.books.last_ids, expected, "{:?}", tested.books);
        }
    }
}

#[test]
fn a_probe_opens_the_channel_and_shows_its_messages() {
    for channel in CHANNELS {
        let server = PushServer::start(Fault::ToEverybody, 2, Duration::from_millis(300));
        let workplace = Workplace::new();
        workplace.write("api.toml", mapping(channel, true));
        let url = server.url();
        let probe = ["probe", "--target", &url, "--api", "api.toml"];
        let ended = workplace.run(&probe);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let opened = format!(" push ({})\n   > GET /queue/", channel.0);
        for shown in [
            opened.as_str(),
            "   = the push channel is open",
            "   > (over the push channel)\n",
            "\"type\":\"entry\"",
            "   = admitted\n",
            "   = paid",
        ] {
            assert!(
                ended.stdout.contains(shown),
                "`{shown}` in\n{}",
                ended.stdout
            );
        }
        let refusing = PushServer::start(Fault::Refused, 2, Duration::from_millis(300));
        let url = refusing.url();
        let ended = workplace.run(&["probe", "--target", &url, "--api", "api.toml"]);
        assert_eq!(ended.code, Some(0), "buyers can poll: {ended:?}");
        for shown in [
            "   < it responded with 503: {\"error\":\"no room for more channels\"",
            "   ! the push channel is not open: buyers poll instead",
        ] {
            assert!(
                ended.stdout.contains(shown),
                "`{shown}` in\n{}",
                ended.stdout
            );
        }
    }
}
