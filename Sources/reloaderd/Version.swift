/// Printed by `--version`.
let version = "0.1.0"
