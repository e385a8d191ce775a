//! Other work on a processor.

use std::time::Duration;

/// Other work on a processor, which takes a share of it before anybody else.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stress {
    taken: f64,
}

/// The largest share that other work takes: a scheduler always leaves something (assumption).
const TAKEN_MAX: f64 = 0.99;

impl Stress {
    /// Other work that takes a share from 0 to 1; of more than 0.99, the rest is left.
    pub const fn taking(share: f64) -> Self {
        Self {
            taken: share.clamp(0.0, TAKEN_MAX),
        }
    }

    /// Returns how long work takes that takes `service_time` on a processor of its own.
    pub fn stretch(self, service_time: Duration) -> Duration {
        if self.taken == 0.0 {
            return service_time;
        }
        service_time.div_f64(1.0 - self.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_takes_as_much_longer_as_other_work_leaves_less() {
        let ms = Duration::from_millis;
        assert_eq!(Stress::default().stretch(ms(3)), ms(3));
        assert_eq!(Stress::taking(0.5).stretch(ms(3)), ms(6));
        assert_eq!(Stress::taking(0.75).stretch(ms(3)), ms(12));
        let crawl = Stress::taking(1.0).stretch(ms(1)).as_secs_f64();
        assert!((crawl - 0.1).abs() < 1e-6, "{crawl}");
    }
}
