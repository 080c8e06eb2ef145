//! As many accounts as a large provider has.

use std::time::Instant;

use serde_json::json;
use tidegate_core::ports::{PageRequest, USERS, Write};

use super::{Adapter, change, document, find};

const ACCOUNTS: usize = 100_000;
const BATCH: usize = 5_000;

pub async fn a_hundred_thousand_accounts_are_read_by_page(adapter: Adapter) {
    let store = adapter.open();
    let names: Vec<String> = (0..ACCOUNTS).map(|number| format!("user{number:06}")).collect();
    for batch in names.chunks(BATCH) {
        let changes = batch.iter().map(|name| {
            let mut document = document("/srv/home");
            if name.ends_with("7777") {
                document.insert("role".into(), json!("rare"));
            }
            change(name, Write::Add(document))
        });
        store.commit(changes.collect()).await.unwrap();
    }
    let (mut after, mut read, began) = (None, 0, Instant::now());
    loop {
        let request = PageRequest { after, prefix: None, limit: 1000 };
        let page = store.list(&USERS, request).await.unwrap();
        let Some(last) = page.last() else { break };
        let expected = &names[read..read + page.len()];
        assert!(page.iter().map(|stored| &stored.name).eq(expected), "after {read}");
        read += page.len();
        after = Some(last.name.clone());
    }
    assert_eq!(read, ACCOUNTS);
    // Ten accounts of a role are found without reading all accounts.
    let of_all = began.elapsed();
    let mut of_role = of_all;
    for _ in 0..3 {
        let began = Instant::now();
        assert_eq!(super::filters::of_role(&*store, "rare").await.len(), 10);
        of_role = of_role.min(began.elapsed());
    }
    assert!(of_role * 4 < of_all, "{of_role:?} of {of_all:?}");
    let request = PageRequest { prefix: Some("user0777".into()), limit: 1000, after: None };
    assert_eq!(store.list(&USERS, request).await.unwrap().len(), 100);
    assert_eq!(find(&*store, "user077777").await.name, "user077777");
    assert_eq!(store.texts(&USERS, "home_dir").await.unwrap().len(), ACCOUNTS);
}
