//! Clients and what each of them does, on the default configuration. Every client gets two files, `first` and `second`,
//! and does the same: puts `first` as `put`, gets that as `got`, puts `second` over `first` as `over`, goes on with
//! `half`, links `link` to `put`, and writes the names in the directory to `listing`.

use std::process::Command;

use tidegate_tests::server::Site;
use tidegate_tests::tools;

/// What a client does, each with what can be seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Put,
    Get,
    Overwrite,
    Resume,
    List,
    Symlink,
}

use Operation::{Get, List, Overwrite, Put, Resume, Symlink};

const ALL: &[Operation] = &[Put, Get, Overwrite, Resume, List, Symlink];

/// A program in `tests/e2e/clients`, and how it is run.
struct Client {
    script: &'static str,
    runs: &'static [&'static str],
    operations: &'static [Operation],
    /// Beyond the default configuration.
    needs: &'static str,
}

const CLIENTS: &[(&str, Client)] = &[
    ("curl", Client { script: "curl.sh", runs: &["sh"], operations: ALL, needs: "" }),
    ("jsch", Client { script: "Jsch.java", runs: JAVA, operations: ALL, needs: "" }),
    ("net-sftp", Client { script: "net_sftp.rb", runs: &["/usr/bin/ruby"], operations: ALL, needs: "" }),
    ("cftp", Client { script: "cftp.sh", runs: &["sh"], operations: &[Put, Get, Overwrite, List, Symlink], needs: "" }),
    ("asyncssh", Client { script: "asyncssh_table.py", runs: PYTHON, operations: ALL, needs: "" }),
    ("libssh", Client { script: "libssh_table.py", runs: PYTHON, operations: ALL, needs: "" }),
    ("phpseclib", Client { script: "phpseclib.php", runs: &["/usr/bin/php"], operations: ALL, needs: "" }),
    // scp is off until it is switched on.
    ("parallel-ssh", Client { script: "parallel_ssh.py", runs: PYTHON, operations: ALL, needs: "enable_scp = true" }),
];

const JAVA: &[&str] = &["/usr/bin/java", "-cp", "/usr/share/java/jsch.jar"];
/// Of the tests' own environment.
const PYTHON: &[&str] = &["venv/bin/python"];

fn check(name: &str) {
    let (_, client) = CLIENTS.iter().find(|(known, _)| *known == name).unwrap();
    let site = Site::by_default().config(client.needs);
    let home = site.user("alice");
    std::fs::create_dir_all(&home).unwrap();
    let first: Vec<u8> = (0..1_000_003_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let second = &first[500_000..800_007];
    let local = site.path("local");
    site.write("local/first", &first);
    site.write("local/second", second);
    std::fs::write(home.join("half"), &first[..400_001]).unwrap();
    let server = site.start();
    let mut command = match client.runs {
        ["venv/bin/python"] => Command::new(tools::python()),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        [] => panic!("{name} has no program"),
    };
    let script = tools::root().join("tests/e2e/clients").join(client.script);
    // No settings of the machine's owner.
    command.env("HOME", site.path("home")).env_remove("XDG_CONFIG_HOME").env_remove("SSH_AUTH_SOCK");
    let output = tools::run(command.arg(script).arg(server.port.to_string()).arg(&local).current_dir(&local));
    let said = tidegate_tests::clients::text(&output);
    let listing = std::fs::read_to_string(local.join("listing")).unwrap_or_default();
    let content = |path: std::path::PathBuf| std::fs::read(path).unwrap_or_default();
    let failed: Vec<Operation> = client
        .operations
        .iter()
        .copied()
        .filter(|operation| !match operation {
            Put => content(home.join("put")) == first,
            Get => content(local.join("got")) == first,
            Overwrite => content(home.join("over")) == second,
            Resume => content(home.join("half")) == first,
            List => ["put", "over", "half", "link"].iter().all(|name| listing.contains(name)),
            Symlink => std::fs::read_link(home.join("link")).is_ok_and(|target| target.ends_with("put")),
        })
        .collect();
    assert!(failed.is_empty() && output.status.success(), "{name} failed at {failed:?}: {said}\n{}", server.log());
}

macro_rules! each_client_is_a_test {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            check($name);
        })*

        #[test]
        fn every_client_of_the_table_is_run() {
            let names: Vec<&str> = CLIENTS.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

each_client_is_a_test! {
    curl_does_what_it_can: "curl",
    jsch_does_what_it_can: "jsch",
    net_sftp_does_what_it_can: "net-sftp",
    cftp_does_what_it_can: "cftp",
    asyncssh_does_what_it_can: "asyncssh",
    libssh_does_what_it_can: "libssh",
    phpseclib_does_what_it_can: "phpseclib",
    parallel_ssh_does_what_it_can: "parallel-ssh",
}
