//! What a mapping may say, and what is said about one that is wrong.

use super::*;
use crate::id::IdText;
use crate::mapping::{Element, Response, Role, Understood};
use crate::template::Values;
use std::time::Duration;

const PAY: &str = "[payment]\ncall = \"POST /pay\"\nmeans = [{ status = 200, is = \"paid\" }]\n";

fn tree(text: &str) -> Tree {
    let table = toml::de::DeTable::parse(text).unwrap();
    Tree::from_table(table.get_ref(), 0..0)
}

fn mapping(text: &str) -> Mapping {
    let compiled = compile(&tree(&format!("{text}\n{PAY}")));
    compiled.unwrap_or_else(|problems| panic!("{problems:?}"))
}

/// The problems of a mapping, each with the text at its place.
fn problems(text: &str) -> Vec<(String, Problem)> {
    let problems = compile(&tree(text)).expect_err("the mapping is wrong");
    let place = |problem: &Problem| text[problem.span.clone()].to_owned();
    problems
        .into_iter()
        .map(|problem| (place(&problem), problem))
        .collect()
}

fn understand(mapping: &Mapping, role: RoleName, status: u16, body: &str) -> Understood<'static> {
    with_headers(mapping, role, status, body, &[])
}

fn with_headers(
    mapping: &Mapping,
    role: RoleName,
    status: u16,
    body: &str,
    headers: &[(&str, &str)],
) -> Understood<'static> {
    let header = |name: &str| {
        let found = headers.iter().find(|(one, _)| *one == name);
        found.map(|(_, value)| *value)
    };
    let cookies = || {
        let all = headers.iter().filter(|(name, _)| *name == "set-cookie");
        all.map(|(_, value)| *value).collect()
    };
    let response = Response {
        status,
        body: body.as_bytes(),
        header: &header,
        cookies: &cookies,
        now_unix_s: 0,
    };
    let role = mapping.role(role).expect("the mapping has this role");
    let understood = role.understand(&response, None);
    Understood {
        meaning: understood.meaning,
        kept: understood
            .kept
            .into_iter()
            .map(|(variable, value)| (variable, value.into_owned()))
            .collect(),
        poll_after: understood.poll_after,
    }
}

fn meaning(mapping: &Mapping, role: RoleName, status: u16, body: &str) -> Option<Meaning> {
    understand(mapping, role, status, body).meaning
}

#[test]
fn the_preset_means_what_the_contract_says() {
    let tiketi = tiketi();
    let cases = [
        (
            RoleName::QueueEnter,
            200,
            r#"{"queued":true,"position":3}"#,
            Some(Meaning::Queued),
        ),
        (
            RoleName::QueueEnter,
            200,
            r#"{"queued":false}"#,
            Some(Meaning::Admitted),
        ),
        (RoleName::QueueEnter, 200, r#"{"queued":"yes"}"#, None),
        (RoleName::QueueEnter, 200, "<html>", None),
        (RoleName::QueueEnter, 503, r#"{"queued":true}"#, None),
        (
            RoleName::QueueStatus,
            200,
            r#"{"queued":false,"admitted":true}"#,
            Some(Meaning::Admitted),
        ),
        (
            RoleName::QueueStatus,
            200,
            r#"{"queued":false,"admitted":false}"#,
            Some(Meaning::Dropped),
        ),
        (
            RoleName::QueueStatus,
            200,
            r#"{"queued":false}"#,
            Some(Meaning::NoLongerQueued),
        ),
        (
            RoleName::SeatReserve,
            201,
            r#"{"reservation":{"id":5}}"#,
            Some(Meaning::Held),
        ),
        (RoleName::SeatReserve, 201, "{}", None),
        (RoleName::SeatReserve, 400, "taken", Some(Meaning::Taken)),
        (RoleName::SeatReserve, 500, "", None),
        (
            RoleName::Payment,
            200,
            r#"{"success":true}"#,
            Some(Meaning::Paid),
        ),
        (RoleName::Payment, 200, "{}", Some(Meaning::Paid)),
        (RoleName::Payment, 200, r#"{"success":false}"#, None),
        (RoleName::Payment, 200, "<html>", None),
        (
            RoleName::Payment,
            400,
            r#"{"error":"Reservation is ALREADY Paid"}"#,
            Some(Meaning::Paid),
        ),
        (
            RoleName::Payment,
            400,
            r#"{"error":"expired"}"#,
            Some(Meaning::Refused),
        ),
        (RoleName::ShowDetail, 204, "", Some(Meaning::Done)),
        (RoleName::ShowDetail, 404, "", None),
    ];
    for (role, status, body, expected) in cases {
        let found = meaning(&tiketi, role, status, body);
        assert_eq!(found, expected, "{role:?} {status} {body}");
    }
}

#[test]
fn the_first_row_that_matches_decides() {
    let mapping = mapping(
        "[queue_enter]\ncall = \"POST /q\"\nmeans = [\n{ status = [200, \"4xx\"], \"/a\" = { exists = true }, is = \"refused\" },\n{ \"/n\" = { below = \"/m\" }, is = \"queued\" },\n{ \"/n\" = { same_as = \"/m\" }, is = \"admitted\" },\n{ \"header:x-state\" = \"full\", is = \"sold-out\" },\n{ \"/n\" = { at_least = 9 }, is = \"come-back\" },\n]\n[queue_status]\ncall = \"GET /q\"\nmeans = [{ is = \"admitted\" }]\n",
    );
    let enter = |status, body| meaning(&mapping, RoleName::QueueEnter, status, body);
    assert_eq!(enter(404, r#"{"a":1,"n":1,"m":2}"#), Some(Meaning::Refused));
    assert_eq!(enter(500, r#"{"a":1,"n":1,"m":2}"#), Some(Meaning::Queued));
    assert_eq!(enter(200, r#"{"n":"10","m":9}"#), Some(Meaning::ComeBack));
    assert_eq!(enter(200, r#"{"n":"2","m":2}"#), Some(Meaning::Admitted));
    assert_eq!(enter(200, r#"{"m":2}"#), None);
    let full = [("x-state", "full")];
    let role = RoleName::QueueEnter;
    let understood = with_headers(&mapping, role, 200, "", &full);
    assert_eq!(understood.meaning, Some(Meaning::SoldOut));
}

#[test]
fn values_are_kept_from_body_header_and_cookie() {
    let mapping = mapping(
        "[setup]\ncall = \"GET /s\"\nkeep = { first = \"/list/*/id\", ticket = \"header:X-Ticket\", sid = \"cookie:sid\" }\npoll_after = { from = \"/wait\", unit = \"ms\" }\n",
    );
    let headers = [
        ("x-ticket", "t-1"),
        ("set-cookie", "a=b"),
        ("set-cookie", "sid=c d; Path=/"),
    ];
    let body = r#"{"list":[{"x":1},{"id":7},{"id":8}],"wait":1500}"#;
    let understood = with_headers(&mapping, RoleName::Setup, 200, body, &headers);
    assert_eq!(understood.meaning, Some(Meaning::Done));
    assert_eq!(understood.poll_after, Some(Duration::from_millis(1_500)));
    let kept = understood.kept.iter().map(|(variable, value)| {
        (
            mapping.variable_name(*variable),
            value.text.as_ref(),
            value.is_number,
        )
    });
    let kept: Vec<_> = kept.collect();
    let name = ToString::to_string;
    assert_eq!(
        kept,
        [
            (name("first"), "7", true),
            (name("ticket"), "t-1", false),
            (name("sid"), "c d", false)
        ]
    );
    let without = with_headers(&mapping, RoleName::Setup, 200, "{}", &headers);
    assert_eq!(without.meaning, None, "what is to be kept is not there");
}

struct Buyer {
    number: &'static str,
    choice: u64,
}

impl Values for Buyer {
    fn value(&self, variable: Variable) -> Option<IdText<'_>> {
        let number = IdText {
            text: self.number.into(),
            is_number: true,
        };
        (variable == Variable::Kept(0)).then_some(number)
    }

    fn choice(&self) -> u64 {
        self.choice
    }
}

/// What a response with this body means to a buyer, and what is kept of it.
fn to_buyer(role: &Role, buyer: &Buyer, body: &'static str) -> (Option<Meaning>, Vec<String>) {
    let response = Response {
        status: 200,
        body: body.as_bytes(),
        header: &|_| None,
        cookies: &Vec::new,
        now_unix_s: 0,
    };
    let understood = role.understand_for(buyer, &response, None);
    let kept = understood.kept.into_iter();
    (
        understood.meaning,
        kept.map(|(_, value)| value.text.into_owned()).collect(),
    )
}

#[test]
fn a_value_is_compared_with_one_that_was_kept_before() {
    let mapping = mapping(
        "[queue_enter]\ncall = \"POST /q\"\nkeep = { number = \"/number\" }\nmeans = [{ is = \"queued\" }]\n[queue_status]\ncall = \"GET /serving\"\nmeans = [\n{ \"/serving\" = { at_least = \"{number}\" }, is = \"admitted\" },\n{ \"/last\" = { same_as = \"{number}\" }, is = \"dropped\" },\n{ \"/last\" = { differs_from = \"{number}\" }, is = \"queued\" },\n]\n",
    );
    let status = mapping.role(RoleName::QueueStatus).unwrap();
    let meaning = |number, body| to_buyer(status, &Buyer { number, choice: 0 }, body).0;
    assert_eq!(meaning("9", r#"{"serving":10}"#), Some(Meaning::Admitted));
    assert_eq!(
        meaning("10", r#"{"serving":"10"}"#),
        Some(Meaning::Admitted)
    );
    assert_eq!(
        meaning("11", r#"{"serving":10,"last":11}"#),
        Some(Meaning::Dropped)
    );
    assert_eq!(
        meaning("11", r#"{"serving":10,"last":12}"#),
        Some(Meaning::Queued)
    );
    let nobody = understand(
        &mapping,
        RoleName::QueueStatus,
        200,
        r#"{"serving":10,"last":12}"#,
    );
    assert_eq!(nobody.meaning, None, "there is nothing to compare with");
}

#[test]
fn a_step_before_the_seats_picks_one_element_that_is_free() {
    let mapping = mapping(
        "[before_seats.date]\ncall = \"GET /dates\"\neach = \"/data/*\"\npick = { date = \"/id\", price = \"/price\" }\nfree = { \"/left\" = { above = 0 } }\nmeans = [{ status = 200, \"/code\" = \"closed\", is = \"refused\" }, { status = 200, is = \"done\" }]\n",
    );
    let &[place] = mapping.extra(Moment::BeforeSeats) else {
        panic!("there is one step");
    };
    let date = &mapping.roles()[place];
    let read = |choice, body| {
        to_buyer(
            date,
            &Buyer {
                number: "0",
                choice,
            },
            body,
        )
    };
    let body = r#"{"data":[{"id":1,"price":"9","left":0},{"id":2,"price":"8","left":3},{"id":3,"price":"7","left":1}]}"#;
    let all: BTreeSet<_> = (0..50).map(|choice| read(choice, body)).collect();
    let done = |date: &str, price: &str| {
        let kept = vec![date.to_owned(), price.to_owned()];
        (Some(Meaning::Done), kept)
    };
    assert_eq!(
        all.into_iter().collect::<Vec<_>>(),
        [done("2", "8"), done("3", "7")]
    );
    let sold_out = (Some(Meaning::SoldOut), Vec::new());
    assert_eq!(
        read(0, r#"{"data":[{"id":1,"price":"9","left":0}]}"#),
        sold_out
    );
    assert_eq!(read(0, r#"{"data":[]}"#), sold_out);
    assert_eq!(read(0, r#"{"code":"closed"}"#).0, Some(Meaning::Refused));
    let unlike = [
        r#"{"dates":[]}"#,
        r#"{"data":[{"id":1,"left":2}]}"#,
        "<html>",
    ];
    for body in unlike {
        assert_eq!(read(0, body).0, None, "{body}");
    }
}

#[test]
fn a_role_can_ask_another_host_and_so_does_the_poll_for_its_result() {
    let mapping = mapping(
        "hosts = { shop = \":81\", queue = \"https://q.example\" }\n[seat_reserve]\ncall = \"POST /r\"\nhost = \"queue\"\nkeep = { reservation = \"/id\" }\nmeans = [{ status = 202, is = \"accepted-poll-later\" }]\n[seat_reserve.poll]\ncall = \"GET /r\"\nmeans = [{ is = \"held\" }]\n",
    );
    let reserve = mapping.role(RoleName::SeatReserve).unwrap();
    assert_eq!(reserve.host, Some(1));
    assert_eq!(reserve.poll.as_ref().unwrap().host, Some(1));
    assert_eq!(mapping.role(RoleName::Payment).unwrap().host, None);
    let urls = mapping.hosts.iter().map(|host| host.at.url("http", "a"));
    assert_eq!(
        urls.collect::<Vec<_>>(),
        ["http://a:81", "https://q.example"]
    );
}

#[test]
fn a_program_signs_the_requests_that_it_is_for() {
    let mapping = mapping(
        "sign = { run = [\"node\", \"sign.js\"], for = [\"payment\", \"captcha\"], variables = [\"user\", \"ticket\"] }\n[before_queue.captcha]\ncall = \"GET /c\"\nkeep = { ticket = \"/t\" }\n[show_detail]\ncall = \"GET /s\"\n",
    );
    let signed = mapping.roles().iter().filter(|role| role.is_signed);
    let signed: Vec<_> = signed.map(|role| role.name.as_str()).collect();
    assert_eq!(signed, ["payment", "before_queue.captcha"]);
    let sign = mapping.sign.as_ref().unwrap();
    assert_eq!(sign.command(), "node sign.js");
    assert_eq!(sign.timeout, Duration::from_secs(5));
    let variables = sign
        .variables
        .iter()
        .map(|(name, variable)| (name.as_str(), *variable));
    let expected = [("user", Variable::User), ("ticket", Variable::Kept(0))];
    assert_eq!(variables.collect::<Vec<_>>(), expected);
    let push = "[push]\nchannel = \"sse\"\ncall = \"GET /e\"\nmeans = [{ is = \"done\" }]\n";
    let mapping = self::mapping(&format!(
        "sign = {{ run = [\"x\"], for = [\"push\"] }}\n{push}"
    ));
    assert!(mapping.stream.unwrap().role.is_signed);
    assert!(!mapping.roles.iter().any(|role| role.is_signed));
}

#[test]
fn a_list_says_which_elements_are_free_and_which_are_held() {
    let mapping = mapping(
        "[seat_list]\ncall = \"GET /s\"\neach = \"/b/*/s/*\"\nkeep = { seat = \"/no\" }\nfree = { \"/st\" = [\"A\", \"OPEN\"], \"/price\" = { at_most = 10 } }\nheld = { \"/st\" = \"H\" }\n",
    );
    let body = r#"{"b":[{"s":[{"no":1,"st":"A","price":9},{"no":"2","st":"H"}]},{"s":[{"st":"OPEN","no":3,"price":11}]}]}"#;
    let mut found = Vec::new();
    let mut each = |element: Element<'_>| {
        found.push((element.id.into_owned(), element.is_free, element.is_held));
    };
    let response = |body: &'static str| Response {
        status: 200,
        body: body.as_bytes(),
        header: &|_| None,
        cookies: &Vec::new,
        now_unix_s: 0,
    };
    let role = mapping.role(RoleName::SeatList).unwrap();
    let meaning = role.understand(&response(body), Some(&mut each)).meaning;
    assert_eq!(meaning, Some(Meaning::Done));
    let id = |text: &'static str, is_number| IdText {
        text: text.into(),
        is_number,
    };
    assert_eq!(
        found,
        [
            (id("1", true), true, false),
            (id("2", false), false, true),
            (id("3", true), false, false)
        ]
    );
    let no_id = r#"{"b":[{"s":[{"st":"A"}]}]}"#;
    for body in ["<html>", no_id] {
        let understood = role.understand(&response(body), Some(&mut |_| {}));
        assert_eq!(understood.meaning, None, "{body}");
    }
}

#[test]
fn a_mapping_over_the_preset_changes_only_what_it_states() {
    let text = "preset = \"tiketi\"\nqueue_enter = \"none\"\nqueue_status = \"none\"\n[payment]\ncall = \"POST /pay/{reservation}\"\n";
    let changed = compile(&tree(text)).unwrap();
    assert!(changed.role(RoleName::QueueEnter).is_none());
    assert!(changed.role(RoleName::SeatList).is_some());
    let payment = changed.role(RoleName::Payment).unwrap();
    assert!(payment.path.variables().eq([Variable::Reservation]));
    assert_eq!(
        meaning(&changed, RoleName::Payment, 200, "{}"),
        Some(Meaning::Paid)
    );
}

#[test]
fn every_problem_has_its_place_the_legal_values_and_a_hint() {
    let cases = [
        (
            "push = \"carrier-pigeon\"\n",
            "\"carrier-pigeon\"",
            "none, socket.io",
        ),
        ("base = \"v2\"\n", "\"v2\"", "a path"),
        (
            "[queue_entr]\ncall = \"POST /q\"\n",
            "queue_entr",
            "queue_enter",
        ),
        (
            "[login]\ncall = \"FETCH /l\"\n",
            "\"FETCH /l\"",
            "GET, POST",
        ),
        ("[login]\ncall = \"POST l\"\n", "\"POST l\"", "a path"),
        (
            "[login]\ncall = \"POST //other.example/l\"\n",
            "\"POST //other.example/l\"",
            "a path",
        ),
        (
            "[login]\ncall = \"POST /{usr}\"\n",
            "\"POST /{usr}\"",
            "user",
        ),
        (
            "[login]\ncall = \"POST /{user\"\n",
            "\"POST /{user\"",
            "{show}",
        ),
        ("[login]\ncal = \"POST /\"\n", "cal", "call"),
        (
            "[login]\ncall = \"POST /\"\nheaders = { host = \"x\" }\n",
            "\"x\"",
            "x-queue-token",
        ),
        (
            "[login]\ncall = \"POST /\"\nkeep = { token = \"token\" }\n",
            "\"token\"",
            "/pointer",
        ),
        (
            "[login]\ncall = \"POST /\"\nmeans = [{ status = 200, is = \"paid\" }]\n",
            "\"paid\"",
            "done, refused, come-back",
        ),
        (
            "[login]\ncall = \"POST /\"\nmeans = [{ status = 99, is = \"done\" }]\n",
            "99",
            "4xx",
        ),
        (
            "[login]\ncall = \"POST /\"\nmeans = [{ stats = 200, is = \"done\" }]\n",
            "200",
            "status",
        ),
        (
            "[login]\ncall = \"POST /\"\nmeans = [{ \"/a\" = { like = 1 }, is = \"done\" }]\n",
            "{ like = 1 }",
            "same_as",
        ),
        (
            "[queue_enter]\ncall = \"POST /q\"\n",
            "[queue_enter]",
            "queued, admitted",
        ),
        (
            "[seat_list]\ncall = \"GET /s\"\nkeep = { seat = \"/id\" }\n",
            "[seat_list]",
            "/seats/*",
        ),
        (
            "[tokens]\nclaims = { x = \"{seat}\" }\n",
            "\"{seat}\"",
            "{user}",
        ),
        ("preset = \"melon\"\n", "\"melon\"", "tiketi"),
        ("hosts = { queue = \"9000\" }\n", "\"9000\"", ":PORT"),
        (
            "hosts = { queue = \":9000\" }\n[login]\ncall = \"POST /\"\nhost = \"quue\"\n",
            "\"quue\"",
            "queue",
        ),
        (
            "[login]\ncall = \"POST /\"\nhost = \"queue\"\n",
            "\"queue\"",
            "[hosts]",
        ),
        (
            "[before_seats.date]\ncall = \"GET /d\"\npick = { date = \"/id\" }\n",
            "[before_seats.date]",
            "/dates/*",
        ),
        (
            "[before_seats.date]\ncall = \"GET /d\"\neach = \"/dates/*\"\n",
            "\"/dates/*\"",
            "pick",
        ),
        (
            "[before_seats.date]\ncall = \"GET /d\"\neach = \"/dates/*\"\npick = { seat = \"/id\" }\n",
            "\"/id\"",
            "zone",
        ),
        (
            "[login]\ncall = \"POST /\"\nmeans = [{ \"/a\" = { below = \"{nmber}\" }, is = \"done\" }]\nkeep = { number = \"/n\" }\n",
            "{ below = ",
            "number",
        ),
        ("sign = { run = [], for = [\"login\"] }\n", "[]", "sign.js"),
        (
            "sign = { run = [\"x\"], for = [\"pay\"] }\n",
            "\"pay\"",
            "payment",
        ),
        (
            "sign = { run = [\"x\"], for = [\"payment\"], variables = [\"usr\"] }\n",
            "\"usr\"",
            "user",
        ),
        (
            "sign = { run = [\"x\"], for = [\"payment\"], timeout = \"2m\" }\n",
            "\"2m\"",
            "2s",
        ),
    ];
    for (wrong, place, expected) in cases {
        let text = format!("{wrong}\n{PAY}");
        let found = problems(&text);
        let there = found.iter().find(|(at, problem)| {
            at.starts_with(place) && problem.expected.contains(expected) && !problem.help.is_empty()
        });
        assert!(there.is_some(), "{wrong}: {found:?}");
    }
}

#[test]
fn a_mapping_has_to_be_enough_for_a_sale() {
    let reasons = |text: &str| -> Vec<String> {
        let found = problems(text).into_iter();
        found.map(|(_, problem)| problem.message).collect()
    };
    assert!(reasons("name = \"x\"\n")[0].contains("no payment"));
    let queue = "[queue_enter]\ncall = \"POST /q\"\nmeans = [{ is = \"queued\" }]\n";
    assert!(reasons(&format!("{queue}{PAY}"))[0].contains("nothing tells a buyer"));
    let unset = "[payment]\ncall = \"POST /pay/{reservation}\"\nmeans = [{ is = \"paid\" }]\n";
    assert!(reasons(unset)[0].contains("{reservation}"));
    let later = "[confirm]\ncall = \"POST /c\"\nmeans = [{ is = \"accepted-poll-later\" }]\n";
    assert!(reasons(later)[0].contains("accepted-poll-later"));
}

#[test]
fn what_a_plan_keeps_compiles_to_the_same() {
    let written = preset("tiketi").unwrap().to_inline();
    let again = tree(&format!("api = {written}"));
    let again = again.get("api").unwrap();
    assert_eq!(again, &preset("tiketi").unwrap());
    let json = serde_json::to_string(again).unwrap();
    let read: Tree = serde_json::from_str(&json).unwrap();
    assert_eq!(&read, again);
    assert!(compile(&read).is_ok());
}

#[test]
fn a_list_says_its_titles_and_whether_its_elements_are_shared() {
    let shows = "[show_list]\ncall = \"GET /s\"\neach = \"/s/*\"\nkeep = { show = \"/id\" }\ntitle = \"/name\"\n";
    let kinds = "[seat_list]\ncall = \"GET /k\"\neach = \"/k/*\"\nkeep = { seat = \"/id\" }\nshared = true\n";
    let mapping = mapping(&format!("{shows}{kinds}"));
    let role = mapping.role(RoleName::ShowList).unwrap();
    assert_eq!(role.each.as_deref(), Some("/s/*"));
    let no_header = |_: &str| None;
    let no_cookies = Vec::new;
    let mut titles = Vec::new();
    let mut each = |element: Element<'_>| titles.push(element.title.map(str::to_owned));
    let response = Response {
        status: 200,
        body: br#"{"s":[{"id":1,"name":"One"},{"id":2,"name":""},{"id":3}]}"#,
        header: &no_header,
        cookies: &no_cookies,
        now_unix_s: 0,
    };
    let understood = role.understand(&response, Some(&mut each));
    assert_eq!(understood.meaning, Some(Meaning::Done));
    assert_eq!(titles, [Some("One".to_owned()), None, None]);
    assert!(mapping.role(RoleName::SeatList).unwrap().is_shared);
    assert!(!tiketi().role(RoleName::SeatList).unwrap().is_shared);
    let wrong = problems(&kinds.replace("true", "\"yes\""));
    assert!(
        wrong.iter().any(|(place, _)| place == "\"yes\""),
        "{wrong:?}"
    );
}

#[test]
fn a_place_is_compared_with_the_number_of_places() {
    let queue = "[queue_enter]\ncall = \"POST /q\"\nplace = { taken = \"/in\" }\nmeans = [{ is = \"admitted\" }]\n";
    let wrong = problems(&format!("{queue}{PAY}"));
    let words = &wrong[0].1.message;
    assert!(words.contains("only one of `taken` and `of`"), "{words}");
}
