//! From what was counted to what it costs: units of one exchange times the price of a unit.

use crate::prices::{self, Price};
use crate::serverless::Tally;

/// Bytes that Lambda itself logs of an invocation in JSON (start and report), and the HTTP API of a request; estimates.
const PLATFORM_LINES: f64 = 600.0;
const ACCESS_LINE: f64 = 300.0;

/// What a number of exchanges used.
pub(crate) struct Usage {
    pub(crate) exchanges: usize,
    pub(crate) tally: Tally,
    /// Memory of the function, GB.
    pub(crate) memory: f64,
    /// Bytes that the handler printed.
    pub(crate) logged: u64,
    /// Bytes of one exchange's bodies, which leave the platform: the request's for the forwarder, the answer's for the visitor.
    pub(crate) request: usize,
    pub(crate) answer: usize,
}

/// One line of the bill, for one exchange.
pub(crate) struct Line {
    pub(crate) price: &'static Price,
    pub(crate) units: f64,
}

impl Line {
    pub(crate) fn per_million(&self) -> f64 {
        self.units * self.price.dollars * 1e6
    }
}

impl Usage {
    fn per_exchange(&self, count: impl Into<f64>) -> f64 {
        count.into() / self.exchanges as f64
    }

    /// Invocations of one exchange.
    pub(crate) fn invocations(&self) -> f64 {
        self.tally.invocations.values().map(|kind| self.per_exchange(kind.count as f64)).sum()
    }

    /// Billed milliseconds of one exchange, of one kind of event.
    pub(crate) fn billed(&self, kinds: &[&str]) -> f64 {
        let of = |kind: &&str| self.tally.invocations.get(*kind).map_or(0, |found| found.billed_ms);
        self.per_exchange(kinds.iter().map(of).sum::<u64>() as f64)
    }

    /// Calls of a DynamoDB operation in one exchange.
    pub(crate) fn operations(&self, name: &str) -> f64 {
        self.per_exchange(self.tally.operation(name).calls as f64)
    }

    /// A number that was counted, for one exchange.
    pub(crate) fn each(&self, count: u64) -> f64 {
        self.per_exchange(count as f64)
    }

    /// The bill of one exchange.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let tally = &self.tally;
        let invocations = self.invocations();
        let requests = self.each(tally.http_requests);
        let logged = self.each(self.logged) + invocations * PLATFORM_LINES + requests * ACCESS_LINE;
        let half_megabytes = self.answer.max(self.request).div_ceil(512 * 1024).max(1) as f64;
        let units = [
            (&prices::HTTP_REQUEST, requests * half_megabytes),
            (&prices::WEBSOCKET_MESSAGE, self.each(tally.units_in + tally.units_out)),
            (&prices::INVOCATION, invocations),
            (&prices::GB_SECOND, self.each(tally.billed_ms()) / 1000.0 * self.memory),
            (&prices::READ_UNIT, self.per_exchange(tally.read_units())),
            (&prices::WRITE_UNIT, self.per_exchange(tally.write_units())),
            (&prices::LOG_BYTE, logged),
            (&prices::BYTE_OUT, (self.request + self.answer) as f64),
        ];
        units.into_iter().map(|(price, units)| Line { price, units }).collect()
    }

    /// Dollars for a million exchanges, without what leaves for the internet, and with it.
    pub(crate) fn per_million(&self) -> (f64, f64) {
        let lines = self.lines();
        let total: f64 = lines.iter().map(Line::per_million).sum();
        let out: f64 =
            lines.iter().filter(|line| line.price.meter == prices::BYTE_OUT.meter).map(Line::per_million).sum();
        (total - out, total)
    }
}
