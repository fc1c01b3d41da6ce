use super::*;
use crate::id::ExchangeId;
use crate::wire::{Chunk, Flow};
use bytes::Bytes;

fn part(n: u32, size: usize) -> ToGate {
    ToGate::Flow(ExchangeId(1), Flow::Part(n, Chunk { bytes: Bytes::from(vec![0; size]), end: false }))
}

#[tokio::test]
async fn what_one_end_sends_before_it_closes_reaches_the_other_and_then_the_reason() {
    let (mut gate, forwarder) = pair();
    forwarder.sender.send(part(1, 10)).await.expect("the link is open");
    forwarder.sender.control(ToGate::Pong);
    forwarder.sender.close_with(Goodbye { code: 1000, reason: "done".to_owned() });
    assert_eq!(gate.queue.next().await, Ok(part(1, 10)));
    assert_eq!(gate.queue.next().await, Ok(ToGate::Pong));
    assert_eq!(gate.queue.next().await, Err(Some(Goodbye { code: 1000, reason: "done".to_owned() })));
    assert_eq!(forwarder.sender.send(part(2, 1)).await, Err(Closed));
}

#[tokio::test]
async fn a_body_waits_for_room_that_the_other_end_makes_by_reading_and_control_does_not_wait() {
    let (mut gate, forwarder) = pair();
    forwarder.sender.send(part(1, limits::LINK_QUEUE)).await.expect("the link is open");
    let full = tokio::select! {
        biased;
        _ = forwarder.sender.send(part(2, 1)) => false,
        () = std::future::ready(()) => true,
    };
    assert!(full, "a second body found room in a full queue");
    forwarder.sender.control(ToGate::Ping);
    assert_eq!(gate.queue.next().await, Ok(part(1, limits::LINK_QUEUE)));
    assert_eq!(gate.queue.next().await, Ok(ToGate::Ping));
    forwarder.sender.send(part(2, 1)).await.expect("reading has made room");
}

#[tokio::test]
async fn an_end_that_does_not_read_control_messages_loses_the_link() {
    let (_gate, forwarder) = pair();
    for _ in 0..=limits::LINK_CONTROL + 1 {
        forwarder.sender.control(ToGate::Ping);
    }
    assert!(forwarder.sender.is_closed());
}

#[tokio::test]
async fn an_end_that_is_gone_is_noticed() {
    let (mut gate, forwarder) = pair();
    drop(forwarder);
    assert_eq!(gate.queue.next().await, Err(None));
    assert_eq!(gate.sender.send(ToForwarder::Ping).await, Err(Closed));
}
