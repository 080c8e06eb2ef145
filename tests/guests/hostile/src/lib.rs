//! Misbehaves in the way that the user name says; defers for names that it does not know.

use std::cell::RefCell;
use std::hint::black_box;

use tidegate_hook::{AccountDraft, AuthVerdict, ExternalAuth, Failure, LoginAttempt, config, http, kv, log};

struct Hostile;

thread_local! {
    static SEEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

impl ExternalAuth for Hostile {
    fn authenticate(attempt: &LoginAttempt) -> Result<AuthVerdict, Failure> {
        let username = attempt.username();
        match username.as_str() {
            "loop" => loop {
                black_box(());
            },
            "memory" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(black_box(vec![1_u8; 1 << 20]));
                }
            }
            "trap" => panic!("this is a trap"),
            "recursion" => Ok(deny(&recurse(1).to_string())),
            "giant" => Ok(deny(&"x".repeat(6 << 20))),
            "log-flood" => {
                for number in 0..100_000 {
                    log::log(log::Level::Info, &format!("line {number}"), &[]);
                }
                Ok(deny("flooded"))
            }
            "kv-flood" => {
                let value = vec![0; 60_000];
                let refused = (0..2000).find_map(|number| kv::set(&number.to_string(), &value, None).err());
                Ok(deny(&format!("the store said {refused:?}")))
            }
            "failure" => Err(Failure { message: "I could not decide".to_owned(), transient: true }),
            "password" => Ok(deny(&format!("{:?}", attempt.password()))),
            "drafts" => {
                let drafts: Vec<_> = (0..100_000).map(|_| AccountDraft::new("x")).collect();
                Ok(deny(&drafts.len().to_string()))
            }
            "memory-of-others" => {
                let seen = SEEN.with_borrow_mut(|seen| {
                    seen.push(username.clone());
                    seen.len()
                });
                Ok(deny(&format!("seen {seen}")))
            }
            "count" => {
                Ok(deny(&format!("count {:?} of {:?}", kv::increment("count", 1, None), config::get("limit.top"))))
            }
            name if name.starts_with("fetch-") => {
                let url = config::get(name).unwrap_or_default();
                let answer = http::Request::get(url).send(1000).map(|response| (response.status, response.body.len()));
                Ok(deny(&format!("{answer:?}")))
            }
            // What a document may hold: config has it under the name, with the name for {user}.
            name if name.starts_with("json-") => {
                let document = config::get(name).unwrap_or_default().replace("{user}", name);
                match AccountDraft::from_json(&document) {
                    Ok(draft) => Ok(AuthVerdict::Accept(Some(draft))),
                    Err(problem) => Ok(deny(&format!("from-json said {problem}"))),
                }
            }
            name if name.starts_with("owner-") => {
                let draft = draft(name);
                let mut ids = name.split('-').skip(1).map(|id| id.parse().unwrap());
                draft.set_owner(ids.next().unwrap(), ids.next().unwrap());
                Ok(AuthVerdict::Accept(Some(draft)))
            }
            "mount" => {
                let draft = draft(&username);
                match draft.mount_folder("/team", "team") {
                    Ok(()) => Ok(AuthVerdict::Accept(Some(draft))),
                    Err(problem) => Ok(deny(&format!("mount-folder said {problem}"))),
                }
            }
            "oracle" => Ok(deny(&oracle(attempt))),
            "dear" => Ok(deny(&format!("{:?}", attempt.password_matches(DEAR)))),
            "hoard" => {
                let document = format!(r#"{{"username":"hoard","description":"{}"}}"#, "x".repeat(200 << 10));
                let drafts: Vec<_> = (0..100).map(|_| AccountDraft::from_json(&document)).collect();
                Ok(deny(&drafts.len().to_string()))
            }
            "spy" => {
                let stored = attempt.stored_account().unwrap();
                let document = AccountDraft::of(&stored).to_json();
                // Reasons are cut; what matters is in the filters.
                let from = document.find("\"filters\"").unwrap_or(0);
                Ok(deny(&document[from..]))
            }
            "cache" => {
                let draft = draft(&username);
                draft.set_cache_seconds(u32::MAX);
                Ok(deny(&draft.to_json()))
            }
            "invalid" => Ok(AuthVerdict::Accept(Some(AccountDraft::new("invalid")))),
            "nobody-stored" => Ok(AuthVerdict::Accept(None)),
            _ => Ok(AuthVerdict::Defer),
        }
    }
}

#[allow(unconditional_recursion, reason = "that is the point")]
fn recurse(depth: u64) -> u64 {
    let padding = black_box([depth; 64]);
    recurse(depth + 1) + padding[0]
}

/// bcrypt at cost 18.
const DEAR: &str = "$2b$18$ajq8Q7fbtFRQvXpdCq7Jcuy.Rx1h/L4J60Otx.gyNLbAYctGMJ9tK";
const SALTED: &str = "$1$saltsalt$qjXMvbEw8oaL.CzflDtaK/";

/// Asks about the password until the server answers no more.
fn oracle(attempt: &LoginAttempt) -> String {
    let unsalted = attempt.password_matches("{SHA256}0000000000000000000000000000000000000000000000000000000000000000");
    let answers: Vec<_> = (0..20).map(|_| attempt.password_matches(SALTED)).collect();
    let given = answers.iter().filter(|answer| answer.is_ok()).count();
    format!("{unsalted:?}, {given} answers, then {:?}", answers.last())
}

/// In the home that the configuration names.
fn draft(username: &str) -> AccountDraft {
    let draft = AccountDraft::new(username);
    draft.set_home_directory(&config::get("home").unwrap()).unwrap();
    draft.set_permissions("/", &["*".to_owned()]).unwrap();
    draft
}

fn deny(reason: &str) -> AuthVerdict {
    AuthVerdict::reject(reason)
}

tidegate_hook::export!(Hostile: ExternalAuth);
