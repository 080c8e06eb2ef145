//! Exec strings and protocols that try to get out, or are broken: nothing leaves the account's
//! files, nothing hangs, and nothing runs that was not asked for.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tidegate_tests::clients::{Proof, exec, openssh, rsync, sftp_ok, text, transport};
use tidegate_tests::server::{Server, Site};
use tidegate_tests::{tools, waiting};

const PASSWORD: Proof<'static> = Proof::Password("pw");

fn site() -> (Site, PathBuf) {
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let home = site.user("alice");
    std::fs::create_dir_all(&home).unwrap();
    site.write("outside/secret", "secret");
    (site, home)
}

fn run(server: &Server, command: &str, input: &[u8]) -> Output {
    exec(server, "alice", PASSWORD, command, input)
}

#[test]
fn scp_stays_inside() {
    // A6-03; the client's part of the protocol, by hand
    let (site, home) = site();
    std::os::unix::fs::symlink("../../outside", home.join("link")).unwrap();
    let server = site.start();
    let check = |command: &str, input: &[u8], status: i32, part: &str| {
        let output = run(&server, command, input);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(status), "{command}: {said:?}");
        assert!(said.contains(part), "{command}: {said:?}");
    };
    let file = |line: &str| [line.as_bytes(), b"\nx\0"].concat();
    // Up from the root is the root.
    check("scp -t ../../x", &file("C0644 1 name"), 0, "\0\0\0");
    assert!(home.join("x").exists() && !site.path("x").exists());
    check("scp -t /link/stolen", &file("C0644 1 name"), 1, "\u{2}scp: /link/stolen:");
    check("scp -f ../../outside/secret", b"\0", 1, "\u{2}scp: /outside/secret: No such file");
    check("scp -f link/secret", b"\0", 1, "\u{2}scp: /link/secret:");
    check("scp -f /etc/passwd", b"\0", 1, "No such file");
    // Among several, a problem with one is a warning, and the others follow.
    check("scp -f none x", b"\0\0\0", 1, "\u{1}scp: /none: No such file or directory\nC0644 1 x\nx\0");
    for wrong in [
        "C0644 1 ../x",
        "C0644 1 a/b",
        "C0644 1 ..",
        "C0644 -1 a",
        "C0644 1",
        "C0644",
        "C06440 1 a",
        "C0644 1x a",
        "X",
        "",
        "T1 2 3",
        "D0755 0 d",
        "E",
    ] {
        check("scp -t .", &file(wrong), 1, "protocol error");
    }
    check("scp -r -t .", b"D0755 0 ..\n", 1, "protocol error");
    check("scp -t .", &[b'C'; 100_000], 1, "protocol error");
    check("scp -t .", b"\x02bye\n", 1, "\0");
    // Less data than was said: nothing is acknowledged, and nothing hangs.
    let output = run(&server, "scp -t part", b"C0644 1000000000000 part\nxyz");
    assert_eq!(output.stdout, b"\0\0");
    // All of the data, and no more word: it is complete (A6-07).
    let output = run(&server, "scp -t whole", b"C0644 3 whole\nxyz");
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"\0\0\0"[..], Some(0)));
    assert_eq!(std::fs::read_to_string(home.join("whole")).unwrap(), "xyz");
    let output = run(&server, "scp -p -t timed", b"T1000000000 0 1000000000 0\nC0600 0 timed\n");
    assert_eq!(output.status.code(), Some(0));
    let modified = std::fs::metadata(home.join("timed")).unwrap().modified().unwrap();
    assert_eq!(modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(), 1_000_000_000);
    // The client could not read it.
    check("scp -t bad", b"C0644 3 bad\nxyz\x01cannot read\n", 1, "could not read");
    // More data than was said.
    check("scp -t .", b"C0644 1 a\nxyz", 1, "longer than was said");
    assert!(!site.path("outside/stolen").exists());
    assert_eq!(std::fs::read_to_string(site.path("outside/secret")).unwrap(), "secret");
}

#[test]
fn patterns_mean_a_bounded_number_of_files() {
    let (site, home) = site();
    for number in 0..300 {
        std::fs::write(home.join(format!("file{number}")), "").unwrap();
    }
    let server = site.start();
    let all = |count: usize| "* ".repeat(count);
    for command in ["scp -f", "rsync --server --sender -re.iLsfxC ."] {
        let output = run(&server, &format!("{command} {}", all(350)), b"\0");
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{command}: {said:?}");
        assert!(said.contains("more than 100000 files"), "{command}: {said:?}");
    }
}

#[test]
fn scp_needs_what_it_does() {
    // A6-04
    let site = Site::new().config("enabled_ssh_commands = [\"*\"]");
    let server = site.start();
    let all = ["list", "upload", "download", "create_dirs", "overwrite"];
    for (number, (without, command, input, made)) in [
        ("upload", "scp -t /new", &b"C0644 1 new\nx\0"[..], "new"),
        ("overwrite", "scp -t /file", b"C0644 1 file\nx\0", ""),
        ("create_dirs", "scp -r -t /", b"D0755 0 made\nE\n", "made"),
        ("download", "scp -f /file", b"\0\0\0", ""),
        ("download", "scp -r -f /d", b"\0\0\0", ""),
        // A directory without -r.
        ("", "scp -f /d", b"\0\0\0", ""),
        ("", "scp -t /", b"D0755 0 made\nE\n", "made"),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("user{number}");
        let rights: Vec<_> = all.into_iter().filter(|right| *right != without).collect();
        let home = site.user_with(&user, &["--password", "pw", "--permissions", &format!("/:{}", rights.join(","))]);
        site.write(&format!("homes/{user}/file"), "old");
        site.write(&format!("homes/{user}/d/inside"), "old");
        let output = exec(&server, &user, PASSWORD, command, input);
        let said = text(&output);
        assert!(output.status.code() == Some(1) && !said.contains("old"), "{command} without {without}: {said:?}");
        assert!(said.contains(['\u{1}', '\u{2}']), "{command} without {without}: {said:?}");
        assert!(made.is_empty() || !home.join(made).exists(), "{command} without {without}");
        assert_eq!(std::fs::read_to_string(home.join("file")).unwrap(), "old");
    }
}

#[test]
fn what_a_program_says_of_its_failure_is_heard() {
    // A7-07
    let (site, home) = site();
    std::fs::create_dir(home.join("no-repository")).unwrap();
    let server = site.start();
    let output = run(&server, "git-upload-pack '/no-repository'", b"");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && output.status.code() != Some(255), "{:?}: {said}", output.status);
    assert!(said.contains("fatal: "), "{said}");
}

#[test]
fn only_what_is_enabled_is_run() {
    // A7-08
    let site = Site::new();
    site.user("alice");
    let server = site.start();
    for command in ["scp -t .", "rsync --server -r . /", "git-upload-pack /", "sh -c id", "/bin/sh", "sha512sum x", ""]
    {
        let output = run(&server, command, b"");
        assert_ne!(output.status.code(), Some(0), "{command}");
        assert!(!text(&output).contains("uid="), "{command}");
    }
    assert_eq!(run(&server, "pwd", b"").stdout, b"/\n");
    drop(server);
    let (site, home) = self::site();
    let server = site.start();
    for command in [
        "pwd; id",
        "pwd $(id)",
        "pwd `id`",
        "md5sum x; touch y",
        "git-upload-pack '/a'; touch /y",
        "git-upload-pack --upload-pack='touch y' /a",
        "git-receive-pack --help",
        "git-shell -c id",
        "git daemon",
        "rsync --daemon",
        "rsync -e 'touch y' x: .",
        "rsync --server -re'touch y' . /",
        "rsync --server --sender -logDtpre.iLsfxCIvu --files-from=/etc/passwd . /",
        "rsync --server -logDtpre.iLsfxCIvu --log-file=/tmp/tidegate-stolen . /",
        "rsync --server -slogDtpre.iLsfxCIvu",
        "rsync --server -slogDtpre.iLsfxCIvu . /",
        "rsync --server -logDtpre.iLsfxCIvu --files-from /etc/passwd . /",
        "rsync --server -logDtpre.iLsfxCIvu --files-from ../../outside/secret . /",
        "scp -S /bin/sh -t .",
    ] {
        let output = run(&server, command, b"");
        let said = text(&output);
        assert!(output.status.code() != Some(0) || command.starts_with("pwd"), "{command}: {said}");
        assert!(!said.contains("uid="), "{command}: {said}");
    }
    assert!(!home.join("y").exists() && !Path::new("/tmp/tidegate-stolen").exists());
}

#[test]
fn links_lead_rsync_nowhere() {
    // A7-04
    let (site, home) = site();
    std::os::unix::fs::symlink(site.path("outside"), home.join("absolute")).unwrap();
    std::os::unix::fs::symlink("../../outside", home.join("relative")).unwrap();
    std::fs::create_dir(home.join("d")).unwrap();
    std::os::unix::fs::symlink(site.path("outside"), home.join("d/inner")).unwrap();
    let server = site.start();
    let back = site.path("back");
    let rsync = |arguments: &[&str]| tools::run(&mut rsync(&server, "pw", arguments));
    for source in ["absolute/", "relative/", "absolute/secret", "d/inner/secret", "../../outside/", "/etc/passwd"] {
        let output = rsync(&["-r", &format!("alice@127.0.0.1:{source}"), back.to_str().unwrap()]);
        assert!(!output.status.success(), "{source}");
    }
    // Options that follow links do so within the account.
    let followed = site.path("followed");
    for options in ["-rL", "-rk", "-r --copy-unsafe-links", "-rLR"] {
        let mut arguments: Vec<_> = options.split(' ').collect();
        arguments.extend(["alice@127.0.0.1:/d/", followed.to_str().unwrap()]);
        let output = rsync(&arguments);
        assert!(!text(&output).contains("not allowed"), "{options}: {}", text(&output));
    }
    for (list, source) in [("inner/secret\n", "/d/"), ("absolute/secret\n", "/"), ("../outside/secret\n", "/")] {
        let list = site.write("list", list);
        let from = format!("--files-from={}", list.display());
        rsync(&["-rL", &from, &format!("alice@127.0.0.1:{source}"), followed.to_str().unwrap()]);
    }
    let found = tools::run(Command::new("find").arg(&followed).args(["-type", "f"]));
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "nothing came from outside");
    // Even written through a link that is there, nothing is changed outside.
    let local = site.write("tree/inner/secret", "changed");
    let tree = format!("{}/", local.parent().unwrap().parent().unwrap().display());
    rsync(&["-r", "--inplace", &tree, "alice@127.0.0.1:/d/"]);
    rsync(&["-r", &tree, "alice@127.0.0.1:/absolute/"]);
    assert_eq!(std::fs::read_to_string(site.path("outside/secret")).unwrap(), "secret");
    assert_eq!(std::fs::read_dir(site.path("outside")).unwrap().count(), 1);
    let found = std::fs::read_dir(&back).map(|entries| entries.count()).unwrap_or(0);
    assert_eq!(found, 0, "nothing came from outside");
}

#[test]
fn links_that_rsync_brings_are_made_harmless() {
    // A7-04
    let site = Site::new().config("enabled_ssh_commands = [\"rsync\"]");
    let server = site.start();
    let tree = site.write("tree/f", "x").parent().unwrap().to_owned();
    std::os::unix::fs::symlink("../../outside", tree.join("out")).unwrap();
    std::os::unix::fs::symlink("f", tree.join("inside")).unwrap();
    let rest = "list,download,upload,overwrite,delete,rename,create_dirs,chmod,chtimes";
    for (user, more, out, inside) in [
        ("linking", ",create_symlinks", None, Some("f")),
        ("other", "", Some("/rsyncd-munged/../../outside"), Some("/rsyncd-munged/f")),
    ] {
        let home = site.user_with(user, &["--password", "pw", "--permissions", &format!("/:{rest}{more}")]);
        std::fs::create_dir_all(&home).unwrap();
        let (from, to) = (format!("{}/", tree.display()), format!("{user}@127.0.0.1:/t/"));
        let sent = tools::run(&mut rsync(&server, "pw", &["-rl", &from, &to]));
        let target = |name: &str| std::fs::read_link(home.join("t").join(name)).ok().map(|to| to.display().to_string());
        assert_eq!(target("out").as_deref(), out, "{user}: {}", text(&sent));
        assert_eq!(target("inside").as_deref(), inside, "{user}: {}", text(&sent));
    }
}

#[test]
fn a_program_needs_every_permission_on_its_path() {
    // A7-05
    let site = Site::new().config("enabled_ssh_commands = [\"rsync\"]");
    let server = site.start();
    let file = site.write("f", "x");
    let needed = ["download", "upload", "create_dirs", "list", "overwrite", "delete", "rename"];
    let check = |user: &str, missing: &str, works: bool| {
        let rights: Vec<_> = needed.into_iter().filter(|right| *right != missing).collect();
        let rule = format!("/in:{}", rights.join(","));
        let arguments = ["--password", "pw", "--permissions", "/:*", "--permissions", &rule];
        let home = site.user_with(user, &arguments);
        std::fs::create_dir_all(home.join("in")).unwrap();
        let to = format!("{user}@127.0.0.1:/in/");
        let sent = tools::run(&mut rsync(&server, "pw", &[file.to_str().unwrap(), &to]));
        assert_eq!(sent.status.success(), works, "without {missing:?}: {}", text(&sent));
        assert_eq!(home.join("in/f").exists(), works, "without {missing:?}");
    };
    check("alice", "", true);
    for (number, missing) in needed.into_iter().enumerate() {
        check(&format!("user{number}"), missing, false);
    }
}

#[test]
fn names_elsewhere_need_their_permissions() {
    // A7-11: what rsync has to read, link and write needs permission like its path.
    let site = Site::new().config("enabled_ssh_commands = [\"rsync\"]");
    let readable = "/readable:list,download";
    let arguments =
        ["--password", "pw", "--permissions", "/:list", "--permissions", "/in:*", "--permissions", readable];
    let home = site.user_with("alice", &[&arguments[..], &["--permissions", "/hidden:upload"]].concat());
    for name in ["in/old", "readable", "hidden"] {
        std::fs::create_dir_all(home.join(name)).unwrap();
        std::fs::write(home.join(name).join("f"), "x").unwrap();
    }
    let server = site.start();
    let tree = site.write("tree/f", "x").parent().unwrap().display().to_string();
    let check = |option: &str, target: &str, works: bool| {
        let target = format!("alice@127.0.0.1:{target}");
        let output = tools::run(&mut rsync(&server, "pw", &["-a", option, &format!("{tree}/"), &target]));
        assert_eq!(output.status.success(), works, "{option}: {}", text(&output));
    };
    check("--link-dest=../old", "/in/new/", true);
    check("--link-dest=/readable", "/in/new/", false);
    check("--copy-dest=/readable", "/in/new/", true);
    check("--copy-dest=/hidden", "/in/new/", false);
    check("--backup-dir=/in/kept", "/in/new/", true);
    check("--backup-dir=/kept", "/in/new/", false);
    check("--backup-dir=/readable", "/in/new/", false);
    check("--temp-dir=/readable", "/in/new/", false);
    check("--partial-dir=/hidden", "/in/new/", false);
    check("--mkpath", "/in/a/b/c/", true);
    check("--mkpath", "/a/b/c/", false);
    let list = |path: &str| format!("--files-from=:{path}");
    for (path, works) in [("/readable/f", true), ("/hidden/f", false), ("/in", false)] {
        std::fs::write(home.join("readable/f"), "").unwrap();
        let back = site.path("back");
        let arguments = ["-a", &list(path), "alice@127.0.0.1:/in/old/", back.to_str().unwrap()];
        let output = tools::run(&mut rsync(&server, "pw", &arguments));
        assert_eq!(output.status.success(), works, "{path}: {}", text(&output));
    }
}

#[test]
fn a_race_of_links_does_not_lead_rsync_out() {
    let (site, home) = site();
    site.write("homes/alice/dir/inside", "inside");
    let server = site.start();
    let racing = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // What another session could do with SFTP, faster.
            while racing.load(std::sync::atomic::Ordering::Relaxed) {
                let _ = std::fs::rename(home.join("dir"), home.join("away"));
                let _ = std::os::unix::fs::symlink("../../outside", home.join("dir"));
                let _ = std::fs::remove_file(home.join("dir"));
                let _ = std::fs::rename(home.join("away"), home.join("dir"));
            }
        });
        for number in 0..40 {
            let back = site.path(&format!("back{number}"));
            // Some tries fail; none may bring what is outside.
            let _ = rsync(&server, "pw", &["-r", "alice@127.0.0.1:/dir/", back.to_str().unwrap()]).output();
            assert!(!back.join("secret").exists(), "try {number}");
        }
        racing.store(false, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn repositories_run_no_programs() {
    // A client that may write files could otherwise run programs as the server's user.
    let (site, home) = site();
    let repository = home.join("r.git");
    tools::run_ok(Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(&repository));
    // Inside, where a program that ran could write.
    let proof = repository.join("ran");
    let run_it = format!("touch {}", proof.display());
    let hook = format!("#!/bin/sh\n{run_it}\n");
    for name in ["pre-receive", "update", "post-receive", "post-update", "reference-transaction"] {
        site.script(&format!("homes/alice/r.git/hooks/{name}"), &hook);
    }
    let worktree = home.join("worktree");
    std::fs::create_dir_all(&worktree).unwrap();
    let mut config = std::fs::read_to_string(repository.join("config")).unwrap();
    let (tree, smudge) = (worktree.display(), run_it.clone());
    config = config.replace("bare = true", "bare = false");
    config.push_str(&format!(
        "[core]\n\talternateRefsCommand = \"{run_it} #\"\n\tfsmonitor = \"{run_it}\"\n\tworktree = {tree}\n\
         [receive]\n\tdenyCurrentBranch = updateInstead\n[filter \"x\"]\n\tsmudge = \"{smudge}; cat\"\n\
         [uploadpack]\n\tpackObjectsHook = \"{run_it}\"\n[tar \"x\"]\n\tcommand = \"{run_it}; cat\"\n\tremote = true\n\
         [extensions]\n\tpartialClone = origin\n[remote \"origin\"]\n\tpromisor = true\n\
         \turl = \"ext::sh -c {}\"\n[protocol \"ext\"]\n\tallow = always\n",
        run_it.replace(' ', "% ")
    ));
    std::fs::write(repository.join("config"), config).unwrap();
    std::fs::create_dir_all(repository.join("info")).unwrap();
    std::fs::write(repository.join("info/attributes"), "* filter=x\n").unwrap();
    std::fs::create_dir_all(repository.join("refs/heads")).unwrap();
    std::fs::write(repository.join("refs/heads/gone"), "0123456789012345678901234567890123456789\n").unwrap();
    let server = site.start();
    let local = site.path("local");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .args(arguments)
            .current_dir(&local)
            .env("SSHPASS", "pw")
            .env("GIT_SSH_COMMAND", transport(&server, "pw"));
        command.env("GIT_SSH_VARIANT", "ssh").env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_TERMINAL_PROMPT", "0");
        tools::run(&mut command)
    };
    std::fs::create_dir_all(&local).unwrap();
    git(&["init", "-q", "-b", "main"]);
    std::fs::write(local.join("file"), "x").unwrap();
    git(&["add", "."]);
    git(&["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "x"]);
    let url = format!("ssh://alice@127.0.0.1:{}/r.git", server.port);
    for branch in ["main:main", "main:other"] {
        // Refused or not: what counts is that nothing runs.
        git(&["push", "-q", &url, branch]);
    }
    git(&["push", "-q", &url, ":gone"]);
    git(&["archive", &format!("--remote={url}"), "--format=x", "main"]);
    git(&["clone", "-q", &url, "cloned"]);
    git(&["fetch", "-q", &url]);
    assert!(!proof.exists(), "a program of the repository was run");
}

#[test]
fn programs_end_with_their_channel() {
    // Clients that vanish take their programs with them.
    let (site, _) = site();
    let server = site.start();
    let children = || {
        let found = tools::run(Command::new("pgrep").args(["-x", "rsync", "-P"]).arg(server.pid().to_string()));
        String::from_utf8_lossy(&found.stdout).lines().count()
    };
    let before = children();
    let mut ssh = openssh("ssh", &server, PASSWORD);
    ssh.arg("alice@127.0.0.1").arg("rsync --server -logDtpre.iLsfxCIvu . /");
    let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // The server's rsync has said which version it speaks.
    let mut version = [0; 4];
    child.stdout.as_mut().unwrap().read_exact(&mut version).unwrap();
    assert!(children() > before);
    child.kill().unwrap();
    child.wait().unwrap();
    waiting::until("the program ends", || children() <= before);
    // The server itself is well.
    sftp_ok(&server, "alice", PASSWORD, "pwd\n");
}
