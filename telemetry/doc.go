// Package telemetry provides the values that flow through the sidecar: targets,
// scrapes, profiles, and what each stage reports of its own state. It is a leaf: it
// imports no other package of this project, so every stage may import it.
package telemetry
