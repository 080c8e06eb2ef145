//! `tidegate hook runs`, `run` and `stats`: the records of hook calls.

use std::net::IpAddr;
use std::time::Duration;

use tidegate_api_types::{HookCounter, HookRun, ListHookCounters, ListHookRuns, ShowHookRun};
use tidegate_core::terminal::{neutralised, on_one_line};

use super::Place;
use super::door::{Door, Purpose};
use super::lines::print_line;
use super::times::milliseconds;

/// How often `--follow` looks for new records.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub struct RunsArguments {
    #[command(flatten)]
    place: Place,
    /// Only of this hook point, such as login-pre; login: the outcomes of logins
    #[arg(long, visible_alias = "point")]
    kind: Option<String>,
    /// Only of this user
    #[arg(long, visible_alias = "username")]
    user: Option<String>,
    /// Only about clients at this address
    #[arg(long, visible_alias = "ip")]
    address: Option<IpAddr>,
    /// Only about this connection
    #[arg(long)]
    connection: Option<String>,
    /// Only of this hook: a path, a URL or the name of a plugin
    #[arg(long)]
    hook: Option<String>,
    /// Only with this outcome, such as deny, accept, timeout or failed
    #[arg(long)]
    outcome: Option<String>,
    /// Only calls that began then or later: a time as in RFC 3339, or milliseconds since 1970
    #[arg(long)]
    since: Option<String>,
    /// Only calls that began earlier
    #[arg(long, conflicts_with = "follow")]
    until: Option<String>,
    /// How many
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Go on and show new ones
    #[arg(long)]
    follow: bool,
    /// As JSON, one line a call
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct RunArguments {
    #[command(flatten)]
    place: Place,
    /// The number that `tidegate hook runs` shows
    id: i64,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn runs(arguments: RunsArguments) -> anyhow::Result<()> {
    let RunsArguments { place, kind, address, connection, hook, outcome, limit, follow, json, .. } = arguments;
    let (username, address) = (arguments.user, address.map(|address| address.to_string()));
    let since = arguments.since.as_deref().map(milliseconds).transpose()?;
    let until = arguments.until.as_deref().map(milliseconds).transpose()?;
    let mut request =
        ListHookRuns { kind, username, address, connection, hook, outcome, since, until, after: 0, limit };
    loop {
        // Opened anew each time: a server may have started or stopped, and must not have to wait for this command.
        let mut door = Door::open(&place, Purpose::Look).await?;
        let found = door.call(request.clone()).await;
        door.finish().await;
        for run in found?.runs {
            request.after = request.after.max(run.id);
            let text = if json { serde_json::to_string(&run)? } else { on_one_line(&line(&run)) };
            println!("{text}");
        }
        if !follow {
            return Ok(());
        }
        request.limit = u32::MAX;
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

fn line(run: &HookRun) -> String {
    let who = run.username.as_deref().or(run.address.as_deref()).unwrap_or("-");
    let decided = if run.decided { "*" } else { " " };
    let detail = if run.detail.is_empty() { String::new() } else { format!("  {}", run.detail.replace('\n', " ")) };
    format!(
        "{:>7}{decided} {} {:<20} {:<14} {:>8}  {who} {}{detail}",
        run.id,
        time(run.at),
        run.kind,
        run.outcome,
        duration(run.duration_us),
        run.hook
    )
}

fn time(at: i64) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
    stamp.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn duration(microseconds: i64) -> String {
    format!("{:?}", Duration::from_micros(u64::try_from(microseconds).unwrap_or(0)))
}

pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let mut door = Door::open(&arguments.place, Purpose::Look).await?;
    let run = door.call(ShowHookRun { id: arguments.id }).await;
    door.finish().await;
    let run = run?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&run)?);
        return Ok(());
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    println!("call         {} at {}", run.id, time(run.at));
    print_line!("hook         {} ({}, {})", run.hook, run.kind, run.adapter);
    print_line!("version      {}", text(&run.version));
    print_line!("user         {} from {}", text(&run.username), text(&run.address));
    print_line!("about        {}", text(&run.about));
    print_line!("connection   {}", text(&run.connection));
    let decided = if run.decided { "; this decided" } else { "" };
    if let Some(trace) = &run.trace {
        println!("trace        {trace}");
    }
    print_line!("outcome      {}{decided} {}", run.outcome, run.detail);
    println!("took         {}", duration(run.duration_us));
    if let (Some(cpu), Some(memory)) = (run.cpu_us, run.memory) {
        println!("used         {} of computing, {} KiB", duration(cpu), memory / 1024);
    }
    for (name, text) in [("sent", &run.sent), ("received", &run.received), ("standard error", &run.standard_error)] {
        if !text.is_empty() {
            println!("--- {name}\n{}", neutralised(text.trim_end()));
        }
    }
    Ok(())
}

pub async fn stats(place: &Place, json: bool) -> anyhow::Result<()> {
    let mut door = Door::open(place, Purpose::Look).await?;
    let counters = door.call(ListHookCounters {}).await;
    door.finish().await;
    let counters = counters?;
    if json {
        println!("{}", serde_json::to_string_pretty(&counters)?);
        return Ok(());
    }
    for counter in &counters.counters {
        println!("{}", on_one_line(&counter_line(counter)));
    }
    Ok(())
}

fn counter_line(counter: &HookCounter) -> String {
    let mean = counter.total_us / counter.calls.max(1);
    let version = if counter.version.is_empty() { "-" } else { &counter.version };
    let error = if counter.is_error { " (error)" } else { "" };
    format!(
        "{:<20} {:<14}{error} {:>9} calls, mean {:>9}, longest {:>9}, cpu {}, memory {} KiB  {} {version}",
        counter.kind,
        counter.outcome,
        counter.calls,
        duration(mean),
        duration(counter.max_us),
        duration(counter.cpu_us),
        counter.max_memory / 1024,
        counter.hook
    )
}
