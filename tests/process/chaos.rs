//! Killed and frozen under load: each visitor has a right answer or a clear error, never a wrong or mixed body, and the
//! URL works again.

use crate::support::process::{Process, forwarder, relay, start_relay};
use crate::support::service::Service;
use crate::support::{eventually, http, noise};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

const HOST: &str = "shop.tunnel.test";
const VISITORS: usize = 50;

/// 50 visitors who ask on and on, each for bodies that nobody else gets.
struct Load {
    visitors: JoinSet<()>,
    stop: Arc<AtomicBool>,
    right: Arc<AtomicUsize>,
    errors: Arc<AtomicUsize>,
}

impl Load {
    fn start(public: SocketAddr) -> Self {
        let mut load =
            Self { visitors: JoinSet::new(), stop: Arc::default(), right: Arc::default(), errors: Arc::default() };
        for visitor in 0..VISITORS {
            let (stop, right, errors) = (load.stop.clone(), load.right.clone(), load.errors.clone());
            load.visitors.spawn(async move {
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    let seed = (visitor * 100_000 + n) as u64;
                    let size = [10, 3_000, 90_000][n % 3];
                    let answer = http::try_get(public, HOST, &format!("/body/{seed}/{size}")).await;
                    let is_right = check(&answer, seed, size);
                    if is_right { &right } else { &errors }.fetch_add(1, Ordering::Relaxed);
                    if !is_right {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
        load
    }

    fn right(&self) -> usize {
        self.right.load(Ordering::Relaxed)
    }

    /// Waits until this many more answers were right.
    async fn goes_on(&self, what: &str, more: usize) {
        let goal = self.right() + more;
        eventually(what, || async { (self.right() >= goal).then_some(()) }).await;
    }

    /// Ends the load; every visitor comes back, and none of them saw what it should not.
    async fn ends(mut self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(visitor) = self.visitors.join_next().await {
            visitor.expect("each visitor has a right answer or a clear error");
        }
        self.errors.load(Ordering::Relaxed)
    }
}

/// A right answer is whole and its own; anything else is an error that shows as one.
fn check(answer: &http::Answer, seed: u64, size: usize) -> bool {
    let expected = noise(seed, size);
    if answer.status == 200 {
        let is_beginning = expected.starts_with(&answer.body);
        assert!(is_beginning, "a body that is not this visitor's: {} bytes of {size}", answer.body.len());
        assert!(!answer.whole || answer.body.len() == size, "a cut body looks whole: {} of {size}", answer.body.len());
        return answer.whole;
    }
    // 0: the connection was refused or ended before an answer, as when the relay itself is gone.
    assert!(answer.status == 0 || answer.fault().is_some(), "an error without a code: {answer:?}");
    false
}

async fn start_forwarder(service: &str, public: SocketAddr) -> Process {
    let endpoint = format!("ws://{public}");
    let mut forwarder =
        Process::start(forwarder().args([service, "--json", "--name", "shop", "--endpoint", &endpoint]));
    forwarder.event("online").await;
    forwarder
}

async fn restarted_relay(public: SocketAddr) -> Process {
    let mut relay =
        Process::start(relay().args(["--json", "--domain", "tunnel.test", "--listen", &public.to_string()]));
    relay.event("listening").await;
    relay
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_killed_costs_errors_and_comes_back_under_the_same_url() {
    let service = Service::start();
    let (mut relay, public) = start_relay(&["--domain", "tunnel.test"]).await;
    let mut forwarder = start_forwarder(&service.port(), public).await;
    let load = Load::start(public);
    load.goes_on("answers", 100).await;
    for _ in 0..2 {
        relay.signal("KILL");
        relay.ended().await;
        relay = restarted_relay(public).await;
        assert_eq!(forwarder.event("online").await["name"], "shop");
        load.goes_on("answers from the relay's successor", 100).await;
    }
    assert!(load.ends().await > 0, "somebody noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_frozen_goes_on_where_it_stopped() {
    let service = Service::start();
    let (relay, public) = start_relay(&["--domain", "tunnel.test"]).await;
    let _forwarder = start_forwarder(&service.port(), public).await;
    let load = Load::start(public);
    load.goes_on("answers", 100).await;
    relay.signal("STOP");
    tokio::time::sleep(Duration::from_secs(2)).await;
    relay.signal("CONT");
    load.goes_on("answers after the thaw", 100).await;
    assert_eq!(load.ends().await, 0, "nobody but waited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarder_that_is_frozen_goes_on_where_it_stopped() {
    let service = Service::start();
    let (_relay, public) = start_relay(&["--domain", "tunnel.test"]).await;
    let forwarder = start_forwarder(&service.port(), public).await;
    let load = Load::start(public);
    load.goes_on("answers", 100).await;
    forwarder.signal("STOP");
    tokio::time::sleep(Duration::from_secs(2)).await;
    forwarder.signal("CONT");
    load.goes_on("answers after the thaw", 100).await;
    assert_eq!(load.ends().await, 0, "nobody but waited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarder_that_is_frozen_for_long_is_found_offline_and_finds_its_url_again() {
    let service = Service::start();
    let (_relay, public) = start_relay(&["--domain", "tunnel.test"]).await;
    let mut forwarder = start_forwarder(&service.port(), public).await;
    forwarder.signal("STOP");
    let waiting = tokio::spawn(http::get(public, HOST, "/echo/waiting"));
    // Noticed within 30 s; the visitor who waits is told then.
    let answer = waiting.await.expect("no panic");
    assert_eq!((answer.status, answer.fault()), (503, Some("forwarder-offline")), "{answer:?}");
    forwarder.signal("CONT");
    forwarder.event("offline").await;
    assert_eq!(forwarder.event("online").await["name"], "shop");
    assert_eq!(http::get(public, HOST, "/echo/back").await.text(), "back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forwarder_that_is_killed_costs_clear_errors_and_its_own_relay_is_quick_to_say_so() {
    let service = Service::start();
    let (_relay, public) = start_relay(&["--domain", "tunnel.test", "--name-grace", "1"]).await;
    let mut forwarder = start_forwarder(&service.port(), public).await;
    let load = Load::start(public);
    load.goes_on("answers", 100).await;
    forwarder.signal("KILL");
    forwarder.ended().await;
    let answer = eventually("a clear error", || async {
        let answer = http::get(public, HOST, "/echo/x").await;
        (answer.status != 200).then_some(answer)
    })
    .await;
    assert!(matches!(answer.fault(), Some("forwarder-offline" | "tunnel-not-found")), "{answer:?}");
    // Another process has another ownership secret: the name is free for it after the grace period.
    let endpoint = format!("ws://{public}");
    let _next = eventually("the next forwarder gets the name", || async {
        let words = [&service.port(), "--json", "--name", "shop", "--endpoint", &endpoint];
        let mut next = Process::start(crate::support::process::forwarder().args(words));
        loop {
            if next.out().contains("online") {
                return Some(next);
            }
            if !next.is_running() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    load.goes_on("answers from the next forwarder", 100).await;
    assert!(load.ends().await > 0, "somebody noticed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_killed_or_frozen_is_told_from_a_tunnel_that_is() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("page.txt"), "page").expect("it is written");
    let port = crate::support::process::free_port();
    // A service in a process of its own: a forwarder that serves a directory is an HTTP server as well.
    let start = || async {
        let listen = format!("127.0.0.1:{port}");
        let path = directory.path().to_str().expect("text").to_owned();
        let mut service = Process::start(forwarder().args([&path, "--json", "--listen", &listen]));
        service.event("online").await;
        service
    };
    let mut service = start().await;
    let (_relay, public) = start_relay(&["--domain", "tunnel.test"]).await;
    let _forwarder = start_forwarder(&port.to_string(), public).await;
    let ask = || http::get(public, HOST, "/page.txt");
    assert_eq!(ask().await.text(), "page");

    service.signal("STOP");
    let waiting: Vec<_> = (0..VISITORS).map(|_| tokio::spawn(ask())).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    service.signal("CONT");
    for waiting in waiting {
        assert_eq!(waiting.await.expect("no panic").text(), "page");
    }

    service.signal("STOP");
    let waiting: Vec<_> = (0..VISITORS).map(|_| tokio::spawn(ask())).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    service.signal("KILL");
    service.ended().await;
    for waiting in waiting {
        let answer = waiting.await.expect("no panic");
        assert!(matches!(answer.fault(), Some("service-failed" | "service-unreachable")), "{answer:?}");
    }
    let answer = ask().await;
    assert_eq!((answer.status, answer.fault()), (502, Some("service-unreachable")));
    assert!(answer.text().contains(&port.to_string()), "{}", answer.text());
    let _service = start().await;
    assert_eq!(ask().await.text(), "page");
}

#[tokio::test]
async fn processes_of_a_test_do_not_outlive_it() {
    let service = Service::start();
    let (relay, public) = start_relay(&["--domain", "tunnel.test"]).await;
    let id = relay.id().to_string();
    drop(start_forwarder(&service.port(), public).await);
    drop(relay);
    let alive = Command::new("kill").args(["-0", &id]).output().expect("kill is there");
    assert!(!alive.status.success());
}
