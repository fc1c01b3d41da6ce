//! Words in, lines or JSON out, and an exit code.

use crate::clinic::{doctor, examined};
use crate::support::process::free_port;
use crate::support::service::Service;

#[tokio::test]
async fn json_is_an_array_of_checks_with_status_detail_and_fix() {
    let findings = examined(&[&free_port().to_string(), "--listen", "127.0.0.1:0"], &[]).await;
    assert!(findings.list.len() >= 4, "{}", findings.out);
    for finding in &findings.list {
        let mut keys: Vec<_> = finding.as_object().expect("an object").keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, ["check", "detail", "fix", "status"]);
        assert!(matches!(finding["status"].as_str(), Some("ok" | "warn" | "fail" | "skipped")), "{finding}");
    }
}

#[tokio::test]
async fn people_read_a_line_per_check_and_the_fix_below() {
    let service = Service::start();
    let well = doctor(&[&service.port(), "--listen", "127.0.0.1:0"], &[]).await;
    assert!(well.out.starts_with("ok    service-address    127.0.0.1:"), "{}", well.out);
    assert_eq!((well.code, well.err.as_str()), (Some(0), ""));
    let ill = doctor(&[&free_port().to_string()], &[]).await;
    let mut lines = ill.out.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("FAIL  service-address")), "{}", ill.out);
    assert!(lines.next().is_some_and(|line| line.starts_with("      start the service")), "{}", ill.out);
    assert!(!ill.out.contains('\x1b'), "no colours into a pipe");
    assert_eq!(ill.code, Some(1));
}

#[tokio::test]
async fn words_that_make_no_sense_are_one_line_and_code_2() {
    for (words, expected) in [
        (&["--nmae", "web"][..], "did you mean --name?"),
        (&["3000", "--name", "Web"], "--name \"Web\""),
        (&["--name", "Web"], "--name \"Web\""),
        (&["/no/such/directory"], "nor a directory that exists"),
        (&["--endpoint", "relay.example"], "--endpoint has no scheme"),
    ] {
        let report = doctor(words, &[]).await;
        assert_eq!((report.code, report.out.as_str()), (Some(2), ""), "{words:?}");
        assert!(report.err.starts_with("forwarder doctor: ") && report.err.contains(expected), "{}", report.err);
        assert_eq!(report.err.lines().count(), 1, "{}", report.err);
    }
}

#[tokio::test]
async fn help_is_the_doctors_own() {
    for word in ["--help", "-h"] {
        let report = doctor(&[word], &[]).await;
        assert!(report.out.starts_with("Usage: forwarder doctor [TARGET]"), "{}", report.out);
        assert_eq!(report.code, Some(0));
    }
}
