// Package e2e tests the sinks against engines in the same process: a cluster of NATS servers, and
// brokers that speak Kafka's protocol. It is a module of its own, so that the product does not depend
// on them.
package e2e
