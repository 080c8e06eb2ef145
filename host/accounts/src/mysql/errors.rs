//! Errors of MySQL and MariaDB as those of stores, each with a sentence: which host, what, and what to do.

use mysql_async::{DriverError, Error, IoError, ServerError};
use tidegate_core::ports::StoreError;

use crate::sql::remote::{Fate, Trouble, away, unreachable};

/// A row of that key exists.
const DUPLICATE: u16 = 1062;

/// What an error in a statement means.
pub fn of_statement(error: &Error, host: &str) -> Trouble {
    let said = text(error);
    if said.contains("max_allowed_packet") {
        let text = format!(
            "this is too long for the database at {host}: {said}; raise the server's max_allowed_packet, or change less at once"
        );
        // The server, or the client, leaves the connection in the middle of the packet.
        let trouble = Trouble { fate: Fate::Broken, ..Trouble::from(StoreError::Refused(text)) };
        // The packet that was too long may have been an answer, which then says nothing of what was done.
        return if matches!(error, Error::Server(_)) { trouble } else { trouble.without_answer() };
    }
    match error {
        Error::Server(answer) => of_answer(answer, &said, host),
        Error::Io(_) | Error::Driver(DriverError::ConnectionClosed | DriverError::PacketOutOfOrder) => {
            Trouble::lost(away(host, &said)).without_answer()
        }
        Error::Driver(_) | Error::Other(_) | Error::Url(_) => {
            Trouble { fate: Fate::Broken, ..failed(&said, host) }.without_answer()
        }
    }
}

fn failed(said: &str, host: &str) -> Trouble {
    StoreError::Failed(format!("the database at {host} failed: {said}")).into()
}

fn of_answer(answer: &ServerError, said: &str, host: &str) -> Trouble {
    match answer.code {
        // Shutdown, a connection that was killed or was idle for too long, errors of the network that the server saw,
        // a node of a cluster that is not ready. They may be said of a COMMIT that was done.
        1053 | 1077 | 1079 | 1152 | 1158..=1161 | 1184 | 1927 | 4031 | 1047 => {
            Trouble::lost(away(host, said)).without_answer()
        }
        // A former primary still answers, but refuses writes.
        1290 | 1792 | 1836 | 3100 => Trouble::lost(StoreError::ReadOnly(format!(
            "the database at {host} cannot be written: {said}; it is a replica, or its read_only is on: name the primary in data_provider.host"
        ))),
        // Deadlock; a row that changed in between.
        1213 | 1020 => Trouble::passing(StoreError::Busy(format!(
            "the database at {host} is in use by other programs: {said}; try again"
        ))),
        1205 | 1317 | 1969 | 3024 | 3572 => StoreError::Busy(format!(
            "the database at {host} is in use by other programs and did not become free in time: {said}; see SHOW FULL PROCESSLIST"
        ))
        .into(),
        DUPLICATE => Trouble { is_duplicate: true, ..failed(said, host) },
        code if [3, 1021, 1026, 1114].contains(&code) || answer.message.contains("No space left") => {
            StoreError::Full(format!("there is no space left for the database at {host}: {said}; free some")).into()
        }
        1071 | 1118 | 1406 => StoreError::Refused(format!("this is too long for the database at {host}: {said}")).into(),
        1044 | 1142 | 1143 | 1227 | 1370 => StoreError::Failed(format!(
            "the database at {host} failed: {said}; grant the user all rights on the database"
        ))
        .into(),
        _ => failed(said, host),
    }
}

/// What an error in a connection attempt means.
pub fn of_connecting(error: &Error, host: &str) -> StoreError {
    let said = text(error);
    let advice = match error {
        Error::Server(answer) => match answer.code {
            1045 | 1698 | 1251 | 1524 | 2061 => {
                "check data_provider.username and password, and the user's host and plugin on the server"
            }
            1044 => "grant the user all rights on the database of data_provider.name",
            1049 => "make that database, or correct data_provider.name",
            1040 | 1203 | 1226 => "lower data_provider.pool_size, or raise the server's max_connections",
            3159 => "set data_provider.sslmode: the server wants encryption",
            _ => "see the server's log",
        },
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            "check data_provider.sslmode, and whether the server has TLS"
        }
        Error::Driver(
            DriverError::UnknownAuthPlugin { .. }
            | DriverError::CleartextPluginDisabled
            | DriverError::MysqlOldPasswordDisabled,
        ) => "let the user log in with mysql_native_password or caching_sha2_password",
        Error::Io(_) if said.contains("certificate") || said.contains("TLS") => {
            "check data_provider.root_cert, client_cert and host, or the certificates"
        }
        Error::Io(_) | Error::Driver(_) | Error::Other(_) | Error::Url(_) => {
            "start it, or correct data_provider.host and port"
        }
    };
    unreachable(host, &said, advice)
}

/// The error, without values of rows.
fn text(error: &Error) -> String {
    match error {
        Error::Server(answer) if [DUPLICATE, 1292, 1366].contains(&answer.code) => {
            format!("a value does not fit ({})", answer.code)
        }
        Error::Server(answer) => format!("{} ({})", answer.message, answer.code),
        Error::Driver(error) => error.to_string().trim_end_matches('.').to_owned(),
        Error::Io(IoError::Io(error)) => error.to_string(),
        Error::Io(IoError::Tls(error)) => error.to_string(),
        Error::Other(error) => error.to_string(),
        Error::Url(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let check = |code: u16, message: &str, fate: Fate, may_be_repeated: bool, expected: &str| {
            let error = Error::Server(ServerError { code, message: message.into(), state: "HY000".into() });
            let trouble = of_statement(&error, "db:3306");
            assert_eq!(trouble.is_answer, ![1053, 1927].contains(&code), "{code}");
            assert_eq!((trouble.fate, trouble.failure.may_be_repeated), (fate, may_be_repeated), "{code}");
            let text = format!("{:?}", trouble.failure.error);
            assert!(text.starts_with(expected), "{code}: {text}");
        };
        check(1290, "read-only", Fate::AllBroken, true, "ReadOnly");
        check(1836, "read-only", Fate::AllBroken, true, "ReadOnly");
        check(1213, "deadlock", Fate::Usable, true, "Busy");
        check(1205, "lock wait", Fate::Usable, false, "Busy");
        check(1053, "shutdown", Fate::AllBroken, true, "Unavailable");
        check(1927, "lost connection to backend server", Fate::AllBroken, true, "Unavailable");
        check(1114, "the table is full", Fate::Usable, false, "Full");
        check(1030, "Got error 28 \"No space left on device\"", Fate::Usable, false, "Full");
        check(1406, "too long", Fate::Usable, false, "Refused");
        check(1153, "Got a packet bigger than 'max_allowed_packet' bytes", Fate::Broken, false, "Refused");
        check(1064, "syntax", Fate::Usable, false, "Failed");
        let too_long = std::io::Error::other("Packet is larger than max_allowed_packet");
        let trouble = of_statement(&Error::Io(IoError::Io(too_long)), "db");
        assert_eq!((trouble.is_answer, trouble.fate), (false, Fate::Broken));
        let duplicate = ServerError { code: 1062, message: "Duplicate entry 'hush'".into(), state: "23000".into() };
        let trouble = of_statement(&Error::Server(duplicate), "db");
        assert!(trouble.is_duplicate && !trouble.failure.error.to_string().contains("hush"));
    }
}
