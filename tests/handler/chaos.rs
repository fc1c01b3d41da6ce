//! What breaks on the platform breaks visibly, for those whom it concerns, in time; and the URL stays.

use crate::common::service::{next_record, ok};
use crate::common::{Answer, TestService, Tunnel, noise, until};
use crate::platform::{Door, plain_stack, stack, tunnel};
use crate::serverless::{Delivery, Knobs, Stack};
use futures_util::future::join_all;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// The platform itself gives up on an HTTP API's function after 30 s.
const PLATFORM_TIMEOUT: Duration = Duration::from_secs(30);

/// An answer is the right one, whole, or a clear error.
fn is_right_or_clear(answer: &Answer, right: &[u8]) -> bool {
    match answer.status() {
        200 => answer.body == right && answer.whole,
        status => [500, 502, 503, 504].contains(&status),
    }
}

/// Asks until the answer is there, as a visitor would who reloads the page.
async fn until_served(tunnel: &Tunnel, target: &str) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = tunnel.get(target).await;
        if answer.status() == 200 {
            return answer;
        }
        assert!(begun.elapsed() < PLATFORM_TIMEOUT, "not served again: {answer:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A service whose answers wait until the test lets them go; each is its own path.
async fn held() -> (TestService, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let theirs = gate.clone();
    let service = TestService::scripted(move |mut conn| {
        let gate = theirs.clone();
        async move {
            while let Some(record) = next_record(&mut conn).await {
                let let_go = gate.acquire().await;
                let_go.expect("the test keeps the gate").forget();
                if conn.try_send(ok(record.head.asked().1.as_bytes())).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (service, gate)
}

async fn invoked(stack: &Stack, kind: &str, times: u64) {
    let meter = stack.meter.clone();
    until("the function to be invoked", move || meter.read().invoked(kind) >= times).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_whose_end_nobody_reported_is_found_out_by_the_next_visitor_and_the_url_comes_back() {
    let service = TestService::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    assert_eq!(tunnel.get("/").await.status(), 200);
    stack.turn(|knobs| {
        knobs.drop_disconnects = true;
        knobs.throttle_handshakes = true;
    });
    stack.gateway().cut_all();
    tunnel.event("offline");
    let begun = Instant::now();
    let answer = tunnel.get("/").await;
    assert_eq!((answer.status(), answer.fault().as_deref()), (503, Some("forwarder-offline")));
    assert!(begun.elapsed() < PLATFORM_TIMEOUT / 3, "the visitor waited for nothing");
    stack.turn(|knobs| knobs.throttle_handshakes = false);
    tunnel.event("online");
    assert_eq!(until_served(&tunnel, "/").await.text(), "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_while_it_waits_costs_its_visitor_an_error_and_nobody_else_anything() {
    let (service, gate) = held().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let visit = tunnel.get("/killed");
    let kill = async {
        invoked(&stack, "HTTP", 1).await;
        until("the function to wait", || stack.function.kill_busy("HTTP") > 0).await;
        gate.add_permits(100);
    };
    let (answer, ()) = tokio::join!(visit, kill);
    assert!(is_right_or_clear(&answer, b"/killed") && answer.status() != 200, "{answer:?}");
    assert_eq!(until_served(&tunnel, "/next").await.text(), "/next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_whose_process_is_killed_is_sent_again_and_the_visitor_notices_nothing() {
    let (service, gate) = held().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let hello = stack.meter.read().invoked("MESSAGE");
    // Slow enough that the process is there to be killed.
    stack.turn(|knobs| knobs.latency.dynamo = Duration::from_millis(400));
    let visit = tunnel.get("/again");
    let kill = async {
        invoked(&stack, "HTTP", 1).await;
        gate.add_permits(100);
        invoked(&stack, "MESSAGE", hello + 1).await;
        until("the answer's process to be killed", || stack.function.kill_busy("MESSAGE") > 0).await;
        stack.turn(|knobs| knobs.latency.dynamo = Duration::ZERO);
    };
    let (answer, ()) = tokio::join!(visit, kill);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "/again"), "{:?}", stack.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_the_platform_loses_and_reports_are_sent_again() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    stack.turn(|knobs| knobs.message_failures_percent = 25);
    for i in 0..8_u64 {
        let body = noise(i, 150_000);
        let answer = tunnel.post("/", &body).await;
        assert!(answer.status() == 200 && answer.body == body, "visit {i}: {} {:?}", answer.status(), answer.fault());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_refuses_every_fifth_call_costs_time_and_nothing_else() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    stack.turn(|knobs| knobs.dynamo_throttle_percent = 20);
    for i in 0..20_u64 {
        let body = noise(i, (i as usize) * 9_000);
        let answer = tunnel.post(&format!("/{i}"), &body).await;
        assert!(answer.status() == 200 && answer.body == body, "visit {i}: {} {:?}", answer.status(), answer.fault());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_come_reversed_and_twice_are_put_in_order_in_both_directions() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    for (door, size) in [(Door::HttpApi, 1_500_000), (Door::FunctionUrl, 4_000_000)] {
        let stack = if door == Door::HttpApi { stack.clone() } else { plain_stack().await };
        let tunnel = tunnel(&stack, door, &service).await;
        stack.turn(|knobs| {
            knobs.delivery = Delivery::Reversed(Duration::from_millis(40));
            knobs.duplicate = true;
        });
        let body = noise(3, size);
        let answer = tunnel.post("/", &body).await;
        assert!(answer.status() == 200 && answer.body == body, "{door:?}: {} {:?}", answer.status(), answer.fault());
        assert_eq!(service.last().body.len(), size);
    }
}

/// A service that sends half of 4 MB and the rest when it is told to.
async fn half() -> (TestService, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let theirs = gate.clone();
    let service = TestService::scripted(move |mut conn| {
        let gate = theirs.clone();
        async move {
            while let Some(record) = next_record(&mut conn).await {
                if record.head.asked().1 != "/half" {
                    conn.send(ok(b"ok")).await;
                    continue;
                }
                let body = noise(5, 4_000_000);
                conn.send("HTTP/1.1 200 OK\r\ncontent-length: 4000000\r\n\r\n").await;
                conn.send(&body[..2_000_000]).await;
                let _told = gate.acquire().await;
                let _gone = conn.try_send(&body[2_000_000..]).await;
            }
        }
    })
    .await;
    (service, gate)
}

async fn cut_in_the_middle(door: Door) -> Answer {
    let (service, _gate) = half().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, door, &service).await;
    let before = stack.meter.read().invoked("MESSAGE");
    let begun = Instant::now();
    let cut = async {
        // Half of the answer is 21 messages.
        invoked(&stack, "MESSAGE", before + 15).await;
        stack.gateway().cut_all();
    };
    let (answer, ()) = tokio::join!(tunnel.get("/half"), cut);
    assert!(begun.elapsed() < PLATFORM_TIMEOUT, "the visitor waited for nothing");
    assert_eq!(until_served(&tunnel, "/after").await.text(), "ok");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_cut_in_the_middle_of_a_large_answer_is_an_error_where_answers_are_whole() {
    let answer = cut_in_the_middle(Door::HttpApi).await;
    assert_eq!((answer.status(), answer.fault().as_deref()), (502, Some("service-failed")), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_is_cut_in_the_middle_of_a_large_answer_cuts_what_streams_visibly() {
    let answer = cut_in_the_middle(Door::FunctionUrl).await;
    assert!(answer.status() == 200 && !answer.whole, "{} {} bytes", answer.status(), answer.body.len());
    let body = noise(5, 4_000_000);
    assert!(body.starts_with(&answer.body), "what came is not what was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platforms_cut_in_the_middle_of_ten_exchanges_is_a_clear_error_and_the_url_stays() {
    let (service, gate) = held().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let targets: Vec<_> = (0..10).map(|i| format!("/{i}")).collect();
    let visits = join_all(targets.iter().map(|target| tunnel.get(target)));
    let cut = async {
        until("ten exchanges at the service", || service.connections() >= 10).await;
        stack.gateway().close_all(1001, "Going away");
        gate.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(visits, cut);
    for (answer, target) in answers.iter().zip(&targets) {
        assert!(is_right_or_clear(answer, target.as_bytes()), "{target}: {answer:?}");
    }
    assert_eq!(until_served(&tunnel, "/after").await.text(), "/after");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_planned_hand_over_loses_no_exchange() {
    let (service, gate) = held().await;
    // Handed over after three quarters of its life.
    let knobs = Knobs { lifetime: Duration::from_secs(16), ..Knobs::default() };
    let stack = stack(&[("linkSeconds", "16")], knobs).await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    let targets: Vec<_> = (0..10).map(|i| format!("/{i}")).collect();
    let visits = join_all(targets.iter().map(|target| tunnel.get(target)));
    let hand_over = async {
        until("ten exchanges at the service", || service.connections() >= 10).await;
        // The next link is up while the exchanges of the old one are still open.
        tunnel.event("online");
        assert_eq!(stack.gateway().connections().len(), 2, "the old link is there until its exchanges are done");
        gate.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(visits, hand_over);
    for (answer, target) in answers.iter().zip(&targets) {
        assert_eq!((answer.status(), &answer.text()), (200, target), "{:?}", answer.fault());
    }
    assert_eq!(tunnel.get("/after").await.text(), "/after");
    assert_eq!(tunnel.events_named("offline"), 0, "the link was lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_is_asked_too_much_is_given_time() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    stack.turn(|knobs| knobs.throttle_messages = true);
    let visit = tunnel.post("/", b"patience");
    let calm = async {
        until("the service to be asked", || service.count() > 0).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        stack.turn(|knobs| knobs.throttle_messages = false);
    };
    let (answer, ()) = tokio::join!(visit, calm);
    assert_eq!((answer.status(), answer.text().as_str()), (200, "patience"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_that_are_recycled_between_visits_are_replaced_unnoticed() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    for i in 0..4 {
        let body = format!("visit {i}");
        assert_eq!(tunnel.post("/", body.as_bytes()).await.text(), body);
        match i % 2 {
            0 => stack.function.recycle(),
            _ => until("an environment to be idle", || stack.function.kill_idle() > 0).await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_that_wakes_with_dead_sockets_serves_its_next_visitor() {
    let service = TestService::echo().await;
    let stack = plain_stack().await;
    let tunnel = tunnel(&stack, Door::HttpApi, &service).await;
    for i in 0..3 {
        let body = format!("visit {i}");
        let answer = tunnel.post("/", body.as_bytes()).await;
        assert_eq!((answer.status(), answer.text()), (200, body), "{:?}", stack.log());
        stack.drop_connections();
    }
}
