//! The bill of materials: the linked crates for scanners of vulnerabilities, as CycloneDX 1.5.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::crates::{Crate, Crates};

/// The reference of the application itself. The project's own packages are a part of it.
const APPLICATION: &str = "ipvsadm";

fn reference(name: &str, version: &str) -> String {
    format!("pkg:cargo/{name}@{version}")
}

fn component(linked: &Crate) -> Value {
    let reference = reference(&linked.name, &linked.version);
    let mut component = json!({
        "type": "library",
        "bom-ref": reference,
        "name": linked.name,
        "version": linked.version,
        "hashes": [{ "alg": "SHA-256", "content": linked.checksum }],
        "licenses": [{ "expression": linked.license }],
        "purl": reference,
    });
    if let Some(repository) = &linked.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

pub(crate) fn text(crates: &Crates) -> String {
    let linked: Vec<&Crate> = crates.linked().collect();
    let among_linked = |needs: &BTreeSet<(String, String)>| -> Vec<String> {
        let needed = linked.iter().filter(|other| needs.contains(&other.id()));
        needed.map(|other| reference(&other.name, &other.version)).collect()
    };
    let mut dependencies =
        vec![json!({ "ref": APPLICATION, "dependsOn": among_linked(&crates.needs) })];
    dependencies.extend(linked.iter().map(|one| {
        let reference = reference(&one.name, &one.version);
        json!({ "ref": reference, "dependsOn": among_linked(&one.needs) })
    }));
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": APPLICATION,
                "name": "ipvsadm",
                "version": crates.version,
                "licenses": [{ "expression": "MIT" }],
            },
        },
        "components": linked.iter().map(|one| component(one)).collect::<Vec<_>>(),
        "dependencies": dependencies,
    });
    format!("{}\n", serde_json::to_string_pretty(&bill).unwrap())
}
