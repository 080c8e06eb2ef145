//! What `tidegate storage check` says of a store that can be used, and of others.

use tidegate_core::admin::{StepOutcome, check_storage};

use super::*;

/// The outcomes of the steps, in letters.
async fn outcomes(storage: &dyn Storage) -> (String, Vec<String>) {
    let mut problems = Vec::new();
    let mut line = Vec::new();
    for checked in check_storage(storage).await {
        let outcome = match checked.outcome {
            StepOutcome::Done => "done",
            StepOutcome::Skipped => "skipped",
            StepOutcome::Failed(problem) => {
                problems.push(problem);
                "failed"
            }
        };
        line.push(format!("{} {outcome}", checked.step.as_str()));
    }
    (line.join(", "), problems)
}

#[tokio::test]
async fn each_step_says_what_the_store_refused() {
    let (store, storage) = started().await;
    assert_eq!(
        outcomes(&storage).await,
        ("list done, put done, get done, rename done, delete done".to_owned(), vec![])
    );
    assert!(store.keys().is_empty());
    for (failing, expected) in [
        ("list", "list failed, put done, get done, rename done, delete done"),
        ("put", "list done, put failed, get skipped, rename skipped, delete skipped"),
        ("get", "list done, put done, get failed, rename done, delete done"),
        ("copy", "list done, put done, get done, rename failed, delete done"),
        ("delete", "list done, put done, get done, rename failed, delete failed"),
    ] {
        store.content.lock().unwrap().failing = Some((failing, 403));
        let (line, problems) = outcomes(&storage).await;
        assert_eq!(line, expected);
        // What the store itself says is for administrators.
        assert_eq!(problems.len(), line.matches("failed").count());
        assert!(problems.iter().all(|problem| problem.contains("does not permit")), "{problems:?}");
        assert!(problems[0].contains("Failing"), "{problems:?}");
        store.content.lock().unwrap().failing = None;
    }
    let away = S3Location { endpoint: "http://127.0.0.1:1".into(), ..location(&store) };
    let away = open(away, quick()).unwrap();
    assert_eq!(outcomes(&away).await.0, "list failed, put failed, get skipped, rename skipped, delete skipped");
}
