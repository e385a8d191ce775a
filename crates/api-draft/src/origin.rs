//! The hosts of a recording: which one is the API, and what the others are.

use std::collections::BTreeMap;

use crate::har::{Recording, SocketKind};
use crate::role::{Roles, assign};
use crate::traffic::{Basis, Traffic, calls};

/// The message with which a TIKETI deployment admits a buyer.
const ADMISSION_OF_TIKETI: &str = "queue-entry-allowed";

/// Most hosts that are named.
const HOSTS_MAX: usize = 8;

/// Turns a recording into traffic, with what it says besides.
pub(crate) fn of_recording(recording: Recording) -> Traffic {
    let mut notes = Vec::new();
    let left_out = &recording.left_out;
    for socket in &recording.sockets {
        let kind = match socket.kind {
            SocketKind::SocketIo => "Socket.IO",
            SocketKind::WebSocket => "a WebSocket",
            SocketKind::ServerSentEvents => "server-sent events",
        };
        let messages = if socket.messages.is_empty() {
            "no messages were recorded".to_owned()
        } else {
            format!("messages {}", socket.messages.join(", "))
        };
        notes.push(format!(
            "Push: {kind} at {}{}, {messages}.",
            socket.origin, socket.path
        ));
    }
    let admits = |messages: &Vec<String>| {
        messages
            .iter()
            .any(|message| message == ADMISSION_OF_TIKETI)
    };
    let speaks_tiketi = recording
        .sockets
        .iter()
        .any(|socket| socket.kind == SocketKind::SocketIo && admits(&socket.messages));
    if !recording.sockets.is_empty() && !speaks_tiketi {
        notes.push(
            "Buyers of this mapping poll; a table `[push]` can describe these messages.".to_owned(),
        );
    }
    for (origin, (count, paths)) in left_out.files.iter().take(HOSTS_MAX) {
        let more = if *count > paths.len() { ", …" } else { "" };
        let files = counted(*count, "static file");
        notes.push(format!(
            "Left out: {files} of {origin}: {}{more}",
            paths.join(", ")
        ));
    }
    let counts = [
        (left_out.unanswered, "request", "got no response"),
        (
            left_out.bodies,
            "body",
            "too long, beyond the limit of all bodies, or no valid JSON",
        ),
        (left_out.requests, "request", "beyond the limit"),
    ];
    for (count, what, why) in counts {
        if count > 0 {
            notes.push(format!("Left out: {} ({why}).", counted(count, what)));
        }
    }
    let calls = calls(&recording.exchanges);
    Traffic {
        basis: Basis::Recording,
        calls,
        exchanges: recording.exchanges,
        speaks_tiketi,
        notes,
    }
}

/// Picks the host whose requests have the most roles, and returns them; adds the head of the mapping to the notes.
pub(crate) fn choose(traffic: &mut Traffic) -> Roles {
    let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
    for call in &traffic.calls {
        *hosts.entry(call.origin.clone()).or_default() += call.takes.len();
    }
    let assigned = hosts
        .iter()
        .map(|(origin, count)| (assign(traffic, origin), origin, *count));
    let best = assigned.max_by_key(|(roles, _, count)| (roles.len(), *count));
    let (roles, origin) = best.map_or_else(Default::default, |(roles, origin, _)| {
        (roles, origin.clone())
    });
    let mut head = vec![
        match traffic.basis {
            Basis::Recording => "API mapping, drafted from a browser recording.".to_owned(),
            Basis::Document => "API mapping, drafted from an OpenAPI document.".to_owned(),
        },
        "Lines that begin with `# ?` are open questions. Answer them, then try the mapping with one buyer:".to_owned(),
        String::new(),
        format!("  tiketi-sim probe --target {origin} --api FILE"),
        String::new(),
    ];
    let others: Vec<_> = hosts
        .iter()
        .filter(|(other, _)| **other != origin)
        .collect();
    for (other, count) in others.iter().take(HOSTS_MAX) {
        head.push(format!(
            "Left out: {} to {other}. A mapping has one host.",
            counted(**count, "request")
        ));
    }
    let sends_credentials = traffic.exchanges.iter().any(|exchange| {
        !exchange.cookies.is_empty()
            || exchange
                .headers
                .iter()
                .any(|(name, _)| name == "authorization")
    });
    let notes = std::mem::replace(&mut traffic.notes, head);
    traffic.notes.extend(notes);
    if traffic.basis == Basis::Recording && !sends_credentials {
        let stripped = "No request has a cookie or an `authorization` header. Browsers leave them out unless they export \"with sensitive data\".";
        traffic.notes.push(stripped.to_owned());
    }
    roles
}

/// A number of things, such as `1 body` or `2 bodies`.
fn counted(count: usize, what: &str) -> String {
    match (count, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {what}s"),
    }
}
