//! Periodic tasks. Every instance runs them, and the data tier lets only one instance do each task per time slot.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::app::App;
use crate::bus::{Envelope, Message, Room};
use crate::clock::Clock;
use crate::seats::announce_released;
use crate::tier::{News, Task, Unavailable};

/// Minimum time between two `room-info` or `ticket-updated` messages of a show.
const ROOM_UPDATE_EVERY: Duration = Duration::from_secs(1);

/// Interval at which expired sessions, cached bodies and counters are removed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Maximum time until the task that expires holds notices a new hold.
const HOLD_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Starts the periodic tasks of an instance.
pub(crate) fn start(app: &Arc<App>) {
    let settings = &app.settings;
    let tasks = [
        (settings.admit_every, Task::Admission),
        (settings.update_every, Task::QueueUpdate),
        (ROOM_UPDATE_EVERY, Task::RoomUpdate),
        (SWEEP_EVERY, Task::Sweep),
    ];
    let is_queue = |task: Task| matches!(task, Task::Admission | Task::QueueUpdate);
    for (every, task) in tasks {
        if is_queue(task) && app.gate.is_some() {
            continue; // The waiting room is at the edge.
        }
        let repeated = repeat(Arc::clone(app), every, task);
        tokio::spawn(app.crash.clone().guarded(repeated));
    }
    tokio::spawn(app.crash.clone().guarded(end_holds(Arc::clone(app))));
}

/// Runs the task at every multiple of `every`: at the same times on all instances.
async fn repeat(app: Arc<App>, every: Duration, task: Task) {
    loop {
        let slot = app.clock.now().as_nanos() / every.as_nanos().max(1) + 1;
        let Ok(slot) = u64::try_from(slot) else {
            return;
        };
        app.clock
            .sleep_past(every.saturating_mul(u32::try_from(slot).unwrap_or(u32::MAX)))
            .await;
        for &show in &app.shows {
            if let Err(error) = run(&app, task, show, slot).await {
                tracing::debug!(%error, ?task, "skipped");
            }
        }
    }
}

async fn run(app: &App, task: Task, show: Uuid, slot: u64) -> Result<(), Unavailable> {
    match task {
        Task::Admission => admit(app, show, slot).await,
        Task::QueueUpdate => {
            if app.cache.claim(task, show, slot).await? {
                update_queue(app, show).await?;
            }
            Ok(())
        }
        Task::RoomUpdate => {
            if app.cache.claim(task, show, slot).await? {
                update_rooms(app, show).await?;
            }
            Ok(())
        }
        Task::Sweep => {
            if app.cache.claim(task, show, slot).await? {
                app.cache.sweep().await?;
            }
            Ok(())
        }
    }
}

async fn admit(app: &App, show: Uuid, slot: u64) -> Result<(), Unavailable> {
    let admission = app.cache.admit(show, slot).await?;
    let allowed = admission.admitted.into_iter().map(|user_id| {
        let message = Message::QueueEntryAllowed {
            user_id,
            message: "It is your turn".into(),
        };
        let room = Room::User(user_id);
        Envelope { room, message }
    });
    app.cache.publish_all(allowed.collect()).await
}

async fn update_queue(app: &App, show: Uuid) -> Result<(), Unavailable> {
    let status = app.cache.queue_status(show, Uuid::nil()).await?;
    let queue_size = status.queue_size;
    if !app.cache.is_news(News::QueueSize(show), queue_size).await? {
        return Ok(());
    }
    let message = Message::QueueUpdated {
        queue_size,
        timestamp: Clock::timestamp(),
    };
    let room = Room::Queue(show);
    app.cache.publish(Envelope { room, message }).await
}

async fn update_rooms(app: &App, show: Uuid) -> Result<(), Unavailable> {
    let room = Room::Show(show);
    if let Some(user_count) = app.cache.take_changed_presence(show).await? {
        let message = Message::RoomInfo {
            event_id: show,
            user_count,
        };
        app.cache.publish(Envelope { room, message }).await?;
    }
    for kind in app.database.take_changed_types(show).await? {
        let news = News::Stock {
            ticket_type: kind.id,
            total: kind.total,
        };
        if !app.cache.is_news(news, kind.available).await? {
            continue;
        }
        let message = Message::TicketUpdated {
            ticket_type_id: kind.id,
            available_quantity: kind.available,
            total_quantity: kind.total,
            timestamp: Clock::timestamp(),
        };
        app.cache.publish(Envelope { room, message }).await?;
    }
    Ok(())
}

/// Expires holds at the end of their time, never earlier.
async fn end_holds(app: Arc<App>) {
    loop {
        let look = app.clock.now() + HOLD_LOOK_EVERY;
        let next = app.database.next_expiry().await.ok().flatten();
        app.clock
            .sleep_past(next.map_or(look, |expiry| expiry.min(look)))
            .await;
        if let Err(error) = end_due_holds(&app).await {
            tracing::debug!(%error, "holds not expired");
        }
    }
}

async fn end_due_holds(app: &App) -> Result<(), Unavailable> {
    let next = app.database.next_expiry().await?;
    if next.is_none_or(|expiry| expiry > app.clock.now()) {
        return Ok(());
    }
    for released in &app.database.release_expired().await? {
        announce_released(app, released).await;
    }
    Ok(())
}
