//! An answer is looked for as soon as it can be there, then ever more rarely: a wait is prolonged by a fixed share of
//! itself at most, so what the looks cost grows with its logarithm.
//!
//! Pure but for the lock around what has been learnt.

use crate::id::TunnelName;
use crate::limits;
use crate::lock::locked;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

/// Tunnels whose habits are remembered; one environment rarely sees more.
const REMEMBERED: usize = 1024;

/// When each tunnel's answer is looked for first: as early as it is usually there.
#[derive(Debug, Default)]
pub(super) struct Habits(Mutex<HashMap<TunnelName, Duration>>);

impl Habits {
    /// How long to wait before the first look.
    pub(super) fn first(&self, tunnel: &TunnelName) -> Duration {
        locked(&self.0).get(tunnel).copied().unwrap_or(limits::POLL_FIRST)
    }

    /// Notes how long an answer took and how many looks. One that was there at the first look may have been there earlier,
    /// so the next is looked for a little sooner; one that was not lets the first look come a good deal later.
    pub(super) fn learn(&self, tunnel: &TunnelName, took: Duration, looks: u32) {
        let mut habits = locked(&self.0);
        if habits.len() >= REMEMBERED && !habits.contains_key(tunnel) {
            habits.clear();
        }
        let first = habits.entry(tunnel.clone()).or_insert(limits::POLL_FIRST);
        let next = match looks {
            0 | 1 => first.saturating_sub(limits::POLL_SOONER),
            _ => *first + took.saturating_sub(*first) / 4,
        };
        *first = next.clamp(limits::POLL_LEAST, limits::POLL_FIRST_MAX);
    }
}

/// How long to wait before the next look when nothing has come for `waited`.
pub(super) fn pause(waited: Duration) -> Duration {
    (waited / limits::POLL_SHARE).clamp(limits::POLL_LEAST, limits::POLL_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> TunnelName {
        "web".parse().expect("a tunnel name")
    }

    #[test]
    fn a_wait_is_prolonged_by_a_tenth_of_itself_at_most() {
        for waited in [60, 200, 1_000, 2_500].map(Duration::from_millis) {
            assert!(pause(waited) <= waited / 10, "{waited:?}");
        }
        assert_eq!(pause(Duration::ZERO), limits::POLL_LEAST);
        assert_eq!(pause(Duration::from_secs(600)), limits::POLL_MOST);
    }

    #[test]
    fn the_first_look_comes_ever_sooner_while_the_answer_is_there_and_later_when_it_was_not() {
        let habits = Habits::default();
        assert_eq!(habits.first(&name()), limits::POLL_FIRST);
        habits.learn(&name(), Duration::from_millis(35), 1);
        assert_eq!(habits.first(&name()), limits::POLL_FIRST - limits::POLL_SOONER);
        habits.learn(&name(), Duration::from_secs(9), 40);
        assert_eq!(habits.first(&name()), limits::POLL_FIRST_MAX);
        for _ in 0..1000 {
            habits.learn(&name(), Duration::from_millis(9), 1);
        }
        assert_eq!(habits.first(&name()), limits::POLL_LEAST);
    }

    #[test]
    fn a_tunnel_that_always_takes_the_same_is_looked_for_shortly_after_it_and_rarely_in_vain() {
        let (habits, answer, look) = (Habits::default(), Duration::from_millis(31), Duration::from_millis(6));
        let (mut late, mut looks) = (Duration::ZERO, 0);
        for _ in 0..500 {
            let (mut waited, mut tried) = (habits.first(&name()), 1);
            while waited < answer {
                waited += look + pause(waited);
                tried += 1;
            }
            habits.learn(&name(), waited + look, tried);
            (late, looks) = (late + (waited - answer), looks + tried);
        }
        assert!(late / 500 < Duration::from_millis(4), "{:?}", late / 500);
        assert!(looks < 600, "{looks}");
    }

    #[test]
    fn looking_for_an_answer_for_28_s_takes_fewer_than_200_looks() {
        let (mut waited, mut looks) = (limits::POLL_FIRST, 0);
        while waited < limits::BUFFERED_ANSWER {
            waited += pause(waited);
            looks += 1;
        }
        assert!(looks < 200, "{looks}");
    }
}
