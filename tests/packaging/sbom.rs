//! The bill of materials: the linked crates for scanners of vulnerabilities, as CycloneDX 1.5.

use serde_json::{Value, json};

use super::crates::{Crate, Crates};

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
    let dependencies: Vec<Value> = linked
        .iter()
        .map(|one| {
            let needs: Vec<String> = linked
                .iter()
                .filter(|other| one.needs.contains(&other.id()))
                .map(|other| reference(&other.name, &other.version))
                .collect();
            json!({ "ref": reference(&one.name, &one.version), "dependsOn": needs })
        })
        .collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "ipvsadm",
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
