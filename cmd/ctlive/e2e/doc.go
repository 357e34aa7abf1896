// Package e2e tests the built binary from outside: as a user runs it, in front
// of servers that others wrote, with a browser. It is a module of its own, so
// that the product does not depend on what its tests need.
package e2e
