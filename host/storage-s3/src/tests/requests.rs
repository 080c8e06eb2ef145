//! Requests are counted by what they are for.

use tidegate_core::metrics::ObjectRequest;

use super::*;

#[tokio::test]
async fn requests_are_counted_by_what_they_are_for_and_whether_they_failed() {
    // A20-06
    let store = Store::start().await;
    let metrics = Arc::new(Metrics::default());
    let place = Location::S3(Box::new(location(&store)));
    let storage = open_counted(place, S3Settings { retries: 0, ..quick() }, metrics.clone()).unwrap();
    let counted = || {
        let counts = ObjectRequest::ALL.into_iter().zip(metrics.counts().object_requests);
        let line = counts.filter(|(_, requests)| requests.all > 0);
        let line = line.map(|(kind, requests)| format!("{} {}/{}", kind.as_str(), requests.failed, requests.all));
        line.collect::<Vec<_>>().join(", ")
    };
    put(&storage, "/f", b"x").await;
    // That there is no such object is an answer.
    assert_eq!(counted(), "head 0/1, put 0/1");
    assert_eq!(content(&storage, "/f").await.unwrap(), b"x");
    assert_eq!(names(&storage, "/").await, ["f"]);
    storage.rename(&path("/f"), &path("/g"), false).await.unwrap();
    store.content.lock().unwrap().failing = Some(("delete", 403));
    assert!(storage.remove_file(&path("/g")).await.is_err());
    let line = counted();
    for expected in ["get 0/1", "put 0/1", "copy 0/1", "delete 1/2"] {
        assert!(line.split(", ").any(|part| part == expected), "{expected}: {line}");
    }
    assert!(line.contains("list 0/") && line.contains("head 0/"), "{line}");
}
