//! The names, types, texts and labels of all metrics (A20), most of them those of the older server.

use metrics_process::collector::Metrics as Process;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Registry, TextEncoder};
use tidegate_core::connection::LoginMethod;
use tidegate_core::hook::{Family, HookKind};
use tidegate_core::metrics::{
    Counts, ExternalAuthAnswer, HttpRequests, Logins, ObjectRequest, Requests, SftpRequest, Transfers,
};
use tidegate_core::ports::{DURATION_BOUNDS, HookCounter};

/// The numbers of one answer.
pub struct Snapshot {
    pub counts: Counts,
    pub process: Process,
    pub hooks: Vec<HookCounter>,
}

impl Snapshot {
    /// In Prometheus' text format, sorted by names and labels. Metrics without a value are left out.
    pub fn into_text(self) -> Result<String, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(self))?;
        TextEncoder::new().encode_to_string(&registry.gather())
    }
}

impl Collector for Snapshot {
    /// Nothing: descriptions keep several collectors of one registry apart.
    fn desc(&self) -> Vec<&Desc> {
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut families = of_server(&self.counts);
        families.extend(of_process(&self.process));
        families.extend(of_hooks(&self.hooks));
        families
    }
}

fn of_server(counts: &Counts) -> Vec<MetricFamily> {
    // Without `..`: the compiler says which number has no name yet.
    let Counts {
        store_available,
        active_connections,
        uploads,
        downloads,
        ssh_commands,
        ssh_command_errors,
        no_auth,
        addresses_banned,
        banned_connections,
        rate_limited_connections,
        external_auth,
        hook_events_dropped,
        object_requests,
        sftp_requests,
        object_uploads,
        object_downloads,
        http,
        logins_unavailable,
        logins,
        by_method,
    } = counts;
    let HttpRequests { all, ok, client_errors, server_errors } = http;
    let mut families = vec![
        gauge(
            "sftpgo_dataprovider_availability",
            "Whether the store of accounts answers: 1 yes, 0 no",
            *store_available as f64,
        ),
        gauge("sftpgo_active_connections", "Sessions that are logged in", *active_connections as f64),
        counter("sftpgo_ssh_commands_total", "SSH commands that succeeded", *ssh_commands as f64),
        counter("sftpgo_ssh_command_errors_total", "SSH commands that failed", *ssh_command_errors as f64),
        counter("sftpgo_no_auth_total", "Connections that ended before an attempt to log in", *no_auth as f64),
        counter(
            "tidegate_addresses_banned_total",
            "Addresses that were banned, by their score or by an administrator",
            *addresses_banned as f64,
        ),
        counter(
            "tidegate_banned_connections_total",
            "Connections that were refused because their address was banned",
            *banned_connections as f64,
        ),
        counter(
            "tidegate_rate_limited_connections_total",
            "Connections that were refused because there were too many in a short time",
            *rate_limited_connections as f64,
        ),
        counter("sftpgo_http_req_total", "HTTP requests", *all as f64),
        counter("sftpgo_http_req_ok_total", "HTTP requests answered with success", *ok as f64),
        counter("sftpgo_http_client_errors_total", "HTTP requests that were wrong", *client_errors as f64),
        counter("sftpgo_http_server_errors_total", "HTTP requests that failed", *server_errors as f64),
    ];
    families.extend(of_transfers("upload", uploads));
    families.extend(of_transfers("download", downloads));
    families.extend(of_objects(object_requests, object_uploads, object_downloads));
    families.extend(of_requests(
        "sftp",
        "other SFTP servers",
        SftpRequest::ALL.map(SftpRequest::as_str),
        sftp_requests,
    ));
    families.extend(of_logins("login_", "", logins));
    families.push(counter(
        "tidegate_login_unavailable_total",
        "Attempts to log in that were not decided, because the store of accounts was away",
        *logins_unavailable as f64,
    ));
    for (method, logins) in LoginMethod::ALL.into_iter().zip(by_method) {
        let (prefix, words) = method_names(method);
        families.extend(of_logins(prefix, &format!(" by {words}"), logins));
    }
    // A20-08: methods that SSH does not have, because dashboards of the older server show them.
    for (prefix, words) in [
        ("tls_cert_login_", "TLS certificate"),
        ("tls_cert_and_pwd_login_", "TLS certificate and password"),
        ("idp_login_", "identity provider"),
    ] {
        families.extend(of_logins(prefix, &format!(" by {words}"), &Logins::default()));
    }
    let answers = ExternalAuthAnswer::ALL.into_iter().zip(external_auth);
    families.push(family(
        MetricType::COUNTER,
        "tidegate_external_auth_answers_total",
        "Credentials for which an answer of external authentication may be remembered, by where the answer came from",
        answers.map(|(answer, count)| counted(vec![label("answer", answer.as_str())], *count as f64)).collect(),
    ));
    let dropped = HookKind::ALL.into_iter().zip(hook_events_dropped);
    let dropped = dropped.filter(|(kind, _)| kind.family() == Family::Observer);
    families.push(family(
        MetricType::COUNTER,
        "tidegate_hook_events_dropped_total",
        "Events that hooks did not get, because too many waited",
        dropped.map(|(kind, events)| counted(vec![label("kind", kind.as_str())], *events as f64)).collect(),
    ));
    families
}

fn of_transfers(what: &str, transfers: &Transfers) -> [MetricFamily; 3] {
    let Transfers { done, failed, bytes } = transfers;
    [
        counter(&format!("sftpgo_{what}s_total"), &format!("Completed {what}s"), *done as f64),
        counter(&format!("sftpgo_{what}_errors_total"), &format!("Failed {what}s"), *failed as f64),
        counter(&format!("sftpgo_{what}_size"), &format!("Bytes of {what}s, partial ones included"), *bytes as f64),
    ]
}

/// A20-06
fn of_objects(
    requests: &[Requests; ObjectRequest::ALL.len()],
    uploads: &Transfers,
    downloads: &Transfers,
) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    for (what, Transfers { done, failed, bytes }) in [("upload", uploads), ("download", downloads)] {
        families.extend([
            counter(&format!("sftpgo_s3_{what}s_total"), &format!("Completed {what}s of objects"), *done as f64),
            counter(&format!("sftpgo_s3_{what}_errors_total"), &format!("Failed {what}s of objects"), *failed as f64),
            counter(
                &format!("sftpgo_s3_{what}_size"),
                &format!("Bytes of {what}s of objects, partial ones included"),
                *bytes as f64,
            ),
        ]);
    }
    let of = |kind| {
        let found = ObjectRequest::ALL.into_iter().zip(requests).find(|(known, _)| *known == kind);
        found.map(|(_, requests)| requests.clone()).unwrap_or_default()
    };
    for (name, words, Requests { all, failed }) in [
        ("list_objects", "Requests for lists of objects", of(ObjectRequest::List)),
        ("copy_object", "Requests to copy objects", of(ObjectRequest::Copy)),
        ("delete_object", "Requests to delete objects", of(ObjectRequest::Delete)),
        ("head_bucket", "Requests about buckets", of(ObjectRequest::HeadBucket)),
        ("create_bucket", "Requests to make buckets", of(ObjectRequest::CreateBucket)),
    ] {
        families.push(counter(&format!("sftpgo_s3_{name}"), words, all as f64));
        families.push(counter(&format!("sftpgo_s3_{name}_errors"), &format!("{words} that failed"), failed as f64));
    }
    let kinds = ObjectRequest::ALL.map(ObjectRequest::as_str);
    families.extend(of_requests("s3", "object storage", kinds, requests));
    families
}

/// Requests to `whom`, by what they are for.
fn of_requests<const N: usize>(
    what: &str,
    whom: &str,
    kinds: [&'static str; N],
    requests: &[Requests; N],
) -> [MetricFamily; 2] {
    let by_kind = |count: fn(&Requests) -> u64| {
        let kinds = kinds.into_iter().zip(requests);
        kinds.map(|(kind, requests)| counted(vec![label("kind", kind)], count(requests) as f64)).collect()
    };
    let (all, failed) = (by_kind(|requests| requests.all), by_kind(|requests| requests.failed));
    let pronoun = if what == "s3" { "it" } else { "they" };
    [
        family(
            MetricType::COUNTER,
            &format!("tidegate_{what}_requests_total"),
            &format!("Requests to {whom}, by what they are for"),
            all,
        ),
        family(
            MetricType::COUNTER,
            &format!("tidegate_{what}_request_errors_total"),
            &format!("Requests to {whom} that {pronoun} refused or did not answer"),
            failed,
        ),
    ]
}

/// What stands in names before `attempts_total` and the like, and what in texts after "by".
fn method_names(method: LoginMethod) -> (&'static str, &'static str) {
    match method {
        LoginMethod::Password => ("password_login_", "password"),
        LoginMethod::PublicKey => ("public_key_login_", "public key"),
        LoginMethod::KeyboardInteractive => ("keyboard_interactive_login_", "keyboard-interactive"),
        LoginMethod::PublicKeyThenPassword => ("key_and_password_login_", "public key, then password"),
        LoginMethod::PublicKeyThenKeyboardInteractive => {
            ("key_and_keyboard_int_login_", "public key, then keyboard-interactive")
        }
    }
}

fn of_logins(prefix: &str, what: &str, logins: &Logins) -> [MetricFamily; 3] {
    let Logins { attempts, accepted, refused } = logins;
    [
        counter(&format!("sftpgo_{prefix}attempts_total"), &format!("Attempts to log in{what}"), *attempts as f64),
        counter(&format!("sftpgo_{prefix}ok_total"), &format!("Accepted logins{what}"), *accepted as f64),
        counter(&format!("sftpgo_{prefix}ko_total"), &format!("Refused logins{what}"), *refused as f64),
    ]
}

/// What the system knows of the process.
fn of_process(process: &Process) -> Vec<MetricFamily> {
    let cpu = process.cpu_seconds_total;
    let cpu = cpu.map(|seconds| counter("process_cpu_seconds_total", "CPU time used, in seconds", seconds));
    let gauges = [
        ("process_open_fds", "Open file descriptors", process.open_fds),
        ("process_max_fds", "Most file descriptors that may be open", process.max_fds),
        ("process_resident_memory_bytes", "Resident memory", process.resident_memory_bytes),
        ("process_virtual_memory_bytes", "Virtual memory", process.virtual_memory_bytes),
        ("process_start_time_seconds", "Start, in seconds since 1970", process.start_time_seconds),
        ("process_threads", "Threads", process.threads),
    ];
    let gauges = gauges.into_iter().filter_map(|(name, help, value)| Some(gauge(name, help, value? as f64)));
    cpu.into_iter().chain(gauges).collect()
}

/// Metrics of hooks, which the older server does not have (A20-09).
fn of_hooks(hooks: &[HookCounter]) -> [MetricFamily; 4] {
    [
        by_hook(hooks, "tidegate_hook_calls_total", "Calls of hooks, by outcome", |hook| hook.calls as f64),
        by_hook(hooks, "tidegate_hook_errors_total", "Calls that ended in an error", |hook| {
            if hook.is_error { hook.calls as f64 } else { 0.0 }
        }),
        by_hook(hooks, "tidegate_hook_cpu_seconds_total", "CPU time of plugins", |hook| seconds(hook.cpu_us)),
        family(
            MetricType::HISTOGRAM,
            "tidegate_hook_duration_seconds",
            "How long hooks took",
            hooks.iter().map(durations).collect(),
        ),
    ]
}

fn by_hook(hooks: &[HookCounter], name: &str, help: &str, value: fn(&HookCounter) -> f64) -> MetricFamily {
    let metrics = hooks.iter().map(|hook| counted(hook_labels(hook), value(hook)));
    family(MetricType::COUNTER, name, help, metrics.collect())
}

fn durations(hook: &HookCounter) -> Metric {
    let mut so_far = 0;
    let buckets = DURATION_BOUNDS.iter().zip(&hook.histogram).map(|(bound, calls)| {
        so_far += whole(*calls);
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(*bound as f64 / 1e6);
        bucket.set_cumulative_count(so_far);
        bucket
    });
    // The encoder adds the bucket of all calls.
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_sum(seconds(hook.total_us));
    histogram.set_sample_count(whole(hook.calls));
    let mut metric = Metric::from_label(hook_labels(hook));
    metric.set_histogram(histogram);
    metric
}

fn hook_labels(counter: &HookCounter) -> Vec<LabelPair> {
    let HookCounter { kind, hook, version, outcome, .. } = counter;
    vec![label("kind", kind), label("hook", hook), label("version", version), label("outcome", outcome)]
}

fn seconds(microseconds: i64) -> f64 {
    microseconds as f64 / 1e6
}

/// A number of calls; the store has no negative ones.
fn whole(calls: i64) -> u64 {
    u64::try_from(calls).unwrap_or_default()
}

fn family(kind: MetricType, name: &str, help: &str, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_field_type(kind);
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_metric(metrics);
    family
}

fn gauge(name: &str, help: &str, value: f64) -> MetricFamily {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    family(MetricType::GAUGE, name, help, vec![Metric::from_gauge(gauge)])
}

fn counter(name: &str, help: &str, value: f64) -> MetricFamily {
    family(MetricType::COUNTER, name, help, vec![counted(Vec::new(), value)])
}

fn counted(labels: Vec<LabelPair>, value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(labels);
    metric.set_counter(counter);
    metric
}

fn label(name: &str, value: &str) -> LabelPair {
    let mut label = LabelPair::default();
    label.set_name(name.to_owned());
    label.set_value(value.to_owned());
    label
}

#[cfg(test)]
#[path = "snapshot_tests.rs"]
mod tests;
