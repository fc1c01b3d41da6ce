//! Stopping: what is in flight is finished, a second signal is obeyed at once.

use crate::support::process::{Process, forwarder, start_relay};
use crate::support::service::Service;
use crate::support::{eventually, http, within};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const HOST: &str = "shop.tunnel.test";

async fn pair(service: &Service) -> (Process, SocketAddr, Process) {
    let (relay, public) = start_relay(&["--domain", "tunnel.test"]).await;
    let endpoint = format!("ws://{public}");
    let words = [&service.port(), "--json", "--name", "shop", "--endpoint", &endpoint];
    let mut forwarder = Process::start(forwarder().args(words));
    forwarder.event("online").await;
    (relay, public, forwarder)
}

#[tokio::test]
async fn ctrl_c_lets_an_answer_in_flight_finish_and_takes_no_new_one() {
    for path in ["/slow/1500/finished", "/drip/15"] {
        let service = Service::start();
        let (_relay, public, mut forwarder) = pair(&service).await;
        let slow = tokio::spawn(http::get(public, HOST, path));
        eventually("the call is under way", || async { (service.calls() == 1).then_some(()) }).await;
        forwarder.signal("INT");
        let refused = eventually("new ones are refused", || async {
            let answer = http::get(public, HOST, "/echo/late").await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        assert_eq!((refused.status, refused.fault()), (503, Some("forwarder-offline")));
        let answer = within("the answer in flight", slow).await.expect("no panic");
        assert!(answer.whole && answer.status == 200, "{answer:?}");
        assert!(matches!(answer.text().as_str(), "finished") || answer.text().ends_with("line014\n"));
        assert_eq!(forwarder.ended().await.code(), Some(0));
        assert_eq!(forwarder.event("summary").await["failed"].as_u64().map(|failed| failed <= 1), Some(true));
    }
}

#[tokio::test]
async fn ctrl_c_of_a_forwarder_with_its_own_relay_drains_too() {
    let service = Service::start();
    let mut forwarder = Process::start(forwarder().args([&service.port(), "--json", "--listen", "127.0.0.1:0"]));
    let online = forwarder.event("online").await;
    let host = online["url"].as_str().expect("a URL").strip_prefix("http://").expect("a URL").to_owned();
    let port: u16 = host.rsplit_once(':').expect("a port").1.parse().expect("a port");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let slow = tokio::spawn(async move { http::get(address, &host, "/slow/1500/finished").await });
    eventually("the call is under way", || async { (service.calls() == 1).then_some(()) }).await;
    forwarder.signal("INT");
    let answer = within("the answer in flight", slow).await.expect("no panic");
    assert_eq!((answer.text().as_str(), answer.whole), ("finished", true), "{answer:?}");
    assert_eq!(forwarder.ended().await.code(), Some(0));
}

#[tokio::test]
async fn what_does_not_finish_is_given_up_after_the_drain() {
    let service = Service::start();
    let (_relay, public, mut forwarder) = pair(&service).await;
    let hanging = tokio::spawn(http::get(public, HOST, "/hang"));
    eventually("the call is under way", || async { (service.calls() == 1).then_some(()) }).await;
    let began = Instant::now();
    forwarder.signal("INT");
    assert_eq!(forwarder.ended().await.code(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(4), "{:?}", began.elapsed());
    let answer = within("a clear error", hanging).await.expect("no panic");
    assert_eq!((answer.status, answer.fault()), (503, Some("forwarder-offline")), "{answer:?}");
}

#[tokio::test]
async fn a_second_ctrl_c_stops_at_once() {
    let service = Service::start();
    let (mut relay, public, mut forwarder) = pair(&service).await;
    let hanging = tokio::spawn(http::get(public, HOST, "/hang"));
    eventually("the call is under way", || async { (service.calls() == 1).then_some(()) }).await;
    for program in [&mut forwarder, &mut relay] {
        let began = Instant::now();
        program.signal("INT");
        // Two signals sent at once are one.
        tokio::time::sleep(Duration::from_millis(300)).await;
        if program.is_running() {
            program.signal("INT");
            assert_eq!(program.ended().await.code(), Some(130));
        }
        assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    }
    assert_ne!(within("an end", hanging).await.expect("no panic").status, 200);
}

#[tokio::test]
async fn a_relay_that_stops_lets_streams_end_and_its_forwarder_waits_for_the_next_one() {
    let service = Service::start();
    let (mut relay, public, mut forwarder) = pair(&service).await;
    let stream = tokio::spawn(http::get(public, HOST, "/drip/20"));
    eventually("the call is under way", || async { (service.calls() == 1).then_some(()) }).await;
    relay.signal("TERM");
    let answer = within("the stream", stream).await.expect("no panic");
    assert!(answer.whole && answer.text().ends_with("line019\n"), "{answer:?}");
    assert_eq!(relay.ended().await.code(), Some(0));
    forwarder.event("offline").await;
    let listen = public.to_string();
    let mut next = Process::start(crate::support::process::relay().args([
        "--json",
        "--domain",
        "tunnel.test",
        "--listen",
        &listen,
    ]));
    next.event("listening").await;
    assert_eq!(forwarder.event("online").await["name"], "shop");
    assert_eq!(http::get(public, HOST, "/echo/back").await.text(), "back");
}
