//! Manifests: publishable, lints and versions from the workspace's one table.

use super::Package;

/// What a published package's manifest must say.
pub(crate) const WANTED: [&str; 6] =
    ["description", "keywords", "categories", "license", "repository", "readme"];

/// One complaint for each thing a manifest lacks.
pub(super) fn check(packages: &[Package]) -> Vec<String> {
    let mut complaints = Vec::new();
    for package in packages {
        let name = &package.name;
        if package.published {
            for field in WANTED.iter().filter(|field| !package.fields.contains(field)) {
                complaints.push(format!("{name}: its manifest has no {field}"));
            }
        }
        if !package.manifest.contains("[lints]\nworkspace = true") {
            complaints.push(format!("{name}: its manifest does not take the workspace's lints"));
        }
        for line in own_versions(&package.manifest) {
            complaints.push(format!(
                "{name}: `{line}` names its own version; versions stand in the root manifest"
            ));
        }
    }
    complaints
}

/// The dependency lines that do not say `workspace = true`.
fn own_versions(manifest: &str) -> Vec<&str> {
    let mut inside = false;
    manifest
        .lines()
        .filter(|line| {
            if line.starts_with('[') {
                inside = line.contains("dependencies");
                return false;
            }
            inside
                && !line.trim().is_empty()
                && !line.trim_start().starts_with('#')
                && line.contains('=')
                && !line.contains("workspace = true")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_outside_the_table_is_found() {
        let manifest = "[dependencies]\nserde = { workspace = true }\n# why\nlru = \"0.19\"\n\n[lints]\nworkspace = true\n";
        assert_eq!(own_versions(manifest), ["lru = \"0.19\""]);
    }

    #[test]
    fn a_published_package_without_description_is_found() {
        let package = Package {
            name: "x".into(),
            published: true,
            fields: WANTED[1..].to_vec(),
            manifest: "[lints]\nworkspace = true\n".into(),
            ..Package::default()
        };
        assert_eq!(check(&[package]), ["x: its manifest has no description"]);
    }
}
