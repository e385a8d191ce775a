//! Faults that programs of the user carry out.

use std::time::Duration;

use super::{limits, topology};
use crate::keys::kind::{Kind, Length, Line, List, Text};
use crate::keys::{Form, Keys, field, key};
use crate::page::text;
use crate::value::Value;
use tiketi_core::fault::catalog::{Action, Fault};

/// The kind of program arguments.
const ARGUMENTS: List<Line> = List(Line(limits::ARGUMENT_CHARS), limits::ARGUMENTS);

/// The keys of a command.
pub(super) fn exec(keys: &mut Keys<'_, '_, Fault>) -> Option<Action> {
    let name = name(keys);
    let run = keys.field(
        key(
            "run",
            "The program and its arguments, which no shell reads. For a shell, write `[\"sh\", \"-c\", \"…\"]`.",
        )
        .only(&topology::LIVE),
        ARGUMENTS,
        field!(action: Action::Exec { run }),
    );
    let end = keys.optional(
        key(
            "end",
            "The program and the arguments that end the fault: after `lasts`, or else when the command has exited. It also runs if the run ends before.",
        )
        .only(&topology::LIVE),
        ARGUMENTS,
        |fault| match &fault.action {
            Action::Exec { end, .. } if !end.is_empty() => Some(end.clone()),
            _ => None,
        },
    );
    let timeout = timeout(keys);
    Some(Action::Exec {
        name: name?,
        run: run?,
        end: end?.unwrap_or_default(),
        timeout: timeout?,
    })
}

/// The keys of an experiment of AWS FIS.
pub(super) fn fis(keys: &mut Keys<'_, '_, Fault>) -> Option<Action> {
    let name = name(keys);
    let template = keys.field(
        key(
            "template",
            "Id of the experiment template. `aws fis start-experiment` starts it, and `aws fis stop-experiment` ends it after `lasts`.",
        )
        .only(&topology::LIVE),
        Template,
        field!(action: Action::Fis { template }),
    );
    let timeout = timeout(keys);
    Some(Action::Fis {
        name: name?,
        template: template?,
        timeout: timeout?,
    })
}

/// How long a command breaks something: zero if it does so until it exits.
pub(super) fn lasts(keys: &mut Keys<'_, '_, Fault>) -> Option<Duration> {
    let is_stated = |fault: &&Fault| !fault.lasts.is_zero();
    if keys.written().is_some_and(|fault| is_stated(&fault)) {
        keys.write_next_before("action");
    }
    let lasts = keys.optional(
        key(
            "lasts",
            "How long it lasts. If it is left out, until the command has exited.",
        ),
        Length(limits::FAULT),
        |fault| Some(fault.lasts).filter(|lasts| !lasts.is_zero()),
    )?;
    Some(lasts.unwrap_or_default())
}

fn name(keys: &mut Keys<'_, '_, Fault>) -> Option<Option<String>> {
    let doc =
        "Its name in reports. Without one, they show the command, with `***` for its secrets.";
    keys.optional(
        key("name", doc).only(&topology::LIVE),
        Text,
        |fault| match &fault.action {
            Action::Exec { name, .. } | Action::Fis { name, .. } => name.clone(),
            _ => None,
        },
    )
}

fn timeout(keys: &mut Keys<'_, '_, Fault>) -> Option<Duration> {
    let doc = "How long each of its commands may take, in real time. Then its processes are killed, and the run is inconclusive.";
    keys.field(
        key("timeout", doc).only(&topology::LIVE),
        Length(limits::COMMAND_TIMEOUT),
        |fault| match &fault.action {
            Action::Exec { timeout, .. } | Action::Fis { timeout, .. } => Some(*timeout),
            _ => None,
        },
    )
}

/// The id of an experiment template of AWS FIS.
struct Template;

impl Kind for Template {
    type Value = String;

    fn form(&self) -> Form {
        Form::Syntax {
            expected: "the id of an experiment template, such as \"EXT1a2b3c4d5e6f7\"",
            hint: "`aws fis list-experiment-templates` lists the ids",
        }
    }

    fn read(&self, value: &Value<'_>) -> Option<String> {
        // Anything else might be an option of the command-line interface.
        let is_id = |text: &&str| {
            text.len() <= limits::TEMPLATE_CHARS
                && text.starts_with("EXT")
                && text.chars().all(|c| c.is_ascii_alphanumeric())
        };
        let id = value.as_str().filter(is_id);
        if id.is_none() {
            value.reject(&self.form());
        }
        id.map(str::to_owned)
    }

    fn write(&self, value: &String) -> String {
        text(value)
    }
}
