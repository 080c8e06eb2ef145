//! Lists that are longer than a page: by the beginning of names, and to their end.

use serde_json::json;
use tidegate_core::account::ObjectKind;
use tidegate_core::admin::Actor;
use tidegate_core::ports::{AuditQuery, AuditStore, Door};

use super::browser::unescaped;
use super::{House, map};

/// More than a page has.
const COUNT: usize = 105;

/// The pages of a list, from the first one on.
async fn pages_of(house: &House, path: &str, cookie: &str) -> Vec<String> {
    let (mut path, mut pages) = (path.to_owned(), Vec::new());
    loop {
        let page = house.get(&path, cookie).await.text;
        let next = page.split("rel=\"next\" href=\"").nth(1).map(|rest| unescaped(rest.split('"').next().unwrap()));
        pages.push(page);
        assert!(pages.len() < 10, "the list has no end: {path}");
        let Some(next) = next else { return pages };
        path = next;
    }
}

/// The names of this test on a page.
fn names(page: &str) -> Vec<String> {
    let names = page.split(">n").skip(1).filter_map(|rest| rest.split_once("</a>")).map(|(name, _)| format!("n{name}"));
    names.filter(|name| name.len() == 4).collect()
}

fn name(number: usize) -> String {
    format!("n{number:03}")
}

#[tokio::test]
async fn objects_are_found_by_their_names_and_by_pages() {
    let house = House::new().await;
    let (root, owner) = (house.log_in("root").await, Actor::local("owner", Door::Socket));
    for kind in ObjectKind::ALL {
        for number in 0..COUNT {
            let document = map(json!({"name": name(number), "mapped_path": format!("/srv/n{number}")}));
            house.web.administration.objects.add(&owner, kind, &document).await.unwrap();
        }
    }
    for number in 0..COUNT {
        house.admin(&name(number), json!({})).await;
    }
    for path in ["/web/groups", "/web/folders", "/web/roles", "/web/admins"] {
        let pages = pages_of(&house, path, &root).await;
        let found: Vec<_> = pages.iter().map(|page| names(page)).collect();
        assert_eq!(found.len(), 2, "{path}");
        assert_eq!(found.concat(), (0..COUNT).map(name).collect::<Vec<_>>(), "{path}");
        let found = pages_of(&house, &format!("{path}?search=n00"), &root).await;
        assert_eq!(names(&found.concat()), (0..10).map(name).collect::<Vec<_>>(), "{path}");
        // The next page of a search is of the same search.
        let found = pages_of(&house, &format!("{path}?search=n"), &root).await;
        assert_eq!((found.len(), found[1].contains("value=\"n\"")), (2, true), "{path}");
    }
}

#[tokio::test]
async fn keys_and_audit_records_come_by_pages() {
    let house = House::new().await;
    let (root, owner) = (house.log_in("root").await, Actor::local("owner", Door::Socket));
    for number in 0..COUNT {
        let document = map(json!({"name": name(number)}));
        house.web.administration.api_keys.add(&owner, &document).await.unwrap();
    }
    let pages = pages_of(&house, "/web/keys", &root).await;
    let mut ids: Vec<_> = pages.iter().flat_map(|page| page.split("id=\"delete-").skip(1)).collect();
    ids.iter_mut().for_each(|rest| *rest = rest.split('"').next().unwrap());
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((pages.len(), ids.len()), (2, COUNT));
    // Each key has left a record.
    let all = house.store.audit(AuditQuery { limit: 10_000, ..AuditQuery::default() }).await.unwrap().len();
    assert!(all > COUNT, "{all}");
    for (path, expected) in [("/web/audit", all), ("/web/audit?author=owner&kind=api_key", COUNT)] {
        let pages = pages_of(&house, path, &root).await;
        let rows = |page: &String| page.split("id=\"audit\"").nth(1).unwrap().matches("<tr>").count() - 1;
        let rows: Vec<_> = pages.iter().map(rows).collect();
        assert_eq!((rows[0], rows.iter().sum::<usize>()), (100, expected), "{path}");
    }
}
