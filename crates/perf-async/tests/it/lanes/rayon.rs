use super::manager;
use perf_async::{Manager, Operation, OperationError};
use std::thread;

#[tokio::test]
async fn data_parallel_work_has_threads_of_its_own() {
    let manager = Manager::builder().rayon_threads(3).build().unwrap();
    let work = Operation::cpu("names", |context| {
        let name = || thread::current().name().unwrap().to_owned();
        context.install(|| (rayon::current_num_threads(), rayon::join(name, name)))
    });
    let (threads, (one, other)) = manager.run(work).await.unwrap();
    assert_eq!(threads, 3);
    assert!(one.starts_with("perf-rayon-") && other.starts_with("perf-rayon-"), "{one} {other}");
}

#[tokio::test]
async fn a_panic_inside_is_the_operations() {
    let manager = manager();
    let work = Operation::cpu("panics", |context| context.install(|| panic!("as planned")));
    let error = manager.run::<(), _>(work).await.unwrap_err();
    assert!(matches!(error, OperationError::Panicked(text) if &*text == "as planned"));
}
