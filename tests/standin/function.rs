//! Lambda: processes, what they are told, how they are frozen, killed and counted.

use crate::serverless::lambda::memory;
use crate::serverless::{Knobs, Stack};
use crate::socket::Incoming;
use crate::stage::{function, get, json, linked, program, seen, stack, until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

#[tokio::test]
async fn the_function_has_the_platform_s_environment_and_the_program_s_and_no_other() {
    let stack = stack(|_| {}).await;
    let told = json(&get(stack.addresses().http, "/environment").await);
    let told = told.as_object().expect("an object");
    let addresses = stack.addresses();
    for (name, value) in [
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", stack.tables.endpoint()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("TUNNEL_TOKEN", "secret".to_owned()),
        ("TUNNEL_JWT_SECRET", String::new()),
        ("TUNNEL_PUBLIC_URL", String::new()),
        ("TUNNEL_HTTP_URL", format!("http://{}/{{tunnel}}", addresses.http)),
        ("TUNNEL_STREAM_URL", format!("http://{}/{{tunnel}}", addresses.stream)),
        ("TUNNEL_CALLBACK_URL", format!("http://{}/live", addresses.management)),
        ("TUNNEL_ANSWER_SECONDS", "28".to_owned()),
    ] {
        assert_eq!(told.get(name).and_then(Value::as_str), Some(value.as_str()), "{name}");
    }
    assert!(!told.contains_key("CARGO_MANIFEST_DIR") && !told.contains_key("HOME"), "{told:?}");
    assert_eq!(stack.callback_url(), told["TUNNEL_CALLBACK_URL"]);
}

#[tokio::test]
async fn an_invocation_carries_its_context() {
    let stack = stack(|knobs| knobs.function_timeout = Some(Duration::from_secs(30))).await;
    get(stack.addresses().http, "/").await;
    let line: Value = serde_json::from_str(&stack.log()[0]).expect("the event's line");
    let context = &line["context"];
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_millis() as u64;
    let deadline: u64 =
        context["lambda-runtime-deadline-ms"].as_str().and_then(|text| text.parse().ok()).expect("a number");
    assert!((now + 20_000..now + 31_000).contains(&deadline), "{deadline} at {now}");
    let arn = context["lambda-runtime-invoked-function-arn"].as_str().expect("an ARN");
    assert!(arn.starts_with("arn:aws:lambda:us-east-1:123456789012:function:handler"), "{arn}");
    assert!(context["lambda-runtime-trace-id"].as_str().is_some_and(|trace| trace.starts_with("Root=1-")));
}

#[tokio::test]
async fn a_process_is_frozen_between_invocations() {
    let stack = stack(|_| {}).await;
    get(stack.addresses().http, "/").await;
    let idle =
        until("it is idle", || stack.function.processes().into_iter().find(|process| process.busy.is_none())).await;
    until("it is stopped", || (state(idle.pid) == Some('T')).then_some(())).await;
    get(stack.addresses().http, "/").await;
    assert_eq!(stack.meter.read().inits_ms.len(), 1, "the same process is used again");
    assert!(memory(idle.pid, "VmRSS:").is_some_and(|bytes| bytes > 1 << 20));
    drop(stack);
    until("it is gone", || state(idle.pid).is_none_or(|state| state == 'Z').then_some(())).await;
}

#[tokio::test]
async fn invocations_at_once_have_a_process_each() {
    let stack = stack(|_| {}).await;
    let address = stack.addresses().http;
    tokio::join!(get(address, "/sleep/0.5"), get(address, "/sleep/0.5"), get(address, "/sleep/0.5"));
    let pids: BTreeSet<u64> =
        stack.log().iter().filter_map(|line| serde_json::from_str::<Value>(line).ok()?["pid"].as_u64()).collect();
    assert_eq!(pids.len(), 3);
    until("they are billed", || (stack.meter.read().billed_ms() >= 1500).then_some(())).await;
}

#[tokio::test]
async fn one_over_the_reserved_concurrency_is_throttled() {
    let stack = stack(|knobs| knobs.concurrency = Some(1)).await;
    let address = stack.addresses().http;
    let working = tokio::spawn(async move { get(address, "/sleep/3").await });
    until("it works", || stack.function.processes().iter().any(|process| process.busy.is_some()).then_some(())).await;
    assert_eq!(get(address, "/").await.status, 503);
    assert_eq!(get(stack.addresses().stream, "/stream/whole").await.status, 429);
    assert_eq!(working.await.expect("no panic").status, 200);
}

#[tokio::test]
async fn one_over_the_processes_of_the_machine_waits_for_its_turn() {
    let stack = stack(|knobs| knobs.processes = Some(1)).await;
    let address = stack.addresses().http;
    let answers = tokio::join!(get(address, "/sleep/0.2"), get(address, "/sleep/0.2"), get(address, "/"));
    assert_eq!((answers.0.status, answers.1.status, answers.2.status), (200, 200, 200));
    assert_eq!(stack.meter.read().inits_ms.len(), 1);
}

#[tokio::test]
async fn a_dropped_stack_leaves_nothing_behind() {
    let stack = stack(|knobs| knobs.hold_disconnects = true).await;
    let mut link = linked(&stack).await;
    drop(linked(&stack).await);
    until("one link ends", || (stack.gateway().connections().len() == 1).then_some(())).await;
    let address = stack.addresses().http;
    let working = tokio::spawn(async move { get(address, "/sleep/60").await });
    until("it works", || stack.function.processes().iter().any(|process| process.busy.is_some()).then_some(())).await;
    stack.function.warm(1).await.expect("it starts");
    let processes = stack.function.processes();
    drop(stack);
    for process in processes {
        until("it is gone", || state(process.pid).is_none_or(|state| state == 'Z').then_some(())).await;
    }
    assert_eq!(link.hear().await, Incoming::Gone);
    assert_eq!(working.await.expect("no panic").status, 0, "the visitor's connection ends");
}

#[tokio::test]
async fn a_process_that_is_killed_at_work_fails_its_invocation_only() {
    let stack = stack(|_| {}).await;
    let address = stack.addresses().http;
    let working = tokio::spawn(async move { get(address, "/sleep/60").await });
    until("it is killed", || (stack.function.kill_busy("HTTP") == 1).then_some(())).await;
    assert_eq!(working.await.expect("no panic").status, 500);
    assert_eq!(get(address, "/").await.status, 200);
    assert_eq!(stack.meter.read().invocations["HTTP"].failed, 1);
}

#[tokio::test]
async fn a_process_that_is_killed_idle_is_replaced() {
    let stack = stack(|_| {}).await;
    stack.function.warm(2).await.expect("they start");
    assert_eq!(stack.function.kill_idle(), 2);
    assert_eq!(get(stack.addresses().http, "/").await.status, 200);
    assert_eq!(stack.meter.read().inits_ms.len(), 3);
}

#[tokio::test]
async fn recycled_processes_finish_and_are_not_used_again() {
    let stack = stack(|_| {}).await;
    let address = stack.addresses().http;
    let working = tokio::spawn(async move { get(address, "/sleep/0.5").await });
    until("it works", || stack.function.processes().iter().any(|process| process.busy.is_some()).then_some(())).await;
    stack.function.recycle();
    assert_eq!(working.await.expect("no panic").status, 200);
    until("it is gone", || stack.function.processes().is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_function_over_its_timeout_is_killed() {
    let stack = stack(|knobs| knobs.function_timeout = Some(Duration::from_millis(500))).await;
    assert_eq!(get(stack.addresses().http, "/sleep/60").await.status, 503);
    until("it is gone", || stack.function.processes().is_empty().then_some(())).await;
}

#[tokio::test]
async fn a_function_that_cannot_start_fails_its_invocations() {
    for (level, said) in [("init error", "asked to"), ("init exit", "asked to fail")] {
        let program = program(&[("token", "secret"), ("logLevel", level)]);
        let stack = Stack::start(program, &function(), Knobs::default()).await;
        assert_eq!(get(stack.addresses().http, "/").await.status, 500);
        let failure = stack.function.warm(1).await.expect_err("it does not start");
        let all = format!("{failure:?} {}", stack.log().join("\n"));
        assert!(all.contains(said), "{all}");
    }
}

#[tokio::test]
async fn an_invocation_takes_the_time_that_a_test_gives_it() {
    let stack = stack(|knobs| knobs.latency.invoke = Duration::from_millis(200)).await;
    let started = Instant::now();
    get(stack.addresses().http, "/").await;
    assert!(started.elapsed() >= Duration::from_millis(200));
    let _link = linked(&stack).await;
    seen(&stack, "CONNECT", 1).await;
}
