//! Watches the thread of an instance that lives in the supervisor's process.

use tiketi_core::units::InstanceId;
use tiketi_server::Instance;
use tokio::sync::mpsc::UnboundedSender;

use super::{Heard, Said, What};
use crate::clock::unix_now_ns;
use crate::pulse::{self, Heartbeat, Sign};

/// Tells the fleet when the thread stalls. It is dropped with the thread, which is how the fleet hears of its end.
struct ThreadWatch {
    instance: InstanceId,
    heartbeat: Heartbeat,
    heard_tx: UnboundedSender<Heard>,
}

/// Watches the thread of `instance` until it ends; returns its signs of life.
pub(super) fn watch_thread(
    id: InstanceId,
    instance: &Instance,
    heard_tx: UnboundedSender<Heard>,
) -> Heartbeat {
    let heartbeat = Heartbeat::default();
    let watch = ThreadWatch {
        instance: id,
        heartbeat: heartbeat.clone(),
        heard_tx,
    };
    let watched = pulse::watch(move |sign| watch.handle(sign));
    instance.spawn(async { match watched.await {} });
    heartbeat
}

impl ThreadWatch {
    fn handle(&self, sign: Sign) {
        self.heartbeat.handle_sign(unix_now_ns());
        match sign {
            Sign::Alive => {}
            Sign::Late(lapse) => self.tell(What::Stalled(lapse)),
        }
    }

    fn tell(&self, what: What) {
        let instance = self.instance;
        // Fails only after the fleet has ended.
        drop(self.heard_tx.send(Heard { instance, what }));
    }
}

impl Drop for ThreadWatch {
    fn drop(&mut self) {
        self.tell(What::Said(Said::Ended));
    }
}
