use super::*;
use std::sync::Arc;

#[tokio::test]
async fn a_reader_that_waits_is_woken_and_takes_in_order() {
    let mailbox = Arc::new(Mailbox::default());
    let reader = tokio::spawn({
        let mailbox = mailbox.clone();
        async move { [mailbox.take().await, mailbox.take().await, mailbox.take().await] }
    });
    tokio::task::yield_now().await;
    mailbox.put(1);
    mailbox.put(2);
    tokio::task::yield_now().await;
    mailbox.put(3);
    assert_eq!(reader.await.expect("the reader ends"), [1, 2, 3]);
}
