//! EC2 instance types: how many virtual CPUs they have, how fast one of them is, and which CPU credits they earn.
//!
//! Node.js runs JavaScript on one thread, and so on one virtual CPU. More virtual CPUs make the application no faster;
//! they only lower the CPU utilization that CloudWatch shows, which is the mean over all of them.

use std::fmt;

use crate::names;

/// An EC2 instance type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants are named as AWS names the types")]
pub enum InstanceClass {
    T3Micro,
    T3Small,
    T3Medium,
    T3Large,
    T3Xlarge,
    T32xlarge,
    M5Large,
    C5Large,
    C6iLarge,
}

names!(InstanceClass {
    T3Micro = "t3.micro",
    T3Small = "t3.small",
    T3Medium = "t3.medium",
    T3Large = "t3.large",
    T3Xlarge = "t3.xlarge",
    T32xlarge = "t3.2xlarge",
    M5Large = "m5.large",
    C5Large = "c5.large",
    C6iLarge = "c6i.large",
});

impl InstanceClass {
    /// Returns the number of virtual CPUs (AWS: "Amazon EC2 instance types").
    pub const fn vcpus(self) -> u32 {
        match self {
            Self::T3Micro
            | Self::T3Small
            | Self::T3Medium
            | Self::T3Large
            | Self::M5Large
            | Self::C5Large
            | Self::C6iLarge => 2,
            Self::T3Xlarge => 4,
            Self::T32xlarge => 8,
        }
    }

    /// Returns the highest CPU utilization that CloudWatch can show for an instance, in percent: one thread keeps one
    /// virtual CPU busy, and the metric is the mean over all of them. 50 with two virtual CPUs, 25 with four.
    ///
    /// The operating system's own use is ignored (assumption), and so are Node's other threads: a sale gives them no work.
    pub fn cpu_utilization_max(self) -> f64 {
        100.0 / f64::from(self.vcpus())
    }

    /// Returns how fast a thread runs here, relative to the same thread on `other`: 1.1 means that work takes 1 / 1.1 of
    /// the time.
    ///
    /// Assumption: speed is proportional to the clock. All T3 sizes have the same one, so none is faster than another.
    pub fn speed_relative_to(self, other: Self) -> f64 {
        self.clock_ghz() / other.clock_ghz()
    }

    /// Returns the CPU credits earned per hour; `None` if the type is not burstable.
    ///
    /// AWS: "Key concepts for burstable performance instances". The baseline per virtual CPU is 10 % for t3.micro, 20 % for
    /// small and medium, 30 % for large, and 40 % for the larger ones.
    pub const fn credits_per_hour(self) -> Option<f64> {
        match self {
            Self::T3Micro => Some(12.0),
            Self::T3Small | Self::T3Medium => Some(24.0),
            Self::T3Large => Some(36.0),
            Self::T3Xlarge => Some(96.0),
            Self::T32xlarge => Some(192.0),
            Self::M5Large | Self::C5Large | Self::C6iLarge => None,
        }
    }

    /// The clock of all cores under sustained load, in gigahertz (AWS: "Amazon EC2 instance types", "up to").
    const fn clock_ghz(self) -> f64 {
        match self {
            Self::T3Micro
            | Self::T3Small
            | Self::T3Medium
            | Self::T3Large
            | Self::T3Xlarge
            | Self::T32xlarge
            | Self::M5Large => 3.1,
            Self::C5Large => 3.4,
            Self::C6iLarge => 3.5,
        }
    }
}

impl fmt::Display for InstanceClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_near(value: f64, wanted: f64) -> bool {
        (value - wanted).abs() < 1e-9
    }

    #[test]
    fn more_vcpus_lower_the_highest_utilization_that_can_be_seen() {
        let most = InstanceClass::ALL.map(|class| (class.name(), class.cpu_utilization_max()));
        for (class, wanted) in [
            ("t3.medium", 50.0),
            ("t3.xlarge", 25.0),
            ("t3.2xlarge", 12.5),
        ] {
            let seen = most.iter().find(|(name, _)| *name == class);
            assert!(
                seen.is_some_and(|(_, most)| is_near(*most, wanted)),
                "{class}: {seen:?}"
            );
        }
    }

    /// AWS states the baseline per virtual CPU, and the credits per hour: the two must agree.
    #[test]
    fn credits_are_the_baseline_of_all_vcpus() {
        let percent = [10.0, 20.0, 20.0, 30.0, 40.0, 40.0];
        for (class, percent) in InstanceClass::ALL.into_iter().zip(percent) {
            let baseline = f64::from(class.vcpus()) * percent / 100.0;
            let earned = class.credits_per_hour().expect("a T3 earns credits");
            assert!(
                is_near(earned, baseline * 60.0),
                "{class}: {earned} per hour"
            );
        }
    }

    #[test]
    fn all_t3_run_a_thread_equally_fast_and_compute_optimized_types_faster() {
        let medium = InstanceClass::T3Medium;
        for class in InstanceClass::ALL {
            let speed = class.speed_relative_to(medium);
            let wanted = match class.name().split_once('.') {
                Some(("t3" | "m5", _)) => 1.0,
                _ => 3.4 / 3.1,
            };
            assert!(speed >= wanted && speed < 1.2, "{class}: {speed}");
            assert!(
                is_near(speed * medium.speed_relative_to(class), 1.0),
                "{class}"
            );
        }
    }
}
