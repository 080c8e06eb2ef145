//! The binary `tidegate`.

fn main() -> std::process::ExitCode {
    tidegate::run()
}
