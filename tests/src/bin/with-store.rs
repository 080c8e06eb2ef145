//! `with-store STORE COMMAND…`: runs a command of tests whose servers keep accounts in that store, in a database server
//! that runs for as long as the command. `STORE` may have settings of that server: `postgresql,autovacuum=on`.

use std::process::{Command, ExitCode};

use tidegate_tests::databases::{Database, Kind, PROVIDER};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let store = arguments.next().and_then(|store| store.into_string().ok()).unwrap_or_default();
    let (Some((provider, _database)), Some(program)) = (provider(&store), arguments.next()) else {
        eprintln!("usage: with-store sqlite|bolt|postgresql[,SETTING…]|mariadb[,SETTING…] COMMAND…");
        return ExitCode::from(2);
    };
    let mut command = Command::new(program);
    match command.args(arguments).env(PROVIDER, provider).status() {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            eprintln!("with-store: {command:?} cannot be run: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The lines of the configuration, and the server that they name.
fn provider(store: &str) -> Option<(String, Option<Database>)> {
    let (store, settings) = store.split_once(',').unwrap_or((store, ""));
    let settings: Vec<String> = settings.split(',').filter(|setting| !setting.is_empty()).map(str::to_owned).collect();
    let of_server = |kind| {
        let database = Database::start_with(kind, &settings);
        (database.provider(), Some(database))
    };
    Some(match store {
        "sqlite" => (String::new(), None),
        "bolt" => ("driver = \"bolt\"".to_owned(), None),
        "postgresql" => of_server(Kind::Postgresql),
        "mariadb" => of_server(Kind::Mariadb),
        _ => return None,
    })
}
