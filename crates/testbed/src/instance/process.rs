//! The child process that runs one instance.

use std::io;
use std::net::TcpListener;
use std::time::Duration;

use socket2::SockRef;
use tiketi_server::{Instance, InstanceLoad, ServersTier};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::MissedTickBehavior;

use super::message::{Answer, Command, InstanceSettings};
use crate::child::{self, ChildError, Role};
use crate::deaf::deafen;
use crate::fleet::listener_at;
use crate::pulse::{self, Sign};

/// Real time between two reports of the load: at most half of the time between two readings of the gauges, so that each
/// reading has new data.
const LOAD_PERIOD: Duration = Duration::from_millis(100);

/// The role of an instance process.
#[derive(Clone, Copy, Debug)]
pub struct InstanceRole;

impl Role for InstanceRole {
    const SUBCOMMAND: &'static str = "instance";
    type Settings = InstanceSettings;
    type Command = Command;
    type Answer = Answer;

    fn run(
        settings: InstanceSettings,
        commands: UnboundedReceiver<Command>,
        answers: UnboundedSender<Answer>,
    ) -> impl Future<Output = io::Result<()>> + Send {
        run(settings, commands, answers)
    }
}

/// Runs an instance process on standard input and output until the supervisor stops it or exits.
///
/// # Errors
///
/// When the settings or a command cannot be read, or the instance cannot listen.
pub fn main() -> Result<(), ChildError> {
    child::main::<InstanceRole>()
}

/// Prepares the server, listens when commanded to, and reports the load for ever.
async fn run(
    settings: InstanceSettings,
    mut commands: UnboundedReceiver<Command>,
    answers: UnboundedSender<Answer>,
) -> io::Result<()> {
    let InstanceSettings {
        name,
        address,
        settings,
        config,
        shows,
    } = settings;
    let tier = ServersTier::new(config, &settings, shows);
    let Some(Command::Listen) = commands.recv().await else {
        return Ok(());
    };
    let started = listener_at(address).and_then(|listener| {
        let door = listener.try_clone()?;
        Ok((Instance::start(name, listener, tier, settings)?, door))
    });
    match started {
        Ok((instance, door)) => {
            // If the supervisor has exited, the end of the input ends this process.
            drop(answers.send(Answer::Listening));
            watch_thread(&instance, answers.clone());
            tokio::select! {
                ended = report_load(&instance, &answers) => ended,
                obeyed = obey(commands, (&instance, door), &answers) => obeyed,
            }
        }
        Err(error) => {
            let error = format!("it cannot listen on {address}: {error}");
            let reason = error.clone();
            drop(answers.send(Answer::Failed { reason }));
            Err(io::Error::other(error))
        }
    }
}

/// Obeys commands until the one to accept nobody; the supervisor then stops the process.
async fn obey(
    mut commands: UnboundedReceiver<Command>,
    (instance, door): (&Instance, TcpListener),
    answers: &UnboundedSender<Answer>,
) -> io::Result<()> {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Deafen => {
                let _filler = deafen(&SockRef::from(&door))?;
                drop(answers.send(Answer::Deaf));
                return std::future::pending().await;
            }
            Command::Stress { load } => instance.stress(load),
            Command::Paths { redis, database } => instance.set_paths(redis, database),
            Command::Listen => {} // It does already.
        }
    }
    // The end of the input ends the process.
    std::future::pending().await
}

/// Watches the thread of the server, which does the work of the instance; the process itself is watched like any child.
fn watch_thread(instance: &Instance, answers: UnboundedSender<Answer>) {
    let watched = pulse::watch(move |sign| match sign {
        Sign::Alive => {}
        Sign::Late(lapse) => drop(answers.send(Answer::Stalled(lapse))),
    });
    instance.spawn(async { match watched.await {} });
}

/// Reports the load whenever it has changed, until the instance ends.
async fn report_load(instance: &Instance, answers: &UnboundedSender<Answer>) -> io::Result<()> {
    let mut told: Option<InstanceLoad> = None;
    let mut due = tokio::time::interval(LOAD_PERIOD);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !instance.is_stopped() {
        due.tick().await;
        let load = instance.load();
        if told != Some(load) {
            told = Some(load);
            drop(answers.send(Answer::Load(load)));
        }
    }
    Err(io::Error::other("the thread of the instance has ended"))
}
