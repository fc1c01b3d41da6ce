//! Every series exists from the start and there are few of them: labels are codes and classes, never names or tokens.
//!
//! Methods are named by the event that is counted. What is open is a guard: it cannot be counted up and not down.

use crate::fault::Code;
use crate::gate::access::Denied;
use crate::gate::handshake::Reason;
use crate::gate::switchboard;
use http::StatusCode;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::time::Instant;

/// Seconds: small answers come in milliseconds, event streams stay for minutes.
const DURATIONS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0];

/// Classes of an exchange's outcome; the last is that of visitors who left before there was any.
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "none"];

/// What the relay counts; clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Series>);

struct Series {
    registry: Registry,
    links: Gauge,
    tunnels: Gauge,
    exchanges_open: Gauge,
    exchanges: [Counter; CLASSES.len()],
    faults: [Counter; Code::ALL.len()],
    refusals: [Counter; Refusal::ALL.len()],
    bytes_in: Counter,
    bytes_out: Counter,
    durations: Histogram,
}

/// Why a forwarder's handshake was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not a handshake of this protocol, or of a version that is not spoken.
    Malformed,
    /// No token.
    TokenMissing,
    /// A token that is not accepted.
    TokenWrong,
    /// A token that was good once.
    TokenExpired,
    /// A token for other names.
    NameForbidden,
    /// The name is held by somebody else.
    NameTaken,
    /// The token holds as many tunnels as it may.
    TooManyTunnels,
}

impl Refusal {
    const ALL: [Self; 7] = [
        Self::Malformed,
        Self::TokenMissing,
        Self::TokenWrong,
        Self::TokenExpired,
        Self::NameForbidden,
        Self::NameTaken,
        Self::TooManyTunnels,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TokenMissing => "token-missing",
            Self::TokenWrong => "token-wrong",
            Self::TokenExpired => "token-expired",
            Self::NameForbidden => "name-forbidden",
            Self::NameTaken => "name-taken",
            Self::TooManyTunnels => "too-many-tunnels",
        }
    }
}

impl From<&Reason> for Refusal {
    fn from(reason: &Reason) -> Self {
        match reason {
            Reason::Malformed | Reason::Refused(switchboard::Refusal::Internal(_)) => Self::Malformed,
            Reason::Denied(denied) => denied.into(),
            Reason::Refused(switchboard::Refusal::TooManyTunnels(_)) => Self::TooManyTunnels,
            Reason::Refused(switchboard::Refusal::NameTaken(_) | switchboard::Refusal::NoNameFree) => Self::NameTaken,
        }
    }
}

impl From<&Denied> for Refusal {
    fn from(denied: &Denied) -> Self {
        match denied {
            Denied::Missing => Self::TokenMissing,
            Denied::Wrong(_) => Self::TokenWrong,
            Denied::Expired => Self::TokenExpired,
            Denied::NotForName { .. } => Self::NameForbidden,
        }
    }
}

impl Metrics {
    /// All series, at zero.
    #[expect(clippy::new_without_default, reason = "a second set beside the first is a mistake, so it is made by name")]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("http_tunnel");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The relay's build", build);
        let durations = Histogram::new(DURATIONS);
        let about = "From an exchange's request head to the end of its answer";
        registry.register_with_unit("exchange_duration", about, Unit::Seconds, durations.clone());
        let codes = Code::ALL.map(Code::as_str);
        let reasons = Refusal::ALL.map(Refusal::as_str);
        let about = "Body bytes carried: in from visitors, out to them";
        let [bytes_in, bytes_out] = counters(&mut registry, "carried_bytes", about, "direction", ["in", "out"]);
        let about = "Exchanges ended, by class of status";
        let exchanges = counters(&mut registry, "exchanges", about, "class", CLASSES);
        let about = "Faults of the tunnel that visitors were told, by code";
        let faults = counters(&mut registry, "faults", about, "code", codes);
        let about = "Forwarders' handshakes refused, by reason";
        let refusals = counters(&mut registry, "handshakes_refused", about, "reason", reasons);
        let mut gauge = |name: &str, about: &str| {
            let gauge = Gauge::default();
            registry.register(name, about, gauge.clone());
            gauge
        };
        let links = gauge("links", "Forwarders linked");
        let tunnels = gauge("tunnels", "Tunnel names held, linked or in their grace period");
        let exchanges_open = gauge("exchanges_open", "Exchanges open");
        let series = Series {
            registry,
            links,
            tunnels,
            exchanges_open,
            exchanges,
            faults,
            refusals,
            bytes_in,
            bytes_out,
            durations,
        };
        Self(Arc::new(series))
    }

    /// A forwarder has linked; count it until the guard is dropped.
    pub fn link_opened(&self) -> Open {
        Open::count(&self.0.links)
    }

    /// A name has been taken; count it until the guard is dropped.
    pub fn tunnel_taken(&self) -> Open {
        Open::count(&self.0.tunnels)
    }

    /// A visitor's request has come; the guard is dropped when its answer has ended.
    pub fn exchange_opened(&self) -> OpenExchange {
        let open = Open::count(&self.0.exchanges_open);
        OpenExchange { series: self.0.clone(), started: Instant::now(), class: CLASSES.len() - 1, _open: open }
    }

    /// A forwarder has been refused.
    pub fn handshake_refused(&self, why: Refusal) {
        self.0.refusals[why as usize].inc();
    }

    /// Body bytes have come from a visitor.
    pub fn bytes_came_in(&self, bytes: usize) {
        self.0.bytes_in.inc_by(bytes as u64);
    }

    /// Body bytes have gone to a visitor.
    pub fn bytes_went_out(&self, bytes: usize) {
        self.0.bytes_out.inc_by(bytes as u64);
    }

    /// Everything, as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.0.registry).expect("writing into a String cannot fail");
        text
    }
}

fn counters<const N: usize>(
    registry: &mut Registry,
    name: &str,
    about: &str,
    label: &'static str,
    values: [&'static str; N],
) -> [Counter; N] {
    let family = Family::<[(&'static str, &'static str); 1], Counter>::default();
    registry.register(name, about, family.clone());
    values.map(|value| family.get_or_create_owned(&[(label, value)]))
}

/// Something that is open, and counted as such until this is dropped.
pub struct Open(Gauge);

impl Open {
    fn count(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// An exchange under way. It ends, with its outcome and duration, when this is dropped.
pub struct OpenExchange {
    series: Arc<Series>,
    started: Instant,
    class: usize,
    _open: Open,
}

impl OpenExchange {
    /// The service has answered.
    pub fn answered(&mut self, status: StatusCode) {
        self.class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
    }

    /// The visitor is told of a fault instead.
    pub fn failed(&mut self, code: Code) {
        self.answered(code.status());
        self.series.faults[code as usize].inc();
    }
}

impl Drop for OpenExchange {
    fn drop(&mut self) {
        self.series.exchanges[self.class].inc();
        self.series.durations.observe(self.started.elapsed().as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(metrics: &Metrics, series: &str) -> Option<String> {
        let text = metrics.text();
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned))
    }

    #[track_caller]
    fn is(metrics: &Metrics, series: &str, expected: u64) {
        assert_eq!(value(metrics, series).as_deref(), Some(expected.to_string().as_str()), "{series}");
    }

    #[test]
    fn every_series_exists_before_anything_has_happened() {
        let metrics = Metrics::new();
        for code in Code::ALL {
            is(&metrics, &format!("http_tunnel_faults_total{{code=\"{}\"}}", code.as_str()), 0);
        }
        for reason in Refusal::ALL {
            is(&metrics, &format!("http_tunnel_handshakes_refused_total{{reason=\"{}\"}}", reason.as_str()), 0);
        }
        is(&metrics, "http_tunnel_exchange_duration_seconds_count", 0);
        assert!(metrics.text().ends_with("# EOF\n"));
    }

    #[test]
    fn what_is_open_is_counted_until_it_is_dropped() {
        let metrics = Metrics::new();
        let (first, second) = (metrics.link_opened(), metrics.clone().link_opened());
        let held = metrics.tunnel_taken();
        is(&metrics, "http_tunnel_links", 2);
        is(&metrics, "http_tunnel_tunnels", 1);
        drop((first, held));
        is(&metrics, "http_tunnel_links", 1);
        is(&metrics, "http_tunnel_tunnels", 0);
        drop(second);
        is(&metrics, "http_tunnel_links", 0);
    }

    #[test]
    fn an_exchange_is_open_then_counted_once_by_its_class() {
        let metrics = Metrics::new();
        let mut answered = metrics.exchange_opened();
        let mut failed = metrics.exchange_opened();
        let left = metrics.exchange_opened();
        is(&metrics, "http_tunnel_exchanges_open", 3);
        answered.answered(StatusCode::NOT_MODIFIED);
        failed.failed(Code::ServiceTimeout);
        drop((answered, failed, left));
        is(&metrics, "http_tunnel_exchanges_open", 0);
        for (class, count) in [("1xx", 0), ("2xx", 0), ("3xx", 1), ("4xx", 0), ("5xx", 1), ("none", 1)] {
            is(&metrics, &format!("http_tunnel_exchanges_total{{class=\"{class}\"}}"), count);
        }
        is(&metrics, "http_tunnel_faults_total{code=\"service-timeout\"}", 1);
        is(&metrics, "http_tunnel_exchange_duration_seconds_count", 3);
    }

    #[test]
    fn each_code_and_reason_counts_in_its_own_series() {
        let metrics = Metrics::new();
        for code in Code::ALL {
            metrics.exchange_opened().failed(code);
            is(&metrics, &format!("http_tunnel_faults_total{{code=\"{}\"}}", code.as_str()), 1);
        }
        for reason in Refusal::ALL {
            metrics.handshake_refused(reason);
            is(&metrics, &format!("http_tunnel_handshakes_refused_total{{reason=\"{}\"}}", reason.as_str()), 1);
        }
        metrics.handshake_refused(Refusal::from(&Denied::Expired));
        is(&metrics, "http_tunnel_handshakes_refused_total{reason=\"token-expired\"}", 2);
    }

    #[test]
    fn bytes_are_counted_by_direction_and_a_strange_status_has_a_class() {
        let metrics = Metrics::new();
        metrics.bytes_came_in(3);
        metrics.bytes_went_out(1 << 33);
        is(&metrics, "http_tunnel_carried_bytes_total{direction=\"in\"}", 3);
        is(&metrics, "http_tunnel_carried_bytes_total{direction=\"out\"}", 1 << 33);
        metrics.exchange_opened().answered(StatusCode::from_u16(799).unwrap());
        is(&metrics, "http_tunnel_exchanges_total{class=\"5xx\"}", 1);
    }
}
