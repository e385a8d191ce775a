//! Writes files under temporary names and renames them once they are complete, so that a full disk or a kill leaves no
//! half-written file that looks like a complete one.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Permissions of a new file, before the user's mask.
const MODE: u32 = 0o666;

/// Files that belong together: either all of them appear or none.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    files: Vec<(NamedTempFile, PathBuf)>,
}

/// Writes one file.
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
    let mut drafts = Drafts::default();
    drafts.add(path, content)?;
    drafts.commit()
}

impl Drafts {
    /// Writes the draft of a file beside its place. The draft is removed unless all drafts are committed.
    ///
    /// Anything other than a regular file, such as a pipe, has no draft: it is written at once.
    pub(super) fn add(&mut self, path: &Path, content: impl AsRef<[u8]>) -> io::Result<()> {
        let content = content.as_ref();
        self.try_add(path, content)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    fn try_add(&mut self, path: &Path, content: &[u8]) -> io::Result<()> {
        // A symbolic link stays; the file it names is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return File::options().write(true).open(&path)?.write_all(content);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let mut draft = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".draft")
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder_of(&path))?;
        // The error of the draft itself would name the draft.
        draft.as_file_mut().write_all(content)?;
        // Some file systems only notice here that the disk is full.
        draft.as_file().sync_all()?;
        self.files.push((draft, path));
        Ok(())
    }

    /// Puts all files into their places, in the order in which they were added.
    pub(super) fn commit(self) -> io::Result<()> {
        let mut placed: Vec<PathBuf> = Vec::new();
        for (draft, path) in self.files {
            if let Err(failed) = draft.persist(&path) {
                for path in placed {
                    // A part of the files would look like all of them.
                    let _gone = fs::remove_file(path);
                }
                let message = format!("{}: {}", path.display(), failed.error);
                return Err(io::Error::new(failed.error.kind(), message));
            }
            placed.push(path);
        }
        if let Some(path) = placed.last() {
            // The new names survive a crash of the machine. Not every file system can do this.
            let _unsupported = File::open(folder_of(path)).and_then(|folder| folder.sync_all());
        }
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn files_appear_together() {
        let folder = tempfile::tempdir().unwrap();
        let mut drafts = Drafts::default();
        drafts.add(&folder.path().join("a"), "one").unwrap();
        drafts.add(&folder.path().join("b"), "two").unwrap();
        assert!(
            names(folder.path())
                .iter()
                .all(|name| name.ends_with(".draft"))
        );
        drafts.commit().unwrap();
        assert_eq!(names(folder.path()), ["a", "b"]);
        let mode = fs::metadata(folder.path().join("a")).unwrap().permissions();
        assert_eq!(mode.mode() & 0o600, 0o600);
    }

    #[test]
    fn a_failure_leaves_no_draft_and_no_part_of_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut drafts = Drafts::default();
        drafts.add(&folder.path().join("a"), "one").unwrap();
        drafts.add(&folder.path().join("b"), "two").unwrap();
        fs::create_dir_all(folder.path().join("b/in the way")).unwrap();
        let error = drafts.commit().unwrap_err().to_string();
        assert!(error.contains("/b: "), "{error}");
        assert_eq!(names(folder.path()), ["b"]);
    }

    #[test]
    fn a_link_stays_and_a_device_is_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        write(Path::new("/dev/null"), "nothing").unwrap();
        let error = write(Path::new("/dev/full"), "nothing").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    }
}
