//! Dumps that are loaded and made at the same time.

use super::*;

#[tokio::test(start_paused = true)]
async fn large_dumps_at_once_are_bounded() {
    // A18-10, A18-11
    let api = RestApi { authentication: Arc::new(ByName), ..api(RestSettings::default()) };
    let room = api.administration.backups.room.clone();
    let house = House::of(api);
    let dump = json!({"users": [account("alice")]}).to_string();
    let loads = async || {
        let key = [("x-sftpgo-api-key", "all")];
        [
            house.send("POST", "/api/v2/loaddata", &key, dump.clone()).await,
            house.send("GET", "/api/v2/loaddata?input-file=a.json", &key, Body::empty()).await,
            house.send("GET", "/api/v1/loaddata?input_file=a.json", &key, Body::empty()).await,
        ]
    };
    let dumps = async || {
        [
            house.ask("GET", "/api/v2/dumpdata?output-file=a.json", Value::Null).await,
            house.ask("GET", "/api/v2/dumpdata?output-data=1", Value::Null).await,
            house.ask("GET", "/api/v1/dumpdata?output_file=a.json", Value::Null).await,
        ]
    };
    let is_done =
        |answers: [Answer; 3]| answers.into_iter().for_each(|answer| assert_eq!(answer.status, 200, "{answer:?}"));
    is_done(dumps().await);
    is_done(loads().await);
    let loaded = room.to_load(u64::MAX).await.unwrap();
    loads().await.iter().for_each(|answer| answer.refused(503, "other large documents are being loaded"));
    is_done(dumps().await);
    drop(loaded);
    // A short text may have many values.
    let parsed = room.to_parse("{".repeat(4 << 20).as_bytes()).await.unwrap();
    loads().await.iter().for_each(|answer| answer.refused(503, "other large documents are being loaded"));
    drop(parsed);
    is_done(loads().await);
    let mut made = Vec::new();
    while let Ok(place) = room.to_make().await {
        made.push(place);
    }
    dumps().await.iter().for_each(|answer| answer.refused(503, "other large documents are being made"));
    is_done(loads().await);
    drop(made);
    is_done(dumps().await);
    // What is left out gives its room back.
    let partial = room.to_load(u64::MAX).await.unwrap();
    drop(partial);
    house.send("POST", "/api/v2/loaddata", &[("x-sftpgo-api-key", "all")], "no JSON").await.refused(400, "body");
    drop(room.to_load(u64::MAX).await.unwrap());
}
