//! Commands and options, and what they are without a value.

use clap::CommandFactory as _;
use clap::error::ErrorKind;

use super::*;

fn parsed(arguments: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["tidegate"], arguments].concat())
}

fn serve(arguments: &[&str]) -> ServeArguments {
    match parsed(&[&["serve"], arguments].concat()).unwrap().command {
        Command::Serve(arguments) => arguments,
        other => panic!("{other:?}"),
    }
}

#[test]
fn there_are_the_older_servers_commands() {
    // A2-01
    for (arguments, expected) in [
        (&["help"][..], ErrorKind::DisplayHelp),
        (&["--help"], ErrorKind::DisplayHelp),
        (&["-h"], ErrorKind::DisplayHelp),
        (&["help", "serve"], ErrorKind::DisplayHelp),
        (&["--version"], ErrorKind::DisplayVersion),
        (&["-v"], ErrorKind::DisplayVersion),
        (&["fly"], ErrorKind::InvalidSubcommand),
    ] {
        assert_eq!(parsed(arguments).map(drop).unwrap_err().kind(), expected, "{arguments:?}");
    }
    let command = Cli::command();
    assert!(["serve", "portable"].iter().all(|name| command.find_subcommand(name).is_some()));
}

#[test]
fn options_of_serve_have_the_older_letters() {
    // A2-02, A2-03, A2-04, A2-08
    for arguments in [
        &["-c", "/srv/x", "-f", "name", "-l", "x.log", "-z", "-v=false"][..],
        &[
            "--config-dir",
            "/srv/x",
            "--config-file",
            "name",
            "--log-file-path",
            "x.log",
            "--log-compress",
            "--log-verbose=0",
        ],
    ] {
        let given = serve(arguments);
        assert_eq!((given.place.directory(), given.place.file().as_deref()), ("/srv/x".into(), Some("name")));
        assert_eq!(given.log_file_path.as_deref(), Some("x.log"));
        assert_eq!((given.log_compress, given.log_verbose), (Some(true), Some(false)));
    }
    assert_eq!(serve(&[]).place.directory(), Path::new("."));
}

#[test]
fn old_logs_are_kept_by_number_and_days() {
    // A2-05, A2-06, A2-07, A2-08
    let check = |arguments: &[&str], mebibytes: u64, backups: usize, days: Option<u64>| {
        let rotation = serve(arguments).rotation().unwrap();
        let expected = (mebibytes << 20, backups, days.map(|days| Duration::from_secs(days * DAY)), false);
        let found = (rotation.max_size, rotation.max_backups, rotation.max_age, rotation.compress);
        assert_eq!(found, expected, "{arguments:?}");
    };
    check(&[], 10, 5, Some(28));
    check(&["-s", "3", "-b", "7", "-a", "2"], 3, 7, Some(2));
    check(&["--log-max-size", "3", "--log-max-backups", "0", "--log-max-age", "0"], 3, 0, None);
    for (option, expected) in [
        ("--log-compress", true),
        ("-z", true),
        ("--log-compress=1", true),
        ("--log-compress=true", true),
        ("--log-compress=0", false),
        ("--log-compress=false", false),
    ] {
        assert_eq!(serve(&[option]).rotation().unwrap().compress, expected, "{option}");
    }
    assert!(parsed(&["serve", "--log-compress=2"]).is_err());
}

#[test]
fn details_are_logged_unless_other_levels_are_named() {
    // A2-09, A2-14
    let check = |arguments: &[&str], level: LevelFilter, utc: bool| {
        let style = serve(arguments).log_style().unwrap();
        assert_eq!((style.level, style.utc), (level, utc), "{arguments:?}");
    };
    check(&[], LevelFilter::DEBUG, false);
    check(&["-v"], LevelFilter::DEBUG, false);
    check(&["-v=1"], LevelFilter::DEBUG, false);
    check(&["--log-verbose=true"], LevelFilter::DEBUG, false);
    check(&["--log-verbose=false"], LevelFilter::INFO, false);
    check(&["-v=0", "--log-utc-time"], LevelFilter::INFO, true);
    check(&["--log-level", "warn"], LevelFilter::WARN, false);
    check(&["--log-level=error", "--log-utc-time=false"], LevelFilter::ERROR, false);
    assert_eq!(serve(&["--grace-time", "7"]).grace_time, Some(7));
}
