//! `md5sum` and its family, built in (A7-01).

use tidegate_core::files::FileService;
use tidegate_core::path::VirtualPath;
use tidegate_sftp::Digest;

use super::Finished;
use super::expand;

/// The most bytes of a command's input that are summed up: one read of the older server (A7-01).
const INPUT: usize = 4096;

/// The digest of a command such as `md5sum`.
pub fn by_command(name: &str) -> Option<Digest> {
    name.strip_suffix("sum").and_then(Digest::by_name)
}

pub fn name_of(digest: Digest) -> String {
    format!("{}sum", digest.name())
}

pub fn of_input(digest: Digest, input: &[u8]) -> Finished {
    let mut hasher = digest.hasher();
    hasher.update(input.get(..INPUT).unwrap_or(input));
    Finished::ok(line(&hasher.finalize(), b"-"))
}

/// The files that a command names. Options that change nothing here are accepted.
pub fn paths(words: impl Iterator<Item = Vec<u8>>) -> Result<Vec<Vec<u8>>, String> {
    let (mut paths, mut options_may_follow) = (Vec::new(), true);
    for word in words {
        match word.as_slice() {
            b"--" if options_may_follow => options_may_follow = false,
            b"-b" | b"-t" | b"--binary" | b"--text" if options_may_follow => {}
            [b'-', _, ..] if options_may_follow => {
                return Err(format!("the option {} is not known here", String::from_utf8_lossy(&word).escape_debug()));
            }
            _ => paths.push(word),
        }
    }
    Ok(paths)
}

pub fn means_input(paths: &[Vec<u8>]) -> bool {
    paths.is_empty() || paths == [b"-"]
}

/// One line for each file, whether the others could be read or not.
pub async fn of_files(digest: Digest, raw_paths: &[Vec<u8>], files: &FileService) -> Finished {
    let mut all = Finished::ok([]);
    for raw_path in raw_paths {
        let Finished { output, status } = of_file(digest, raw_path, files).await;
        all.output.extend(output);
        all.status = all.status.max(status);
    }
    all
}

/// The path as the client wrote it, without parts that change nothing (A7-01).
fn cleaned(raw_path: &[u8]) -> Vec<u8> {
    match VirtualPath::resolve(&VirtualPath::root(), raw_path) {
        Ok(path) if raw_path.starts_with(b"/") => path.as_bytes().to_vec(),
        Ok(path) => path.relative().to_vec(),
        Err(_) => raw_path.to_vec(),
    }
}

async fn of_file(digest: Digest, raw_path: &[u8], files: &FileService) -> Finished {
    let command = name_of(digest);
    let path = match expand::resolve(files, raw_path) {
        Ok(path) => path,
        Err(error) => return Finished::failed(&command, raw_path, &error.to_string()),
    };
    let mut hasher = digest.hasher();
    match files.inspect(&path, 0, u64::MAX, |portion| hasher.update(portion)).await {
        Ok(()) => Finished::ok(line(&hasher.finalize(), &cleaned(raw_path))),
        Err(error) => Finished::failed(&command, raw_path, &error.to_string()),
    }
}

fn line(sum: &[u8], path: &[u8]) -> Vec<u8> {
    let mut line: Vec<u8> = sum.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect();
    line.extend_from_slice(b"  ");
    line.extend_from_slice(path);
    line.push(b'\n');
    line
}
