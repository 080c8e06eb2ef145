//! Which of rsync's command lines are passed on, and as what.

use super::*;

fn words(line: &str) -> Vec<Word> {
    super::super::words::split(line.as_bytes()).unwrap()
}

#[test]
fn options_for_holes_are_left_out() {
    let check = |line: &str, expected: &str| {
        let options = line.split(' ').filter_map(|text| without_holes(OsStr::new(text)));
        let options: Vec<_> = options.map(|option| option.into_string().unwrap()).collect();
        assert_eq!(options.join(" "), expected, "{line}");
    };
    check("--server -lSogDtpre.iLsfxCIvuS --sparse --delete", "--server -logDtpre.iLsfxCIvuS --delete");
    check("--server -rSS --preallocate --partial-dir Se.S", "--server -r --partial-dir Se.S");
}

fn check(line: &str, expected: Result<(&str, bool), &str>) {
    match (parse(&words(line)), expected) {
        (Err(error), Err(part)) => assert!(error.contains(part), "{line}: {error}"),
        (Ok(Words::Line(found)), Ok(expected)) => {
            let path = std::str::from_utf8(&found.paths[0].text).unwrap();
            assert_eq!((path, found.reads_only), expected, "{line}");
        }
        (found, expected) => panic!("{line}: {found:?} is not {expected:?}"),
    }
}

#[test]
fn only_harmless_lines_are_passed_on() {
    check("--server -logDtpre.iLsfxCIvu . /dir", Ok(("/dir", false)));
    check("--server --sender -vlogDtpre.iLsfxCIvu --numeric-ids . dir", Ok(("dir", true)));
    check("--server -vvnlogDtprze.iLsfxCIvu --delete-during --partial --bwlimit=100 . .", Ok((".", false)));
    check("--server -re.iLsfxCIvu .", Ok((".", false)));
    check("--daemon", Err("only the other end"));
    check("--server --daemon .", Err("--daemon is not allowed"));
    check("--server --config=/etc/x -r . /", Err("--config=/etc/x is not allowed"));
    check("--server -r --log-file=/etc/x . /", Err("not allowed"));
    check("--server -r --rsh=/bin/sh . /", Err("not allowed"));
    check("--server -r --temp-dir=/tmp . /", Err("not allowed"));
    check("--server -r --files-from=/etc/passwd . /", Err("not allowed"));
    check("--server -r --link-dest=/etc . /", Err("not allowed"));
    check("--server -r --log-format=/x . /", Err("not allowed"));
    check("--server -r --write-devices . /", Err("not allowed"));
    check("--server -r --copy-devices . /", Err("not allowed"));
    check("--server -r --chmod=u+s . /", Err("not allowed"));
    check("--server -r --early-input=/x . /", Err("not allowed"));
    check("--server -r --password-file=/x . /", Err("not allowed"));
    check("--server '-re.i;id' . /", Err("not allowed"));
    check("--server - . /", Err("not allowed"));
    check("--server -r . /a /b", Err("one path"));
    check("--server --sender -r . /a /b", Ok(("/a", true)));
    check("--server --sender -r --remove-source-files . /a", Ok(("/a", false)));
    check("--server -r --partial-dir .rsync-partial --delay-updates . /a", Ok(("/a", false)));
    check("--server -r --backup-dir b\\ k --suffix=.old . /a", Ok(("/a", false)));
    check("--server -r --partial-dir ../x . /a", Err("inside"));
    check("--server -r --partial-dir '' . /a", Err("inside"));
    check("--server --partial-dir --munge-links -lre.iLsfxCIvu . /a", Err("inside"));
    check("--server --files-from --rsh=x -r . /a", Err("inside"));
    check("--server -re --munge-links . /a", Err("not allowed"));
    check("--server -r", Err("path is missing"));
    check("-a /etc /tmp", Err("only the other end"));
}

#[test]
fn options_of_everyday_are_passed_on() {
    // A7-11, as the client of rsync 3.5 sends them
    for line in [
        "--server -logDtpre.iLsfxCIvu --mkpath . /n1/x/y/",
        "--server -logDtpre.iLsfxCIvu -B4096 . /n1/",
        "--server -logDtpre.iLsfxCIvu --link-dest ../snap1 --link-dest /b . /snap2/",
        "--server -blogDtpre.iLsfxCIvu --backup-dir ../old . /snap1/",
        "--server -logDtpre.iLsfxCIvu --usermap=\\*:1234 --groupmap=\\*:1234 . /n1/",
        "--server -logDtpre.iLsfxCIvu --partial-dir /abs --temp-dir /tmp2 . /n1/",
        "--server -logDtpRe.LsfxCIvu --files-from /list . /snap1/",
        "--server -lKogDtpre.iLsfxCIvu . /n1/",
        "--server -logDtprze.iLsfxCIvu --skip-compress=gz/jpg . /n1/",
        "--server -de.LsfxCIvu . /n",
    ] {
        assert!(matches!(parse(&words(line)), Ok(Words::Line(line)) if !line.reads_only), "{line}");
    }
    for line in [
        "--server --sender -logDtpRe.LsfxCIvu --files-from=- --from0 . /snap1/",
        "--server --sender -re.iLsfxCIvu --files-from /list --no-relative . /snap1/",
        "--server --sender -lLogDtpre.iLsfxCIvu . /snap1/",
        "--server --sender -lkogDtpre.iLsfxCIvu --copy-unsafe-links . /snap1/",
        "--server --sender -logDtprze.iLsfxCIvu --skip-compress=gz/jpg . /n",
    ] {
        assert!(matches!(parse(&words(line)), Ok(Words::Line(line)) if line.reads_only), "{line}");
    }
    check("--server -r -B . /", Err("not allowed"));
    check("--server -r -Bx . /", Err("not allowed"));
    check("--server -r --usermap=/etc/x . /", Err("not allowed"));
}

#[test]
fn what_a_line_needs_is_known() {
    let of = |line: &str| match parse(&words(line)) {
        Ok(Words::Line(line)) => line,
        other => panic!("{line}: {other:?}"),
    };
    for (line, follows) in [
        ("--server --sender -rLe.iLsf . /", true),
        ("--server --sender -rke.iLsf . /", true),
        ("--server --sender -r --copy-unsafe-links . /", true),
        ("--server --sender -re.iLsfk . /", false),
        // The links are the client's.
        ("--server -rLe.iLsf . /", false),
    ] {
        assert_eq!(of(line).follows_links, follows, "{line}");
    }
    assert!(of("--server -r --mkpath . /").makes_path);
    assert!(!of("--server --sender -r --mkpath . /").makes_path);
    assert!(of("--server -r --groupmap=1:2 . /").sets_owners);
    // Names of the client's own files are not the account's.
    let named = |line: &str| of(line).options.iter().filter(|option| matches!(option, RsyncOption::Named(..))).count();
    assert_eq!(named("--server --sender -br --backup-dir /x --files-from /l . /"), 1);
    assert_eq!(named("--server -br --backup-dir /x --link-dest ../l . /"), 2);
}

#[test]
fn secluded_lines_go_on_elsewhere() {
    let check = |line: &str, expected: Result<&str, &str>| match (parse(&words(line)), expected) {
        (Ok(Words::Secluded(found)), Ok(expected)) => assert_eq!(found, words(expected), "{line}"),
        (Err(error), Err(part)) => assert!(error.contains(part), "{line}: {error}"),
        (found, _) => panic!("{line}: {found:?}"),
    };
    check("--server -slogDtpre.iLsfxCIvu", Ok("--server -logDtpre.iLsfxCIvu"));
    check("--server --sender -slogDtpre.iLsfxCIvu", Ok("--server --sender -logDtpre.iLsfxCIvu"));
    check("--server -s", Ok("--server"));
    check("--server -s . /x", Err("no path"));
    // What follows `e` is not a list of options.
    check("--server -re.iLsfxCIvu", Err("path is missing"));
}
