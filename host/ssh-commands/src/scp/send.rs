//! `scp -f`: files to the client.

use tidegate_core::files::{FileError, OpenFile, Protocol};
use tidegate_core::path::VirtualPath;
use tidegate_core::ports::storage::{FileId, FileKind, Metadata};

use super::{Ended, FATAL, Reply, Scp, WARNING};
use crate::exec::expand;

const PORTION: usize = 128 << 10;
const ENTRIES_AT_ONCE: usize = 256;

impl Scp {
    pub(super) async fn send_all(&mut self) -> Result<(), Ended> {
        self.reply().await?;
        let mut sources = Vec::new();
        for word in self.request.paths.clone() {
            match expand::expand(&self.files, &word).await {
                Ok(paths) => {
                    sources.extend(paths);
                    if let Err(error) = expand::require_few(sources.len()) {
                        self.tell(FATAL, &format!("scp: the command {error}")).await?;
                        return Err(Ended::ByError);
                    }
                }
                Err(error) => self.report(&VirtualPath::root(), &FileError::from(error)).await?,
            }
        }
        self.several |= sources.len() > 1;
        for source in sources {
            self.send_entry(source).await?;
        }
        Ok(())
    }

    /// A file, or with `-r` a directory with all that is in it. Directories are entered one
    /// after the other, with a list of what is still to be sent instead of recursion.
    async fn send_entry(&mut self, source: VirtualPath) -> Result<(), Ended> {
        let mut steps = vec![Step::Send(source)];
        let mut entered: Vec<FileId> = Vec::new();
        while let Some(step) = steps.pop() {
            let path = match step {
                Step::Send(path) => path,
                Step::Leave => {
                    entered.pop();
                    self.output.send(b"E\n".to_vec()).await?;
                    self.reply().await?;
                    continue;
                }
            };
            let metadata = match self.files.metadata_for_transfer(&path).await {
                Ok(metadata) => metadata,
                // An account that may download but not list can still send a file.
                Err(FileError::Denied) => match self.open_unseen(&path).await {
                    Ok((file, metadata)) => {
                        self.send_file(&path, file, &metadata).await?;
                        continue;
                    }
                    Err(error) => {
                        self.report(&path, &error).await?;
                        continue;
                    }
                },
                Err(error) => {
                    self.report(&path, &error).await?;
                    continue;
                }
            };
            match metadata.kind {
                FileKind::Directory if !self.request.recursive => {
                    self.report(&path, &FileError::Failed("not a regular file".into())).await?;
                }
                // A symbolic link leads to a directory that contains it.
                FileKind::Directory if entered.contains(&metadata.id) => {
                    self.report(&path, &FileError::Failed("the directory contains itself".into())).await?;
                }
                FileKind::Directory => {
                    let names = match self.names_in(&path).await {
                        Ok(names) => names,
                        Err(error) => {
                            self.report(&path, &error).await?;
                            continue;
                        }
                    };
                    if self.announce(b'D', &path, &metadata, 0).await? == Reply::Ok {
                        entered.push(metadata.id);
                        steps.push(Step::Leave);
                        let inside = names.iter().filter_map(|name| VirtualPath::resolve(&path, name).ok());
                        steps.extend(inside.map(Step::Send));
                    }
                }
                _ => match self.files.open_read(&path, Protocol::Scp).await {
                    // A hook may have taken a while, so the size is read again.
                    Ok(mut file) => {
                        let metadata = file.metadata().await.unwrap_or(metadata);
                        self.send_file(&path, file, &metadata).await?;
                    }
                    Err(error) => self.report(&path, &error).await?,
                },
            }
        }
        Ok(())
    }

    async fn open_unseen(&mut self, path: &VirtualPath) -> Result<(OpenFile, Metadata), FileError> {
        let mut file = self.files.open_read(path, Protocol::Scp).await?;
        let metadata = file.metadata().await?;
        Ok((file, metadata))
    }

    /// In reverse order, because the last name is sent first.
    async fn names_in(&self, path: &VirtualPath) -> Result<Vec<Vec<u8>>, FileError> {
        let mut reader = self.files.read_directory_for_download(path).await?;
        let mut names = Vec::new();
        loop {
            let entries = reader.next_entries(ENTRIES_AT_ONCE).await?;
            if entries.is_empty() {
                names.sort_unstable_by(|a: &Vec<u8>, b| b.cmp(a));
                return Ok(names);
            }
            let shown = entries.into_iter().map(|entry| entry.name);
            names.extend(shown.filter(|name| name != b"." && name != b".."));
        }
    }

    /// Sends the lines before an entry.
    async fn announce(&mut self, kind: u8, path: &VirtualPath, metadata: &Metadata, size: u64) -> Result<Reply, Ended> {
        let name = path.file_name().unwrap_or(b"/");
        if self.request.preserve {
            let (modified, accessed) = (metadata.modified.max(0), metadata.accessed.max(0));
            self.output.send(format!("T{modified} 0 {accessed} 0\n").into_bytes()).await?;
            self.reply().await?;
        }
        let mut line = vec![kind];
        line.extend_from_slice(format!("{:04o} {size} ", metadata.mode & 0o7777).as_bytes());
        // A line feed would end the line, so it is written as other servers write it.
        for byte in name {
            match byte {
                b'\n' => line.extend_from_slice(b"\\^J"),
                other => line.push(*other),
            }
        }
        line.push(b'\n');
        self.output.send(line).await?;
        self.reply().await
    }

    async fn send_file(&mut self, path: &VirtualPath, mut file: OpenFile, metadata: &Metadata) -> Result<(), Ended> {
        if self.announce(b'C', path, metadata, metadata.size).await? == Reply::Warning {
            return Ok(());
        }
        let outcome = self.send_data(&mut file, metadata.size).await?;
        match &outcome {
            Ok(()) => {
                // The client has all the bytes that were announced, even if a hook fails now.
                let _ = file.close().await;
                self.acknowledge().await?;
            }
            Err(error) => {
                file.fail(&error.to_string());
                drop(file);
                self.problems += 1;
                self.tell(WARNING, &format!("scp: {}: {error}", path.display())).await?;
            }
        }
        self.reply().await?;
        Ok(())
    }

    /// Sends as many bytes as were announced, with zeros for what cannot be read.
    async fn send_data(&mut self, file: &mut OpenFile, size: u64) -> Result<Result<(), FileError>, Ended> {
        let mut outcome = Ok(());
        let mut offset = 0;
        while offset < size {
            let wanted = usize::try_from(size - offset).unwrap_or(PORTION).min(PORTION);
            let mut data = Vec::with_capacity(wanted);
            if outcome.is_ok() {
                match file.read_at(offset, wanted, &mut data).await {
                    // The file became shorter (A5-13).
                    Ok(0) => outcome = Err(FileError::Failed("the file became shorter".into())),
                    Ok(_) => {}
                    Err(error) => outcome = Err(error),
                }
            }
            if data.is_empty() {
                data.resize(wanted, 0);
            }
            offset += data.len() as u64;
            file.wait_until_due().await;
            self.output.send(data).await?;
        }
        Ok(outcome)
    }
}

enum Step {
    Send(VirtualPath),
    Leave,
}
