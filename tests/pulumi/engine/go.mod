// The Pulumi CLI and its YAML language host, built from the Go module proxy by tests/pulumi/run. `go install` refuses the CLI
// for the replacement below, which its own module makes as well.
module engine

go 1.26.6

require (
	github.com/pulumi/pulumi-yaml v1.38.1
	github.com/pulumi/pulumi/pkg/v3 v3.259.0
	github.com/pulumi/pulumi/sdk/v3 v3.259.0
)

replace github.com/atotto/clipboard => github.com/tgummerer/clipboard v0.0.0-20241001131231-d02d263e614e
