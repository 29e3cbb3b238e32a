use crate::{assert_idle, manager, ms, settle};
use perf_async::{Operation, OperationError, Progress};
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_handle_sees_how_far_the_operation_has_come() {
    let manager = manager(1);
    let copy = Operation::retryable("copy", |attempt| async move {
        for done in 1..=3 {
            attempt.progress(done, 3);
            sleep(ms(10)).await;
        }
        Ok::<_, OperationError>(())
    });
    let handle = manager.submit(copy).unwrap();
    assert_eq!(handle.progress(), Progress::default());
    for done in 1..=3 {
        settle().await;
        assert_eq!(handle.progress(), Progress { done, total: 3 });
        sleep(ms(10)).await;
    }
    handle.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_told_its_number_and_the_time_left() {
    let manager = manager(1);
    let told = || {
        Operation::retryable("told", |attempt| async move {
            let before = attempt.time_left();
            sleep(ms(10)).await;
            assert!(attempt.last_error().is_none());
            Ok::<_, OperationError>((attempt.number(), before, attempt.time_left()))
        })
    };
    assert_eq!(manager.run(told()).await.unwrap(), (1, Duration::MAX, Duration::MAX));
    let limited = manager.run(told().total_timeout(ms(50))).await;
    assert_eq!(limited.unwrap(), (1, ms(50), ms(40)));
    // The time in the queue is gone already.
    let blocking = manager.submit(Operation::infallible("slow", crate::nap(ms(20)))).unwrap();
    let limited = manager.submit(told().total_timeout(ms(50))).unwrap();
    assert_eq!(limited.await.unwrap(), (1, ms(30), ms(20)));
    blocking.await.unwrap();
    assert_idle(&manager);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_panics_before_it_makes_the_attempt_is_contained() {
    let manager = manager(1);
    let broken = || {
        Operation::retryable("broken", |attempt| {
            assert!(attempt.number() > 1, "no first attempt");
            async { Ok::<_, OperationError>(()) }
        })
    };
    let result = manager.run(broken()).await;
    assert!(matches!(result, Err(OperationError::Panicked(m)) if &*m == "no first attempt"));
    let result = manager.submit(broken()).unwrap().await;
    assert!(matches!(result, Err(OperationError::Panicked(m)) if &*m == "no first attempt"));
    assert_idle(&manager);
}
