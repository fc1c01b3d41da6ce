use super::*;
use proptest::prelude::*;

fn drain(assembly: &mut Assembly<u32>) -> Vec<u32> {
    std::iter::from_fn(|| assembly.pop()).collect()
}

#[test]
fn a_body_of_exactly_one_part_is_one_part() {
    let parts: Vec<_> = split(Bytes::from_static(b"abcd"), 4).collect();
    assert_eq!(parts, ["abcd"]);
}

#[test]
fn an_empty_body_has_no_part() {
    assert_eq!(split(Bytes::new(), 4).count(), 0);
}

#[test]
fn parts_that_arrive_in_any_order_and_twice_come_out_once_and_in_order() {
    let mut assembly = Assembly::new(1, 100);
    for n in [3, 2, 3, 1, 2, 4] {
        assembly.push(n, n == 4, 1, n).expect("all within the bound");
    }
    assert_eq!(drain(&mut assembly), [1, 2, 3, 4]);
    assert!(assembly.is_complete());
    assert_eq!(assembly.push(2, false, 1, 2), Ok(()), "a late double is ignored");
}

#[test]
fn a_body_without_its_end_is_not_complete() {
    let mut assembly = Assembly::new(0, 100);
    assembly.push(0, false, 1, 0).expect("the first");
    assembly.push(2, true, 1, 2).expect("the end, before the middle");
    assert_eq!(drain(&mut assembly), [0]);
    assert!(!assembly.is_complete());
}

#[test]
fn what_waits_for_a_missing_part_is_bounded() {
    let mut assembly = Assembly::new(0, 10);
    assert_eq!(assembly.push(1, false, 10, 1), Ok(()));
    assert_eq!(assembly.push(2, false, 1, 2), Err(Refused::TooMuchAhead));
    assert_eq!(assembly.push(0, false, 1000, 0), Ok(()), "the missing one is always taken");
}

#[test]
fn nothing_may_follow_the_end() {
    let mut assembly = Assembly::new(0, 10);
    assembly.push(1, true, 1, 1).expect("the end");
    assert_eq!(assembly.push(2, false, 1, 2), Err(Refused::BehindEnd));
    assert_eq!(assembly.push(0, true, 1, 0), Err(Refused::BehindEnd));
    let mut other = Assembly::new(0, 10);
    other.push(3, false, 1, 3).expect("ahead");
    assert_eq!(other.push(2, true, 1, 2), Err(Refused::BehindEnd));
}

#[test]
fn credit_is_spent_once_and_refilled_by_grants() {
    let mut credit = Credit::new(Some(10));
    assert_eq!((credit.spend(7), credit.spend(7), credit.spend(3), credit.spend(1)), (true, false, true, false));
    credit.add(5);
    assert!(credit.spend(5));
    assert!(Credit::new(None).spend(usize::MAX));
}

#[test]
fn a_window_notices_a_sender_that_takes_more_than_it_was_granted() {
    let mut window = Window::new(10);
    assert_eq!(window.receive(10), Ok(()));
    assert_eq!(window.receive(1), Err(Overrun));
}

#[test]
fn a_reader_that_keeps_up_is_given_a_larger_window_up_to_the_limit() {
    let mut window = Window::new(limits::WINDOW);
    let mut granted = u64::from(limits::WINDOW);
    for _ in 0..10_000 {
        let arrived = limits::BINARY_PART.min(window.unspent as usize);
        window.receive(arrived).expect("within the window");
        granted += u64::from(window.consume(arrived, true).unwrap_or(0));
    }
    assert_eq!(window.size, limits::WINDOW_MAX);
    assert!(granted > 10_000 * limits::BINARY_PART as u64);
}

proptest! {
    #[test]
    fn split_and_assembly_are_inverse(body in proptest::collection::vec(any::<u8>(), 0..2000), most in 1_usize..300, seed in any::<u64>()) {
        let parts: Vec<_> = split(Bytes::from(body.clone()), most).collect();
        prop_assert!(parts.iter().all(|part| !part.is_empty() && part.len() <= most));
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|&i| (i as u64 + 1).wrapping_mul(seed | 1));
        let mut assembly = Assembly::new(0, usize::MAX);
        for i in order {
            assembly.push(i as u32, i + 1 == parts.len(), parts[i].len(), parts[i].clone()).expect("unbounded");
        }
        let joined: Vec<u8> = std::iter::from_fn(|| assembly.pop()).flatten().collect();
        prop_assert_eq!(joined, body);
    }

    #[test]
    fn a_sender_with_credit_never_overruns_the_window(steps in proptest::collection::vec((1_usize..70_000, any::<bool>()), 1..200)) {
        let mut credit = Credit::new(Some(limits::WINDOW));
        let mut window = Window::new(limits::WINDOW);
        let mut unread = 0;
        for (wanted, reads) in steps {
            let sent = if credit.spend(wanted) { wanted } else { 0 };
            prop_assert_eq!(window.receive(sent), Ok(()));
            unread += sent;
            if reads
                && let Some(grant) = window.consume(std::mem::take(&mut unread), true) {
                    credit.add(grant);
                }
        }
        prop_assert!(unread <= limits::WINDOW_MAX as usize);
    }
}
