//! The whole text of `/metrics`.

use super::*;

/// What dashboards and alarms rely on: names, types and labels that change here break them.
const TEXT: &str = include_str!("testdata/metrics.txt");

fn hook(hook: &str, outcome: &str, calls: &[i64]) -> HookCounter {
    HookCounter {
        kind: "external-auth".into(),
        hook: hook.into(),
        version: "sha256:1f".into(),
        outcome: outcome.into(),
        is_error: outcome == "timeout",
        calls: calls.iter().sum(),
        total_us: 2_500_000,
        max_us: 900_000,
        cpu_us: 1_250,
        max_memory: 65_536,
        histogram: calls.to_vec(),
    }
}

/// Different numbers, so that none can stand under another's name.
fn made_up() -> Snapshot {
    let logins = |attempts: u64| Logins { attempts, accepted: attempts + 1, refused: attempts + 2 };
    let by_method = LoginMethod::ALL.map(|method| match method {
        LoginMethod::Password => logins(30),
        LoginMethod::PublicKey => logins(40),
        LoginMethod::KeyboardInteractive => logins(50),
        LoginMethod::PublicKeyThenPassword => logins(60),
        LoginMethod::PublicKeyThenKeyboardInteractive => logins(70),
    });
    Snapshot {
        counts: Counts {
            store_available: 1,
            active_connections: 2,
            uploads: Transfers { done: 3, failed: 4, bytes: 5_000_000_000 },
            downloads: Transfers { done: 6, failed: 7, bytes: 8 },
            ssh_commands: 9,
            ssh_command_errors: 10,
            no_auth: 11,
            addresses_banned: 80,
            banned_connections: 81,
            rate_limited_connections: 82,
            external_auth: [83, 84, 85, 86],
            hook_events_dropped: HookKind::ALL.map(|kind| if kind == HookKind::PostAction { 12 } else { 0 }),
            object_requests: [100, 101, 102, 103, 104, 105, 106, 107, 108, 109]
                .map(|all| Requests { all, failed: all - 90 }),
            sftp_requests: [200, 201, 202, 203, 204, 205, 206, 207].map(|all| Requests { all, failed: all - 190 }),
            object_uploads: Transfers { done: 90, failed: 91, bytes: 92 },
            object_downloads: Transfers { done: 93, failed: 94, bytes: 95 },
            http: HttpRequests { all: 13, ok: 14, client_errors: 15, server_errors: 16 },
            logins_unavailable: 19,
            logins: logins(20),
            by_method,
        },
        process: Process {
            cpu_seconds_total: Some(1.25),
            open_fds: Some(17),
            max_fds: Some(1024),
            virtual_memory_bytes: Some(2_000_000),
            virtual_memory_max_bytes: None,
            resident_memory_bytes: Some(1_000_000),
            start_time_seconds: Some(1_700_000_000),
            threads: Some(18),
        },
        hooks: vec![
            hook("a \"b\" \\ c", "timeout", &[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2]),
            hook("a \"b\" \\ c", "allow", &[1, 2, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0]),
        ],
    }
}

#[test]
fn all_metrics_have_their_names_and_texts() {
    // A20-01, A20-02, A20-03, A20-04, A20-05, A20-06, A20-07, A20-08, A20-09, B0-10
    assert_eq!(made_up().into_text().unwrap(), TEXT);
}

#[test]
fn what_is_not_known_is_left_out() {
    let snapshot =
        Snapshot { process: Process { threads: Some(18), ..Process::default() }, hooks: vec![], ..made_up() };
    let parts = TEXT.split("# HELP ").filter(|part| {
        let is_known = !part.starts_with("process_") || part.starts_with("process_threads");
        let is_hooks = part.starts_with("tidegate_hook_") && !part.starts_with("tidegate_hook_events_dropped");
        is_known && !is_hooks
    });
    assert_eq!(snapshot.into_text().unwrap(), parts.collect::<Vec<_>>().join("# HELP "));
}
