//! Administrators of another server whose place this one takes.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::admin_document::{
    ADMIN_OBJECT, Administrator, check_hash, merged, name_of, networks_of, not_valid, password_of, permissions_of,
    texts,
};
use super::{Actor, AdminError, Administrators, UseCase};
use crate::account::{LoadOutcome, added, changed_of, check_new_name, invalid};
use crate::password::PasswordText;
use crate::ports::{ADMINS, AuditRecord, Change, ROLES, StoredDocument, Version, Write};

/// An administrator of a load.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedAdministrator {
    /// The name that it logs in with; `admins.INDEX`, from 0, for a document without one.
    pub username: String,
    /// What became of it, or would become of it. One that is here already stays as it is.
    pub outcome: LoadOutcome,
}

/// The name and the document to store. The document is as administrators give it, but has a hash for a password, and may
/// have the secret of one-time codes, `filters.totp_config.secret`, and `created_at`.
///
/// # Errors
/// The document is not valid.
pub fn moved_administrator(given: &Map<String, Value>) -> Result<(String, Map<String, Value>), AdminError> {
    let mut document = merged(ADMIN_OBJECT, ADMINS.noun, Map::new(), given)?;
    let name = name_of(&document).map_err(not_valid)?;
    check_new_name("username", &name).map_err(not_valid)?;
    permissions_of(&texts(&document, "permissions")).map_err(not_valid)?;
    let PasswordText::Hash(_) = password_of(&document).map_err(not_valid)? else {
        return Err(not_valid(invalid("password", "must be a hash")));
    };
    if !matches!(document.get("status").and_then(Value::as_i64), Some(0 | 1)) {
        return Err(not_valid(invalid("status", "must be 0 or 1")));
    }
    let networks = document.get("filters").and_then(Value::as_object).map(|filters| texts(filters, "allow_list"));
    networks_of("filters.allow_list", &networks.unwrap_or_default()).map_err(not_valid)?;
    let secret = given.get("filters").and_then(|filters| filters.get("totp_config")?.get("secret")?.as_str());
    let filters = document.entry("filters").or_insert_with(|| json!({}));
    if let (Value::Object(filters), Some(secret)) = (filters, secret) {
        filters.insert("totp_config".to_owned(), json!({ "secret": secret }));
    }
    document.extend(given.get("created_at").map(|at| ("created_at".to_owned(), at.clone())));
    // What logins will read.
    let stored = StoredDocument { name: name.clone(), version: Version::default(), document, problem: None };
    Administrator::of_stored(&stored).map_err(not_valid)?;
    Ok((name, stored.document))
}

impl Administrators {
    /// Adds the administrators of another server, those that are not here yet; each that is not valid is reported, and is in
    /// the way of no other. Their one-time codes come with them. `roles`: roles that are about to be added.
    ///
    /// # Errors
    /// The use case is not for the actor, or the store fails.
    pub async fn move_in(
        &self,
        actor: &Actor,
        documents: &[Map<String, Value>],
        roles: &HashSet<String>,
        is_trial: bool,
    ) -> Result<Vec<MovedAdministrator>, AdminError> {
        let case = UseCase::AddAdmin;
        self.audit.allow(actor, case, "").await?;
        let (mut moved, mut changes, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for (index, given) in documents.iter().enumerate() {
            let named = given.get("username").and_then(Value::as_str).filter(|name| !name.is_empty());
            let username = named.map_or_else(|| format!("admins.{index}"), str::to_owned);
            let checked = moved_administrator(given).and_then(|(name, document)| {
                check_hash(&*self.passwords, &document, None)?;
                Ok((name, document))
            });
            let outcome = match checked {
                Ok((name, _)) if !seen.insert(name.clone()) => failed("it is in the document twice"),
                Ok((name, document)) => self.planned(actor, &name, document, roles, &mut changes).await?,
                Err(error) => failed(&error.to_string()),
            };
            moved.push(MovedAdministrator { username, outcome });
        }
        if !is_trial && !changes.is_empty() {
            self.directory.commit(changes).await?;
            super::first_administrator::end_codes(&*self.directory).await;
        }
        Ok(moved)
    }

    async fn planned(
        &self,
        actor: &Actor,
        name: &str,
        mut document: Map<String, Value>,
        roles: &HashSet<String>,
        changes: &mut Vec<Change>,
    ) -> Result<LoadOutcome, AdminError> {
        let case = UseCase::AddAdmin;
        self.check_grants(actor, case, name, &document).await?;
        if let Some(stored) = self.directory.find(&ADMINS, name).await? {
            let fields = changed_of(ADMIN_OBJECT, &stored.document, &document);
            let fields: Vec<_> = fields.into_iter().map(str::to_owned).collect();
            return Ok(if fields.is_empty() { LoadOutcome::Unchanged } else { LoadOutcome::Updated(fields) });
        }
        let role = document.get("role").and_then(Value::as_str).unwrap_or_default();
        if !role.is_empty() {
            match self.directory.find(&ROLES, role).await? {
                Some(stored) => {
                    let write = Write::Require { expected: stored.version };
                    changes.push(Change { collection: &ROLES, name: stored.name, write, announce: false, audit: None });
                }
                None if roles.contains(role) => {}
                None => return Ok(failed(&format!("there is no role named \"{role}\""))),
            }
        }
        document.entry("created_at").or_insert_with(|| json!(self.clock.now()));
        let record = actor.author.did(case.action(), ADMINS.kind, name, self.clock.now());
        let detail = format!("moved in; {}", added(ADMIN_OBJECT, &document));
        let audit = Some(AuditRecord { detail, ..record });
        let write = Write::Add(document);
        changes.push(Change { collection: &ADMINS, name: name.to_owned(), write, announce: false, audit });
        Ok(LoadOutcome::Added)
    }
}

fn failed(problem: &str) -> LoadOutcome {
    LoadOutcome::Failed(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admin(more: Value) -> Map<String, Value> {
        let mut admin = json!({
            "username": "root", "password": "$2a$10$x", "status": 1, "permissions": ["*"],
            "filters": {"allow_list": ["10.0.0.0/8"], "totp_config": {"secret": "GEZDGNBVGY3TQOJQ"}}, "created_at": 7,
        });
        admin.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
        admin.as_object().cloned().unwrap()
    }

    #[test]
    fn an_administrator_moves_with_what_protects_it() {
        // A18-17
        let check = |more: Value, expected: Result<Value, &str>| match (moved_administrator(&admin(more)), expected) {
            (Ok((name, document)), Ok(filters)) => {
                assert_eq!((name.as_str(), document.get("created_at")), ("root", Some(&json!(7))));
                assert_eq!(document.get("filters"), Some(&filters));
            }
            (Err(error), Err(field)) => assert_eq!(error.field(), Some(field), "{error}"),
            (found, expected) => panic!("{found:?} {expected:?}"),
        };
        let codes = json!({"secret": "GEZDGNBVGY3TQOJQ"});
        check(json!({}), Ok(json!({"allow_list": ["10.0.0.0/8"], "totp_config": codes})));
        check(json!({"filters": {"require_two_factor": true}}), Ok(json!({"require_two_factor": true})));
        check(json!({"password": "clear"}), Err("password"));
        check(json!({"password": ""}), Err("password"));
        check(json!({"permissions": []}), Err("permissions"));
        check(json!({"permissions": ["fly"]}), Err("permissions"));
        check(json!({"status": 2}), Err("status"));
        check(json!({"username": "a:b"}), Err("username"));
        check(json!({"filters": {"allow_list": ["here"]}}), Err("filters.allow_list"));
        check(json!({"super": true}), Err("super"));
    }
}
