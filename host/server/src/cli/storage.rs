//! `tidegate storage`.

use clap::Subcommand;
use tidegate_api_types::{CheckStorage, CheckedFileSystem, StepOutcome, SweepStorage, SweptFileSystem};

use super::Place;
use super::door::{Door, Purpose};
use super::lines::print_line;

#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Try the file systems of an account: open, list, and put, get and delete a file with a random name
    Check {
        #[command(flatten)]
        place: Place,
        /// The account whose home and folders are tried
        #[arg(long, short, visible_alias = "username")]
        user: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove what killed servers have left of uploads to object storage, where what other programs upload counts, too, and to
    /// other SFTP servers
    Sweep {
        #[command(flatten)]
        place: Place,
        /// Only the home and the folders of this account
        #[arg(long, short, visible_alias = "username")]
        user: Option<String>,
        /// Only uploads that were begun more than so many hours ago; 0 ends those that are under way as well
        #[arg(long, default_value_t = 24, value_name = "HOURS")]
        older_than: u32,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

pub async fn run(command: StorageCommand) -> anyhow::Result<()> {
    match command {
        StorageCommand::Check { place, user, json } => check(&place, user, json).await,
        StorageCommand::Sweep { place, user, older_than, json } => sweep(&place, user, older_than, json).await,
    }
}

async fn sweep(place: &Place, username: Option<String>, hours: u32, json: bool) -> anyhow::Result<()> {
    let older_than_seconds = u64::from(hours) * 3600;
    let mut door = Door::open(place, Purpose::Look).await?;
    let swept = door.call(SweepStorage { username, older_than_seconds }).await?.file_systems;
    door.finish().await;
    if json {
        println!("{}", serde_json::to_string_pretty(&swept)?);
    } else if swept.is_empty() {
        println!("No account has files in object storage or on another SFTP server.");
    } else {
        swept.iter().for_each(print_swept);
    }
    let failed = swept.iter().filter(|one| one.problem.is_some()).count();
    anyhow::ensure!(failed == 0, "{failed} of {} file systems were not swept", swept.len());
    Ok(())
}

fn print_swept(swept: &SweptFileSystem) {
    let SweptFileSystem { username, location, aborted, left, problem } = swept;
    let place = if location.is_empty() { format!("account {username}") } else { location.clone() };
    match problem {
        Some(problem) => print_line!("{place}: failed: {problem}"),
        None => print_line!("{place}: {aborted} unfinished uploads removed, {left} left"),
    }
}

async fn check(place: &Place, user: String, json: bool) -> anyhow::Result<()> {
    let mut door = Door::open(place, Purpose::Look).await?;
    let report = door.call(CheckStorage { username: user }).await?;
    door.finish().await;
    if json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.file_systems.iter().for_each(print);
    }
    let unusable = report.file_systems.iter().filter(|file_system| !file_system.usable).count();
    anyhow::ensure!(unusable == 0, "{unusable} of {} file systems cannot be used", report.file_systems.len());
    Ok(())
}

fn print(checked: &CheckedFileSystem) {
    print_line!("{} ({}: {})", checked.path, checked.kind, checked.location);
    for step in &checked.steps {
        let outcome = match step.outcome {
            StepOutcome::Done => "done".to_owned(),
            StepOutcome::Failed => format!("failed: {}", step.problem.as_deref().unwrap_or("for no known reason")),
            StepOutcome::Skipped => "not tried".to_owned(),
        };
        print_line!("  {:<7} {outcome}", step.step);
    }
}
