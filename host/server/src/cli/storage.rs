//! `tidegate storage`.

use clap::Subcommand;
use tidegate_api_types::{CheckStorage, CheckedFileSystem, StepOutcome};

use super::Place;
use super::door::{Door, Purpose};

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
}

pub async fn run(command: StorageCommand) -> anyhow::Result<()> {
    let StorageCommand::Check { place, user, json } = command;
    let mut door = Door::open(&place, Purpose::Look).await?;
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
    println!("{} ({}: {})", checked.path, checked.kind, checked.location);
    for step in &checked.steps {
        let outcome = match step.outcome {
            StepOutcome::Done => "done".to_owned(),
            StepOutcome::Failed => format!("failed: {}", step.problem.as_deref().unwrap_or("for no known reason")),
            StepOutcome::Skipped => "not tried".to_owned(),
        };
        println!("  {:<7} {outcome}", step.step);
    }
}
