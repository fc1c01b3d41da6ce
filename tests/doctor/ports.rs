//! Ports of the program's own.

use crate::clinic::examined;
use std::net::TcpListener;

#[tokio::test]
async fn a_default_port_that_is_taken_is_told_with_the_one_that_would_be() {
    // Where somebody else has it already, it is taken as well.
    let _held = TcpListener::bind("127.0.0.1:8080");
    let findings = examined(&[], &[]).await;
    findings.has("endpoint-port", "warn", "127.0.0.1:8080 is another program's; 127.0.0.1:80", "--listen");
    assert_eq!(findings.code, Some(0), "{}", findings.out);
}

#[tokio::test]
async fn a_chosen_port_that_is_taken_fails() {
    let held = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = held.local_addr().expect("it is bound").to_string();
    let findings = examined(&["--listen", &address, "--inspect", &address], &[]).await;
    findings.has("endpoint-port", "fail", &format!("cannot listen on {address}"), "--listen");
    findings.has("inspector", "fail", &format!("cannot listen on {address}"), "--inspect");
    assert_eq!(findings.code, Some(1));
    drop(held);
    let findings = examined(&["--listen", &address, "--inspect", "off"], &[]).await;
    findings.has("endpoint-port", "ok", &format!("{address} is free"), "");
    findings.has("inspector", "ok", "off", "");
}
