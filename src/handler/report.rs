//! One line an invocation, as JSON on stdout: what was asked of which tunnel, how it ended and what it took; never a body, a
//! header or a token. The same line is CloudWatch's embedded metric format, so metrics cost no call and no second line.

use super::aws::Tally;
use crate::fault::Code;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Namespace of the metrics in CloudWatch.
const NAMESPACE: &str = "HttpTunnel";

/// A visitor's exchange that is over.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The platform's id of the invocation.
    pub(super) request_id: String,
    /// What was found and waited for.
    pub(super) tally: Tally,
    /// The answer's status.
    pub(super) status: u16,
    /// The fault, if there was no answer of the service's own.
    pub(super) code: Option<Code>,
    /// Why the answer was cut short, if it was.
    pub(super) cut: Option<String>,
    /// From the event to the end of the answer.
    pub(super) took: Duration,
}

impl Exchange {
    /// The line.
    pub(super) fn line(&self, now: SystemTime) -> Value {
        let milliseconds = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let timestamp = milliseconds(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let failed = self.code.map(Code::as_str).or(self.cut.as_ref().map(|_| "cut"));
        let count = |name: &str, unit: &str| json!({ "Name": name, "Unit": unit });
        let mut metrics = vec![json!({
            "Namespace": NAMESPACE,
            "Dimensions": [[]],
            "Metrics": [
                count("Exchanges", "Count"),
                count("WaitedMilliseconds", "Milliseconds"),
                count("Parts", "Count"),
            ],
        })];
        if failed.is_some() {
            metrics.push(json!({
                "Namespace": NAMESPACE,
                "Dimensions": [["Code"], []],
                "Metrics": [count("Errors", "Count")],
            }));
        }
        let mut line = json!({
            "_aws": { "Timestamp": timestamp, "CloudWatchMetrics": metrics },
            "level": if failed.is_some() { "WARN" } else { "INFO" },
            "message": "exchange",
            "requestId": self.request_id,
            "tunnel": self.tally.tunnel.as_ref().map(ToString::to_string),
            "status": self.status,
            "durationMilliseconds": milliseconds(self.took),
            "looks": self.tally.looks,
            "Exchanges": 1,
            "WaitedMilliseconds": milliseconds(self.tally.waited),
            "Parts": self.tally.parts,
        });
        if let (Some(code), Some(line)) = (failed, line.as_object_mut()) {
            line.insert("Code".to_owned(), code.into());
            line.insert("Errors".to_owned(), 1.into());
            line.insert("reason".to_owned(), self.cut.clone().into());
        }
        line
    }

    /// Prints the line.
    pub(super) fn print(&self) {
        println!("{}", self.line(SystemTime::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(code: Option<Code>) -> Exchange {
        let tally = Tally { tunnel: "web".parse().ok(), waited: Duration::from_millis(45), parts: 2, looks: 3 };
        Exchange { request_id: "r-1".to_owned(), tally, status: 200, code, cut: None, took: Duration::from_millis(61) }
    }

    #[test]
    fn an_exchange_is_one_line_of_json_that_names_its_tunnel_and_its_times() {
        let line = exchange(None).line(UNIX_EPOCH + Duration::from_secs(7));
        assert_eq!(line["tunnel"], "web");
        assert_eq!(line["requestId"], "r-1");
        assert_eq!(line["durationMilliseconds"], 61);
        assert_eq!(line["_aws"]["Timestamp"], 7000);
        assert!(!line.to_string().contains('\n'));
    }

    #[test]
    fn every_metric_that_the_line_declares_is_in_the_line() {
        for code in [None, Some(Code::ServiceTimeout)] {
            let line = exchange(code).line(UNIX_EPOCH);
            let directives = line["_aws"]["CloudWatchMetrics"].as_array().expect("directives");
            for directive in directives {
                for metric in directive["Metrics"].as_array().expect("metrics") {
                    let name = metric["Name"].as_str().expect("a name");
                    assert!(line[name].is_number(), "{name} of {line}");
                }
                for dimension in directive["Dimensions"].as_array().into_iter().flatten() {
                    for name in dimension.as_array().into_iter().flatten().filter_map(Value::as_str) {
                        assert!(line[name].is_string(), "{name} of {line}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_fault_is_counted_by_its_code() {
        let line = exchange(Some(Code::ForwarderOffline)).line(UNIX_EPOCH);
        assert_eq!(line["Code"], "forwarder-offline");
        assert_eq!(line["Errors"], 1);
    }
}
