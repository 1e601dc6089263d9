// Package remotewrite provides the way of metrics to their backends: scrapes in, remote-write
// 1.0 or 2.0 requests out, in order and with every answer accounted for.
//
// A scrape is encoded at once for each endpoint, in the goroutine that appends it, and put in
// one of the endpoint's queues, on disk where there is one, as one record or a few. What stays the same from scrape to scrape is
// kept encoded and compressed, in pages (see shape and wirepage); what is not a plain value at
// the time of the scrape is encoded each time. A sender per queue takes the records from
// there, one request in flight, and does what the answer asks for. Records of 1.0 that wait
// together are joined to one request. The queue and the encoder know nothing of the sender: it
// only ever changes the record at the front, and can take records apart again when a receiver
// refuses some of what is in one.
package remotewrite
