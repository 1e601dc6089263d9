// Package spool provides a durable, bounded log of records in a directory: any number of
// goroutines append, one reads from the front and says when a record is dealt with.
//
// A record is a payload that the log does not look into, with a type, the time when it was
// queued and a weight for the owner's books. What Append took is in the page cache when it
// returns, so that a kill of the process loses nothing; what a power cut may lose is bounded by
// the interval of fsync. Beyond the bounds of bytes and age the oldest records go, and Stats says
// how many and why. Damage costs the records that it hits: it is skipped and counted, and
// never keeps a log from being opened.
//
// # On disk
//
// Segment files of frames, numbered upwards, and the file "cursor", which says where the first
// record is that is not dealt with. All numbers are little endian.
//
//	segment: two copies of a header {magic, version, salt, crc32c}, then frames
//	frame:   header {magic, length, type, weight, time, crc32c of the payload, crc32c}, payload
//	cursor:  two slots {count, segment, offset, crc32c}, written in turn
//
// The checksum of a frame's header begins with the salt of its segment, so that no payload can
// pass for a frame when the log looks for the next one behind a damaged header.
package spool
