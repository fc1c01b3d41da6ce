//! What each hop took is told where a forwarder asks for it, and nowhere else: with its answer it says what it and the
//! service took, the gate knows the whole, and the rest was the link's.

use crate::head;
use crate::wire::Timing;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::{Duration, Instant};

/// Where browsers and clients look for it (W3C Server Timing).
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// When an exchange came in, and when it was on its way to the forwarder.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    pub(super) begun: Instant,
    pub(super) opened: Instant,
}

impl Watch {
    /// Takes the forwarder's times out of an answer's head and writes all four hops into it; `None`: there were none.
    pub(super) fn read(self, headers: &mut HeaderMap) -> Option<Timing> {
        let told = headers.remove(head::TIMING)?;
        let (forwarder, service) = forwarder_and_service(&told)?;
        let now = Instant::now();
        let link = (now - self.opened).saturating_sub(forwarder + service);
        let gate = self.opened - self.begun;
        let hops = [("gate", gate), ("link", link), ("forwarder", forwarder), ("service", service)];
        let hops = hops.map(|(hop, took)| format!("{hop};dur={:.3}", took.as_secs_f64() * 1e3));
        headers.append(SERVER_TIMING, HeaderValue::try_from(hops.join(", ")).ok()?);
        Some(Timing { gate: micros(gate), link: micros(link) })
    }
}

fn forwarder_and_service(told: &HeaderValue) -> Option<(Duration, Duration)> {
    let (forwarder, service) = told.to_str().ok()?.split_once(' ')?;
    let took = |micros: &str| micros.parse::<u32>().ok().map(|micros| Duration::from_micros(micros.into()));
    Some((took(forwarder)?, took(service)?))
}

fn micros(took: Duration) -> u32 {
    u32::try_from(took.as_micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(told: &'static str) -> HeaderMap {
        [(head::TIMING, told), (SERVER_TIMING, "db;dur=3")]
            .map(|(name, value)| (name, HeaderValue::from_static(value)))
            .into_iter()
            .collect()
    }

    #[test]
    fn the_four_hops_add_up_to_the_whole_and_the_services_own_stay() {
        let begun = Instant::now().checked_sub(Duration::from_millis(100)).expect("the clock runs for longer");
        let watch = Watch { begun, opened: begun + Duration::from_millis(10) };
        let mut headers = headers("2000 30000");
        let timing = watch.read(&mut headers).expect("the forwarder told its times");
        assert_eq!(timing.gate, 10_000);
        assert!(timing.link >= 58_000, "{timing:?}");
        assert!(!headers.contains_key(head::TIMING));
        let lines: Vec<_> = headers.get_all(SERVER_TIMING).iter().filter_map(|line| line.to_str().ok()).collect();
        assert_eq!(lines[0], "db;dur=3");
        assert!(lines[1].starts_with("gate;dur=10.000, link;dur="), "{lines:?}");
        assert!(lines[1].ends_with(", forwarder;dur=2.000, service;dur=30.000"), "{lines:?}");
    }

    #[test]
    fn what_is_no_timing_is_taken_out_and_tells_nothing() {
        let watch = Watch { begun: Instant::now(), opened: Instant::now() };
        for told in ["", "1", "1 -2", "1 2 3", "a b", "99999999999 1"] {
            let mut headers = headers(told);
            assert_eq!(watch.read(&mut headers), None, "{told:?}");
            assert!(!headers.contains_key(head::TIMING) && headers.get_all(SERVER_TIMING).iter().count() == 1);
        }
    }
}
