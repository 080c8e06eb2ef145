//! Errors of PostgreSQL as those of stores, each with a sentence: which host, what, and what to do.

use std::error::Error as _;

use tidegate_core::ports::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::sql::remote::{Trouble, away, unreachable};

/// What an error in a statement means.
pub fn of_statement(error: &Error, host: &str) -> Trouble {
    let Some(code) = error.code() else {
        let is_answer = !error.is_closed() && error.source().is_some_and(|cause| !cause.is::<std::io::Error>());
        if is_answer {
            let error = StoreError::Failed(format!("the database at {host} failed: {}", text(error)));
            return Trouble::from(error).without_answer();
        }
        return Trouble::lost(away(host, &text(error))).without_answer();
    };
    let said = text(error);
    match code {
        // A pooler or a server that goes down gives this error for a COMMIT that it has executed, too.
        _ if is_going_down(code) => Trouble::lost(away(host, &said)).without_answer(),
        // A former primary still answers, but refuses writes.
        &SqlState::READ_ONLY_SQL_TRANSACTION => Trouble::lost(StoreError::ReadOnly(format!(
            "the database at {host} cannot be written: {said}; it is a standby, or its default_transaction_read_only is on: name the primary in data_provider.host"
        ))),
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED => Trouble::passing(StoreError::Busy(
            format!("the database at {host} is in use by other programs: {said}; try again"),
        )),
        &SqlState::LOCK_NOT_AVAILABLE | &SqlState::QUERY_CANCELED => StoreError::Busy(format!(
            "the database at {host} is in use by other programs and did not become free in time: {said}; see pg_stat_activity"
        ))
        .into(),
        &SqlState::DISK_FULL => {
            StoreError::Full(format!("there is no space left for the database at {host}: {said}; free some")).into()
        }
        &SqlState::PROGRAM_LIMIT_EXCEEDED => {
            StoreError::Refused(format!("this is too long for the database at {host}: {said}")).into()
        }
        &SqlState::INSUFFICIENT_PRIVILEGE => StoreError::Failed(format!(
            "the database at {host} failed: {said}; let the role own the tables, or grant it all rights on them, or SELECT if data_provider.manage_users is 0"
        ))
        .into(),
        _ => StoreError::Failed(format!("the database at {host} failed: {said}")).into(),
    }
}

/// What an error in a connection attempt means.
pub fn of_connecting(error: &Error, host: &str) -> StoreError {
    let said = text(error);
    let advice = match error.code() {
        Some(&SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION) => {
            "check data_provider.username and password, and the server's pg_hba.conf"
        }
        Some(&SqlState::INVALID_CATALOG_NAME) => "make that database, or correct data_provider.name",
        Some(&SqlState::TOO_MANY_CONNECTIONS) => "lower data_provider.pool_size, or raise the server's max_connections",
        Some(_) => "see the server's log",
        None if said.contains("certificate") => "check data_provider.root_cert and host, or the certificate",
        None if said.contains("TLS") => "check data_provider.sslmode, and whether the server has TLS",
        None if said.contains("does not allow writes") => "name the primary in data_provider.host",
        None => "start it, or correct data_provider.host and port",
    };
    unreachable(host, &said, advice)
}

fn is_going_down(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW].contains(code)
        || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
}

/// The error without values of rows, which the server's details may have.
fn text(error: &Error) -> String {
    if let Some(answer) = error.as_db_error() {
        return format!("{} ({})", answer.message(), answer.code().code());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
