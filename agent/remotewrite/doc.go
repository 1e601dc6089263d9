// Package remotewrite provides the way of metrics to their backends: scrapes in, remote-write
// 1.0 or 2.0 requests out, in order and with every answer accounted for.
package remotewrite
