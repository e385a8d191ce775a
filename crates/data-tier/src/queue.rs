//! The waiting room's commands: enter, look, touch, leave, admit, clear.

use tiketi_core::units::{BuyerId, SimTime};

use super::contents::{Change, Payload};
use super::redis::{Place, QueueState, Redis, RedisError};
use super::waiting_room::{NONE, millis};
use super::{ShowNumber, TaskNumber};

impl<P: Payload> Redis<P> {
    /// Takes an active place or joins the line; a buyer who is in either stays there.
    pub fn enter(
        &mut self,
        now: SimTime,
        show: ShowNumber,
        buyer: BuyerId,
    ) -> Result<Place, RedisError> {
        self.look(now, show)?;
        // Redis evicts before it runs a script, whatever the script then does.
        let space = self.make_space(now);
        let room = self.contents.room(show);
        let (waits, is_active) = (room.waits(buyer), room.is_active(buyer));
        let room_is_free = room.waiting() == 0 && room.active() < self.settings.active_max;
        if is_active || (room_is_free && !waits) {
            self.need(space)?;
            let seen = millis(now);
            self.write(now, Change::Seen { show, buyer, seen });
            if !is_active {
                let witness = &mut self.outside[show.index()].witness;
                witness.handle_join(buyer);
                witness.handle_admission(buyer);
            }
            return Ok(Place::Active);
        }
        if !waits {
            self.need(space)?;
            let ticket = self.contents.room(show).next_ticket();
            self.set_ticket(now, (show, buyer), ticket);
            self.outside[show.index()].witness.handle_join(buyer);
        }
        Ok(Place::Waiting)
    }

    /// Where the buyer is. The server touches the place of a buyer who does not wait; that is a command of its own.
    pub fn status(
        &mut self,
        now: SimTime,
        show: ShowNumber,
        buyer: BuyerId,
    ) -> Result<QueueState, RedisError> {
        self.look(now, show)?;
        let room = self.contents.room(show);
        Ok(if room.waits(buyer) {
            QueueState::Waiting
        } else if room.is_active(buyer) {
            QueueState::Active
        } else {
            QueueState::Unknown
        })
    }

    /// Renews the active place of a buyer who does something; nothing happens without one.
    pub fn touch(
        &mut self,
        now: SimTime,
        show: ShowNumber,
        buyer: BuyerId,
    ) -> Result<(), RedisError> {
        self.answering(now)?;
        let space = self.make_space(now);
        if self.contents.room(show).is_active(buyer) {
            self.need(space)?;
            let seen = millis(now);
            self.write(now, Change::Seen { show, buyer, seen });
        }
        Ok(())
    }

    /// Leaves the line, or gives the active place back.
    pub fn leave(
        &mut self,
        now: SimTime,
        show: ShowNumber,
        buyer: BuyerId,
    ) -> Result<(), RedisError> {
        self.answering(now)?;
        let room = self.contents.room(show);
        let (waits, is_active) = (room.waits(buyer), room.is_active(buyer));
        if waits {
            self.set_ticket(now, (show, buyer), NONE);
            self.outside[show.index()]
                .witness
                .handle_left_waiting(buyer);
        }
        if is_active {
            let seen = NONE;
            self.write(now, Change::Seen { show, buyer, seen });
            self.outside[show.index()].witness.handle_left_active(buyer);
        }
        Ok(())
    }

    /// One admission tick: takes back idle places and gives free ones to the head of the line; adds the admitted to
    /// `admitted`, in order. Nobody is admitted during an outage, nor while writes are refused.
    pub fn admit(
        &mut self,
        now: SimTime,
        show: ShowNumber,
        admitted: &mut Vec<BuyerId>,
    ) -> Result<(), RedisError> {
        self.look(now, show)?;
        self.sweep_sessions(now);
        let space = self.make_space(now);
        self.need(space)?;
        while let Some(buyer) = self.contents.room_mut(show).poll_idle(millis(now)) {
            let seen = NONE;
            self.write(now, Change::Seen { show, buyer, seen });
            self.outside[show.index()].witness.handle_expired(buyer);
        }
        let (active_max, admit_every) = (self.settings.active_max, self.settings.admit_every);
        let room = self.contents.room_mut(show);
        let (free, waited) = (active_max.saturating_sub(room.active()), room.waiting());
        let heads = room.first(free);
        let count = free.min(waited);
        for buyer in heads {
            self.set_ticket(now, (show, buyer), NONE);
            let seen = millis(now);
            self.write(now, Change::Seen { show, buyer, seen });
            self.outside[show.index()].witness.handle_admission(buyer);
            admitted.push(buyer);
        }
        if waited > 0
            && let Some(rate) = self.contents.room(show).rate_after(count, admit_every)
        {
            self.write(now, Change::Rate { show, rate });
        }
        Ok(())
    }

    /// Removes everybody from the line.
    pub fn clear_line(&mut self, now: SimTime, show: ShowNumber) -> Result<(), RedisError> {
        self.answering(now)?;
        for buyer in self.contents.room_mut(show).everybody_waiting() {
            self.set_ticket(now, (show, buyer), NONE);
            self.outside[show.index()].witness.handle_cleared(buyer);
        }
        Ok(())
    }

    /// Whether this is the first claim of a task for a slot of time.
    pub fn claim(
        &mut self,
        now: SimTime,
        task: TaskNumber,
        (show, slot): (ShowNumber, u64),
    ) -> Result<bool, RedisError> {
        self.answering(now)?;
        let space = self.make_space(now);
        if self
            .contents
            .claimed(task, show)
            .is_some_and(|last| last >= slot)
        {
            return Ok(false);
        }
        self.need(space)?;
        self.write(now, Change::Claim { task, show, slot });
        Ok(true)
    }
}
