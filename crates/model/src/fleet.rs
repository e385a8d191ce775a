//! The simulated instances: one processor each, with its sockets.

use std::time::Duration;

use tiketi_station::{Fifo, Stress};

use super::outbox::{Outbox, Room};
use tiketi_cloud::credits::CreditAccount;
use tiketi_cloud::driver::CpuTime;
use tiketi_core::units::{InstanceId, Share, SimTime, ZoneId};

/// Where an instance is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Launched; answers from this instant on.
    Boots(SimTime),
    /// Ended, or taken by a fault.
    Gone,
}

/// One instance.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) zone: ZoneId,
    life: Life,
    /// Its process is paused until this instant: it accepts connections and does nothing.
    paused_until: SimTime,
    cpu: Fifo,
    /// Other work on its processor.
    stress: Stress,
    /// Service time of the messages to sockets that it was asked to send.
    broadcast: Duration,
    /// CPU credits; `None` if its type knows none.
    credits: Option<CreditAccount>,
    /// Calls on their way through it.
    pub(super) calls: u32,
    /// The most there were: the load balancer has kept as many connections.
    calls_peak: u32,
    /// Whether its host drops what arrives, because it has lost power.
    is_silent: bool,
    /// Kept connections to the silent host that its peers still consider open.
    stale: u32,
    /// Sockets open to it.
    pub(super) sockets: u32,
    /// Sockets that hear of the queue.
    pub(super) queue_room: u32,
    /// Sockets that hear of the seats.
    pub(super) seats_room: u32,
    /// Silent sockets in the room of the queue: sent to, and lost.
    pub(super) queue_room_deaf: u32,
    /// Silent sockets in the room of the seats.
    pub(super) seats_room_deaf: u32,
    /// Messages that its processor has still to send.
    pub(super) outbox: Outbox,
    /// Whether it is deregistered and waits for its last connection to close.
    pub(super) is_draining: bool,
    /// Requests answered.
    pub(super) requests: u64,
    answers_from: SimTime,
    ended_at: Option<SimTime>,
}

/// All instances that were ever launched; an [`InstanceId`] is a place in it.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    instances: Vec<Instance>,
    /// No process is paused from this instant on.
    paused_until: SimTime,
}

impl Instance {
    /// Books work that arrives at `now`; returns when it is done. A paused process starts when it resumes.
    pub(super) fn book(&mut self, now: SimTime, service_time: Duration) -> SimTime {
        let now = now.max(self.paused_until);
        let service_time = self.stress.stretch(service_time);
        let taken = match &mut self.credits {
            Some(credits) => credits.handle_work(now + self.cpu.backlog(now), service_time),
            None => service_time,
        };
        self.cpu.book(now, taken)
    }

    /// As [`Self::book`], for a message to sockets.
    pub(super) fn book_broadcast(&mut self, now: SimTime, service_time: Duration) -> SimTime {
        self.broadcast += service_time;
        self.book(now, service_time)
    }

    /// Whether its application accepts connections at `now`, even if paused.
    pub(super) fn listens(&self, now: SimTime) -> bool {
        matches!(self.life, Life::Boots(at) if at <= now)
    }

    /// Whether its application answers at `now`.
    pub(super) fn answers(&self, now: SimTime) -> bool {
        self.listens(now) && now >= self.paused_until
    }

    /// Until when its process is paused; `None` if it is not.
    pub(super) fn paused_until(&self, now: SimTime) -> Option<SimTime> {
        (now < self.paused_until).then_some(self.paused_until)
    }

    /// Time its processor has worked until `now`.
    fn busy_until(&self, now: SimTime) -> Duration {
        // Work that arrived during a pause is booked from its end on: the processor is idle until then.
        self.cpu.busy_until(now.max(self.paused_until))
    }

    /// Whether it is gone.
    pub(super) fn is_gone(&self) -> bool {
        self.life == Life::Gone
    }

    /// Whether nothing holds its draining any more.
    pub(super) const fn is_idle(&self) -> bool {
        self.calls == 0 && self.sockets == 0
    }

    /// A call arrives.
    pub(super) fn handle_call(&mut self) {
        self.calls += 1;
        self.calls_peak = self.calls_peak.max(self.calls);
    }

    /// Its host drops what arrives from now on.
    pub(super) const fn silence(&mut self) {
        self.is_silent = true;
        self.stale = self.calls_peak - self.calls;
    }

    /// Whether its host drops what arrives.
    pub(super) const fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Uses up a kept connection to the silent host; whether there was one.
    pub(super) const fn use_stale(&mut self) -> bool {
        let had_one = self.stale > 0;
        self.stale -= had_one as u32;
        had_one
    }

    /// A socket in a room falls silent: the instance goes on sending to it.
    pub(super) const fn handle_deaf(&mut self, room: Room) {
        let (room, deaf) = match room {
            Room::Queue => (&mut self.queue_room, &mut self.queue_room_deaf),
            Room::Seats => (&mut self.seats_room, &mut self.seats_room_deaf),
        };
        *room = room.saturating_sub(1);
        *deaf += 1;
    }

    /// Closes its account; returns what was charged, in vCPU-hours.
    fn settle(&mut self, now: SimTime) -> f64 {
        self.credits.as_mut().map_or(0.0, |credits| {
            credits.handle_end(now);
            credits.surplus_charged()
        })
    }

    /// From its first answer to its end, or to `now`.
    pub(super) fn in_service(&self, now: SimTime) -> Duration {
        let until = self.ended_at.unwrap_or(now);
        until.saturating_since(self.answers_from)
    }
}

impl Fleet {
    /// Launches the instance with the next number.
    pub(super) fn launch(
        &mut self,
        instance: InstanceId,
        zone: ZoneId,
        (answers_at, credits): (SimTime, Option<CreditAccount>),
    ) {
        let place = instance.0 as usize;
        assert!(
            place >= self.instances.len(),
            "{instance} was launched twice"
        );
        // A number given to an instance that could not be launched stays empty.
        while self.instances.len() < place {
            self.push(zone, (SimTime::ZERO, None), Life::Gone);
        }
        self.push(zone, (answers_at, credits), Life::Boots(answers_at));
    }

    fn push(
        &mut self,
        zone: ZoneId,
        (answers_from, credits): (SimTime, Option<CreditAccount>),
        life: Life,
    ) {
        self.instances.push(Instance {
            zone,
            life,
            paused_until: SimTime::ZERO,
            cpu: Fifo::new(1),
            stress: Stress::default(),
            broadcast: Duration::ZERO,
            credits,
            calls: 0,
            calls_peak: 0,
            is_silent: false,
            stale: 0,
            sockets: 0,
            queue_room: 0,
            seats_room: 0,
            queue_room_deaf: 0,
            seats_room_deaf: 0,
            outbox: Outbox::default(),
            is_draining: false,
            requests: 0,
            answers_from,
            ended_at: None,
        });
    }

    /// The instance, if it was ever launched.
    pub(super) fn find(&mut self, instance: u32) -> Option<&mut Instance> {
        self.instances.get_mut(instance as usize)
    }

    /// The instance, which was launched.
    pub(super) fn of(&mut self, instance: u32) -> &mut Instance {
        &mut self.instances[instance as usize]
    }

    /// Ends an instance; returns the surplus it is charged, in vCPU-hours.
    pub(super) fn end(&mut self, now: SimTime, instance: u32) -> f64 {
        let instance = self.of(instance);
        instance.life = Life::Gone;
        instance.ended_at = Some(now);
        instance.sockets = 0;
        instance.queue_room = 0;
        instance.seats_room = 0;
        instance.queue_room_deaf = 0;
        instance.seats_room_deaf = 0;
        instance.outbox.clear();
        instance.settle(now)
    }

    /// Charges what the instances owe that outlive the run; returns it in vCPU-hours.
    pub(super) fn settle(&mut self, now: SimTime) -> f64 {
        let alive = self
            .instances
            .iter_mut()
            .filter(|instance| !instance.is_gone());
        alive.map(|instance| instance.settle(now)).sum()
    }

    /// The instances that are not gone, by number.
    pub(super) fn alive(&mut self) -> impl Iterator<Item = &mut Instance> {
        let all = self.instances.iter_mut();
        all.filter(|instance| !instance.is_gone())
    }

    /// Numbers of the instances of a zone that are not gone.
    pub(super) fn in_zone(&self, zone: ZoneId) -> Vec<u32> {
        let numbered = (0..).zip(&self.instances);
        let there = numbered.filter(|(_, instance)| instance.zone == zone && !instance.is_gone());
        there.map(|(number, _)| number).collect()
    }

    /// Numbers of the instances that accept connections at `now`, including paused ones.
    pub(super) fn listening(&self, now: SimTime) -> impl Iterator<Item = u32> + use<'_> {
        let numbered = (0..).zip(&self.instances);
        numbered.filter_map(move |(number, instance)| instance.listens(now).then_some(number))
    }

    /// The silent hosts of a zone answer again, without their instances; returns the numbers of these.
    pub(super) fn end_silence(&mut self, zone: ZoneId) -> Vec<u32> {
        let numbered = (0..).zip(&mut self.instances);
        let silent = numbered.filter(|(_, instance)| instance.zone == zone && instance.is_silent);
        silent
            .map(|(number, instance)| {
                instance.is_silent = false;
                number
            })
            .collect()
    }

    /// Pauses the process of an instance until `until`.
    pub(super) fn pause(&mut self, instance: u32, until: SimTime) {
        let instance = self.of(instance);
        instance.paused_until = instance.paused_until.max(until);
        self.paused_until = self.paused_until.max(until);
    }

    /// From now on other work takes this share of the processor of an instance.
    pub(super) fn stress(&mut self, instance: u32, load: Share) {
        if let Some(instance) = self.find(instance) {
            instance.stress = Stress::taking(load.get());
        }
    }

    /// Resumes the process of an instance; does nothing if it is not paused.
    pub(super) fn resume(&mut self, now: SimTime, instance: u32) {
        if let Some(instance) = self.find(instance) {
            instance.paused_until = instance.paused_until.min(now);
        }
    }

    /// Until when the process of an instance is paused; `None` if it is not.
    pub(super) fn paused_until(&self, now: SimTime, instance: u32) -> Option<SimTime> {
        // Called for every step of every call, while most runs never pause anything.
        if now >= self.paused_until {
            return None;
        }
        self.instances.get(instance as usize)?.paused_until(now)
    }

    /// Numbers of the instances of a zone that answer at `now`.
    pub(super) fn answering_in(&self, now: SimTime, zone: ZoneId) -> Vec<u32> {
        let answering = self.answering(now);
        answering
            .filter(|number| self.instances[*number as usize].zone == zone)
            .collect()
    }

    /// Numbers of the instances that answer at `now`.
    pub(super) fn answering(&self, now: SimTime) -> impl Iterator<Item = u32> + use<'_> {
        let numbered = (0..).zip(&self.instances);
        numbered.filter_map(move |(number, instance)| instance.answers(now).then_some(number))
    }

    /// All instances by number.
    pub(super) fn all(&self) -> impl Iterator<Item = (InstanceId, &Instance)> {
        let numbered = (0..).zip(&self.instances);
        numbered.map(|(number, instance)| (InstanceId(number), instance))
    }

    /// Service time of the messages to sockets that all instances together were asked to send.
    pub(super) fn broadcast_busy(&self) -> Duration {
        self.instances.iter().map(|one| one.broadcast).sum()
    }

    /// The processor time of the instances that answer at `now`, or would if they were not paused.
    pub(super) fn cpu_times(&self, now: SimTime) -> Vec<CpuTime> {
        let answering = self.all().filter(|(_, instance)| instance.listens(now));
        answering
            .map(|(number, instance)| CpuTime {
                instance: number,
                busy: instance.busy_until(now),
            })
            .collect()
    }
}
