//! Reads input files: once, up to a limit, and only from regular files, pipes and terminals. `-` is standard input.

use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// The argument that means standard input.
const STDIN: &str = "-";
/// Name of standard input in messages. Also the default name of a scenario that comes from there.
const STDIN_NAME: &str = "stdin";

/// What an input file contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scenario.
    Scenario,
    /// A plan file.
    PlanFile,
    /// A service-time profile.
    Profile,
    /// A price book.
    PriceBook,
    /// An API mapping.
    Mapping,
    /// A browser recording (HAR).
    Recording,
    /// An OpenAPI document.
    OpenApi,
    /// Users, one for each buyer.
    Users,
    /// Tokens of buyers, or the secret that signs them.
    Credentials,
    /// Certificates, or a private key.
    Certificate,
    /// The measurements of a finished run.
    Run,
}

impl Kind {
    /// Returns the name in messages.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Scenario => "scenario",
            Self::PlanFile => "plan file",
            Self::Profile => "profile",
            Self::PriceBook => "price book",
            Self::Mapping => "API mapping",
            Self::Recording => "recording",
            Self::OpenApi => "OpenAPI document",
            Self::Users => "file of users",
            Self::Credentials => "credentials file",
            Self::Certificate => "certificate file",
            Self::Run => "run",
        }
    }

    /// Returns the largest size in bytes.
    const fn bytes_max(self) -> u64 {
        const MIB: u64 = 1_024 * 1_024;
        match self {
            // People write these by hand. A scenario with a thousand faults has about 100 KiB.
            Self::Scenario | Self::PlanFile | Self::Profile | Self::PriceBook | Self::Mapping => {
                4 * MIB
            }
            // All authorities of a system have less than 1 MiB.
            Self::Certificate => 4 * MIB,
            // A million tokens of 256 bytes.
            Self::Credentials | Self::Users => 256 * MIB,
            // An hour of a page with its images. It is never in memory as a whole.
            Self::Recording => 1_024 * MIB,
            // That of GitHub has 12 MiB.
            Self::OpenApi => 32 * MIB,
            // The largest reference run, 20,000 buyers on real servers, has less than 1 MiB.
            Self::Run => 64 * MIB,
        }
    }
}

/// Why an input cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// The operating system cannot open or read it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is a directory, a device or a socket.
    #[error("it is {found} (expected a regular file, a pipe or a terminal)")]
    WrongType {
        /// What it is, with its article.
        found: &'static str,
    },
    /// It is larger than its kind can be.
    #[error("it is larger than {} MiB", .bytes_max / 1_024 / 1_024)]
    TooLarge {
        /// The limit in bytes.
        bytes_max: u64,
    },
    /// Another argument has read standard input already.
    #[error("standard input can only be read once, and another argument has read it")]
    ReadBefore,
}

impl InputError {
    /// Returns whether there is no such file.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::NotFound)
    }
}

/// Returns whether the argument means standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

/// Returns the name of an input in messages.
pub(super) fn shown(path: &Path) -> String {
    if is_stdin(path) {
        STDIN_NAME.to_owned()
    } else {
        path.display().to_string()
    }
}

/// Reads a file, or standard input for `-`.
pub(super) fn bytes(kind: Kind, path: &Path) -> Result<Vec<u8>, InputError> {
    /// Whether an argument has read standard input.
    static IS_READ: AtomicBool = AtomicBool::new(false);
    if !is_stdin(path) {
        return from_file(kind, path);
    }
    if IS_READ.swap(true, Ordering::Relaxed) {
        return Err(InputError::ReadBefore);
    }
    let stdin = io::stdin().as_fd().try_clone_to_owned()?;
    read(kind, File::from(stdin))
}

fn from_file(kind: Kind, path: &Path) -> Result<Vec<u8>, InputError> {
    // Checked before the file is opened: opening a device can change something, and opening a socket fails without a reason.
    admit(&fs::metadata(path)?, || is_terminal_path(path))?;
    read(kind, File::open(path)?)
}

fn read(kind: Kind, file: File) -> Result<Vec<u8>, InputError> {
    let metadata = file.metadata()?;
    admit(&metadata, || file.is_terminal())?;
    let bytes_max = kind.bytes_max();
    let mut bytes = Vec::new();
    if metadata.len() <= bytes_max {
        file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    }
    if metadata.len().max(bytes.len() as u64) > bytes_max {
        return Err(InputError::TooLarge { bytes_max });
    }
    Ok(bytes)
}

/// A file that is read piece by piece, up to the limit of its kind.
#[derive(Debug)]
pub(super) struct Pieces {
    file: File,
    /// Its size in bytes; `None` if it came through a pipe.
    pub(super) size: Option<u64>,
    left: u64,
    bytes_max: u64,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            let bytes_max = self.bytes_max;
            io::Error::other(InputError::TooLarge { bytes_max })
        })?;
        Ok(read)
    }
}

/// Opens a file, or standard input for `-`, to be read piece by piece.
pub(super) fn pieces(kind: Kind, path: &Path) -> Result<Pieces, InputError> {
    let file = if is_stdin(path) {
        File::from(io::stdin().as_fd().try_clone_to_owned()?)
    } else {
        admit(&fs::metadata(path)?, || is_terminal_path(path))?;
        File::open(path)?
    };
    let metadata = file.metadata()?;
    admit(&metadata, || file.is_terminal())?;
    let bytes_max = kind.bytes_max();
    if metadata.len() > bytes_max {
        return Err(InputError::TooLarge { bytes_max });
    }
    Ok(Pieces {
        file,
        size: metadata.is_file().then_some(metadata.len()),
        left: bytes_max,
        bytes_max,
    })
}

/// Rejects everything but regular files, pipes and terminals.
fn admit(metadata: &Metadata, is_terminal: impl FnOnce() -> bool) -> Result<(), InputError> {
    let file_type = metadata.file_type();
    let found = if file_type.is_file() || file_type.is_fifo() {
        return Ok(());
    } else if file_type.is_dir() {
        "a directory"
    } else if file_type.is_socket() {
        "a socket"
    } else if file_type.is_block_device() {
        "a block device"
    } else if file_type.is_char_device() && is_terminal() {
        return Ok(());
    } else {
        "a device"
    };
    Err(InputError::WrongType { found })
}

/// Returns whether a device has the path of a terminal.
fn is_terminal_path(path: &Path) -> bool {
    let device = fs::canonicalize(path).unwrap_or_default();
    let name = device.file_name().unwrap_or_default().to_string_lossy();
    device.starts_with("/dev/pts") || name.starts_with("tty") || name == "console"
}

/// Returns the folder that relative paths in a file start from: that of the file, or the current one if the file came
/// through a pipe.
pub(super) fn folder_of(path: &Path) -> &Path {
    let is_regular = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    match path.parent() {
        Some(folder) if is_regular && !is_stdin(path) => folder,
        Some(_) | None => Path::new(""),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    fn error(path: &Path) -> String {
        bytes(Kind::Scenario, path).unwrap_err().to_string()
    }

    #[test]
    fn only_regular_files_and_pipes_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "text").unwrap();
        assert_eq!(bytes(Kind::Scenario, &file).unwrap(), b"text");
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        for (path, found) in [
            (folder.path(), "a directory"),
            (Path::new("/dev/null"), "a device"),
            (Path::new("/dev/zero"), "a device"),
            (&socket, "a socket"),
        ] {
            let expected = "(expected a regular file, a pipe or a terminal)";
            assert_eq!(error(path), format!("it is {found} {expected}"));
        }
    }

    #[test]
    fn a_file_above_the_limit_is_rejected_even_if_it_does_not_tell_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large");
        let large = File::create(&file).unwrap();
        large.set_len(4 * 1_024 * 1_024).unwrap();
        assert!(bytes(Kind::Scenario, &file).is_ok());
        large.set_len(4 * 1_024 * 1_024 + 1).unwrap();
        assert_eq!(error(&file), "it is larger than 4 MiB");
        let (reader, mut writer) = io::pipe().unwrap();
        let writing = std::thread::spawn(move || {
            // Ends when the reader has had enough.
            drop(io::copy(&mut io::repeat(b'#'), &mut writer));
        });
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        assert_eq!(error(Path::new(&path)), "it is larger than 4 MiB");
        drop(reader);
        writing.join().unwrap();
    }
}
